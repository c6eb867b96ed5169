"""Which form a recording has, and its requests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from bascule.waf.replay.har import read_har
from bascule.waf.replay.json_lines import read_lines
from bascule.waf.replay.raw import read_raw
from bascule.waf.replay.records import Recorded

Reader = Callable[[Iterable[bytes]], Iterator[Recorded]]

READERS: dict[str, Reader] = {"har": read_har, "json": read_lines, "raw": read_raw}
"""By name: HAR, JSON lines of any kind, requests as text."""

_HAR = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"log"\s*:\s*\{')


def kind_of(start: bytes) -> str:
    """Return the name of the reader for a file that starts so."""
    if _HAR.match(start):
        return "har"
    return "json" if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else "raw"


def read(chunks: Iterable[bytes], kind: str = "") -> Iterator[Recorded]:
    """Yield the recorded requests of a file given in chunks. Raises ReplayError."""
    pieces = iter(chunks)
    first = next(pieces, b"")
    reader = READERS[kind or kind_of(first)]
    return reader(chain((first,), pieces))
