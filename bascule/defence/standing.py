"""What a connection remembers of its client's place in shared memory, so that a request seldom has to look there."""

from __future__ import annotations

from bascule.state.sets import lane


class Standing:
    """Whether a client is banned, and when its account is settled, as of the last change near it (monotonic)."""

    __slots__ = ("account_changes", "address", "ban_changes", "banned_until", "judged", "key", "lane", "settled")

    def __init__(self, address: bytes, key: int) -> None:
        self.address = address
        self.key = key
        self.lane = lane(key)
        self.ban_changes = self.account_changes = -1  # no number of changes: look first
        self.banned_until = self.settled = 0.0
        self.judged = False
        """Whether a request of this connection was held against the browser that it names."""
