"""Cache directives: those of Cache-Control (RFC 9111 5.2), and those of targeted fields (RFC 9213).

Cache-Control is read leniently where leniency can only shorten what is kept: what is malformed about a directive makes
its value invalid, an invalid time counts as 0, and of times that differ the shortest holds. A quote that is never
closed opens nothing, so it cannot hide the directives behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_MEMBER = re.compile(rb'[ \t]*(%b)(?:=(?:"((?:[^"\\]|\\.)*)"|([^",\t ]*)))?[ \t]*(?:,|$)' % _TOKEN, re.DOTALL)
_NAME = re.compile(rb"[ \t]*(%b)" % _TOKEN)
_INVALID = b"?"
"""A value that is no number and no list of fields."""
MOST_SECONDS = 1 << 31
"""RFC 9111 1.2.2: what a greater number of seconds counts as."""
MOST_BYTES = 8192
"""Longer values are not read: they count as ``no-store``. An unclosed quote is looked for to the end, so it costs."""
_REMEMBERED = 256
"""Bytes of a value whose directives are remembered; longer ones are rare."""
_TIMES = frozenset((b"max-age", b"s-maxage", b"stale-while-revalidate", b"stale-if-error", b"min-fresh", b"max-stale"))


class Directives:
    """Directives by their lower-case names."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[bytes, bytes]) -> None:
        self._values = values

    def __contains__(self, name: bytes) -> bool:
        return name in self._values

    def __bool__(self) -> bool:
        return bool(self._values)

    def argument(self, name: bytes) -> bytes:
        """Return the argument of a directive; empty where there is none."""
        return self._values.get(name, b"")

    def seconds(self, name: bytes) -> int | None:
        """Return the seconds that a directive states; 0 where its value is invalid, None where it is not there."""
        value = self._values.get(name)
        if value is None:
            return None
        return min(int(value[:12]), MOST_SECONDS) if value.isdigit() else 0

    def fields(self, name: bytes) -> frozenset[bytes]:
        """Return the lower-case field names of ``no-cache="a, b"``; none for the unqualified form."""
        value = self._values.get(name, b"")
        return frozenset(part for item in value.lower().split(b",") if (part := item.strip(b" \t")) and part != b"?")


NONE = Directives({})
_NO_STORE = Directives({b"no-store": b""})


def cache_control(lines: Iterable[bytes]) -> Directives:
    """Return the directives of all Cache-Control lines of a message."""
    value = b",".join(lines)
    if not value:
        return NONE
    if len(value) > MOST_BYTES:
        return _NO_STORE
    return _remembered(value) if len(value) <= _REMEMBERED else _parsed(value)


def _parsed(value: bytes) -> Directives:
    values: dict[bytes, bytes] = {}
    position, end = 0, len(value)
    while position < end:
        member = _MEMBER.match(value, position)
        if member is not None:
            name, quoted, plain = member.groups()
            argument = re.sub(rb"\\(.)", rb"\1", quoted, flags=re.DOTALL) if quoted is not None else plain or b""
            _add(values, name.lower(), argument)
            position = member.end()
            continue
        if (begun := _NAME.match(value, position)) is not None:
            _add(values, begun.group(1).lower(), _INVALID)
        comma = value.find(b",", position)
        position = end if comma < 0 else comma + 1
    return Directives(values)


_remembered = lru_cache(maxsize=2048)(_parsed)


def _add(values: dict[bytes, bytes], name: bytes, argument: bytes) -> None:
    """Take up a directive. Said twice with different times, the shorter one holds; lists of fields add up."""
    before = values.get(name)
    if before is None or before == argument:
        values[name] = argument
    elif name in _TIMES:
        known = [int(text) if text.isdigit() else 0 for text in (before, argument)]
        values[name] = b"%d" % min(known)
    else:  # the unqualified form forbids more than the qualified one
        values[name] = b"%b,%b" % (before, argument) if before and argument else b""


# Targeted fields -----------------------------------------------------------------------------------------------------

_BARE = (
    rb'-?[0-9]{1,15}(?:\.[0-9]{1,3})?|"(?:[ !#-\[\]-~]|\\["\\])*"|'
    rb"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*|\?[01]|:[A-Za-z0-9+/=]*:"
)
_KEY = rb"[a-z*][a-z0-9_\-.*]*"
_PARAMETERS = rb"(?:;[ ]*%b(?:=(?:%b))?)*" % (_KEY, _BARE)
_ITEM = re.compile(rb"(%b)(?:=(%b))?%b[ \t]*" % (_KEY, _BARE, _PARAMETERS))


def targeted(lines: Iterable[bytes]) -> Directives | None:
    """Return the directives of a targeted field; None where it is empty or no Dictionary (RFC 9213 2.2, RFC 9651).

    What has a value of the wrong type is left out, as is what is said to be false.
    """
    value = b",".join(lines).strip(b" \t")
    if not value or len(value) > MOST_BYTES:
        return None
    values: dict[bytes, bytes] = {}
    position = 0
    while True:
        item = _ITEM.match(value, position)
        if item is None:
            return None
        name, bare = item.groups()
        values.pop(name, None)
        if name in _TIMES:
            if bare is not None and bare.isdigit():
                values[name] = bare
        elif bare != b"?0":
            values[name] = b""
        position = item.end()
        if position == len(value):
            return Directives(values)
        if value[position : position + 1] != b",":
            return None
        position += 1
        while value[position : position + 1] in (b" ", b"\t"):
            position += 1
