"""What signs and proves, without a proxy around it."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from bascule.config.compile import compile_config
from bascule.config.plan import Plan
from bascule.config.schema import Config
from bascule.defence.challenges.keys import ROTATION, KeyFileError, KeyRing, load_secret
from bascule.defence.challenges.ladder import PROOF, REFRESH, Challenges, RouteChallenge
from bascule.defence.challenges.proof import BITS, PUZZLES, solves
from bascule.defence.challenges.tokens import LENGTH, PASS, TICKET, Tokens, steady_part
from bascule.defence.clients import ClientPrefix
from bascule.defence.shared import Shared
from tests.defence.support import Asked, solve


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_token_is_what_was_signed(clock: Clock) -> None:
    text = Tokens(KeyRing(b"k" * 32), clock).make(TICKET, 3, b"site\0client", 10)
    assert len(text) == LENGTH
    token = Tokens(KeyRing(b"k" * 32), clock).read(text, TICKET, b"site\0client", 60)
    assert token is not None
    assert (token.rung, token.detail, token.made) == (3, 10, int(clock.now))


def test_a_token_is_worth_nothing_elsewhere(clock: Clock) -> None:
    tokens = Tokens(KeyRing(b"k" * 32), clock)
    text = tokens.make(PASS, 1, b"site\0client")
    assert tokens.read(text, PASS, b"site\0client", 60)
    assert tokens.read(text, TICKET, b"site\0client", 60) is None
    assert tokens.read(text, PASS, b"other\0client", 60) is None
    assert tokens.read(text, PASS, b"site\0other", 60) is None
    assert Tokens(KeyRing(b"l" * 32), clock).read(text, PASS, b"site\0client", 60) is None
    for position in range(LENGTH):
        forged = bytearray(text)
        forged[position] ^= 1
        assert tokens.read(bytes(forged), PASS, b"site\0client", 60) is None, position
    for junk in (b"", b"x" * LENGTH, b"=" * LENGTH, b"\xff" * LENGTH, text + b"A"):
        assert tokens.read(junk, PASS, b"site\0client", 60) is None, junk


def test_a_token_ages_over_the_change_of_keys(clock: Clock) -> None:
    clock.now = ROTATION * 20_000.0 - 10
    tokens = Tokens(KeyRing(b"k" * 32), clock)
    text = tokens.make(PASS, 1, b"x")
    clock.now += 30
    assert tokens.read(text, PASS, b"x", 60), "made with yesterday's key"
    assert tokens.read(text, PASS, b"x", 29) is None
    clock.now -= 40
    assert tokens.read(text, PASS, b"x", 60) is None, "not made yet"


def test_keys_differ_by_day() -> None:
    ring = KeyRing(b"k" * 32)
    assert ring.key(0) == ring.key(ROTATION - 1) != ring.key(ROTATION)
    assert len({ring.key(day * ROTATION) for day in range(100)}) == 100


def test_the_secret_outlives_the_program(tmp_path: Path) -> None:
    file = tmp_path / "challenge.key"
    first = load_secret(str(file))
    assert load_secret(str(file)) == first
    assert len(first) == 32
    assert file.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["challenge.key"]


def test_a_secret_that_is_there_needs_no_folder_to_write_to(tmp_path: Path) -> None:
    file = tmp_path / "challenge.key"
    file.write_text("ab" * 32)
    os.utime(tmp_path, (1, 1))
    assert load_secret(str(file)) == b"\xab" * 32
    assert tmp_path.stat().st_mtime == 1, "nothing was made beside it"


def test_a_file_that_is_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "challenge.key"
    file.write_text("too short\n")
    with pytest.raises(KeyFileError, match="remove it"):
        load_secret(str(file))
    with pytest.raises(KeyFileError, match="challenge_key"):
        load_secret(str(tmp_path / "missing" / "challenge.key"))


def test_work() -> None:
    bits = BITS["light"]
    answer = solve(b"ticket", bits)
    assert solves(b"ticket", bits, answer)
    assert not solves(b"tocket", bits, answer)
    numbers = answer.split(b".")
    assert not solves(b"ticket", bits, b".".join(numbers[:-1]))
    assert not solves(b"ticket", bits, b".".join(reversed(numbers)))
    for junk in (b"", b".".join([b"-1"] * PUZZLES), b".".join([b"1" * 40] * PUZZLES), b"." * (PUZZLES - 1)):
        assert not solves(b"ticket", bits, junk), junk


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            b"t13d1516h2_8daaf6152771_02713d6af862",
            b"t13d1517h2_8daaf6152771_b0da82dd1658",
        ),  # resumed: one extension more
        (b"t13d1516h2_8daaf6152771_02713d6af862", b"t13d1515h2_8daaf6152771_f37e75b10bcc"),  # no padding
    ],
)
def test_resumption_changes_no_binding(one: bytes, other: bytes) -> None:
    assert steady_part(one) == steady_part(other) == b"t13d15h2_8daaf6152771"


def plan() -> Plan:
    easy = {"challenge": {"level": "proof", "difficulty": "light"}, "servers": ["10.0.0.1:80"]}
    site = {"challenge": {"level": "proof"}, "routes": {"/": "10.0.0.1:80", "/easy/": easy}}
    return compile_config(Config.model_validate({"listen": [80], "sites": {"*": site}}))


def challenges(clock: Clock, difficulty: str = "normal") -> tuple[Challenges, RouteChallenge]:
    shared = Shared(compiled := plan())
    assert shared.spent is not None
    found = Challenges(compiled, b"k" * 32, shared.spent, ClientPrefix(), clock)
    route = found.of_route(next(route for route in compiled.routes if route.challenge.difficulty == difficulty))
    assert route is not None
    return found, route


def given_pass(asked: Challenges, request: Asked, route: RouteChallenge) -> bytes:
    ticket = asked.read_ticket(request, "*", asked.ticket(request, route, PROOF))
    assert ticket is not None
    return asked.make_pass(request, "*", ticket)


def test_light_work_opens_no_route_that_asks_for_more(clock: Clock) -> None:
    (asked, light), (_, normal) = challenges(clock, "light"), challenges(clock)
    for route, passed in ((light, [PROOF, REFRESH]), (normal, [PROOF, PROOF])):
        request = Asked()
        request.cookies[b"bascule"] = given_pass(asked, request, route)
        for _ in range(2):  # read, then remembered
            assert [asked.passed(request, at) for at in (light, normal)] == passed


def test_a_ticket_is_spent_once_and_never_before_that(clock: Clock) -> None:
    asked, route = challenges(clock)
    for _ in range(100):
        clock.now += 0.123456
        request = Asked()
        ticket = asked.read_ticket(request, "*", asked.ticket(request, route, PROOF))
        assert ticket is not None
        clock.now += 0.7654321
        assert asked.spend(ticket)
        assert not asked.spend(ticket)


def test_what_is_remembered_of_passes_is_small_whatever_clients_call_themselves(clock: Clock) -> None:
    asked, route = challenges(clock)
    size = 16384
    tracemalloc.start()
    try:
        for number in range(100):
            request = Asked(headers={b"user-agent": b"%d" % number + b"x" * size})
            request.cookies[b"bascule"] = given_pass(asked, request, route)
            assert asked.passed(request, route) == PROOF
            assert asked.passed(request, route) == PROOF
            assert asked.passed(Asked(headers={b"user-agent": b"y"}, cookies=request.cookies), route) == 0
        assert tracemalloc.get_traced_memory()[0] < 10 * size
    finally:
        tracemalloc.stop()
