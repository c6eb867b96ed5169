"""A connection that is being opened without a task."""

from __future__ import annotations

import asyncio

import pytest

from bascule.upstream.dialling import Dialling


@pytest.mark.parametrize("cancelled", [False, True])
def test_who_gives_up_is_not_told_of_a_failure_of_the_same_turn(cancelled: bool) -> None:
    told: list[OSError] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = loop.create_future()

        async def connect() -> None:
            await opened

        dialling = Dialling(loop, connect(), told.append)
        opened.set_exception(ConnectionRefusedError())
        if cancelled:
            dialling.cancel()
        await asyncio.sleep(0)

    asyncio.run(main())
    assert len(told) == (not cancelled)
