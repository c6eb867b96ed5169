"""The "combined" access log format of Apache and NCSA, and how what a client sent is escaped in a line of it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from typing import Final

from bascule.telemetry.record import (
    BYTES_OUT,
    CLIENT,
    METHOD,
    REFERER,
    STATUS,
    TARGET,
    TIME,
    USER_AGENT,
    VERSION,
    Batch,
)

_UNSAFE = re.compile(rb"[^ !#-\[\]-~]")
_ESCAPES: Final = {bytes((code,)): b"\\x%02X" % code for code in range(256)}
_COMBINED: Final = b'%b - - [%b] "%b %b %b" %d %d "%b" "%b"\n'
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def combined_lines(batch: Batch) -> bytes:
    """Return lines of the Apache/NCSA "combined" format, times in UTC, an absent value as ``-``."""
    if not batch:
        return b""
    columns = list(zip(*batch, strict=True))
    clients = [value if type(value) is bytes else str(value).encode("utf-8", "replace") for value in columns[CLIENT]]
    rows = zip(
        _safe(clients),
        _clf_times(columns[TIME]),
        *(_safe(columns[index]) for index in (METHOD, TARGET, VERSION)),
        columns[STATUS],
        columns[BYTES_OUT],
        *(_safe(columns[index]) for index in (REFERER, USER_AGENT)),
        strict=True,
    )
    return b"".join(map(_COMBINED.__mod__, rows))


def escaped(value: bytes) -> bytes:
    """Return a value with what is not plainly printable as ``\\xHH``."""
    return _UNSAFE.sub(lambda match: _ESCAPES[match.group()], value)


def _safe(column: Sequence[bytes]) -> Sequence[bytes]:
    """Return the column with unsafe bytes escaped; one search over the whole column tells if any is there."""
    if _UNSAFE.search(b"".join(column)):
        column = [escaped(value) for value in column]
    return column if all(column) else [value or b"-" for value in column]


def _clf_times(column: Iterable[float]) -> list[bytes]:
    second, text = -1, b""
    texts = []
    for stamp in column:
        whole = int(stamp)
        if whole != second:
            second, parts = whole, time.gmtime(whole)
            month = _MONTHS[parts.tm_mon - 1]  # strftime's %b would follow the locale
            text = time.strftime(f"%d/{month}/%Y:%H:%M:%S +0000", parts).encode()
        texts.append(text)
    return texts
