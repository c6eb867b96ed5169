"""The profile of a site in a transaction: what is unusual is told, refused, and judged more strictly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bascule.waf.logic.inspector import variable_of
from bascule.waf.profile.deviation import (
    CERTAIN,
    CONTENT_TYPE,
    METHOD,
    PATH,
    VALUE,
    Deviation,
    Groups,
    bias_of,
    deviations,
    missing,
    order,
    value_points,
)
from bascule.waf.profile.fields import body_fields, by_key, head_fields, key_of, media_type
from bascule.waf.profile.observation import came_from, text_of
from bascule.waf.profile.paths import template_of

if TYPE_CHECKING:
    from bascule.waf.logic.values import Value
    from bascule.waf.profile.usual import Habit, Spot, Usual
    from bascule.waf.transaction import Transaction

MAX_TOLD = 16
"""Differences of a request that an event tells."""
ODD = 3
"""Points from which on a value is none of a place of programs: it has control characters, or is 16 times as long."""
_ALWAYS = ("OPTIONS", "HEAD")
"""Methods that belong to a place that has GET."""


@dataclass(slots=True)
class Holding:
    """What requests of one route are held to. `usual` is None until something was learned of the site.

    `stage` is "learning", "shadow" or "enforced"; `limit` the points of a refusal; `unknown` whether paths that were
    never learned are refused.
    """

    stage: str
    limit: int
    unknown: bool
    usual: Usual | None = None

    def hold(self, path: bytes) -> Held | None:
        """Begin with a request; None where nothing is judged."""
        if self.usual is None or self.stage == "learning":
            return None
        return Held(self, self.usual, text_of(path))


class Held:
    """One request beside what is usual at its place."""

    __slots__ = ("_habit", "_holding", "_points", "_strangest", "_untold", "_usual", "_whole", "found", "method",
                 "path", "spot")  # fmt: skip

    def __init__(self, holding: Holding, usual: Usual, path: str) -> None:
        self._holding, self._usual, self.path = holding, usual, path
        self.spot: Spot | None = usual.spot(path)
        self.method = ""
        self._habit: Habit | None = None
        self._points = self._whole = self._strangest = 0
        """Of the request in all; those that add up, and those of its strangest value."""
        self.found: list[Deviation] = []
        """What differed most."""
        self._untold: list[Deviation] = []

    @property
    def deviates(self) -> bool:
        """Whether the request reached the limit."""
        return self._points >= self._holding.limit

    @property
    def known(self) -> bool:
        """Whether enough is known of the place to judge by."""
        return self._habit is not None

    def told(self) -> str:
        """Return the gravest difference in words."""
        worst = self.found[0]
        name = "" if worst.value is None else f"{worst.value.name.decode('utf-8', 'backslashreplace')[:64]}: "
        return name + worst.words[:256]

    def judge_head(self, t: Transaction) -> None:
        """Judge method, query, cookies, and the page before."""
        spot = self.spot
        method = self.method = t.method.decode("latin-1")
        if spot is None:
            if self._holding.unknown and self._usual.root.children:
                self._add(t, [Deviation(PATH, CERTAIN, "a path that was never asked for while learning")])
            return
        habit = self._habit = spot.habits.get(method)
        if habit is None and method == "HEAD":  # programs take it for GET (RFC 9110 9.3.2)
            habit = self._habit = spot.habits.get("GET")
        if habit is None:
            if spot.habits and method not in spot.methods and not (method in _ALWAYS and "GET" in spot.methods):
                words = f"{method}, usually {' or '.join(spot.methods)}"
                self._add(t, [Deviation(METHOD, CERTAIN, words)])
            return
        groups = by_key(head_fields(t))
        found = missing(groups, habit.required_head) if habit.required_head else []
        if not habit.entry and habit.before:
            before = came_from(t)
            turn = order(template_of(self._usual.root, before) if before else "", habit)
            if turn is not None:
                found.append(turn)
        self._judge(t, groups, found)

    def judge_body(self, t: Transaction, body: bytes) -> None:
        """Judge the body, as far as it is a form or JSON."""
        habit = self._habit
        if habit is None:
            return
        content_type = t.header(b"content-type") or b""
        kind = media_type(content_type)
        found: list[Deviation] = []
        if kind not in habit.content_types and not habit.open:
            usual = " or ".join(habit.content_types) or "none"
            found.append(Deviation(CONTENT_TYPE, CERTAIN, f"a body of type {kind or 'unknown'}, usually {usual}"))
        groups = by_key(body_fields(t, content_type, body))
        if groups:
            found += missing(groups, habit.required_body)
        self._judge(t, groups, found)

    def _judge(self, t: Transaction, groups: Groups, found: list[Deviation]) -> None:
        if self._habit is None:
            return
        found += deviations(groups, self._habit)
        if not found:
            return
        self._add(t, found)
        if self._holding.stage == "enforced" and t.waf.logic is not None and t.verdict is None:
            odd = [each.value for each in found if each.value is not None]
            t.waf.logic.judge_odd(t, odd)

    def bias(self, value: Value) -> int:
        """Return the percent by which thresholds of the logical rules fall for a value, or below 0, rise."""
        if self._habit is None or self._holding.stage != "enforced":
            return 0
        return bias_of(value, self._habit)

    def takes_texts(self, value: Value) -> bool:
        """Whether people send programs and the like where a value is, and it is not much longer than usual."""
        if self._habit is None or self._holding.stage != "enforced":
            return False
        expected = self._habit.parameters.get(key_of(value))
        return expected is not None and expected.dense and value_points(value.data, expected)[0] < ODD

    def _add(self, t: Transaction, found: list[Deviation]) -> None:
        """Add what differs: points of the request as a whole add up, of its values the strangest counts."""
        fresh = [each for each in found if not t.waf.named.excludes(t, each.rule, _variable(each))]
        if not fresh:
            return
        fresh.sort(key=_gravity)
        self.found = sorted(self.found + fresh, key=_gravity)[:MAX_TOLD]
        self._untold += fresh[:MAX_TOLD]
        self._whole += sum(each.points for each in fresh if each.rule != VALUE)
        self._strangest = max([self._strangest, *(each.points for each in fresh if each.rule == VALUE)])
        self._points = self._whole + self._strangest
        if self.deviates:
            self._answer(t)

    def _answer(self, t: Transaction) -> None:
        """Tell what differs, and refuse the request for the gravest of it where the profile is enforced."""
        rules, holding = t.waf.named, self._holding
        untold, self._untold = sorted(self._untold, key=_gravity), []
        for each in untold:
            words = f"{each.words} ({each.points} points, {self._points} of {holding.limit} in all)"
            data = each.value.data if each.value is not None else t.target
            found = (each.rule, _variable(each), data)
            message = rules.note(t, found, words.encode("utf-8", "backslashreplace"))
            if holding.stage == "enforced" and rules.refuses and t.would is None:
                t.carry_out(t.waf.answers, each.rule, message, each.value)
        if holding.stage == "shadow":
            t.note("the profile is in shadow: nothing is refused for it")


def _gravity(each: Deviation) -> int:
    return -each.points


def _variable(each: Deviation) -> bytes:
    """Return the variable that a deviation is about, as exclusions name it."""
    if each.value is not None:
        return variable_of(each.value)
    return b"REQUEST_METHOD" if each.rule == METHOD else b"REQUEST_URI"
