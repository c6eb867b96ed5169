"""What a worker knows of the crawlers that come: who is good, who is false, who is asked about. Nobody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Literal

from bascule.config.crawlers import Crawlers
from bascule.defence.crawlers import Book, Names, robots_text

GOOD_FOR: Final = 86400.0
FALSE_FOR: Final = 3600.0
UNKNOWN_FOR: Final = 60.0
"""Seconds an answer of the DNS is used again; that there was none, a minute."""
MOST_KEPT: Final = 16384
"""Crawlers whose answer is kept; then all are forgotten at once."""
MOST_ASKED: Final = 64
"""Questions in progress; meanwhile further crawlers count as unknown."""
MOST_SPARED: Final = 10
"""Requests of a client that are not challenged while it is asked about: a crawler begins slowly, a flood does not."""
Word = Literal["", "asked", "good", "false", "unknown"]


class CrawlerWatch:
    """See the module. `clock` is monotonic."""

    def __init__(self, config: Crawlers, book: Book, clock: Callable[[], float], traps: tuple[str, ...] = ()) -> None:
        self._book = book
        self._clock = clock
        self._names = Names(config.resolver)
        self._refused = frozenset(config.refuse)
        self._known: dict[tuple[str, bytes], tuple[Word, float]] = {}
        self._good: dict[tuple[str, bytes], float] = {}
        """Until when crawlers count as good; apart, so that a crowd of false ones makes nobody forget them."""
        self._asked: dict[tuple[str, bytes], asyncio.Task[None]] = {}
        self._spared: dict[tuple[str, bytes], int] = {}
        """Requests since somebody was asked about a client."""
        self.detect = config.mode == "detect"
        self.robots = robots_text(config, traps) if config.robots == "own" and not self.detect else b""
        """The robots.txt of Bascule's own, if it answers with one."""

    def refused(self, agent: bytes) -> str:
        """Return the tag for which the crawler of a User-Agent is refused; empty if it is not."""
        claim = self._book.claim(agent)
        return min(claim.tags & self._refused, default="") if claim is not None else ""

    def word(self, agent: bytes, address: bytes) -> Word:
        """Return what is known of a client that claims to be a crawler; empty where it claims none that can be known.

        The first time somebody is asked: until then it is ``asked``.
        """
        claim = self._book.claim(agent)
        if claim is None or not claim.name:
            return ""
        if (ranges := self._book.ranges.get(claim.name)) is not None:
            return "good" if ranges.find(address) else "false"
        key = claim.name, address
        if self._good.get(key, 0.0) > self._clock():
            return "good"
        word, until = self._known.get(key, ("unknown", 0.0))
        if until > self._clock():
            return word
        if key not in self._asked:
            if len(self._asked) >= MOST_ASKED:
                return "unknown"
            self._asked[key] = asyncio.get_running_loop().create_task(self._ask(key))
        return "asked"

    def spares(self, agent: bytes, address: bytes) -> bool:
        """Whether a request is not challenged: a good crawler's, or one of the first while somebody is asked."""
        word = self.word(agent, address)
        if word != "asked" or (claim := self._book.claim(agent)) is None:
            return word == "good"
        key = claim.name, address
        self._spared[key] = spared = self._spared.get(key, 0) + 1
        return spared <= MOST_SPARED

    async def _ask(self, key: tuple[str, bytes]) -> None:
        name, address = key
        try:
            found = await self._names.belongs(address, self._book.domains[name])
        finally:
            del self._asked[key]
            self._spared.pop(key, None)
        if found:
            if len(self._good) >= MOST_KEPT:
                self._good.clear()
            self._good[key] = self._clock() + GOOD_FOR
            return
        if len(self._known) >= MOST_KEPT:
            self._known.clear()
        now = self._clock()
        self._known[key] = ("unknown", now + UNKNOWN_FOR) if found is None else ("false", now + FALSE_FOR)

    def close(self) -> None:
        """Ask nobody any more."""
        for task in list(self._asked.values()):
            task.cancel()
