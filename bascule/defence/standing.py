"""What a connection remembers of its client, so that a request seldom has to look anywhere."""

from __future__ import annotations

from bascule.state.sets import lane


class Standing:
    """Whether a client is let in, and what its account says, as of the last change near it (times are monotonic)."""

    __slots__ = (
        "address",
        "banned_until",
        "changes",
        "free",
        "judged",
        "key",
        "lane",
        "listed",
        "lists",
        "settled",
        "spared",
    )

    def __init__(self, address: bytes, key: int, spared: bool) -> None:
        self.address = address
        self.key = key
        """The hash of the client, as limits per client, bans and accounts have it."""
        self.lane = lane(key)
        self.changes = -1  # no number of changes: look first
        self.lists: object = None
        """The state of the lists as of which it is `listed`."""
        self.listed = ""
        """The list that the address is on."""
        self.banned_until = self.settled = 0.0
        self.spared = spared
        """Whether an allow list has it."""
        self.free = False
        """Whether nothing keeps it out, weighs on it, or is to be told of it: until something changes, or by time."""
        self.judged = False
        """Whether a request of this connection was held against the browser that it names."""
