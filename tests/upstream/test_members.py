"""Members that come and go, as workers see it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bascule.config.pools import Server
from bascule.upstream.members import Member, encode_members, parse_members
from bascule.upstream.pool import Outcome, ServerState, Unavailable
from tests.upstream.support import FACTS, Facts, Harness


def payload(*numbers: int, host: str = "", **options: Any) -> Any:
    """What the bus brings: servers 10.0.0.N in slot N."""
    members = [
        Member(Server.model_validate({"address": f"https://10.0.0.{number}", **options}), number, host)
        for number in numbers
    ]
    return json.loads(json.dumps(encode_members(members)))


def discovered(**config: Any) -> Harness:
    return Harness([], discover={"dns": "app.example:80"}, **config)


def names(harness: Harness) -> set[str]:
    return {harness.serve().name.rpartition(".")[2] for _ in range(30)}


def test_a_pool_without_members_is_down_until_they_come() -> None:
    harness = discovered()
    assert harness.unavailable() is Unavailable.DOWN
    harness.pool.update_members(payload(1, 2))
    assert names(harness) == {"1:443", "2:443"}


def test_who_stays_keeps_its_state_and_who_goes_is_told() -> None:
    harness = discovered()
    gone: list[ServerState] = []
    harness.pool.on_removed = gone.append
    harness.pool.update_members(payload(1, 2))
    one, two = harness.pool.servers
    one.idle.append("connection")
    harness.pool.update_members(payload(1, 3))
    assert gone == [two]
    assert two.removed
    assert harness.pool.servers[0] is one
    assert one.idle == ["connection"]
    assert names(harness) == {"1:443", "3:443"}


def test_requests_in_progress_on_a_removed_server_end_in_peace() -> None:
    harness = discovered(balance="least-time")
    harness.pool.update_members(payload(1, max_connections=5))
    busy = [harness.pick() for _ in range(3)]
    harness.pool.update_members(payload(2, max_connections=5))
    for outcome in (Outcome.OK, Outcome.RESET, Outcome.CLIENT_ABORT):
        harness.pool.release(busy.pop(), outcome, 0.1)
    assert harness.flags.active(1) == 0
    assert harness.pool.picks == 3
    assert names(harness) == {"2:443"}


def test_what_is_being_learned_of_a_member_that_stays_is_not_lost() -> None:
    harness = discovered(adaptive=True)
    harness.pool.update_members(payload(1))
    learner = harness.server(1).adaptive
    assert learner is not None
    harness.pool.update_members(payload(1, 2, max_connections=3))
    assert harness.server(1).adaptive is learner
    assert harness.server(1).limit == 3


def test_a_member_changes_in_place() -> None:
    harness = discovered()
    harness.pool.update_members(payload(1, 2))
    harness.pool.update_members(payload(1, 2, host="app.example", weight=7))
    server = harness.server(1)
    assert (server.weight, server.server_name, server.host_header) == (7, "app.example", b"app.example")


def test_a_new_member_starts_slowly_the_first_ones_do_not() -> None:
    harness = discovered(slow_start=10)
    harness.pool.update_members(payload(1))
    assert harness.server(1).share == 1
    harness.pool.update_members(payload(1, 2))
    assert harness.server(2).share == pytest.approx(0.1)


def test_sticky_and_hash_know_the_new_members() -> None:
    harness = discovered(sticky={"secret": "k"}, balance="hash")
    harness.pool.update_members(payload(1))
    cookie = harness.pool.sticky_cookie(FACTS, harness.serve())
    assert cookie
    facts = Facts(cookies={b"bascule_route": cookie.split(b";")[0].partition(b"=")[2]})
    harness.pool.update_members(payload(1, 2, 3))
    assert harness.serve(facts) is harness.server(1)
    harness.pool.update_members(payload(2, 3))
    assert harness.serve(facts).name != "https://10.0.0.1:443"


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        {},
        {"members": 3},
        {"members": [{"slot": 0}]},
        {"members": [{"slot": 0, "host": "", "server": {"address": "nonsense"}}]},
        {"members": [{"slot": 400, "host": "", "server": {"address": "10.0.0.1:80"}}]},
        {"members": [{"slot": 0, "host": "", "server": {"address": f"10.0.0.{n}:80"}} for n in (1, 2)]},
    ],
)
def test_a_bad_payload_changes_nothing_and_is_reported(bad: Any, capfd: pytest.CaptureFixture[str]) -> None:
    harness = discovered()
    harness.pool.update_members(payload(1))
    harness.pool.update_members(bad)
    assert "keeping the members" in capfd.readouterr().err
    assert names(harness) == {"1:443"}


def test_listed_members_are_not_replaced_by_what_was_found_before_a_reload() -> None:
    harness = Harness(2)
    harness.pool.update_members(payload(3))
    assert names(harness) == {"1:80", "2:80"}


def test_payloads_round_trip() -> None:
    members = [Member(Server.model_validate({"address": "unix:/run/app.sock", "backup": True}), 0, "app")]
    assert parse_members(encode_members(members), 1) == members
