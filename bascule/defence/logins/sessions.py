"""How many sessions an account has: the cookies that its logins got, over all workers.

Of each account the sessions of the last time are kept, hashed. One more than are allowed ends the oldest: from then on
its cookie does not reach the server, which so sees somebody who is not logged in.

A login may name several accounts, of which only the server knows which one it took; the others may be decoys, there to
hide that it is one more, or to end somebody else's sessions. So it counts for each of them, but takes the place only of
sessions that named the very same; where there are none it ends itself.
"""

from __future__ import annotations

from time import monotonic, time

from bascule.config.logins import Sessions
from bascule.state.buckets import Buckets, hash_of
from bascule.state.records import Record, Records, RecordTooLargeError


class SessionLimit:
    """The sessions of one site, as a worker sees them."""

    __slots__ = ("_ended", "_most", "_records", "_site", "_valid", "cookie")

    def __init__(self, config: Sessions, site: str, records: Records, ended: Buckets) -> None:
        self.cookie = config.cookie.encode()
        self._most = config.most
        self._valid = config.valid
        self._site = site.encode()
        self._records = records
        self._ended = ended

    def begin(self, account: bytes, session: bytes) -> int:
        """Note that a login got a session; `account` are all that it named, parted by NUL. Return how many ended."""
        named = account.split(b"\0")
        group = b"%x" % hash_of(account) if len(named) > 1 else b""
        mark = b"%x" % self._hash(session)
        ended = {name for each in named for name in self._add(each, mark, group)}
        self._ended.hold(self._hash(session), 0.0)  # servers that keep a session's cookie: it is logged in again
        for name in ended:
            self._ended.hold(int(name, 16), monotonic() + self._valid)
        return len(ended)

    def _add(self, account: bytes, mark: bytes, group: bytes) -> list[bytes]:
        """Add a session, of a login that named a group of accounts, to those of one. Return which it ended."""
        now = time()

        def add(record: Record) -> list[bytes]:
            record.pop(mark, None)
            others = [name for name, (of, _, _) in record.items() if not group or of == group]
            others.sort(key=lambda name: (not record[name][0], record[name][1]))  # those with decoys, then the oldest
            record[mark] = group, now + self._valid, False
            excess = max(0, len(record) - self._most)
            leaving = others[:excess] if excess <= len(others) else [mark]
            for name in leaving:
                del record[name]
            return leaving

        try:
            return self._records.change(self._site + b"\0" + account, add, now)
        except RecordTooLargeError:  # an account of many sites with long names: as if it had no limit
            return []

    def has_ended(self, session: bytes) -> bool:
        """Whether a newer session took the place of this one."""
        return self._ended.until(self._hash(session)) > monotonic()

    def _hash(self, session: bytes) -> int:
        return hash_of(self._site + b"\0" + session.strip(b' \t"'))
