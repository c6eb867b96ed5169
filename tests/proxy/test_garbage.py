"""What a request leaves behind is freed at once, or worked off soon: garbage and records alike cost cold memory."""

import asyncio
import gc

import pytest

from bascule.telemetry.recorder import BATCH
from benchmarks.hotpath import Bench


@pytest.mark.parametrize("rules", ["", "logic"])
def test_requests_leave_no_cycles(rules: str) -> None:
    async def left() -> int:
        bench = Bench(rules)
        for request in bench.requests[:20]:
            bench.whole(request)
        gc.collect()
        gc.disable()
        try:
            for request in bench.requests[20:120]:
                bench.whole(request)
            return gc.collect()
        finally:
            gc.enable()

    assert asyncio.run(left()) < 50


def test_a_full_batch_of_records_is_worked_off_at_once() -> None:
    async def left() -> list[int]:
        bench = Bench()
        sizes = []
        for request in bench.requests[: BATCH + 1]:
            bench.whole(request)
            sizes.append(len(bench.recorder.records))
        return sizes

    assert asyncio.run(left()) == [*range(1, BATCH), 0, 1]
