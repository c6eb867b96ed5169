"""The micro-benchmark measures what it says: requests that reach the server and answers that reach the client."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from benchmarks import traffic
from benchmarks.hotpath import Bench, Swallow


def test_a_whole_request_goes_through_the_data_plane(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    monkeypatch.setattr(Swallow, "write", lambda self, data: written.append(bytes(data)))

    async def scene() -> list[Any]:
        bench = Bench()
        for request in bench.requests[:3]:
            bench.whole(request)
        return bench.recorder.records.copy()

    records = asyncio.run(scene())
    assert [record[8] for record in records] == [200, 200, 200]
    to_server, to_client = written[::2], written[1::2]
    assert all(request.startswith(b"GET /") and b"X-Forwarded-For: 127.0.0.1\r\n" in request for request in to_server)
    assert len(set(to_server)) == 3
    assert all(answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"x" * 59) for answer in to_client)


def test_work_that_takes_turns_is_done_before_the_server_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that is long, and one whose turn is over in the midst of it."""

    async def scene(size: int) -> list[Any]:
        bench = Bench("logic", "", traffic.document(size))
        for request in bench.requests[:3]:
            bench.whole(request)
        return bench.recorder.records.copy()

    assert [record[8] for record in asyncio.run(scene(8_000))] == [200, 200, 200]
    monkeypatch.setattr("bascule.proxy.inspection.TURN", 1e-9)
    assert [record[8] for record in asyncio.run(scene(2_000))] == [200, 200, 200]


def test_what_would_measure_nonsense_is_an_error() -> None:
    async def scene() -> None:
        bench = Bench("logic", "", lambda rng: traffic.page(rng).replace("GET /", "GET /?q=1'+or+1=1--+", 1))
        bench.warm_up()

    with pytest.raises(RuntimeError, match=r"expected one answer 200, not \[403\]"):
        asyncio.run(scene())


def test_every_step_runs_on_its_own() -> None:
    async def scene() -> list[str]:
        bench = Bench()
        for step in bench.steps().values():
            step(bench.requests[0])
        return list(bench.steps())

    assert "parse request head" in asyncio.run(scene())
