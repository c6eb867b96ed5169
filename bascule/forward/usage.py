"""What users of the forward proxy did, added up from its access logs. Bounded: of many names, only the sum."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

import msgspec

from bascule.forward.domains import DomainTable
from bascule.forward.privacy import site_of

MAX_NAMES: Final = 100_000
"""Distinct users or domains that are kept apart."""
OTHERS: Final = "(others)"
UNKNOWN: Final = "(none)"
"""Stands for the category of what is in none."""
_REFUSED: Final = 400


class _Line(msgspec.Struct):
    """What is asked of a line; the rest of it is passed over."""

    time: str
    route: str
    host: str
    status: int
    user: str = ""
    cause: str = ""
    bytes_in: int = 0
    bytes_out: int = 0
    duration: float = 0.0


@dataclass(slots=True)
class Sum:
    """Requests and tunnels added up."""

    requests: int = 0
    refused: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    seconds: float = 0.0

    def add(self, line: _Line) -> None:
        """Count a line."""
        self.requests += 1
        self.refused += line.status >= _REFUSED and bool(line.cause)
        self.bytes_in += line.bytes_in
        self.bytes_out += line.bytes_out
        self.seconds += line.duration


class Usage:
    """Adds up the lines between two times (as texts of RFC 3339, empty for any), of one user or of all."""

    def __init__(self, table: DomainTable | None, since: str = "", until: str = "", user: str = "") -> None:
        self._table = table
        self._since, self._until, self._user = since, until, user
        self._decoder = msgspec.json.Decoder(_Line)
        self._known: dict[str, tuple[str, tuple[str, ...]]] = {}
        self.users: dict[str, Sum] = {}
        self.domains: dict[str, Sum] = {}
        self.categories: dict[str, Sum] = {}
        self.causes: dict[str, int] = {}
        self.requests = self.unreadable = 0
        self.first = self.last = ""

    def read(self, log: Path) -> None:
        """Read a log. Raises OSError."""
        with _opened(log) as stream:
            for raw in stream:
                self._line(raw)

    def _line(self, raw: bytes) -> None:
        if not raw.strip():
            return
        try:
            line = self._decoder.decode(raw)
        except (msgspec.MsgspecError, ValueError):
            self.unreadable += 1
            return
        if line.route != "forward" or (self._since and line.time < self._since):
            return
        if (self._until and line.time >= self._until) or (self._user and line.user != self._user):
            return
        self.requests += 1
        self.first = min(self.first, line.time) if self.first else line.time
        self.last = max(self.last, line.time)
        domain, categories = self._about(line.host)
        _add(self.users, line.user, line)
        _add(self.domains, domain, line)
        for category in categories:
            _add(self.categories, category, line)
        if line.status >= _REFUSED and line.cause:
            self.causes[line.cause] = self.causes.get(line.cause, 0) + 1

    def _about(self, authority: str) -> tuple[str, tuple[str, ...]]:
        """Return the domain of a host, and its categories."""
        known = self._known.get(authority)
        if known is None:
            host = authority.rpartition(":")[0] if authority.rpartition(":")[2].isdecimal() else authority
            host = host.strip("[]").lower().rstrip(".")
            found = self._table.categories(host.encode()) if self._table is not None else ()
            known = site_of(host) if host else "", found or ((UNKNOWN,) if self._table is not None else ())
            if len(self._known) >= MAX_NAMES:
                self._known.clear()
            self._known[authority] = known
        return known

    def as_dict(self, top: int) -> dict[str, Any]:
        """Return the sums, of each part the `top` largest, as plain data."""
        return {
            "requests": self.requests,
            "unreadable": self.unreadable,
            "first": self.first,
            "last": self.last,
            "users": _largest(self.users, top),
            "categories": _largest(self.categories, top),
            "domains": _largest(self.domains, top),
            "refused": [
                {"cause": cause, "requests": count}
                for cause, count in sorted(self.causes.items(), key=lambda item: -item[1])[:top]
            ],
        }


def _opened(log: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(log)) if log.suffix == ".gz" else log.open("rb")


def _add(sums: dict[str, Sum], name: str, line: _Line) -> None:
    if name not in sums and len(sums) >= MAX_NAMES:
        name = OTHERS
    sums.setdefault(name, Sum()).add(line)


def _largest(sums: dict[str, Sum], top: int) -> list[dict[str, Any]]:
    """Return the sums that carried most, then those with most requests."""
    rows = sorted(sums.items(), key=lambda item: (item[1].bytes_in + item[1].bytes_out, item[1].requests), reverse=True)
    return [
        {
            "name": name,
            "requests": found.requests,
            "refused": found.refused,
            "bytes_in": found.bytes_in,
            "bytes_out": found.bytes_out,
            "seconds": round(found.seconds, 3),
        }
        for name, found in rows[:top]
    ]
