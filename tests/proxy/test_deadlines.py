"""Every deadline, each in a site of its own where only that one is short. Lower bounds are checked, too."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.clients import Message, Wire, capacity, connect, request, reset
from tests.support.origins import Origin, always, answer, silent
from tests.support.pace import unless_stalled
from tests.support.program import Bascule, wait_for

SHORT = 0.6
LONG = 60.0
GRACE = 25.0
"""How late a deadline may strike on a busy machine; far below LONG."""


def config(origin: Origin) -> dict[str, Any]:
    def site(times: dict[str, float], **more: Any) -> dict[str, Any]:
        return {"timeouts": times, "routes": {"/": {"servers": [origin.address], "retries": {"attempts": 0}, **more}}}

    full = {"servers": [{"address": origin.address, "max_connections": 1}], "max_queue": 1}
    return {
        "timeouts": {"header": 1.0, "response": LONG, "response_idle": LONG, "body_idle": LONG, "send_idle": LONG},
        "sites": {
            "site.test": origin.address,
            "keep.test": site({"keep_alive": SHORT}),
            "body.test": site({"body_idle": SHORT}),
            "rate.test": {"limits": {"body_grace": SHORT, "body_min_rate": 5000}, "routes": {"/": origin.address}},
            "response.test": site({"response": SHORT}),
            "idle.test": site({"response_idle": SHORT}),
            "take.test": {"limits": {"send_grace": SHORT, "send_min_rate": 50_000}, **site({}, keep_alive=0)},
            "send.test": site({"send_idle": SHORT, "keep_alive": SHORT}, keep_alive=0),
            "total.test": site({"total": SHORT}),
            "queue.test": {"timeouts": {"queue": SHORT}, "routes": {"/": full}},
            "agree.test": site({"body_idle": SHORT}),
            "rest.test": site({"keep_alive": LONG}),
            "answer.test": site({"response": 1.0}),
        },
    }


@contextmanager
def strikes(after: float = SHORT) -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert after * 0.8 < time.monotonic() - begun < after + GRACE


def test_a_head_that_trickles(port: int) -> None:
    with connect(port) as wire, strikes(1.0):
        wire.send(b"GET / HTTP/1.1\r\n")
        wire.sock.settimeout(0.1)
        while True:  # each byte comes in time, the head as a whole does not
            try:
                wire.send(b"X")
                response = wire.response()
                break
            except TimeoutError:
                continue
        assert (response.status, response["connection"]) == (408, "close")


@unless_stalled
def test_a_head_in_time_on_a_kept_connection_that_idled_long(port: int) -> None:
    """Idle time does not count as time of the head."""
    with connect(port) as wire:
        wire.send(request(host="rest.test"))
        wire.response()
        wire.sock.settimeout(SHORT)
        with pytest.raises(TimeoutError):
            wire.more()
        wire.send(b"GET / HTTP/1.1\r\n")
        wire.sock.settimeout(SHORT * 0.7)
        with pytest.raises(TimeoutError):
            wire.more()
        wire.send(b"Host: rest.test\r\n\r\n")
        wire.sock.settimeout(LONG)
        assert wire.response().status == 200


def test_a_connection_on_which_nothing_comes(port: int) -> None:
    with connect(port) as wire, strikes(1.0):
        assert wire.at_end()


def test_halves_of_empty_lines_are_no_head(port: int) -> None:
    """Time does not begin anew with each of them."""
    with connect(port) as wire, strikes(1.0):
        wire.sock.settimeout(0.2)
        for number in range(150):
            try:
                wire.send(b"\n" if number % 2 else b"\r")
                wire.more()
                break
            except TimeoutError:
                continue
            except ConnectionError:
                break


def test_an_idle_connection(origin: Origin, port: int) -> None:
    with connect(port) as wire:
        wire.send(request(host="keep.test"))
        assert wire.response().status == 200
        with strikes():
            assert wire.at_end()


def test_a_body_that_stops(origin: Origin, port: int) -> None:
    with connect(port) as wire:
        wire.send(request("/", "POST", "body.test", Content_Length="10"))
        wire.send(b"12345")
        with strikes():
            assert wire.response().status == 408
            assert wire.at_end()


def test_a_body_that_trickles(origin: Origin, port: int) -> None:
    with connect(port) as wire, strikes():
        wire.send(request("/", "POST", "rate.test", Content_Length="100000"))
        wire.sock.settimeout(0.1)
        while True:
            try:
                wire.send(b"x" * 10)
                assert wire.response().status == 408
                break
            except TimeoutError:
                continue


@unless_stalled
def test_a_client_that_waits_for_consent_is_not_slow(origin: Origin, port: int) -> None:
    """The server takes its time to say 100: that is no fault of the client's body."""

    def handle(wire: Wire, message: Message) -> bool:
        wire.sock.settimeout(3 * SHORT)
        with pytest.raises(TimeoutError):
            wire.more()
        wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        wire.read_body(message)
        wire.send(answer(message.body))
        return False

    origin.handler = handle
    for host in ("rate.test", "agree.test"):
        with connect(port) as wire:
            wire.send(request("/", "PUT", host, Content_Length="1", Expect="100-continue"))
            assert wire.head().status == 100
            wire.send(b"x")
            assert wire.response().body == b"x"


