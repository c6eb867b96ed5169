"""Request bodies that are awaited before a server is asked: slow ones occupy no slot."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from tests.support.clients import connect, request
from tests.support.origins import Origin
from tests.support.program import Bascule, wait_for

BUFFER = 1000


def config(origin: Origin) -> dict[str, Any]:
    server = {"address": origin.address, "max_connections": 1}
    limits = {"request_buffer": BUFFER, "body_grace": "300ms", "body_min_rate": "1KiB"}
    return {
        "sites": {
            "*": {
                "routes": {
                    "/": {"servers": [server], "limits": {"request_buffer": BUFFER}},
                    "/strict/": {"servers": [server], "limits": limits},
                }
            }
        }
    }


def test_slow_bodies_occupy_no_server(origin: Origin, port: int) -> None:
    with contextlib.ExitStack() as held:
        for _ in range(5):
            wire = held.enter_context(connect(port))
            wire.send(request("/slow", "POST", body=b"x" * 500)[:-1])
        with connect(port) as wire:  # the one slot is free
            wire.send(request("/"))
            assert wire.response().status == 200
        assert [message.start[1] for message in origin.seen] == ["/"]


@pytest.mark.parametrize("size", [1, BUFFER - 1, BUFFER, BUFFER + 1, 300_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_the_body_arrives_whole(origin: Origin, port: int, size: int, chunked: bool) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    with connect(port) as wire:
        if chunked:
            wire.send(request("/", "POST", Transfer_Encoding="chunked"))
            for at in range(0, size, 700):
                piece = body[at : at + 700]
                wire.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            wire.send(b"0\r\n\r\n")
        else:
            message = request("/", "POST", body=body)
            wire.send(message[:-1])
            wire.send(message[-1:])
        assert wire.response().json()["body"].encode("latin-1") == body
        wire.send(request("/next"))
        assert wire.response().json()["start"][1] == "/next"


def test_a_large_body_streams_once_enough_is_here(origin: Origin, port: int) -> None:
    with connect(port) as wire:
        message = request("/", "POST", body=b"x" * 5000)
        wire.send(message[: message.index(b"\r\n\r\n") + 4 + BUFFER - 1])
        with connect(port) as other:
            other.send(request("/other"))
            assert other.response().status == 200
        assert [seen.start[1] for seen in origin.seen] == ["/other"]
        wire.send(b"x")
        wait_for(lambda: len(origin.seen) == 2, "the server to be asked")
        wire.send(b"x" * (5000 - BUFFER))
        assert len(wire.response().json()["body"]) == 5000


def test_who_waits_for_a_word_gets_it(origin: Origin, port: int) -> None:
    with connect(port) as wire:
        wire.send(request("/", "POST", Content_Length="3", Expect="100-continue"))
        assert wire.head().start[1] == "100"
        wire.send(b"abc")
        assert wire.response().json()["body"] == "abc"


def test_a_body_that_trickles_is_refused_before_any_server_is_asked(origin: Origin, port: int) -> None:
    with connect(port) as wire:
        wire.send(request("/strict/", "POST", body=b"x" * 500)[:-1])
        assert wire.response().status == 408
    assert origin.seen == []


def test_a_client_that_goes_leaves_nothing(origin: Origin, port: int, bascule: Bascule) -> None:
    with connect(port) as wire:
        wire.send(request("/", "POST", body=b"x" * 500)[:-1])
    with connect(port) as wire:
        wire.send(request("/after"))
        assert wire.response().status == 200
    assert [seen.start[1] for seen in origin.seen] == ["/after"]
