"""A request as defence sees it, without a proxy around it."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count

from bascule.defence.challenges.proof import PUZZLES


@dataclass
class Head:
    host: bytes = b"site.test"
    authority: bytes = b"site.test"
    target: bytes = b"/page?secret=1"


@dataclass
class Asked:
    client: bytes = b"192.0.2.1"
    method: bytes = b"GET"
    path: bytes = b"/page"
    head: Head = field(default_factory=Head)
    started_at: float = 1_700_000_000.0
    ja4: bytes = b""
    scheme: bytes = b"http"
    headers: dict[bytes, bytes] = field(default_factory=dict)
    cookies: dict[bytes, bytes] = field(default_factory=dict)

    def reference(self) -> str:
        return "ref"

    def header(self, name: bytes) -> bytes | None:
        return self.headers.get(name)

    def cookie(self, name: bytes) -> bytes | None:
        return self.cookies.get(name)


def solve(ticket: bytes, bits: int) -> bytes:
    """Answer a ticket of the rung ``proof``, as proof.js does."""

    def number(puzzle: int) -> bytes:
        digests = ((n, sha256(b"%b.%d.%d" % (ticket, puzzle, n)).digest()) for n in count())
        return b"%d" % next(n for n, digest in digests if not int.from_bytes(digest[:4], "big") >> (32 - bits))

    return b".".join(map(number, range(PUZZLES)))
