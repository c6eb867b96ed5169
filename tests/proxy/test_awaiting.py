"""Exchanges that wait for one response: an error about one of them leaves none of the others waiting."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from bascule.proxy.awaiting import Waiters


def test_the_rest_go_on_alone() -> None:
    asked: list[str] = []
    cache = SimpleNamespace(ask=lambda exchange, how, status: asked.append(exchange.name))
    waiters = Waiters(lambda: None)
    for name in ("one", "two", "gone", "three"):
        route, peer = SimpleNamespace(cache=cache), SimpleNamespace(deadline=0.0)
        waiters.add(cast(Any, SimpleNamespace(name=name, finished=name == "gone", route=route, peer=peer)), 0.0)

    def let_go() -> None:
        for exchange, _ in waiters.released():
            if cast(Any, exchange).name == "two":
                raise OSError("two")

    with pytest.raises(OSError, match="two"):
        let_go()
    assert asked == ["three"]
    assert not list(waiters)