def test_a_server_that_does_not_answer(origin: Origin, port: int) -> None:
    origin.handler = silent
    for data in (request(host="response.test"), request("/", "POST", "response.test", body=b"x")):
        with connect(port) as wire, strikes():
            wire.send(data)
            assert wire.response().status == 504
            origin.handler = always(answer(b"x"))
            wire.send(request(host="site.test", Connection="close"))  # the connection lives on
            assert wire.response().body == b"x"
        origin.handler = silent


def test_a_server_that_stops_inside_its_response(origin: Origin, port: int) -> None:
    def handle(wire: Wire, message: Message) -> bool:
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
        return silent(wire, message)

    origin.handler = handle
    with connect(port) as wire:
        wire.send(request(host="idle.test"))
        assert wire.head().status == 200
        with strikes():
            assert wire.exactly(5) == b"12345"
            assert wire.at_end()


@unless_stalled
def test_a_response_that_goes_on_is_not_idle(origin: Origin, port: int) -> None:
    def handle(wire: Wire, message: Message) -> bool:
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
        for _ in range(8):
            time.sleep(SHORT / 3)  # the pace is what is tested
            wire.send(b"x")
        return True

    origin.handler = handle
    with connect(port) as wire:
        wire.send(request(host="idle.test"))
        assert wire.response().body == b"x" * 8


@pytest.mark.parametrize("close", [False, True])
def test_a_client_that_takes_nothing(origin: Origin, port: int, close: bool) -> None:
    """Whether the server still has content to give or not, and whether it comes in one piece or many."""
    done = []

    def handle(wire: Wire, message: Message) -> bool:
        try:
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
            for _ in range(1000):
                wire.send(b"x" * 100_000)
        finally:
            done.append(time.monotonic())
        return False

    origin.handler = handle
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", port))
        begun = time.monotonic()
        sock.sendall(request(host="send.test", **({"Connection": "close"} if close else {})))
        while not done:
            assert time.monotonic() - begun < SHORT + GRACE, "the server is still waiting"
            time.sleep(0.01)


@pytest.mark.parametrize("size", [0, 60_000])
def test_a_client_that_takes_its_response_too_slowly(origin: Origin, port: int, bascule: Bascule, size: int) -> None:
    """It takes something all the time, but hardly anything: of a response without end, or of the rest of one."""
    origin.handler = always(answer(b"x" * (capacity() + size if size else 100_000_000)))
    before = bascule.sockets()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", port))
        sock.sendall(request(host="take.test", Connection="close"))
        begun = time.monotonic()
        wait_for(lambda: bascule.sockets() > before, "the connection to be there")
        while bascule.sockets() > before:
            assert time.monotonic() - begun < SHORT + GRACE, "the server is still waiting"
            sock.recv(500)
            time.sleep(0.05)  # some 10,000 bytes a second


@pytest.mark.parametrize("close", [False, True])
def test_a_client_that_takes_nothing_of_the_end(origin: Origin, port: int, bascule: Bascule, close: bool) -> None:
    """The response is complete, a part of it still to be sent: that may not wait for ever."""
    origin.handler = always(answer(b"x" * (capacity() + 60_000)))
    before = bascule.sockets()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", port))
        sock.sendall(request(host="send.test", **({"Connection": "close"} if close else {})))
        with strikes(SHORT if close else 2 * SHORT):
            wait_for(lambda: bascule.sockets() > before, "the connection to be there")
            wait_for(lambda: bascule.sockets() <= before, "the connection to go", SHORT + GRACE)


@unless_stalled
def test_a_slow_client_is_served(origin: Origin, port: int) -> None:
    body = b"x" * 3_000_000
    origin.handler = always(answer(body))
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.connect(("127.0.0.1", port))
        sock.sendall(request(host="send.test", Connection="close"))
        wire = Wire(sock)
        begun = time.monotonic()
        read = 0
        while read < len(body):
            data = sock.recv(65536)
            assert data, read
            read += len(data)
            if time.monotonic() - begun < 2 * SHORT:  # slower than the deadline in all, never as long at once
                time.sleep(0.05)
        assert wire.at_end()


