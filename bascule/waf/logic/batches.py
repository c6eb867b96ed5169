"""Batches of requests in one body: `multipart/mixed`, as OData (4.01 part 1, 11.7) and other APIs take it.

Read as one text such a body is what header injection looks like: line ends followed by fields. Each of its requests
is a request of its own instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bascule.waf.bodies import media_type
from bascule.waf.logic.values import Headers

MOST = 1_000
"""Parts of a batch; a body of more is one text."""
DEPTH = 2
"""Batches within each other that are taken apart: OData has sets of changes in a batch."""
KIND = b"multipart/mixed"
_BOUNDARY = re.compile(rb";\s*boundary=(?:\"([^\"\r\n]{1,100})\"|([^\s;\"]{1,100}))", re.IGNORECASE)
_FIELD = re.compile(rb"([A-Za-z0-9-]{1,60}):[ \t]*([^\r\n]*)")
_REQUEST = re.compile(rb"[A-Z]{3,10} (\S+) HTTP/1\.[01]")
_BLANK = re.compile(rb"\r?\n\r?\n")


@dataclass(slots=True)
class Batched:
    """A part: what the request within asks for, fields of the part and of the request, and the content."""

    target: bytes
    headers: Headers
    content_type: bytes
    content: bytes


def batch(content_type: bytes, body: bytes, depth: int = DEPTH) -> Iterator[Batched]:
    """Yield the parts of a batch, and what stands around them; nothing at all for a body that is none."""
    found = _BOUNDARY.search(content_type)
    delimiter = b"--" + (found[1] or found[2]) if found else b""
    if not delimiter or not 1 <= body.count(delimiter) <= MOST:
        return
    before, *pieces = body.split(delimiter)
    if before.strip():
        yield Batched(b"", [], b"", before)
    for piece in pieces:
        part = _part(piece)
        within = depth > 1 and media_type(part.content_type) == KIND
        inner = [*batch(part.content_type, part.content, depth - 1)] if within else []
        if inner:
            part.content = b""
        if part.content.strip() not in (b"", b"--") or part.target or part.headers:
            yield part
        yield from inner


def _part(piece: bytes) -> Batched:
    """Read a part, with the request in it if there is one. What has not their form stays content."""
    part = Batched(b"", [], b"", b"")
    rest = _fields(piece, part)
    line, _, more = rest.partition(b"\n")
    if request := _REQUEST.fullmatch(line.rstrip(b"\r")):
        part.target = request[1]
        rest = _fields(b"\n" + more, part)
    part.content = rest
    return part


def _fields(text: bytes, part: Batched) -> bytes:
    """Move the fields before an empty line into a part. Return what follows it: all of the text if they are none."""
    head, *rest = _BLANK.split(text, 1)
    fields = [_FIELD.fullmatch(line) for line in head.replace(b"\r\n", b"\n").strip(b"\n").split(b"\n") if line]
    known = [(field[1].lower(), field[2]) for field in fields if field]
    if not rest or len(known) < len(fields):
        return text
    part.headers = [*part.headers, *known]
    part.content_type = dict(known).get(b"content-type", b"")
    return rest[0]
