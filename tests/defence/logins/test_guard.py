"""What a guard decides about logins, and what their outcome changes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from bascule.config.compile import compile_config
from bascule.config.schema import Config
from bascule.defence.logins import guard as guards
from bascule.defence.logins.credentials import NONE
from bascule.defence.logins.guard import LoginGuard, Try
from bascule.defence.report import Reports
from bascule.defence.shared import Shared
from bascule.defence.shield import Shield
from tests.defence.support import Asked

ADA = (b"ada",)
EVE = "192.0.2.66"


class World:
    """A guard with a clock that is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, shared: Shared | None = None, **logins: Any) -> None:
        data = {
            "listen": [80],
            "logins": {"mode": "block", "endpoints": ["/login"], **logins},
            "sites": {"*": {"routes": {"/": "10.0.0.1:80"}}},
        }
        plan = compile_config(Config.model_validate(data))
        self.now = 5000.0
        monkeypatch.setattr(guards, "monotonic", lambda: self.now)
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.lines: list[bytes] = []
        self.shared = Shared(plan, shared)
        shield = Shield(plan, self.shared, Reports(lambda *what: self.counts.update([what]), self.lines.append))
        found = shield.logins_of(plan.sites[0])
        assert found is not None
        self.guard: LoginGuard = found

    def login(
        self, outcome: str = "failed", client: str = EVE, accounts: tuple[bytes, ...] = ADA, cookies: Any = None
    ) -> Try:
        request = Asked(client.encode(), path=b"/login", cookies=cookies or {})
        tried = self.guard.charge(request, accounts)
        if tried.over is None or tried.over.answer != "refuse":
            getattr(self.guard, outcome)(request, tried)
        return tried

    def answers(self, count: int, **facts: Any) -> list[str]:
        return [tried.over.answer if (tried := self.login(**facts)).over else "" for _ in range(count)]

    def device(self, account: bytes = b"ada") -> dict[bytes, bytes]:
        name, _, rest = self.guard.devices.line(account, False)[len(b"set-cookie: ") :].partition(b"=")
        return {name: rest.partition(b";")[0]}


def test_brute_force(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, pair="3/10m refuse")
    assert world.answers(5) == ["", "", "", "refuse", "refuse"]
    assert world.answers(1, client="192.0.2.1") == [""], "the owner, from elsewhere"
    world.now += 201.0
    assert world.answers(2) == ["", "refuse"], "a third of ten minutes"


def test_a_success_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, pair="3/10m refuse")
    world.answers(2)
    world.login("succeeded")
    assert world.answers(4) == ["", "", "", "refuse"]


def test_an_own_account_wipes_nothing_out(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, client="6/10m refuse")
    for number in range(6):
        world.login(accounts=(b"victim%d" % number,))
        world.login("succeeded", accounts=(b"eve",))
    assert world.answers(1, accounts=(b"victim9",)) == ["refuse"]


def test_many_successes_at_once_wipe_nothing_out(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, client="4/10m delay")
    world.answers(4, accounts=(b"victim",))
    own = Asked(EVE.encode(), path=b"/login")
    for tried in [world.guard.charge(own, (b"eve",)) for _ in range(9)]:
        world.guard.succeeded(own, tried)
    assert world.answers(1, accounts=(b"victim",)) == ["delay"]


def test_stuffing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, accounts="4/10m refuse")
    tried = [world.login(accounts=(b"account%d" % number,)) for number in range(6)]
    assert [each.over.name if each.over else "" for each in tried] == ["", "", "", "", "accounts", "accounts"]
    honest = [world.login("succeeded", "192.0.2.7", (b"employee%d" % number,)) for number in range(40)]
    assert not any(each.over for each in honest), "an office behind one address"


def test_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, pair="3/10m refuse")
    request = Asked(EVE.encode(), path=b"/login")
    tried = [world.guard.charge(request, ADA) for _ in range(6)]
    assert [bool(each.over) for each in tried] == [False] * 3 + [True] * 3, "before any has failed"


def test_the_owner_is_not_locked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, account="5/10m refuse")
    known = world.device()
    answers = [world.answers(1, client=f"198.51.100.{number}")[0] for number in range(8)]
    assert answers == [""] * 5 + ["refuse"] * 3
    owner = world.login("succeeded", "192.0.2.1", cookies=known)
    assert (owner.known, owner.over) == (True, None)
    assert world.login(client="192.0.2.2", accounts=(b"bob",), cookies=known).known is False, "of another account"


def test_guesses_by_a_known_device_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, pair="3/10m refuse")
    known = world.device()
    assert [world.login(cookies=known).known for _ in range(4)] == [True, True, True, False], "then it is a stranger"
    assert world.answers(3, cookies=known) == ["", "", "refuse"]


def test_spraying(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, spraying={"share": "80%", "least": 20})
    for number in range(20):
        assert world.answers(1, client=f"198.51.100.{number}", accounts=(b"account%d" % number,)) == [""]
    sprayed = world.login(client="198.51.100.99", accounts=(b"another",))
    assert sprayed.over is not None
    assert (sprayed.over.name, sprayed.over.answer) == ("spraying", "delay")
    assert world.login("succeeded", "192.0.2.1", cookies=world.device()).over is None, "who is known"
    assert b"many accounts, few tries each" in world.lines[0]
    world.now += 320.0
    assert world.answers(1, client="198.51.100.7") == [""]


def test_what_is_slowed_down_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, account="4/10m delay", spraying={"least": 1000})
    answers = [world.answers(1, client=f"198.51.100.{number}")[0] for number in range(8)]
    assert answers == [""] * 4 + ["delay"] * 4
    world.now += 200.0
    assert world.answers(1, client="198.51.100.100") == ["delay"], "it went on beyond its allowance"
    world.now += 400.0
    assert world.answers(1, client="198.51.100.101") == [""]


def test_what_no_server_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, pair="3/10m refuse")
    request = Asked(EVE.encode(), path=b"/login")
    for _ in range(9):
        world.guard.forget(world.guard.charge(request, ADA))
    assert world.answers(3) == [""] * 3


def test_detect_refuses_nobody_and_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, mode="detect", pair="2/10m refuse")
    tried = [world.login() for _ in range(4)]
    assert [bool(each.over) for each in tried] == [False, False, True, True]
    assert all(each.charges for each in tried), "it goes on to the server"


def test_over_a_reload(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, pair="2/10m refuse")
    world.answers(2)
    assert World(monkeypatch, world.shared, pair="2/10m refuse").answers(1) == ["refuse"]


@pytest.mark.parametrize("path", [b"/login", b"/LOGIN", b"/login/", b"/login;jsessionid=1", b"/login;a/;b"])
def test_one_login_by_other_paths(monkeypatch: pytest.MonkeyPatch, path: bytes) -> None:
    guard = World(monkeypatch, learn=False).guard
    assert guard.names(path)
    assert guard.is_login(path, NONE)
    assert not guard.names(b"/x" + path)