def test_the_whole_exchange(origin: Origin, port: int) -> None:
    origin.handler = silent
    with connect(port) as wire, strikes():
        wire.send(request(host="total.test"))
        assert wire.response().status == 504


@unless_stalled
def test_the_queue(origin: Origin, port: int) -> None:
    def handle(wire: Wire, message: Message) -> bool:
        wire.read_body(message)
        if message.start[1] == "/hold":
            return silent(wire, message)
        wire.send(answer(b"x"))
        return True

    origin.handler = handle
    before = len(origin.seen)
    with connect(port) as first:
        first.send(request("/hold", host="queue.test"))
        wait_for(lambda: len(origin.seen) > before, "the server to be asked")
        with connect(port) as second, strikes():
            second.send(request(host="queue.test"))
            with connect(port) as third:  # one waits, there is no room for another
                third.send(request(host="queue.test"))
                response = third.response()
                assert (response.status, response["retry-after"]) == (503, "5")
            assert second.response().status == 503
        with connect(port) as second, strikes():  # although its body comes all the time
            second.send(request("/", "POST", "queue.test", Content_Length="10000000"))
            second.sock.settimeout(0.05)
            while True:
                try:
                    second.send(b"x" * 1000)
                    assert second.response().status == 503
                    break
                except TimeoutError:
                    continue
        with connect(port) as second:
            second.send(request(host="queue.test"))
            reset(first.sock)
            assert second.response().status == 200


def test_a_server_that_does_not_accept() -> None:
    """A listening socket with a full backlog: the connection is never established."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        filling = []
        for _ in range(8):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(deaf.getsockname())
            filling.append(sock)
        route = {"servers": [f"127.0.0.1:{deaf.getsockname()[1]}"], "retries": {"attempts": 0}}
        config = {"timeouts": {"connect": SHORT}, "sites": {"*": {"routes": {"/": route}}}}
        with Bascule(config) as bascule, connect(bascule.port) as wire, strikes():
            wire.send(request())
            assert wire.response().status == 504
        for sock in filling:
            sock.close()


@contextmanager
def stands_still(bascule: Bascule, seconds: float) -> Iterator[None]:
    """Stop worker and keeper, as a machine that is paused or a loop that is kept busy does; what comes waits."""
    stopped = bascule.children()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    begun = time.monotonic()
    try:
        yield
        wait_for(lambda: time.monotonic() > begun + seconds, "the standstill to last")
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


@unless_stalled
def test_a_head_that_came_while_the_worker_stood_still(bascule: Bascule, port: int) -> None:
    for seconds in (0.8, 0.8, 0.8, 2.0, 2.0):  # less than STANDSTILL of deadlines.py, and more
        with connect(port) as wire:
            wire.send(b"GET / HTTP/1.1\r\n")
            begun = time.monotonic()
            wait_for(lambda begun=begun: time.monotonic() > begun + 0.5, "half the time to pass")  # type: ignore[misc]
            with stands_still(bascule, seconds):
                wire.send(b"Host: site.test\r\n\r\n")  # in time, as far as the client can tell
            assert wire.response().status == 200


@unless_stalled
def test_a_body_that_came_while_the_worker_stood_still(bascule: Bascule, port: int) -> None:
    for host in ("body.test", "rate.test"):
        with connect(port) as wire:
            wire.send(request("/", "POST", host, Content_Length="100000"))
            with stands_still(bascule, 2 * SHORT):
                wire.send(b"x" * 100_000)
            assert wire.response().status == 200


@unless_stalled
def test_an_answer_that_came_while_the_worker_stood_still(bascule: Bascule, origin: Origin, port: int) -> None:
    go = threading.Event()

    def handle(wire: Wire, message: Message) -> bool:
        go.wait(LONG)
        wire.send(answer(b"x"))
        return True

    origin.handler = handle
    with connect(port) as wire:
        wire.send(request(host="answer.test"))
        wait_for(lambda: origin.seen, "the server to be asked")
        with stands_still(bascule, 2.0):
            go.set()
        assert wire.response().status == 200


def test_who_is_late_is_refused_after_a_standstill(bascule: Bascule, port: int) -> None:
    """That a tick came late gains no time but its own."""
    with connect(port) as wire, strikes(1.0):
        wire.send(b"GET / HTTP/1.1\r\n")
        with stands_still(bascule, 2.0):
            wire.send(b"X")
        assert wire.response().status == 408
