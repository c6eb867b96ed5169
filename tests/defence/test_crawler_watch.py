"""What a worker remembers of crawlers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bascule.config.crawlers import Crawlers
from bascule.defence import crawler_watch
from bascule.defence.crawler_watch import CrawlerWatch
from bascule.defence.crawlers import Book, Claim

AGENT = b"Mozilla/5.0 (compatible; Googlebot/2.1)"
GOOD = b"192.0.2.1"


class Names:
    def __init__(self) -> None:
        self.asked: list[bytes] = []

    async def belongs(self, address: bytes, domains: Iterable[str]) -> bool | None:
        self.asked.append(address)
        if address == b"?":
            raise RuntimeError("a fault of the resolver")
        return address == GOOD


def watch(names: Names) -> CrawlerWatch:
    book = SimpleNamespace(
        claim=lambda agent: Claim("Googlebot", frozenset()), ranges={}, domains={"Googlebot": ("googlebot.com",)}
    )
    made = CrawlerWatch(Crawlers.model_validate({"mode": "block"}), cast(Book, book), lambda: 100.0)
    cast(Any, made)._names = names
    return made


async def settled(made: CrawlerWatch, address: bytes) -> str:
    made.word(AGENT, address)
    for _ in range(5):
        await asyncio.sleep(0)
    return made.word(AGENT, address)


def test_a_crowd_of_false_crawlers_makes_nobody_forget_a_good_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crawler_watch, "MOST_KEPT", 8)

    async def scene() -> None:
        names = Names()
        made = watch(names)
        assert await settled(made, GOOD) == "good"
        for number in range(50):
            assert await settled(made, b"198.51.100.%d" % number) == "false"
        assert made.word(AGENT, GOOD) == "good"
        assert names.asked.count(GOOD) == 1

    asyncio.run(scene())


def test_who_could_not_be_asked_about_is_asked_about_again() -> None:
    async def scene() -> None:
        names = Names()
        made = watch(names)
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        for _ in range(3):
            await settled(made, b"?")
        assert names.asked == [b"?"] * len(names.asked)
        assert len(names.asked) >= 3

    asyncio.run(scene())
