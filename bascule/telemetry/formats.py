"""Access log formats: a batch of records becomes whole lines, column by column.

A line is printable ASCII whatever a client sent: JSON escapes everything else as ``\\uXXXX`` (RFC 8259, 7), the
combined format as ``\\xHH``, so nobody can forge a line or send a terminal's control sequence through the log.
Working on columns keeps the loops inside the interpreter's C code.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import Any, Final, TypeAlias

import msgspec

from bascule.config.observe import LOG_FIELDS
from bascule.telemetry.combined import combined_lines
from bascule.telemetry.record import (
    BYTES_IN,
    BYTES_OUT,
    CACHE,
    CAUSE,
    CLIENT,
    DURATION,
    HOST,
    METHOD,
    PORT,
    REF,
    REFERER,
    ROUTE,
    RULE,
    SERVER,
    STATUS,
    TARGET,
    TIME,
    TLS,
    TRIES,
    USER,
    USER_AGENT,
    VERSION,
    WAIT,
    Batch,
    Record,
)
from bascule.telemetry.squid import squid_lines

Columns: TypeAlias = Sequence[Sequence[Any]]
Format: TypeAlias = Callable[[Batch], bytes]
"""Turns records into lines, each ended by a line feed. Never raises on what a client sent."""

_MILLISECONDS: Final = tuple(f".{number:03d}Z" for number in range(1000))
_CUT: Final = 48
"""Bytes of a field that are kept when a line is too long for where it goes."""


def make_format(name: str, fields: Sequence[str], max_line: int = 0) -> Format:
    """Return the format ``json`` (with `fields`, in order), ``combined`` or ``squid``, within `max_line` if given.

    Raises ValueError for an unknown format or field.
    """
    if name == "combined":
        encode = combined_lines
    elif name == "squid":
        encode = squid_lines
    elif name == "json":
        encode = JsonLines(fields)
    else:
        raise ValueError(f"access log format {name!r}: it is json, combined or squid")
    return _bounded(encode, max_line) if max_line else encode


def _bounded(encode: Format, max_line: int) -> Format:
    def lines(batch: Batch) -> bytes:
        blob = encode(batch)
        if len(blob) <= max_line or max(map(len, blob.split(b"\n"))) < max_line:
            return blob
        whole = (encode((record,)) for record in batch)
        return b"".join(
            line if len(line) <= max_line else encode((_shortened(record),))
            for line, record in zip(whole, batch, strict=True)
        )

    return lines


def _shortened(record: Record) -> Any:
    return tuple(value[:_CUT] if isinstance(value, bytes | str) else value for value in record)


# --- JSON ------------------------------------------------------------------------------------------------------------


class JsonLines:
    """One JSON object a line, with the chosen fields in the chosen order."""

    def __init__(self, fields: Sequence[str]) -> None:
        unknown = [field for field in fields if field not in _COLUMNS]
        if unknown or not fields:
            raise ValueError(f"access log field {unknown[:1] or fields!r}: choose from {', '.join(LOG_FIELDS)}")
        self._fields = tuple(fields)
        self._getters = [_COLUMNS[field] for field in fields]
        self._line = msgspec.defstruct("Line", [(field, object) for field in fields], gc=False)
        self._encode = msgspec.json.Encoder().encode_lines

    def __call__(self, batch: Batch) -> bytes:
        if not batch:
            return b""
        columns = list(zip(*batch, strict=True))
        values = [getter(columns) for getter in self._getters]
        try:
            blob = self._encode(list(map(self._line, *values)))
        except (UnicodeEncodeError, TypeError, OverflowError, ValueError):
            return self._one_by_one(columns)
        if not blob.isascii():
            blob = _ascii(blob.decode()).encode()
        return blob.replace(b"\x7f", b"\\u007f") if b"\x7f" in blob else blob

    def _one_by_one(self, columns: Columns) -> bytes:
        """Encode values the fast encoder refuses, such as text with lone surrogates."""
        rows = zip(*(getter(columns) for getter in self._getters), strict=True)
        lines = (json.dumps(dict(zip(self._fields, row, strict=True)), default=repr, separators=(",", ":"))
                 for row in rows)  # fmt: skip
        return "".join(f"{line}\n" for line in lines).replace("\x7f", "\\u007f").encode("ascii")


_NON_ASCII = re.compile(r"[^\x00-\x7f]")


def _ascii(text: str) -> str:
    """Escape what is not ASCII; in JSON it stands inside strings only."""
    return _NON_ASCII.sub(lambda match: json.dumps(match.group())[1:-1], text)


def iso_times(column: Iterable[float]) -> list[str]:
    """Return RFC 3339 times in UTC with milliseconds; neighbours of one millisecond or second share the work."""
    second, millisecond, prefix, text = -1, -1, "", ""
    texts = []
    for stamp in column:
        now = int(stamp * 1000)
        if now != millisecond:
            millisecond = now
            whole, rest = divmod(now, 1000)
            if whole != second:
                second, prefix = whole, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
            text = prefix + _MILLISECONDS[rest]
        texts.append(text)
    return texts


def _decoded(column: Sequence[Any]) -> Iterable[str]:
    """Return a column of bytes as text; bytes that are not UTF-8 become ``\\xHH``."""
    return map(bytes.decode, column, repeat("utf-8"), repeat("backslashreplace"))


def _texts(column: Sequence[Any]) -> Iterable[str]:
    """Return a column of text or bytes, or of both, as text."""
    try:
        return list(_decoded(column))
    except TypeError:
        return [value if type(value) is str else value.decode("utf-8", "backslashreplace") for value in column]


def _text(index: int) -> Callable[[Columns], Iterable[Any]]:
    return lambda columns: _decoded(columns[index])


def _plain(index: int) -> Callable[[Columns], Iterable[Any]]:
    return lambda columns: columns[index]


def _rounded(index: int) -> Callable[[Columns], Iterable[Any]]:
    # An integer over 1e6 prints with at most six decimals, in a quarter of the time of round().
    return lambda columns: [int(seconds * 1e6) / 1e6 for seconds in columns[index]]


_COLUMNS: Final[dict[str, Callable[[Columns], Iterable[Any]]]] = {
    "time": lambda columns: iso_times(columns[TIME]),
    "client": lambda columns: _texts(columns[CLIENT]),
    "port": _plain(PORT),
    "site": lambda columns: [route.site if route else "" for route in columns[ROUTE]],
    "route": lambda columns: [route.name if route else "" for route in columns[ROUTE]],
    "method": _text(METHOD),
    "host": _text(HOST),
    "target": _text(TARGET),
    "version": _text(VERSION),
    "status": _plain(STATUS),
    "bytes_in": _plain(BYTES_IN),
    "bytes_out": _plain(BYTES_OUT),
    "duration": _rounded(DURATION),
    "wait": _rounded(WAIT),
    "server": _plain(SERVER),
    "tries": _plain(TRIES),
    "cause": _plain(CAUSE),
    "ref": _plain(REF),
    "user_agent": _text(USER_AGENT),
    "referer": _text(REFERER),
    "tls": _plain(TLS),
    "user": _plain(USER),
    "rule": _plain(RULE),
    "cache": _plain(CACHE),
}
