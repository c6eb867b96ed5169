"""Who is refused most at the moment, in constant memory whoever comes.

The Space-Saving sketch (Metwally, Agrawal, El Abbadi 2005): `PLACES` counters; a newcomer that finds all taken gets the
smallest, and its count. Whoever makes more than one in `PLACES` of all refusals has a counter, and no count is less
than the true one. Counts fade, so that they tell of the last seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

PLACES: Final = 128
SHOWN: Final = 10
FADE: Final = 0.8
"""What is left of a count after a second: 99 % of it is of the last 20 seconds."""
HITTERS: Final = "defence/hitters"
"""Topic of the bus, from workers: ``[worker, [[client, refusals a second], ...]]``."""
_LASTS: Final = 5.0
"""Seconds that a worker's word counts."""


class Hitters:
    """The sketch of one worker."""

    __slots__ = ("_counts", "_least", "_lowest", "_told")

    def __init__(self) -> None:
        self._counts: dict[bytes, float] = {}
        self._least = 0.0
        self._lowest: list[bytes] = []
        """Who had the least count when that was looked for: so that not each newcomer of a crowd looks at all."""
        self._told = False

    def add(self, client: bytes) -> None:
        """Count a refusal."""
        counts = self._counts
        if client in counts:
            counts[client] += 1.0
        elif len(counts) < PLACES:
            counts[client] = 1.0
        else:
            counts[client] = counts.pop(self._find_lowest()) + 1.0

    def _find_lowest(self) -> bytes:
        """Return a client with the smallest count, where all counters are taken: until they fade, counts only grow."""
        counts = self._counts
        while self._lowest:
            if counts.get(client := self._lowest.pop()) == self._least:
                return client
        self._least = min(counts.values())
        self._lowest = [client for client, count in counts.items() if count == self._least]
        return self._lowest.pop()

    def every_second(self) -> list[tuple[str, float]] | None:
        """Let counts fade. Return the largest as refusals a second; None where there is nothing to tell."""
        if not self._counts and not self._told:
            return None
        top = largest(self._counts.items())
        self._told = bool(top)
        self._lowest.clear()
        self._counts = {client: left for client, count in self._counts.items() if (left := count * FADE) >= 1.0}
        return [(client.decode("latin-1"), round(count * (1 - FADE), 1)) for client, count in top]


def largest(counts: Iterable[tuple[Any, float]]) -> list[tuple[Any, float]]:
    """Return the `SHOWN` largest counts."""
    return sorted(counts, key=lambda item: -item[1])[:SHOWN]


class HitterBoard:
    """What workers tell, put together by the keeper."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._words: dict[int, tuple[float, list[tuple[str, float]]]] = {}

    def hear(self, topic: str, payload: Any) -> None:
        """Take the word of a worker."""
        worker, told = payload
        self._words[int(worker)] = self._clock(), [(str(client), float(rate)) for client, rate in told[:SHOWN]]

    def top(self) -> list[tuple[str, float]]:
        """Return who is refused most, with refusals a second."""
        now, sums = self._clock(), dict[str, float]()
        for heard, told in self._words.values():
            for client, rate in told if now - heard < _LASTS else ():
                sums[client] = sums.get(client, 0.0) + rate
        return largest(sums.items())
