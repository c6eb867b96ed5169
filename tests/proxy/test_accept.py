"""Workers that share a listening socket take turns; two acceptors with sockets of their own stand for two workers."""

from __future__ import annotations

import asyncio
import errno
import itertools
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bascule.proxy.accept import Bars, FairAcceptor
from tests.support.program import until

WORKERS = 2


class Client(asyncio.Protocol):
    """A connection as the worker sees it, counted like one."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.worker.clients.append(self)
        self.worker.acceptor.count(len(self.worker.clients))


class Worker:
    def __init__(self, sock: socket.socket, crowd: memoryview, index: int) -> None:
        self.sock = sock.dup()
        self.clients: list[Client] = []
        self.acceptor = FairAcceptor(asyncio.get_running_loop(), crowd, index)

    def start(self, bars: Bars | None = None) -> None:
        self.acceptor.listen(self.sock, lambda: Client(self), bars)

    def close(self) -> None:
        self.acceptor.close()
        for client in self.clients:
            client.transport.abort()
        self.sock.close()


class Stage:
    """A listening socket, two workers that are not started yet, and clients."""

    def __init__(self) -> None:
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.sock.setblocking(False)
        self.crowd = memoryview(bytearray(8 * WORKERS)).cast("Q")
        self.workers = [Worker(self.sock, self.crowd, index) for index in range(WORKERS)]
        self.callers: list[socket.socket] = []

    def call(self, times: int) -> None:
        """Connect; the kernel answers, whether or not anybody accepts."""
        for _ in range(times):
            self.callers.append(socket.create_connection(self.sock.getsockname(), timeout=30))

    @property
    def counts(self) -> list[int]:
        return [len(worker.clients) for worker in self.workers]


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    ready = Stage()
    try:
        yield ready
    finally:
        for worker in ready.workers:
            worker.close()
        for caller in ready.callers:
            caller.close()
        ready.sock.close()


def run(scene: Callable[[Stage], Any]) -> None:
    async def main() -> None:
        async with stage() as ready:
            await scene(ready)

    asyncio.run(main())


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who steps back leaves all to the others, however long this process is kept from running."""
    monkeypatch.setattr("bascule.proxy.accept.PATIENCE", 60.0)


def test_a_burst_is_shared_out_evenly() -> None:
    async def scene(stage: Stage) -> None:
        for worker in stage.workers:
            worker.start()
        stage.call(60)
        await until(lambda: sum(stage.counts) == 60)
        assert max(stage.counts) - min(stage.counts) <= 6

    run(scene)


@pytest.mark.usefixtures("patient")
def test_who_has_fewer_clients_takes_the_next() -> None:
    async def scene(stage: Stage) -> None:
        busy, free = stage.workers
        busy.start()
        busy.acceptor.count(30)
        free.start()
        stage.call(20)
        await until(lambda: sum(stage.counts) == 20)
        assert stage.counts == [0, 20]

    run(scene)


def test_what_the_others_leave_is_taken_after_all() -> None:
    async def scene(stage: Stage) -> None:
        alone, _never_started = stage.workers
        alone.start()
        alone.acceptor.count(30)
        stage.call(100)
        await until(lambda: stage.counts == [100, 0])

    run(scene)


@pytest.mark.usefixtures("patient")
def test_nobody_waits_for_a_worker_that_accepts_nothing() -> None:
    async def scene(stage: Stage) -> None:
        first, second = stage.workers
        first.start()
        second.start()
        first.acceptor.count(30)
        second.acceptor.count(10)
        stage.crowd[0] += 1 << 40  # as while it is out of descriptors
        stage.call(10)
        await until(lambda: sum(stage.counts) == 10)
        assert stage.counts == [0, 10]

    run(scene)


@pytest.mark.usefixtures("patient")
def test_who_stepped_back_is_not_left_behind() -> None:
    async def scene(stage: Stage) -> None:
        rested, other = stage.workers
        stage.crowd[0] = (1 << 39) + 3  # as while it has stepped back with three clients
        other.start()
        stage.call(40)
        await until(lambda: stage.crowd[1] >> 39 == 1)
        assert stage.counts[0] == 0
        assert 3 + 8 <= stage.counts[1] <= 3 + 8 + 2 + 1  # one that is being handed over counts twice, or not yet
        rested.start()
        await until(lambda: sum(stage.counts) == 40)
        assert min(stage.counts) >= 14

    run(scene)


def test_after_closing_what_was_accepted_still_reaches_its_protocol_and_nothing_else_does() -> None:
    async def scene(stage: Stage) -> None:
        worker, _ = stage.workers
        worker.start()
        stage.call(1)
        await until(lambda: stage.crowd[0] > 0)  # accepted, but not yet handed over
        worker.acceptor.close()
        await worker.acceptor.settle()
        assert stage.counts == [1, 0]
        stage.call(1)
        stage.workers[1].start()
        await until(lambda: stage.counts == [1, 1])

    run(scene)


def test_out_of_descriptors_it_recovers_without_spinning(monkeypatch: pytest.MonkeyPatch) -> None:
    class Exhausted(socket.socket):
        failures = 0

        def accept(self) -> Any:
            if Exhausted.failures < 3:
                Exhausted.failures += 1
                raise OSError(errno.EMFILE, "Too many open files")
            return super().accept()

    monkeypatch.setattr("bascule.proxy.accept.RECOVERY", 0.02)

    async def scene(stage: Stage) -> None:
        worker, _ = stage.workers
        worker.sock.close()
        worker.sock = Exhausted(fileno=stage.sock.dup().detach())
        worker.start()
        stage.call(1)
        began = asyncio.get_running_loop().time()
        await until(lambda: stage.counts == [1, 0])
        assert Exhausted.failures == 3
        assert asyncio.get_running_loop().time() - began >= 3 * 0.02

    run(scene)


def test_who_is_barred_is_reset_before_anything_is_made_for_it() -> None:
    async def scene(stage: Stage) -> None:
        worker, _ = stage.workers
        asked: list[Any] = []
        worker.start(lambda name: asked.append(name) is None and len(asked) == 1)
        stage.call(2)
        await until(lambda: stage.counts == [1, 0])
        assert asked == [caller.getsockname() for caller in stage.callers]
        with pytest.raises(ConnectionResetError):
            stage.callers[0].recv(1)

    run(scene)


def test_one_turn_of_the_loop_takes_few_of_a_backlog(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is there waits for those that are accepted, and for what they ask at once."""
    monkeypatch.setattr("bascule.proxy.accept.PATIENCE", 0.001)

    async def scene(stage: Stage) -> None:
        worker, _ = stage.workers
        stage.workers[1].acceptor.count(0)
        worker.acceptor.count(1000)
        worker.start()
        stage.call(300)
        seen = [0]
        while seen[-1] < 300:
            await asyncio.sleep(0)
            seen.append(len(worker.clients))
        assert max(after - before for before, after in itertools.pairwise(seen)) <= 40

    run(scene)
