"""What a recorded request is, whatever it was recorded by."""

from __future__ import annotations

from dataclasses import dataclass, field

Pairs = list[tuple[bytes, bytes]]

MAX_RECORD = 64 << 20
"""Longest record, in bytes: one request with its body, and in a HAR its response."""


class ReplayError(ValueError):
    """A recording cannot be read. `place` is the line (or the number of the HAR entry) where."""

    def __init__(self, place: int, reason: str) -> None:
        super().__init__(reason)
        self.place = place
        self.reason = reason


@dataclass(slots=True)
class Recorded:
    """A request as it was recorded. Header names are lower case.

    `place` is where it stands: a line of the file, or the number of a HAR entry. `lacks` says what the recording
    does not tell of it: "headers", "body".
    """

    method: bytes
    target: bytes
    headers: Pairs
    body: bytes = b""
    version: bytes = b"1.1"
    client: bytes = b"127.0.0.1"
    place: int = 0
    lacks: tuple[str, ...] = field(default=())
    status: int = 0
    """Of the answer it got; 0 where the recording does not tell."""

    @property
    def host(self) -> bytes:
        """The Host field, or nothing."""
        return next((value for name, value in self.headers if name == b"host"), b"")

    @property
    def path(self) -> str:
        """The path of the target, for people."""
        return self.target.partition(b"?")[0].decode("utf-8", "backslashreplace")


def complete(request: Recorded, host: bytes = b"localhost") -> Recorded:
    """Add the fields a request cannot have been sent without, where a recording left them out."""
    names = {name for name, _ in request.headers}
    if b"host" not in names:
        request.headers.insert(0, (b"host", host or b"localhost"))
    if request.body and not names & {b"content-length", b"transfer-encoding"}:
        request.headers.append((b"content-length", b"%d" % len(request.body)))
    if "headers" in request.lacks and b"accept" not in names:
        request.headers.append((b"accept", b"*/*"))
    return request
