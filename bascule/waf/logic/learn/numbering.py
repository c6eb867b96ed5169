"""Ids of learned rules: what exceptions and answers go by must not mean another rule after a training."""

from __future__ import annotations

from collections.abc import Iterable

from bascule.waf.logic.rules import RuleBook

FIRST_ID = 800_000
MOST = 999
"""Rules that a family has ids for."""
Facts = tuple[str, ...]


class Numbering:
    """Gives a rule the id that the same facts had in one of `books` (the first that knows them), else a fresh one."""

    def __init__(self, books: Iterable[RuleBook] = ()) -> None:
        self._known: dict[tuple[str, Facts], list[int]] = {}
        """Several where rules of the same facts differ in what presets they count at."""
        self._taken: set[int] = set()
        for book in books:
            fresh: dict[tuple[str, Facts], list[int]] = {}
            for rule in book.rules:
                key = rule.family, tuple(sorted(rule.facts))
                if key not in self._known and rule.id not in self._taken:
                    fresh.setdefault(key, []).append(rule.id)
            self._known |= fresh
            self._taken.update(rule.id for rule in book.rules)

    def ids(self, family: str, number: int, rules: Iterable[Facts]) -> list[int]:
        """Return an id for each rule of a family, whose ids begin with `number`. Raises ValueError if there are none."""
        start = FIRST_ID + 1000 * number
        free = iter([id_ for id_ in range(start + 1, start + 1 + MOST) if id_ not in self._taken])
        found: list[int] = []
        for facts in rules:
            known = self._known.get((family, tuple(sorted(facts))))
            id_ = known.pop(0) if known else next(free, 0)
            if not id_:
                raise ValueError(
                    f"more than {MOST} rules of {family}, old ones counted: write to another file than --out"
                )
            self._taken.add(id_)
            found.append(id_)
        return found
