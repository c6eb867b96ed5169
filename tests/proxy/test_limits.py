"""Sizes and counts that bound what a client may ask."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

import pytest

from tests.support.clients import EndedError, Message, Wire, ask, capacity, connect, request, reset
from tests.support.origins import Origin, always, answer, silent
from tests.support.pace import unless_stalled
from tests.support.program import Bascule, wait_for


def config(origin: Origin) -> dict[str, Any]:
    to = origin.address
    return {
        "limits": {"header_bytes": 8192, "target_bytes": 2048, "header_fields": 40, "pipelined": 10},
        "sites": {
            "site.test": to,
            "body.test": {"limits": {"body_bytes": 1000}, "routes": {"/": to}},
            "few.test": {"limits": {"requests_per_connection": 3}, "routes": {"/": to}},
        },
    }


def refused(wire: Wire, status: int) -> None:
    response = wire.response()
    assert (response.status, response["connection"]) == (status, "close")
    assert response["x-bascule-ref"]


def test_the_target(origin: Origin, port: int) -> None:
    most = 2048
    assert ask(port, "/" + "a" * (most - 1)).status == 200
    with connect(port) as wire:
        wire.send(request("/" + "a" * most))
        assert wire.response().start[1:] == ("414", "URI Too Long")


def test_a_target_without_end(port: int) -> None:
    with connect(port) as wire:
        wire.send(b"GET /" + b"a" * 4000)
        refused(wire, 414)


def test_the_number_of_fields(origin: Origin, port: int) -> None:
    most = 40
    assert ask(port, **{f"X-{n}": "1" for n in range(most - 1)}).status == 200
    assert ask(port, **{f"X-{n}": "1" for n in range(most)}).status == 431


def test_the_size_of_the_head(origin: Origin, port: int) -> None:
    most = 8192
    assert ask(port, X="a" * (most - 200)).status == 200
    with connect(port) as wire:
        wire.send(request(X="a" * most))
        assert wire.response().status == 431


def test_a_head_without_end(port: int) -> None:
    with connect(port) as wire:
        wire.send(b"GET / HTTP/1.1\r\nX: " + b"a" * 9000)
        refused(wire, 431)


def test_the_size_of_the_body(origin: Origin, port: int) -> None:
    assert ask(port, "/", "POST", "body.test", body=b"x" * 1000).status == 200
    with connect(port) as wire:
        wire.send(request("/", "POST", "body.test", Content_Length="1001"))
        refused(wire, 413)
    seen = len(origin.seen)
    with connect(port) as wire:
        wire.send(request("/", "POST", "body.test", Transfer_Encoding="chunked") + b"200\r\n" + b"x" * 512 + b"\r\n")
        wire.send(b"200\r\n" + b"x" * 512 + b"\r\n")
        refused(wire, 413)
    assert len(origin.seen) <= seen + 1


def test_requests_per_connection(origin: Origin, port: int) -> None:
    with connect(port) as wire:
        for last in (False, False, True):
            wire.send(request(host="few.test"))
            assert wire.response()["connection"] == ("close" if last else None)
        assert wire.at_end()


def test_a_pipeline_beyond_the_limit_is_read_no_further(origin: Origin, port: int, bascule: Bascule) -> None:
    """Back-pressure, not a refusal: nobody told the client how many it may send ahead."""
    release: list[bool] = []

    def handle(wire: Wire, message: object) -> bool:
        wait_for(lambda: release, "the word to go on")
        wire.send(answer(b"x" * 1000))
        return True

    origin.handler = handle
    before = bascule.memory()
    count, sent = 100_000, 0
    data = memoryview(request() * count)
    with connect(port) as wire:
        wire.sock.settimeout(0.5)
        with contextlib.suppress(TimeoutError):  # then the kernel's buffers are full, too
            while sent < len(data):
                sent += wire.sock.send(data[sent : sent + 65536])
        assert sent < len(data)
        assert bascule.memory() < before + 8_000_000
        release.append(True)
        origin.handler = always(answer(b"x" * 1000))
        wire.sock.settimeout(20)
        for _ in range(300):
            assert wire.response().body == b"x" * 1000


def test_a_pipeline_whose_answers_nobody_takes_is_answered_no_further(
    origin: Origin, port: int, bascule: Bascule
) -> None:
    origin.handler = always(answer(b"x" * 100_000))
    before = bascule.memory()
    with connect(port) as wire:
        wire.send(request() * 1000)
        known = 0
        while known != len(origin.seen) or not known:
            known = len(origin.seen)
            time.sleep(0.3)  # there is no sign for that no more comes
    assert len(origin.seen) < 500
    assert bascule.memory() < before + 16_000_000


def is_answered(port: int) -> bool:
    try:
        return ask(port).status == 200
    except (OSError, EndedError):
        return False


@unless_stalled
def test_connections_in_all_and_per_address(origin: Origin) -> None:
    limits = {"connections": 6, "connections_per_address": 4}

    def handle(wire: Wire, message: Message) -> bool:
        if message.start[1] == "/hold":
            return silent(wire, message)
        wire.send(answer(b"x"))
        return True

    origin.handler = handle
    with Bascule({"limits": limits, "sites": {"*": origin.address}}) as bascule:

        def served(wire: Wire) -> bool:
            """Ask; whoever is answered asks for more at once, lest its connection rest and make room for others."""
            try:
                wire.send(request())
                known = wire.response().status == 200
                wire.send(request("/hold"))
            except (OSError, EndedError):
                return False
            return known

        mine = [connect(bascule.port) for _ in range(5)]
        assert [served(wire) for wire in mine] == [True] * 4 + [False]
        others = [connect(bascule.port, f"127.0.0.{number}") for number in (2, 3, 4)]
        assert [served(wire) for wire in others] == [True, True, False]
        reset(mine[0].sock)
        wait_for(lambda: is_answered(bascule.port), "the place to be free again")
        for wire in (*mine[1:], *others):
            reset(wire.sock)


@pytest.mark.parametrize("words", [b"", b"GET / HTTP/1.1\r\nHost: si", request()])
def test_who_asks_for_nothing_makes_room_for_who_asks(origin: Origin, words: bytes) -> None:
    """Connections held open: without a word, with a head that never ends, or resting after an answer."""
    most = 16
    with (
        Bascule({"limits": {"connections": most}, "sites": {"*": origin.address}}) as bascule,
        contextlib.ExitStack() as held,
    ):
        busy = held.enter_context(connect(bascule.port))
        origin.handler = silent
        busy.send(request("/long"))
        wait_for(lambda: len(origin.seen) == 1, "the server to be asked")
        origin.handler = always(answer(b"x"))
        for _ in range(most - 1):
            wire = held.enter_context(connect(bascule.port))
            wire.send(words)
            if words.endswith(b"\r\n\r\n"):
                wire.response()
        wait_for(lambda: is_answered(bascule.port), "a place for a newcomer", 20.0)
        busy.sock.settimeout(0.3)
        with pytest.raises(TimeoutError):  # who has a request in progress is not touched
            busy.more()
        reset(busy.sock)


@unless_stalled
def test_who_has_yet_to_take_its_answer_makes_no_room(origin: Origin) -> None:
    """Neither for newcomers nor, in the end, for the program's: it would lose the rest."""
    most, body = 8, b"x" * (capacity() + 60_000)

    def handle(wire: Wire, message: Message) -> bool:
        if message.start[1] == "/hold":
            return silent(wire, message)
        wire.send(answer(body))
        return True

    origin.handler = handle
    with Bascule({"limits": {"connections": most}, "sites": {"*": origin.address}}) as bascule, socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(bascule.address)
        sock.sendall(request())
        busy = [connect(bascule.port) for _ in range(most - 1)]
        for wire in busy:
            wire.send(request("/hold"))
        wait_for(lambda: len(origin.seen) == most, "all to be asked")
        end = time.monotonic() + 2.5  # longer than a kept connection may rest under pressure
        while time.monotonic() < end:
            assert not is_answered(bascule.port)
        for wire in busy:
            reset(wire.sock)
        bascule.process.terminate()
        time.sleep(1.5)  # longer than an idle connection is left while the program ends
        assert Wire(sock).response().body == body


def test_many_ranges_are_not_asked_of_the_server(origin: Origin, port: int) -> None:
    for count, passed in ((1, True), (16, True), (17, False)):
        ask(port, Range="bytes=" + ",".join(f"{n}-" for n in range(count)))
        assert (origin.seen[-1]["range"] is not None) is passed
