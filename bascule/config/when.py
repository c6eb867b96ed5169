"""Times of the week as people write them: ``Mon-Fri 08:00-16:00``, ``Sat,Sun``, ``22:00-06:00``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = 24 * 60
_TIMES = re.compile(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})")


@dataclass(frozen=True, slots=True)
class When:
    """A set of minutes of the week. `spans` are (weekday, first minute, minute after the last); Monday is 0."""

    text: str
    spans: tuple[tuple[int, int, int], ...]

    def holds(self, weekday: int, minute: int) -> bool:
        """Tell whether a minute of a day is in the set."""
        return any(day == weekday and first <= minute < last for day, first, last in self.spans)

    def __str__(self) -> str:
        return self.text


def parse_when(value: Any) -> When:
    """Return the times of one text, or of several parted by ``;``. A span over midnight belongs to the day it begins.

    Raises ValueError that says what would be right.
    """
    if isinstance(value, When):
        return value
    if not isinstance(value, str) or not value.strip():
        raise ValueError(_remedy(value))
    spans: list[tuple[int, int, int]] = []
    for part in value.split(";"):
        days, times = list(range(7)), [(0, _DAY)]
        for word in part.replace(", ", ",").split():
            if ":" in word:
                times = [_span(text, value) for text in word.split(",")]
            else:
                days = [day for text in word.split(",") for day in _days(text, value)]
        for day in days:
            for first, last in times:
                spans.append((day, first, min(last, _DAY)))
                if last > _DAY:
                    spans.append(((day + 1) % 7, 0, last - _DAY))
    return When(value.strip(), tuple(spans))


def _days(text: str, whole: str) -> list[int]:
    first, dash, last = text.lower().partition("-")
    names = [first, last] if dash else [first]
    if not all(name[:3] in DAYS and len(name) >= 3 for name in names):
        raise ValueError(_remedy(whole))
    start, end = DAYS.index(names[0][:3]), DAYS.index(names[-1][:3])
    return [day % 7 for day in range(start, end + 1 if end >= start else end + 8)]


def _span(text: str, whole: str) -> tuple[int, int]:
    match = _TIMES.fullmatch(text)
    if match is None:
        raise ValueError(_remedy(whole))
    hour, minute, to_hour, to_minute = map(int, match.groups())
    first, last = hour * 60 + minute, to_hour * 60 + to_minute
    if minute > 59 or to_minute > 59 or first >= _DAY or last > _DAY or first == last:
        raise ValueError(_remedy(whole))
    return first, last if last > first else last + _DAY


def _remedy(value: Any) -> str:
    return f"{value!r} is not a time of the week: write Mon-Fri 08:00-16:00, Sat,Sun or 22:00-06:00"


WhenField = Annotated[
    When,
    BeforeValidator(parse_when),
    PlainSerializer(str),
    WithJsonSchema({"title": "time of the week", "type": "string", "examples": ["Mon-Fri 08:00-16:00", "Sat,Sun"]}),
]
