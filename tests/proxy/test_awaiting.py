"""Exchanges that wait for one response: an error about one of them leaves none of the others waiting."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from bascule.proxy.fetch import Fetch


def test_the_rest_go_on_alone() -> None:
    asked: list[str] = []
    cache = SimpleNamespace(ask=lambda exchange, how, status: asked.append(exchange.name))
    fetch = Fetch.__new__(Fetch)
    fetch._leader = None
    fetch._waiting = cast(
        Any,
        [
            SimpleNamespace(
                exchange=SimpleNamespace(
                    name=name, ticket=1, finished=name == "gone", route=SimpleNamespace(cache=cache)
                )
            )
            for name in ("one", "two", "gone", "three")
        ],
    )

    def let_go() -> None:
        for exchange in fetch._released():
            if cast(Any, exchange).name == "two":
                raise OSError("two")

    with pytest.raises(OSError, match="two"):
        let_go()
    assert asked == ["three"]
    assert not fetch._waiting
