"""A worker that accepts no more stays until the last client has been served, that which was on its way to it, too."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from bascule.proxy.app import ProxyApp


class Acceptor:
    """Has accepted one more connection, and brings it to its protocol just after the last client has gone."""

    def __init__(self, app: Any, late: object) -> None:
        self._app, self._late = app, late

    async def settle(self) -> None:
        self._app.check_drained()
        await asyncio.sleep(0)
        self._app.clients.add(self._late)


async def drains() -> None:
    app = cast(Any, object.__new__(ProxyApp))
    late = object()
    app.loop, app.clients, app._drained = asyncio.get_running_loop(), set(), asyncio.Event()
    app._acceptor = Acceptor(app, late)
    drained = asyncio.ensure_future(app.drain(app.loop.time() + 60.0))
    for _ in range(10):
        await asyncio.sleep(0)
    assert app.clients == {late}
    assert not drained.done()
    app.clients.discard(late)
    app.check_drained()
    await asyncio.wait_for(drained, 30.0)


def test_who_was_accepted_while_the_last_client_went_is_waited_for() -> None:
    asyncio.run(drains())
