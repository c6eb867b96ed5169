"""What operators say to a running instance without a reload: drain, undrain, maintenance."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.clients import Message, Wire, ask, connect, request
from tests.support.command import tell
from tests.support.origins import Origin, answer
from tests.support.program import Bascule, wait_for


def shop(a: Origin, b: Origin) -> dict[str, object]:
    servers = [a.address, b.address]
    return {
        "shop.test": {"routes": {"/": {"servers": servers}, "/api/": {"servers": servers[:1]}}},
        "wiki.test": {"routes": {"/": {"respond": {"status": 204}}}},
    }


@pytest.fixture(scope="module")
def program() -> Iterator[tuple[Bascule, Origin, Origin]]:
    with Origin() as a, Origin() as b:
        for name, origin in ((b"a", a), (b"b", b)):
            origin.handler = lambda wire, message, name=name: wire.send(answer(name)) or True  # type: ignore[misc, func-returns-value]
        with Bascule({"sites": shop(a, b)}) as bascule:
            yield bascule, a, b


def said(bascule: Bascule, *arguments: str) -> tuple[int, str]:
    done = tell(bascule, *arguments)
    return done.returncode, done.stdout + done.stderr


def served(bascule: Bascule, target: str = "/") -> set[bytes]:
    return {ask(bascule.port, target, host="shop.test").body for _ in range(6)}


def test_a_server_is_taken_out_and_back_in(program: tuple[Bascule, Origin, Origin]) -> None:
    bascule, a, _ = program
    name = a.address
    status, output = said(bascule, "drain", name, "--pool", "shop.test /")
    assert (status, output) == (0, f"bascule: shop.test /: http://{a.address} is drained\n")
    wait_for(lambda: served(bascule) == {b"b"}, "all requests at the other server")
    assert served(bascule, "/api/") == {b"a"}, "another pool"
    assert said(bascule, "reload")[0] == 0
    assert served(bascule) == {b"b"}, "a reload keeps it"
    status, output = said(bascule, "undrain", name)
    assert status == 0
    assert output.splitlines() == [
        f"bascule: {pool}: http://{a.address} serves again" for pool in ("shop.test /", "shop.test /api/")
    ]
    wait_for(lambda: served(bascule) == {b"a", b"b"}, "requests at both servers")


def test_drain_waits_for_what_is_in_progress(program: tuple[Bascule, Origin, Origin]) -> None:
    bascule, a, b = program
    gate = threading.Event()
    handlers = a.handler, b.handler

    def late(wire: Wire, message: Message) -> bool:
        gate.wait(20)
        wire.send(answer(b"late"))
        return True

    a.handler = b.handler = late
    with connect(bascule.port) as one, connect(bascule.port) as two:
        for wire in (one, two):
            wire.send(request("/", host="shop.test"))
        wait_for(lambda: a.seen and b.seen, "a request at each")
        status, output = said(bascule, "drain", a.address, "--wait", "600ms")
        assert status == 1
        assert f"{a.address} still has 1 request in progress; it stays drained" in output
        threading.Timer(0.5, gate.set).start()
        begun = time.monotonic()
        assert said(bascule, "drain", a.address, "--wait", "20s")[0] == 0
        assert gate.is_set()
        assert time.monotonic() - begun < 15
        assert {one.response().body, two.response().body} == {b"late"}
    a.handler, b.handler = handlers
    said(bascule, "undrain", a.address)


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["drain", "10.9.9.9:1"], 1, "no server '10.9.9.9:1'; there are: http://127.0.0.1:"),
        (["drain", "10.9.9.9:1", "--pool", "nowhere"], 1, "no pool 'nowhere'; there are: shop.test /, shop.test /api/"),
        (["drain", "10.9.9.9:1", "--wait", "soon"], 2, "--wait: 'soon' is not a duration"),
        (["maintenance", "on", "--site", "blog"], 1, "no site 'blog'; there are: shop.test, wiki.test"),
    ],
)
def test_what_there_is_not_is_told(
    program: tuple[Bascule, Origin, Origin], arguments: list[str], status: int, text: str
) -> None:
    found, output = said(program[0], *arguments)
    assert found == status
    assert text in output


def test_maintenance_is_switched_for_one_site_or_all(program: tuple[Bascule, Origin, Origin]) -> None:
    bascule = program[0]

    def statuses() -> tuple[int, int]:
        return ask(bascule.port, "/", host="shop.test").status, ask(bascule.port, "/", host="wiki.test").status

    by_hand, off, auto = "on, by an operator", "off, by an operator", "as the configuration says"
    assert said(bascule, "maintenance") == (0, f"shop.test: {auto}\nwiki.test: {auto}\n")
    assert said(bascule, "maintenance", "on", "--site", "wiki.test") == (0, f"wiki.test: {by_hand}\n")
    wait_for(lambda: statuses() == (200, 503), "one site away")
    assert said(bascule, "maintenance", "on") == (0, f"shop.test: {by_hand}\nwiki.test: {by_hand}\n")
    wait_for(lambda: statuses() == (503, 503), "both away")
    assert said(bascule, "maintenance", "off", "--site", "shop.test") == (0, f"shop.test: {off}\n")
    assert said(bascule, "maintenance", "auto", "--site", "wiki.test") == (0, f"wiki.test: {auto}\n")
    wait_for(lambda: statuses() == (200, 204), "both back")
