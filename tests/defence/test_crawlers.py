"""Crawlers: who is what it says, who is not, who is not wanted, and what robots.txt says."""

from __future__ import annotations

import asyncio
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dns import asyncresolver
from dns.resolver import NoResolverConfiguration

from bascule.config.crawlers import Crawlers
from bascule.defence.crawler_watch import MOST_SPARED
from bascule.defence.crawlers import Book, Claim, Names, robots_text
from tests.support.clients import Message, connect, request
from tests.support.origins import Origin
from tests.support.program import Bascule, wait_for
from tests.upstream.dns_server import DnsServer, dns_server

GOOGLE = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    """A DNS server in a thread of its own."""
    ready, over, found = threading.Event(), asyncio.Event(), []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with dns_server() as server:
            found.append(server)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait(30)
    yield found[0]
    loop.call_soon_threadsafe(over.set)
    thread.join()
    loop.close()


def config(origin: Origin, **crawlers: Any) -> dict[str, Any]:
    site = {"challenge": "cookie", "routes": {"/": [f"127.0.0.1:{origin.port}"]}}
    return {"events": {"path": "events.jsonl"}, "crawlers": {"mode": "block", **crawlers}, "sites": {"site.test": site}}


def ask(bascule: Bascule, agent: str, source: str = "127.0.0.1", target: str = "/") -> Message:
    with connect(bascule.port, source) as wire:
        wire.send(request(target, Accept="text/html", User_Agent=agent))
        return wire.response()


def test_good_and_false_ones(origin: Origin, dns: DnsServer) -> None:
    dns.zone[("1.1.0.127.in-addr.arpa", "PTR")] = (60, ["crawl-1.googlebot.com."])
    dns.zone[("crawl-1.googlebot.com", "A")] = (60, ["127.0.1.1"])
    dns.zone[("2.1.0.127.in-addr.arpa", "PTR")] = (60, ["crawl-1.googlebot.com."])  # says so, but the name does not
    dns.zone[("3.1.0.127.in-addr.arpa", "PTR")] = (60, ["googlebot.com.evil.test."])
    with Bascule(config(origin, resolver=dns.address)) as bascule:
        assert ask(bascule, GOOGLE, "127.0.1.1").status == 200, "not known yet: it need not wait"
        wait_for(lambda: ("crawl-1.googlebot.com", "A") in dns.queries, "the question")
        for end in (2, 3, 4):
            wait_for(lambda end=end: ask(bascule, GOOGLE, f"127.0.1.{end}").status == 403, "the answer")
        assert ask(bascule, GOOGLE, "127.0.1.1").status == 200
        asked = len(dns.queries)
        assert [ask(bascule, GOOGLE, "127.0.1.1").status for _ in range(3)] == [200] * 3
        assert len(dns.queries) == asked, "the answer is kept"
        assert ask(bascule, "Mozilla/5.0", "127.0.1.1").status == 307, "a person there is challenged"


def test_where_the_dns_does_not_answer(origin: Origin, dns: DnsServer) -> None:
    dns.broken.add("PTR")
    with Bascule(config(origin, resolver=dns.address)) as bascule:
        wait_for(lambda: ask(bascule, GOOGLE).status == 307, "an answer: it is anybody then")


def test_a_machine_without_a_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(configure: bool) -> None:
        raise NoResolverConfiguration

    monkeypatch.setattr(asyncresolver, "Resolver", none)
    assert asyncio.run(Names(None).belongs(b"127.0.0.1", ["googlebot.com"])) is None


@pytest.mark.parametrize("server", ["dns.google:53", ":53", "10.0.0.2:0", "unix:/run/dns"])
def test_a_resolver_that_could_not_be_asked_is_refused(server: str) -> None:
    with pytest.raises(ValueError, match="is not the IP address and port of a DNS server"):
        Crawlers.model_validate({"resolver": server})


def test_only_a_few_requests_are_spared_while_the_dns_is_asked(origin: Origin) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with Bascule(config(origin, resolver=f"127.0.0.1:{silent.getsockname()[1]}")) as bascule:
            assert [ask(bascule, GOOGLE).status for _ in range(MOST_SPARED + 3)] == [200] * MOST_SPARED + [307] * 3
            assert ask(bascule, GOOGLE, "127.0.1.1").status == 200, "another one"


