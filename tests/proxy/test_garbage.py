"""What a request leaves behind is freed at once: cyclic garbage costs a collection, and cold memory until then."""

import asyncio
import gc

import pytest

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
