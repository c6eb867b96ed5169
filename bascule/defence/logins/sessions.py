"""How many sessions an account has: the cookies that its logins got, over all workers.

Of each account the sessions of the last time are kept, hashed. One more than are allowed ends the oldest: from then on
its cookie does not reach the server, which so sees somebody who is not logged in.
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
        """Note that a login got a session. Return how many older ones of the account it ended."""
        mark = b"%x" % self._hash(session)
        now = time()

        def add(record: Record) -> list[bytes]:
            record.pop(mark, None)
            record[mark] = b"", now + self._valid, False
            by_age = sorted(record, key=lambda name: record[name][1])
            too_many = by_age[: max(0, len(by_age) - self._most)]
            for name in too_many:
                del record[name]
            return too_many

        try:
            ended = self._records.change(self._site + b"\0" + account, add, now)
        except RecordTooLargeError:  # an account of many sites with long names: as if it had no limit
            return 0
        for name in ended:
            self._ended.hold(int(name, 16), monotonic() + self._valid)
        self._ended.hold(self._hash(session), 0.0)  # servers that keep a session's cookie: it is logged in again
        return len(ended)

    def has_ended(self, session: bytes) -> bool:
        """Whether a newer session took the place of this one."""
        return self._ended.until(self._hash(session)) > monotonic()

    def _hash(self, session: bytes) -> int:
        return hash_of(self._site + b"\0" + session.strip(b' \t"'))
