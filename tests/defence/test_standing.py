"""What a connection remembers of its client, and that it is looked for anew as soon as something changed near it."""

from __future__ import annotations

from time import get_clock_info, monotonic
from typing import Any

import pytest

from bascule.config.compile import compile_config
from bascule.config.schema import Config
from bascule.defence.report import Reports
from bascule.defence.shared import Shared
from bascule.defence.shield import Shield
from bascule.defence.standing import Standing
from tests.defence.support import Asked

CLIENT = b"192.0.2.1"


class Worker:
    """A shield, what one connection of `CLIENT` remembers, and how often it is looked for."""

    def __init__(self, shared: Shared | None = None, **defence: Any) -> None:
        account = {"mode": "block", "forgive": "1/m", "points": {"not_found": 4}}
        data = {"listen": [80], "account": account, "defence": defence, "sites": {"*": "10.0.0.1:80"}}
        self.plan = compile_config(Config.model_validate(data))
        self.shared = shared or Shared(self.plan)
        self.shield = Shield(self.plan, self.shared, Reports(lambda *what: None, None))
        self.known: Standing | None = None

    def look(self) -> Standing:
        self.known = self.shield.standing(self.known, CLIENT)
        return self.known

    def word(self) -> str:
        return self.shield.keeps_out(self.look())


def test_who_does_nothing_is_free_until_another_worker_bans_it() -> None:
    one = Worker()
    other = Worker(one.shared)
    assert one.look().free
    assert one.word() == ""
    other.shared.bans.hold(one.look().key, monotonic() + 60.0)
    assert one.word() == "ban"
    assert not one.look().free
    other.shared.bans.hold(one.look().key, 0.0)
    assert one.word() == ""
    assert one.look().free


def test_an_account_that_another_worker_charges_is_seen() -> None:
    one = Worker()
    other = Worker(one.shared)
    assert one.shield.points(one.look()) == 0.0
    other.shield.offended(Asked(client=CLIENT), "no_route")
    assert one.shield.points(one.look()) == pytest.approx(4.0, abs=0.1)
    assert not one.look().free


def test_a_change_of_bans_is_no_change_of_the_clients_standing_elsewhere() -> None:
    worker = Worker()
    standing = worker.look()
    worker.shared.bans.hold(standing.key ^ (1 << 3), monotonic() + 60.0)  # of another lane
    assert standing.changes == worker.shield.changes[standing.lane]
    assert worker.look() is standing


def test_a_list_that_comes_later_holds_for_connections_that_are_there() -> None:
    worker = Worker()
    assert worker.look().free
    worker.shield.set_networks("", [["192.0.2.0/24", "feed"]])
    assert worker.word() == "feed"
    worker.shield.set_networks("", [])
    assert worker.look().free
    worker.shield.set_watched("", ["192.0.2.0/24"])
    assert not worker.look().free, "each of its requests is told"
    assert worker.word() == ""


def test_where_rules_are_about_the_time_nobody_stays_free() -> None:
    rule = {"deny": {"network": ["192.0.2.0/24"]}, "name": "closed"}
    worker = Worker(rules=[rule])
    assert worker.word() == "closed"
    other = Worker(rules=[{"deny": {"network": ["203.0.113.0/24"]}}])
    assert other.word() == ""
    assert not other.look().free


def test_who_is_allowed_is_not_kept_out() -> None:
    worker = Worker(allow=["192.0.2.1"], deny=["192.0.2.0/24"])
    assert worker.look().spared
    assert worker.word() == ""


def test_another_address_is_another_client() -> None:
    worker = Worker()
    mine = worker.look()
    other = worker.shield.standing(mine, b"192.0.2.2")
    assert other is not mine
    assert other.key != mine.key


def test_requests_are_counted_by_the_clock_that_debts_are_in() -> None:
    """`Exchange.started` is of perf_counter, and limits take it for now."""
    clocks = [get_clock_info(name) for name in ("perf_counter", "monotonic")]
    assert clocks[0].implementation == clocks[1].implementation
