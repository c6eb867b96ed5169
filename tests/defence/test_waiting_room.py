"""The waiting room on the wire, over two workers: who comes in, who waits for what, and what a browser makes of it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import ValidationError

from bascule.config.waiting_room import WaitingRoom
from tests.defence.test_account import PAGE
from tests.support.admin import scrape
from tests.support.browser import browser
from tests.support.clients import Message, connect, request
from tests.support.origins import Origin, always, answer
from tests.support.pace import unless_stalled
from tests.support.program import Bascule, wait_for

STAY = 2.0
HOSTS = [f"site{number}.test" for number in range(30)]
KEY = "0123456789abcdef-partner"


@dataclass
class Site:
    """A site of the program that has a waiting room of its own."""

    bascule: Bascule
    host: str


@pytest.fixture(scope="module")
def bascule() -> Iterator[Bascule]:
    with Origin(always(answer(b"the shop"))) as origin:
        room = {"total_active_users": 2, "new_users_per_minute": 1200, "session_duration": STAY, "refresh": 1}
        route = origin.address
        routes = {
            "/": route,
            "/sale/": {"servers": [route], "waiting_room": {**room, "total_active_users": 1, "total_waiting_users": 1}},
            "/trial/": {"servers": [route], "waiting_room": {**room, "total_active_users": 1, "mode": "detect"}},
            "/status": {"servers": [route], "waiting_room": "off"},
        }
        site = {"waiting_room": room, "challenge": {"level": "off", "tokens": {"x-api-key": [KEY]}}, "routes": routes}
        config = {"workers": 2, "defence": {"allow": ["127.0.9.1"]}, "sites": dict.fromkeys(["*", *HOSTS], site)}
        with Bascule(config) as bascule:
            yield bascule


@pytest.fixture(scope="module")
def sites(bascule: Bascule) -> Iterator[Site]:
    """Sites whose rooms are empty."""
    return (Site(bascule, host) for host in HOSTS)


class Visitor:
    """A client that keeps cookies, with an address of its own, and a new connection each time: any worker may get it."""

    def __init__(self, site: Site, source: str, agent: str = "Mozilla/5.0") -> None:
        self.site, self.source, self.agent = site, source, agent
        self.cookies: dict[str, str] = {}

    def ask(self, target: str = "/", **fields: str) -> Message:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {**PAGE, "User_Agent": self.agent, **({"Cookie": cookie} if cookie else {}), **fields}
        with connect(self.site.bascule.port, self.source) as wire:
            wire.send(request(target, host=self.site.host, **{name: value for name, value in sent.items() if value}))
            message = wire.response()
        for value in message.values("set-cookie"):
            name, _, content = value.split(";")[0].partition("=")
            self.cookies[name] = content
        return message

    def is_in(self, target: str = "/") -> bool:
        return self.ask(target).status == 200


def visitors(site: Site, count: int) -> list[Visitor]:
    return [Visitor(site, f"127.0.1.{number}") for number in range(1, count + 1)]


@unless_stalled
def test_who_comes_first_is_served_first(sites: Iterator[Site]) -> None:
    site = next(sites)
    first, second, third, fourth, fifth = visitors(site, 5)
    assert first.is_in()
    assert second.is_in()
    waiting = third.ask()
    assert (waiting.status, waiting["retry-after"], waiting["cache-control"]) == (503, "1", "no-store")
    assert b"You are the next to come in." in waiting.body
    assert b'http-equiv="refresh" content="1"' in waiting.body
    assert waiting["x-bascule-ref"].encode() in waiting.body  # type: ignore[union-attr]
    told = fourth.ask(Accept="application/json")
    assert (told.status, told["content-type"]) == (503, "application/problem+json")
    assert (told.json()["ahead"], told.json()["refresh"], told["retry-after"]) == (1, 1, "1")
    assert b"2 visitors are before you." in fifth.ask().body
    assert scrape(site.bascule, "bascule_waiting_room_waiting", f'room="{site.host}"') == 3

    def second_leaves() -> bool:
        """Two stay as long as they ask; the others wait in their order, whoever asks first."""
        assert first.is_in()
        assert not fifth.is_in()
        assert not fourth.is_in()
        return third.is_in()

    wait_for(second_leaves, "the place of the second")
    assert first.is_in()
    assert third.is_in()
    assert not second.is_in(), "it begins anew"
    assert b"2 visitors are before you." in second.ask().body


@unless_stalled
def test_who_is_silent_gives_up_its_place_in_the_line(sites: Iterator[Site]) -> None:
    site = next(sites)
    first, second, third, fourth = visitors(site, 4)
    for visitor in (first, second, third, fourth):
        visitor.ask()

    def turn() -> bool:
        assert first.is_in()
        assert second.is_in()
        return b"You are the next" in fourth.ask().body

    wait_for(turn, "the third to count as gone")


@unless_stalled
def test_a_place_is_of_use_to_nobody_else_nor_in_another_room(sites: Iterator[Site]) -> None:
    site = next(sites)
    first, second, thief = visitors(site, 3)
    assert first.is_in()
    assert second.is_in()
    thief.cookies.update(first.cookies)
    assert not thief.is_in()
    other = Visitor(site, first.source, "another browser")
    other.cookies.update(first.cookies)
    assert not other.is_in()
    assert thief.is_in("/sale/"), "a room of its own"
    assert not first.is_in("/sale/")
    full = second.ask("/sale/")
    assert (full.status, b"Even the queue is full" in full.body, full.values("set-cookie")) == (503, True, [])
    assert second.is_in("/status"), "no room at all"


@unless_stalled
def test_whom_it_spares(sites: Iterator[Site]) -> None:
    site = next(sites)
    for visitor in visitors(site, 2):
        assert visitor.is_in()
    assert Visitor(site, "127.0.9.1").is_in()
    assert Visitor(site, "127.0.1.8").ask(X_API_Key=KEY).status == 200
    assert not Visitor(site, "127.0.1.8").is_in()


@unless_stalled
def test_places_outlive_a_reload_and_a_worker(sites: Iterator[Site]) -> None:
    site = next(sites)
    first, second, third = visitors(site, 3)
    assert [first.is_in(), second.is_in(), third.is_in()] == [True, True, False]
    site.bascule.process.send_signal(signal.SIGHUP)
    wait_for(lambda: any("generation 2" in line or "reload" in line for line in site.bascule.lines), "the reload")
    assert [first.is_in(), second.is_in(), third.is_in()] == [True, True, False]


@unless_stalled
def test_where_it_only_detects_nobody_waits(sites: Iterator[Site]) -> None:
    site = next(sites)

    def counted() -> float:
        return scrape(site.bascule, "bascule_defence_decisions_total", 'defence="waiting-room"', 'decision="detect"')

    before = counted()
    first, second = visitors(site, 2)
    assert first.is_in("/trial/")
    assert first.cookies, "it has the place"
    assert second.is_in("/trial/")
    assert not second.cookies
    assert first.is_in("/trial/")
    wait_for(lambda: counted() - before == 1, "the second one to be counted")


@unless_stalled
def test_a_browser_waits_and_comes_in_by_itself(bascule: Bascule) -> None:
    """Without any script of ours: the page asks again, and is the shop in the end."""
    first, second = visitors(Site(bascule, "127.0.0.1"), 2)  # the site of any other host
    with browser() as tab:
        wait_for(first.is_in, "the place of who was there before")
        wait_for(second.is_in, "the place of who was there before")
        tab.open(f"http://127.0.0.1:{bascule.port}/")
        shown = ""
        end = time.monotonic() + 2 * STAY
        while time.monotonic() < end:  # one stays, the other leaves
            assert first.is_in()
            shown += str(tab.evaluate("document.body.innerText"))
        assert "next to come in" in shown
        wait_for(lambda: tab.evaluate("document.body.innerText") == "the shop", "the shop")


@pytest.mark.parametrize(
    "written",
    ["on", {"total_active_users": 0}, {"session_duration": 0}, {"refresh": "1h"}, {"queueing_method": "x"}],
)
def test_what_makes_no_sense_is_refused(written: Any) -> None:
    with pytest.raises(ValidationError):
        WaitingRoom.model_validate(written)
