"""HTTP dates (RFC 9110 5.6.7), in their three forms."""

from __future__ import annotations

import calendar
import re
from functools import lru_cache
from time import gmtime

_MONTHS = (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec")
_MONTH = b"|".join(_MONTHS)
_CLOCK = rb"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rb"(?:mon|tue|wed|thu|fri|sat|sun), (?P<day>\d\d) (?P<month>%b) (?P<year>\d{4}) %b GMT" % (_MONTH, _CLOCK),
        rb"(?:mon|tues|wednes|thurs|fri|satur|sun)day, (?P<day>\d\d)-(?P<month>%b)-(?P<year>\d\d) %b GMT"
        % (_MONTH, _CLOCK),
        rb"(?:mon|tue|wed|thu|fri|sat|sun) (?P<month>%b) (?P<day>\d\d| \d) %b (?P<year>\d{4})" % (_MONTH, _CLOCK),
    )
)
_LONGEST = 64
"""Bytes that no date is longer than; what is remembered has to be short."""
_AHEAD = 50
"""Years that a two-digit year may lie ahead; one that seems further is of the past (RFC 9110 5.6.7)."""


def parse_date(value: bytes) -> int | None:
    """Return the seconds since the epoch of an HTTP date; None for anything else."""
    return _parse(value) if len(value) <= _LONGEST else None


@lru_cache(maxsize=1024)
def _parse(value: bytes) -> int | None:
    for form in _FORMS:
        match = form.fullmatch(value)
        if match is not None:
            break
    else:
        return None
    day, hour, minute, second = (int(match[name]) for name in ("day", "hour", "minute", "second"))
    year, month = int(match["year"]), _MONTHS.index(match["month"].lower()) + 1
    if len(match["year"]) == 2:
        this_year = gmtime().tm_year
        year += this_year - this_year % 100
        if year > this_year + _AHEAD:
            year -= 100
    if not (year and 1 <= day <= calendar.monthrange(year, month)[1] and hour < 24 and minute < 60 and second < 61):
        return None
    return calendar.timegm((year, month, day, hour, minute, second))
