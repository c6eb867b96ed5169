"""The gates that names of JSON's leaves open: they come again, so each is judged once, by the rules themselves.

Many APIs have a `cursor`, which is a word of SQL: a gate opens for it, though the rule behind does not match it.
"""

from __future__ import annotations

from collections.abc import Callable

from bascule.waf.matcher.scanner import MAX_CLEAN, MAX_NAME
from bascule.waf.seclang.evaluate import BoundLink, matches

MANY_NEW, MANY_GATES = 8, 4
"""New names that are judged one by one in one go, and gates of a name that are worth it: honest ones have no more."""


class LeafNames:
    """Knows names. `scan` says which gates texts open (None: they are not ordinary), `links` what is behind a gate."""

    def __init__(self, scan: Callable[[list[str]], int | None], links: dict[int, BoundLink]) -> None:
        self._scan, self._links = scan, links
        self._clean: set[str] = set()
        self._opening: dict[str, int] = {}

    def gates(self, names: list[str]) -> int | None:
        """Return the gates that names open; None if some are not ordinary."""
        clean = self._clean
        fresh = [name for name in names if name not in clean]
        return self._judge(fresh) if fresh else 0

    def _judge(self, names: list[str]) -> int | None:
        mask = 0
        new: list[str] = []
        for name in names:
            known = self._opening.get(name)
            if known is None:
                new.append(name)
            else:
                mask |= known
        found = self._scan(new) if new else 0
        if found is None:
            return None
        if not found:
            self._remember([name for name in new if len(name) <= MAX_NAME])
            return mask
        if len(new) > MANY_NEW:
            for name in new[:MANY_NEW]:
                self._judge_one(name)
            return mask | found
        for name in new:
            gates = self._judge_one(name)
            if gates is None:
                return None
            mask |= gates
        return mask

    def _judge_one(self, name: str) -> int | None:
        gates = self._scan([name])
        if gates is None or len(name) > MAX_NAME or gates.bit_count() > MANY_GATES:
            return gates
        found, value = 0, name.encode()
        while gates:
            bit = gates & -gates
            gates ^= bit
            link = self._links.get(bit)
            if link is None or matches(link, value):
                found |= bit
        if found:
            if len(self._opening) >= MAX_CLEAN:
                self._opening.clear()
            self._opening[name] = found
        else:
            self._remember([name])
        return found

    def _remember(self, names: list[str]) -> None:
        if len(self._clean) >= MAX_CLEAN:
            self._clean.clear()
        self._clean.update(names)
