"""The load on several servers: every way to balance, sessions, limits, health, ejection, breaker, retries, drain."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.clients import Message, Wire, ask, connect, request
from tests.support.origins import Handler, Origin, answer, resets, silent
from tests.support.pace import unless_stalled
from tests.support.program import Bascule, wait_for

SERVERS = 3


class World:
    """Three servers that answer with their number, and a program with a site for each way to use them."""

    def __init__(self, stack: ExitStack) -> None:
        self.origins = [stack.enter_context(Origin(named(number))) for number in range(SERVERS)]
        self.checked = [stack.enter_context(Origin(named(number))) for number in range(2)]
        """Servers with active checks, which others shall not see among their requests."""
        self.bascule = stack.enter_context(Bascule(self.config()))
        self.port = self.bascule.port

    def reset(self) -> None:
        for origins in (self.origins, self.checked):
            for number, origin in enumerate(origins):
                origin.handler = named(number)
                origin.seen.clear()

    @property
    def seen(self) -> int:
        return sum(len(origin.seen) for origin in self.origins)

    def config(self) -> dict[str, Any]:
        addresses = [origin.address for origin in self.origins]
        calm = {"outliers": {"consecutive": 0}, "breaker": {"enabled": False}}

        def pool(**more: Any) -> dict[str, Any]:
            return {"routes": {"/": {"servers": addresses, **calm, **more}}}

        weighted = [
            {"address": address, "weight": weight} for address, weight in zip(addresses, (6, 3, 1), strict=True)
        ]
        checked = [origin.address for origin in self.checked]
        check = {"path": "/health", "interval": 0.1, "rise": 1, "fall": 1, "timeout": 1}
        plenty = {"attempts": 2, "budget": 1, "budget_floor": 1000}
        one = [{"address": addresses[0], "max_connections": 2}]
        return {
            "sites": {
                "round.test": pool(),
                "weighted.test": pool(servers=weighted),
                "least.test": pool(balance="least-connections"),
                "time.test": pool(balance="least-time"),
                "two.test": pool(balance="random-two"),
                "uri.test": pool(balance="hash", hash={"key": "uri", "bound": 10}),
                "client.test": pool(balance="hash", hash={"key": "client", "bound": 10}),
                "header.test": pool(balance="hash", hash={"key": "header", "name": "X-Key", "bound": 10}),
                "cookie.test": pool(balance="hash", hash={"key": "cookie", "name": "key", "bound": 10}),
                "sticky.test": pool(sticky={"cookie": "where", "secret": "a secret of some length"}),
                "backup.test": pool(servers=[addresses[0], {"address": addresses[1], "backup": True}], **calm),
                "drained.test": pool(servers=[addresses[0], {"address": addresses[1], "drain": True}]),
                "limit.test": pool(servers=one),
                "health.test": pool(servers=checked, health=check),
                "eject.test": pool(outliers={"consecutive": 2, "ejection": 60, "panic": 0}, retries={"attempts": 0}),
                "breaker.test": pool(
                    servers=addresses[:1], breaker={"minimum": 4, "open": 100}, retries={"attempts": 0}
                ),
                "retry.test": pool(retries={"on": ["connect", "reset", "timeout", "503"], **plenty}),
                "slow.test": {"timeouts": {"response": 0.5}, **pool(retries={"on": ["timeout"], **plenty})},
                "budget.test": pool(retries={"on": ["503"], "attempts": 2, "budget": 0, "budget_floor": 5}),
                "small.test": pool(retries={"on": ["reset"], "body_buffer": 1000, **plenty}),
            }
        }

    def who(self, host: str, target: str = "/", method: str = "GET", **options: Any) -> str:
        response = ask(self.port, target, method, host, **options)
        return response.body.decode() if response.status == 200 else str(response.status)

    def counts(self, host: str, number: int = 60, **options: Any) -> Counter[str]:
        return Counter(self.who(host, f"/{n}", **options) for n in range(number))


def named(number: int) -> Handler:
    def handle(wire: Wire, message: Message) -> bool:
        wire.read_body(message)
        wire.send(answer(b"%d" % number))
        return True

    return handle


def failing(wire: Wire, message: Message) -> bool:
    wire.read_body(message)
    wire.send(answer(b"busy", "503 Service Unavailable"))
    return True


@pytest.fixture(scope="module")
def _world() -> Iterator[World]:
    with ExitStack() as stack:
        yield World(stack)


@pytest.fixture
def world(_world: World) -> World:
    _world.reset()
    return _world


def test_round_robin(world: World) -> None:
    assert world.counts("round.test") == {"0": 20, "1": 20, "2": 20}
    assert [world.who("round.test") for _ in range(4)] in (
        ["0", "1", "2", "0"],
        ["1", "2", "0", "1"],
        ["2", "0", "1", "2"],
    )


def test_weights(world: World) -> None:
    assert world.counts("weighted.test", 50) == {"0": 30, "1": 15, "2": 5}


@pytest.mark.parametrize("host", ["least.test", "time.test", "two.test"])
def test_the_idle_servers_get_the_load(world: World, host: str) -> None:
    """One server hangs on to its requests: it gets no more of them than its share of the first ones."""
    hold = threading.Event()

    def slow(wire: Wire, message: Message) -> bool:
        hold.wait(20)
        wire.send(answer(b"0"))
        return True

    world.origins[0].handler = slow
    waiting = []
    for _ in range(12):
        wire = connect(world.port)
        wire.send(request(host=host))
        waiting.append(wire)
    wait_for(lambda: world.seen >= 12, "the requests to be under way")
    found = Counter(world.who(host) for _ in range(20)) if len(world.origins[0].seen) < 12 else Counter()
    hold.set()
    for wire in waiting:
        wire.response()
        wire.sock.close()
    assert found["1"] + found["2"] == 20


@pytest.mark.parametrize("key", ["uri", "client", "header", "cookie"])
def test_hashing(world: World, key: str) -> None:
    def ask_as(number: int) -> str:
        fields = (
            {"X_Key": f"k{number}"} if key == "header" else {"Cookie": f"a=b; key=k{number}"} if key == "cookie" else {}
        )
        with connect(world.port, f"127.0.1.{number + 1}" if key == "client" else "") as wire:
            wire.send(request(f"/{number}" if key == "uri" else "/", host=f"{key}.test", **fields))
            return wire.response().body.decode()

    found = [ask_as(number) for number in range(40)]
    assert found == [ask_as(number) for number in range(40)]
    assert set(found) == {"0", "1", "2"}


def test_sticky_sessions(world: World) -> None:
    response = ask(world.port, host="sticky.test")
    cookie = (response["set-cookie"] or "").partition(";")[0]
    assert cookie.startswith("where=")
    for needle in (*(str(origin.port) for origin in world.origins), "127.0.0.1"):
        assert needle not in cookie
    own = response.body.decode()
    for _ in range(6):
        again = ask(world.port, host="sticky.test", Cookie=f"x=y; {cookie}")
        assert (again.body.decode(), again["set-cookie"]) == (own, None)
    forged = ask(world.port, host="sticky.test", Cookie=cookie[:-2] + "zz")
    assert forged["set-cookie"]
    world.origins[int(own)].handler = resets
    elsewhere = ask(world.port, host="sticky.test", Cookie=cookie)
    assert elsewhere.status == 200
    assert elsewhere.body.decode() != own


def test_backups(world: World) -> None:
    assert set(world.counts("backup.test", 10)) == {"0"}
    world.origins[0].handler = resets
    assert world.who("backup.test") == "1"  # by a further try


def test_drained_servers_get_no_new_clients(world: World) -> None:
    assert set(world.counts("drained.test", 10)) == {"0"}


def test_a_limit_of_connections_and_its_queue(world: World) -> None:
    most = 0
    active = 0
    lock = threading.Lock()

    def handle(wire: Wire, message: Message) -> bool:
        nonlocal most, active
        with lock:
            active += 1
            most = max(most, active)
        time.sleep(0.02)  # long enough for others to come in
        with lock:
            active -= 1
        wire.send(answer(b"0"))
        return True

    world.origins[0].handler = handle
    wires = [connect(world.port) for _ in range(20)]
    for wire in wires:
        wire.send(request(host="limit.test"))
    assert [wire.response().body for wire in wires] == [b"0"] * 20
    for wire in wires:
        wire.sock.close()
    assert most == 2


def test_active_checks(world: World) -> None:
    def sick(wire: Wire, message: Message) -> bool:
        wire.send(answer(b"sick", "500 x") if message.start[1] == "/health" else answer(b"0"))
        return True

    world.checked[0].handler = sick
    wait_for(lambda: set(world.counts("health.test", 6)) == {"1"}, "the server to be taken out")
    world.checked[0].handler = named(0)
    wait_for(lambda: set(world.counts("health.test", 6)) == {"0", "1"}, "the server to be taken in")


def test_ejection(world: World) -> None:
    world.origins[0].handler = failing
    found = world.counts("eject.test", 60)
    assert found["503"] == 2
    assert found["1"] + found["2"] == 58


def test_the_circuit_breaker(world: World) -> None:
    world.origins[0].handler = failing
    wait_for(lambda: ask(world.port, host="breaker.test").body != b"busy", "the circuit to open")
    seen = len(world.origins[0].seen)
    assert ask(world.port, host="breaker.test").status == 503
    assert len(world.origins[0].seen) == seen
    world.origins[0].handler = named(0)
    wait_for(lambda: world.who("breaker.test") == "0", "a trial before its time, for nobody else can be asked")


@unless_stalled
def test_retries_by_cause(world: World) -> None:
    for broken in (resets, failing):
        world.origins[0].handler = world.origins[1].handler = broken
        assert set(world.counts("retry.test", 9)) == {"2"}
        assert set(world.counts("retry.test", 3, method="DELETE")) == {"2"}
        assert set(world.counts("retry.test", 3, method="PUT", body=b"x" * 1000)) == {"2"}
    world.origins[0].handler = world.origins[1].handler = silent
    assert set(world.counts("slow.test", 3)) == {"2"}


def test_what_was_sent_and_is_not_idempotent_is_not_sent_again(world: World) -> None:
    for origin in world.origins:
        origin.handler = resets
    assert world.who("retry.test", method="POST", body=b"x") == "502"
    assert world.seen == 1


def test_a_body_too_large_to_keep_is_not_sent_again(world: World) -> None:
    for origin in world.origins:
        origin.handler = resets
    assert world.who("small.test", method="PUT", body=b"x" * 2000) == "502"
    assert world.seen == 1
    assert world.who("small.test", method="PUT", body=b"x" * 500) == "502"
    assert world.seen == 4


def test_the_last_answer_is_passed_on_when_no_further_try_is_left(world: World) -> None:
    for origin in world.origins:
        origin.handler = failing
    response = ask(world.port, host="retry.test")
    assert (response.status, response.body) == (503, b"busy")
    assert world.seen == 3


def test_the_retry_budget(world: World) -> None:
    for origin in world.origins:
        origin.handler = failing
    for _ in range(30):
        assert ask(world.port, host="budget.test").status == 503
    extra = world.seen - 30
    assert 0 < extra <= 5 * 6, "five a second"


def test_a_kept_connection_that_the_server_closed_costs_nothing(world: World) -> None:
    """The race of RFC 9112 9.3.1: the server closes as the request leaves."""
    for origin in world.origins:

        def once(wire: Wire, message: Message) -> bool:
            wire.send(answer(b"x"))
            wire.more()
            return False

        origin.handler = once
    for _ in range(12):
        assert world.who("round.test") == "x"


def test_a_killed_server_costs_an_idempotent_client_nothing() -> None:
    with ExitStack() as stack:
        origins = [stack.enter_context(Origin(named(number))) for number in range(2)]
        addresses = [origin.address for origin in origins]
        route = {"servers": addresses, "outliers": {"ejection": 0.3}}
        bascule = stack.enter_context(Bascule({"sites": {"*": {"routes": {"/": route}}}}))
        answers: Counter[str] = Counter()
        over = threading.Event()

        def client() -> None:
            with connect(bascule.port) as wire:
                while not over.is_set():
                    wire.send(request())
                    response = wire.response()
                    answers[response.body.decode() if response.status == 200 else f"lost {response.status}"] += 1

        threads = [threading.Thread(target=client) for _ in range(4)]
        for thread in threads:
            thread.start()
        wait_for(lambda: answers["0"] > 50, "the load")
        origins[0].kill()
        done = answers["1"]
        wait_for(lambda: answers["1"] > done + 200, "the load on the other server")
        origins[0] = stack.enter_context(Origin(named(0), port=origins[0].port))
        known = answers["0"]
        wait_for(lambda: answers["0"] > known + 50, "the load on the server that is back")
        over.set()
        for thread in threads:
            thread.join(20)
        assert set(answers) == {"0", "1"}
