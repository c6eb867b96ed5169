"""How far a request is from what is usual: points by what differs, with words for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from bascule.waf.logic.values import Value
from bascule.waf.profile.fields import key_of
from bascule.waf.profile.traits import BLANKS, CONTROL, INERT, NAMES, PROSE, TEXT, kind_of, traits_of
from bascule.waf.profile.usual import Expected, Habit

VALUE, PARAMETER, METHOD, CONTENT_TYPE, MISSING, ORDER, PATH = range(722_001, 722_008)
"""Rules, as filters/table.json has them."""

KIND_POINTS = 3
WORDY_POINTS = 1
"""For a sort of characters that words are made of."""
MARK_POINTS = 2
ACTIVE_POINTS = 3
"""For a sort that attacks cannot do without."""
CONTROL_POINTS = 5
UNKNOWN_POINTS = 2
MANY_POINTS = 2
MISSING_POINTS = 2
ORDER_POINTS = 2
CERTAIN = 5
"""A method or content type never used, and the most that a length alone gives."""

PER_POINT = 12
MOST_BIAS = 60
"""Percent by which thresholds of the logical rules fall for a value, by point and at most."""
LENIENCE = -25
"""Percent by which they rise for a usual value where only characters are usual of which no attack can be made."""


Groups = Mapping[str, Sequence[Value]]
"""Values by their parameter."""


class Deviation(NamedTuple):
    """What differs. `value` is what it is about, if it is a value of the request."""

    rule: int
    points: int
    words: str
    value: Value | None = None


def deviations(groups: Groups, habit: Habit) -> list[Deviation]:
    """Return what differs in the values of a request."""
    found: list[Deviation] = []
    known = habit.parameters
    for key, each in groups.items():
        expected = known.get(key)
        if expected is None:
            if not habit.open and not key.startswith("cookie:"):
                found += map(_unknown, each)
            continue
        if len(each) > 1 and not expected.many:
            found.append(Deviation(PARAMETER, MANY_POINTS, f"{len(each)} times, usually once", each[0]))
        allowed, longest = expected.allowed, expected.longest
        is_text = TEXT in expected.kinds
        for value in each:
            data = value[2]
            if is_text and len(data) <= longest and not data.translate(None, allowed):
                continue  # as nearly all are
            points, words = value_points(data, expected)
            if points:
                found.append(Deviation(VALUE, points, words, value))
    return found


def bias_of(value: Value, habit: Habit) -> int:
    """Return the percent by which the thresholds of the logical rules fall (below 0: rise) for a value."""
    key = key_of(value)
    expected = habit.parameters.get(key)
    if expected is None:
        is_odd = not habit.open and value.place in ("query", "body", "file")
        return min(_unknown(value).points * PER_POINT, MOST_BIAS) if is_odd else 0
    points, _ = value_points(value.data, expected)
    if points:
        return min(points * PER_POINT, MOST_BIAS)
    return LENIENCE if expected.inert else 0


def missing(groups: Groups, required: Iterable[str]) -> list[Deviation]:
    """Return the parameters that never were absent and now are; cookies are a client's own matter."""
    return [
        Deviation(MISSING, MISSING_POINTS, f"without {key.partition(':')[2]}, which is always there")
        for key in required
        if key not in groups
    ]


def order(before: str, habit: Habit) -> Deviation | None:
    """Return what is unusual in the page that led to a request (`before`: its template, or nothing)."""
    if habit.entry or not habit.before or before in habit.before:
        return None
    if not before:
        return Deviation(ORDER, ORDER_POINTS, f"from nowhere, usually from {_some(habit.before)}")
    return Deviation(ORDER, ORDER_POINTS - 1, f"from {before}, usually from {_some(habit.before)}")


def value_points(data: bytes, expected: Expected) -> tuple[int, str]:
    """Return how far a value is from what is usual, and the words for it."""
    strange = data.translate(None, expected.allowed)
    if not strange and len(data) <= expected.longest and expected.fits_kind(kind_of(data)):
        return 0, ""
    traits = traits_of(data)
    points, words = 0, []
    if not expected.fits_kind(traits.kind):
        points += KIND_POINTS
        words.append(f"{traits.kind}, usually {' or '.join(expected.kinds)}")
    if further := _length_points(traits.bits - expected.bits):
        points += further
        words.append(f"{len(data)} bytes long, usually up to {expected.longest}")
    if strange:
        sorts = [n for n in range(len(NAMES)) if traits.alphabet >> n & 1 and not expected.alphabet >> n & 1]
        points += sum(_points_at(expected, sort) for sort in sorts)
        words.append(f"with {_some(NAMES[n] for n in sorts)}, which it never has")
    return points, ", ".join(words)


def _length_points(more: int) -> int:
    """Twice as long is nothing, four times as long one point, and so on."""
    return min(max(0, more - 1), CERTAIN)


def _sort_points(sort: int) -> int:
    if sort == CONTROL:
        return CONTROL_POINTS
    if sort < 6:
        return WORDY_POINTS
    return MARK_POINTS if INERT >> sort & 1 else ACTIVE_POINTS


def _points_at(expected: Expected, sort: int) -> int:
    """Return the points of a sort of characters where it is new: what people write has other marks every day, while
    what programs choose from has none."""
    points = _sort_points(sort)
    if expected.free and PROSE >> sort & 1:
        return WORDY_POINTS
    if expected.closed and (points > WORDY_POINTS or BLANKS >> sort & 1):
        return points + (WORDY_POINTS if INERT >> sort & 1 else MARK_POINTS)
    return points


def _unknown(value: Value) -> Deviation:
    """A parameter that this place never had: the more of a value in it can act, the more it tells."""
    traits = traits_of(value.data)
    active = sum(_sort_points(n) for n in range(6, len(NAMES)) if traits.alphabet >> n & 1 and not INERT >> n & 1)
    points = UNKNOWN_POINTS + min(active, CERTAIN)
    marks = [NAMES[n] for n in range(7, len(NAMES)) if traits.alphabet >> n & 1]
    words = "never seen here" + (f", with {_some(marks)}" if marks else "")
    return Deviation(PARAMETER, min(points, UNKNOWN_POINTS + CERTAIN), words, value)


def _some(names: Iterable[str]) -> str:
    every = list(names)
    return ", ".join(every[:6]) + (f" and {len(every) - 6} more" if len(every) > 6 else "")