def test_published_networks(origin: Origin, tmp_path: Path) -> None:
    file = tmp_path / "ranges.txt"
    file.write_text("127.0.1.0/24\n")
    with Bascule(config(origin, ranges={"DuckDuckBot": str(file)})) as bascule:
        assert ask(bascule, "DuckDuckBot/1.1", "127.0.1.9").status == 200
        refused = ask(bascule, "DuckDuckBot/1.1", "127.0.2.9")
        assert (refused.status, bool(refused["x-bascule-ref"])) == (403, True)


def test_kinds_and_robots(origin: Origin) -> None:
    with Bascule(config(origin, refuse=["ai-crawler"], robots="own", disallow=["/cart"])) as bascule:
        assert ask(bascule, "GPTBot/1.2").status == 403
        assert ask(bascule, "Mozilla/5.0").status == 307
        text = ask(bascule, "GPTBot/1.2", target="/robots.txt").body.decode()
        first, second = text.split("\n\n")
        assert "User-agent: GPTBot" in first.splitlines()
        assert first.endswith("Disallow: /")
        assert second.splitlines() == ["User-agent: *", "Disallow: /cart"]


def test_detect_refuses_nobody(origin: Origin) -> None:
    mine = config(origin, mode="detect", refuse=["ai-crawler"], robots="own", disallow=["/cart"])
    with Bascule(mine) as bascule:
        assert (ask(bascule, "GPTBot/1.2", target="/robots.txt").status, len(origin.seen)) == (200, 1), "the server's"
        assert ask(bascule, "GPTBot/1.2").status == 307
        wait_for(lambda: "ai-crawler" in (bascule.folder / "events.jsonl").read_text(), "the event")


def test_detect_spares_nobody(origin: Origin, tmp_path: Path) -> None:
    file = tmp_path / "ranges.txt"
    file.write_text("127.0.1.0/24\n")
    for mode, then in (("detect", 307), ("block", 200)):
        with Bascule(config(origin, mode=mode, ranges={"DuckDuckBot": str(file)})) as bascule:
            assert ask(bascule, "DuckDuckBot/1.1", "127.0.1.9").status == then


def test_detect_charges_no_account(origin: Origin, tmp_path: Path) -> None:
    file = tmp_path / "ranges.txt"
    file.write_text("127.0.1.0/24\n")
    account = {"mode": "block", "points": {"false_crawler": 300}, "steps": {"ban": 200}}
    for mode, then in (("detect", 307), ("block", 403)):
        with Bascule({**config(origin, mode=mode, ranges={"DuckDuckBot": str(file)}), "account": account}) as bascule:
            ask(bascule, "DuckDuckBot/1.1", "127.0.2.9")
            assert ask(bascule, "Mozilla/5.0", "127.0.2.9").status == then


def test_robots_without_anything() -> None:
    assert robots_text(Crawlers(mode="block", robots="own"), ()) == b"User-agent: *\nDisallow:\n"
    assert b"Disallow: /trap\n" in robots_text(Crawlers(mode="block", robots="own"), ("/trap",))


@pytest.mark.parametrize(
    ("agent", "name", "tag"),
    [
        (GOOGLE.encode(), "Googlebot", "search-engine"),
        (b"Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "bingbot", "search-engine"),
        (b"GPTBot/1.0", "", "ai-crawler"),
    ],
)
def test_claims(agent: bytes, name: str, tag: str) -> None:
    claim = Book(Crawlers(mode="block")).claim(agent)
    assert claim is not None
    assert (claim.name, tag in claim.tags) == (name, True)


def test_browsers_claim_nothing() -> None:
    book = Book(Crawlers(mode="block"))
    assert (
        book.claim(
            b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
        )
        is None
    )
    assert book.claim(b"\xff\x00" * 2000) is None


def test_what_is_remembered_of_agents_is_small() -> None:
    book, size = Book(Crawlers()), 16384
    tracemalloc.start()
    try:
        for number in range(100):
            assert book.claim(b"%d as Googlebot " % number + b"x" * size) == Claim("Googlebot", frozenset())
        assert tracemalloc.get_traced_memory()[0] < 20 * size
    finally:
        tracemalloc.stop()
