"""Back-pressure: large bodies through little memory, both ways, and slow peers on either side."""

from __future__ import annotations

import contextlib
import hashlib
import queue
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.clients import Message, Wire, connect, request
from tests.support.origins import Origin, always, answer
from tests.support.program import Bascule

MIB = 1 << 20
EXTRA = 32 * MIB
"""What large bodies may cost in memory (the issue's bound)."""
BLOCK = bytes(range(256)) * 4096


def config(origin: Origin) -> dict[str, Any]:
    return {"sites": {"*": origin.address}}


def blocks(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield BLOCK[number % 256 :] + BLOCK[: number % 256]


def digest(count: int) -> str:
    known = hashlib.blake2b()
    for block in blocks(count):
        known.update(block)
    return known.hexdigest()


def download(count: int, chunked: bool) -> Any:
    def handle(wire: Wire, message: Message) -> bool:
        if chunked:
            wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for block in blocks(count):
                wire.send(b"%x\r\n%b\r\n" % (len(block), block))
            wire.send(b"0\r\n\r\n")
        else:
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (count * MIB))
            for block in blocks(count):
                wire.send(block)
        return True

    return handle


def upload(wire: Wire, message: Message) -> bool:
    """Read a body without holding it; answer with its digest."""
    known = hashlib.blake2b()
    if message["content-length"] is not None:
        left = int(message["content-length"])
        while left:
            piece = wire.exactly(min(left, MIB))
            known.update(piece)
            left -= len(piece)
    else:
        while piece := wire.chunk():
            known.update(piece)
        wire.exactly(2)
    wire.send(answer(known.hexdigest().encode()))
    return True


def large(chunked: bool) -> Any:
    """64 MiB framed in both ways, and 1 GiB in one."""
    huge = pytest.param(1024, chunked, marks=pytest.mark.slow)
    return pytest.mark.parametrize(("size", "chunked"), [(64, False), (64, True), huge])


@large(chunked=False)
def test_download(origin: Origin, port: int, bascule: Bascule, size: int, chunked: bool) -> None:
    origin.handler = download(size, chunked)
    before = bascule.memory()
    with connect(port) as wire:
        wire.send(request())
        assert wire.head().status == 200
        known = hashlib.blake2b()
        if chunked:
            while piece := wire.chunk():
                known.update(piece)
        else:
            for _ in range(size):
                known.update(wire.exactly(MIB))
        assert bascule.memory() < before + EXTRA
    assert known.hexdigest() == digest(size)


@large(chunked=True)
def test_upload(origin: Origin, port: int, bascule: Bascule, size: int, chunked: bool) -> None:
    origin.handler = upload
    before = bascule.memory()
    with connect(port) as wire:
        if chunked:
            wire.send(request("/", "POST", Transfer_Encoding="chunked"))
            for block in blocks(size):
                wire.send(b"%x\r\n%b\r\n" % (len(block), block))
            wire.send(b"0\r\n\r\n")
        else:
            wire.send(request("/", "POST", Content_Length=str(size * MIB)))
            for block in blocks(size):
                wire.send(block)
        assert bascule.memory() < before + EXTRA
        assert wire.response().body == digest(size).encode()


def test_a_slow_client_holds_the_server_back(origin: Origin, port: int, bascule: Bascule) -> None:
    sent = []

    def handle(wire: Wire, message: Message) -> bool:
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * MIB))
        for block in blocks(64):
            wire.send(block)
            sent.append(len(block))
        return True

    origin.handler = handle
    before = bascule.memory()
    with connect(port) as wire:
        wire.send(request())
        assert wire.head().status == 200
        settled(lambda: len(sent))
        assert len(sent) < 40, "the server was not held back"
        assert bascule.memory() < before + EXTRA
        known = hashlib.blake2b()
        for _ in range(64):
            known.update(wire.exactly(MIB))
        assert known.hexdigest() == digest(64)


def test_a_connection_that_was_held_back_is_used_again(origin: Origin, port: int) -> None:
    """Responses that end while the client is blocked: the next request finds the server's connection readable."""
    body = BLOCK * 3
    origin.handler = always(answer(body))
    connections = origin.connections
    with connect(port) as wire:
        for _ in range(10):
            wire.send(request())
        settled(lambda: len(origin.seen))  # nothing is read until the buffers are full
        for _ in range(10):
            assert wire.response().body == body
    assert origin.connections <= connections + 2


def test_a_slow_server_holds_the_client_back(origin: Origin, port: int, bascule: Bascule) -> None:
    go: queue.Queue[None] = queue.Queue()

    def handle(wire: Wire, message: Message) -> bool:
        go.get(timeout=30)
        return upload(wire, message)

    origin.handler = handle
    before = bascule.memory()
    with connect(port) as wire:
        wire.send(request("/", "POST", Content_Length=str(128 * MIB)))
        wire.sock.settimeout(0.5)
        data, sent = memoryview(b"".join(blocks(128))), 0
        with contextlib.suppress(TimeoutError):
            while sent < len(data):
                sent += wire.sock.send(data[sent : sent + MIB])
        assert sent < 100 * MIB, "the client was not held back: the kernel buffers of two hops take less than that"
        assert bascule.memory() < before + EXTRA
        go.put(None)
        wire.sock.settimeout(30)
        wire.sock.sendall(data[sent:])
        assert wire.response().body == digest(128).encode()


def settled(count: Any) -> None:
    """Wait until a count changes no more."""
    known = -1
    while known != (known := count()) or not known:
        time.sleep(0.3)  # nothing tells that no more comes


def test_content_that_came_with_its_head_goes_with_it(origin: Origin, port: int) -> None:
    """In one segment over a kept connection: two cost half as much again."""
    joined: list[bytes] = []

    def handle(wire: Wire, message: Message) -> bool:
        joined.append(wire.buffer)
        wire.read_body(message)
        wire.send(answer())
        return True

    origin.handler = handle
    chunked = request("/", "POST", Transfer_Encoding="chunked")
    with connect(port) as wire:
        for sent in (request(), request("/", "POST", body=b"a=1&b=2"), chunked + b"3\r\nabc\r\n0\r\n\r\n"):
            wire.send(sent)
            assert wire.response().status == 200
    assert joined == [b"", b"a=1&b=2", b"3\r\nabc\r\n0\r\n\r\n"]


def test_a_head_waits_for_no_content_that_is_not_there(origin: Origin, port: int) -> None:
    """Of what came behind the head nothing is content yet: the server has the head, and its answer counts."""

    def handle(wire: Wire, message: Message) -> bool:
        wire.send(answer(b"early", "403 Forbidden"))
        return True

    origin.handler = handle
    with connect(port) as wire:
        wire.send(request())
        assert wire.response().status == 403
        wire.send(request("/", "POST", Transfer_Encoding="chunked") + b"3")
        assert wire.response().body == b"early"
