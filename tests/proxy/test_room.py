"""Who is let go of to make room, and from when on: the deadlines shrink before places are scarce."""

from __future__ import annotations

import resource
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bascule.config.policies import Limits, Timeouts
from bascule.proxy.app import default_cap
from bascule.proxy.client import ClientConnection
from bascule.proxy.room import Room
from bascule.proxy.route import Times
from bascule.state.arena import Arena
from bascule.telemetry.recorder import Recorder
from tests.telemetry.support import make_plan

MOST = 100


class Client(ClientConnection):
    __slots__ = ("rested", "waited")

    def __init__(self, waited: float = 0.0, rested: float = 0.0) -> None:
        self.waited, self.rested = waited, rested
        self.address, self.port = b"127.0.0.1", 1

    def hesitates(self, now: float) -> float:
        return self.waited

    def idle_since(self, now: float) -> float:
        return self.rested

    def shut(self) -> None:
        """Nothing is open."""


def room(*clients: Client) -> Room:
    """A room with these clients; others that are busy fill it up to `count` by `fill`."""
    known: set[Any] = set(clients)
    app = SimpleNamespace(
        times=Times(Timeouts.model_validate({"header": "10s", "keep_alive": "60s"}), Limits()),
        forget=known.discard,
        note=lambda *_: None,
        recorder=Recorder(make_plan(), Arena(16 << 20), 0),
    )
    return Room(cast(Any, app), cast(Any, known), MOST)


def left(count: int, pressure: float, *clients: Client) -> list[Client]:
    """Return who of the clients is left a second later, among `count` in all."""
    found = room(*clients, *(Client() for _ in range(count - len(clients))))
    found.every_second(1000.0, pressure)
    return [client for client in clients if client in found._clients]


@pytest.mark.parametrize(
    ("count", "pressure", "hesitation", "pause"),
    [
        (50, 0.0, 10.0, 60.0),  # half of the places: the configured deadlines
        (70, 0.0, 6.0, 35.0),
        (89, 0.0, 2.2, 11.3),
        (10, 0.75, 6.0, 35.0),  # pressure of another kind
        (10, 5.0, 2.0, 10.0),
    ],
)
def test_deadlines_shrink_under_pressure(count: int, pressure: float, hesitation: float, pause: float) -> None:
    below = (Client(waited=hesitation - 0.2), Client(rested=pause - 0.2))
    beyond = (Client(waited=hesitation + 0.2), Client(rested=pause + 0.2))
    assert left(count, pressure, *below) == list(below)
    strained = count > 50 or pressure > 0.5
    assert left(count, pressure, *beyond) == ([] if strained else list(beyond))


def test_when_places_are_scarce_the_longest_resting_go_first() -> None:
    clients = [Client(rested=1.5 + number / 100) for number in range(20)]
    gone = [client for client in clients if client not in left(95, 0.0, *clients)]
    assert gone == clients[-5:]


def test_who_has_a_request_in_progress_stays() -> None:
    busy = Client()
    assert left(MOST, 9.0, busy) == [busy]


def test_every_client_of_a_forward_proxy_may_have_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (20_064, 20_064))
    assert default_cap(tunnels=True) == 10_000
    assert default_cap(tunnels=False) == 15_000
