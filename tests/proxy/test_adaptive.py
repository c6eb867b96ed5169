"""Adaptive concurrency, live: a server that slows down is not buried, whatever the crowd."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time

from tests.support.admin import scrape
from tests.support.clients import EndedError, Message, Wire, connect, request
from tests.support.origins import Origin, answer
from tests.support.pace import unless_stalled
from tests.support.program import Bascule, wait_for

CAP = 12


class Slow:
    """A handler that takes its time, and counts how many requests it has in progress."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.busy = self.most = self.served = 0
        self._lock = threading.Lock()

    def __call__(self, wire: Wire, message: Message) -> bool:
        with self._lock:
            self.busy += 1
            self.most = max(self.most, self.busy)
        time.sleep(self.seconds * max(1.0, self.busy / 4))  # four at a time are no slower than one
        with self._lock:
            self.busy -= 1
            self.served += 1
        wire.send(answer(b"x"))
        return True


class Crowd:
    """Clients that ask again and again, each on a connection of its own."""

    def __init__(self, port: int, size: int) -> None:
        self.statuses: set[int] = set()
        self._port = port
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(size)]

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    def _ask(self) -> None:
        with contextlib.suppress(EndedError, OSError), connect(self._port) as wire:
            while not self._over.is_set():
                wire.send(request())
                self.statuses.add(wire.response().status)


@unless_stalled
def test_a_slow_server_is_not_buried() -> None:
    slow = Slow(0.02)
    with Origin(slow) as origin:
        adaptive = {"min": 2, "initial": 6, "max": CAP, "window": 0.2}
        route = {"servers": [origin.address], "adaptive": adaptive}
        with Bascule({"workers": 2, "sites": {"*": {"routes": {"/": route}}}}) as bascule:

            def limit() -> float:
                return scrape(bascule, "bascule_upstream_limit")

            with Crowd(bascule.port, 40) as crowd:
                wait_for(lambda: slow.served > 200, "an answer to everybody")
                assert slow.most <= CAP
                slow.seconds = 0.2
                wait_for(lambda: limit() <= 5, "the limit to fall")
                slow.most = slow.busy
                before = slow.served
                wait_for(lambda: slow.served >= before + 20, "answers by the slow server")
                assert slow.most <= 8
                slow.seconds = 0.02
                wait_for(lambda: limit() >= 6, "the limit to rise again")
            assert crowd.statuses == {200}  # the others waited in line


def test_beyond_the_line_there_is_an_answer_at_once() -> None:
    with Origin(Slow(0.3)) as origin:
        route = {"servers": [origin.address], "adaptive": {"min": 1, "initial": 1, "max": 2}, "max_queue": 2}
        with Bascule({"sites": {"*": {"routes": {"/": route}}}}) as bascule, Crowd(bascule.port, 8) as crowd:
            wait_for(lambda: crowd.statuses >= {200, 503}, "somebody to be served, and somebody to be refused")
            client = http.client.HTTPConnection(*bascule.address, timeout=30)
            statuses = []
            for _ in range(50):
                client.request("GET", "/")
                response = client.getresponse()
                response.read()
                statuses.append((response.status, response.headers["retry-after"]))
                if response.status == 503:
                    break
            client.close()
            assert statuses[-1] == (503, "5")
