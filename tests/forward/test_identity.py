"""Names, passwords, and who guesses too often."""

from __future__ import annotations

import asyncio
import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from passlib.context import CryptContext

from bascule.config.auth import Auth, LockOut
from bascule.forward import identity
from bascule.forward.guesses import Guesses, LockedOutError
from bascule.forward.identity import Found, Identity, Users, basic_credentials

FAST = CryptContext(
    schemes=["bcrypt", "argon2", "sha512_crypt", "sha256_crypt", "apr_md5_crypt", "ldap_sha1"],
    bcrypt__rounds=4, argon2__rounds=1, argon2__memory_cost=64, sha512_crypt__rounds=1000, sha256_crypt__rounds=1000,
)  # fmt: skip
USERS = {scheme: FAST.handler(scheme).hash("secret") for scheme in FAST.schemes()}


def make(**auth: object) -> tuple[Identity, list[float]]:
    now = [1000.0]
    return Identity(Auth.model_validate({"users": "users", **auth}), Users(dict(USERS)), lambda: now[0]), now


def test_every_hash() -> None:
    async def run() -> None:
        users, _ = make(lock_out={"attempts": 100})
        for scheme in USERS:
            assert await users.verify((scheme, "secret"), b"192.0.2.1"), scheme
            assert not await users.verify((scheme, "Secret"), b"192.0.2.1")
        assert not await users.verify(("nobody", "secret"), b"192.0.2.1")
        assert not await users.verify(("bcrypt", "x" * 100), b"192.0.2.1")
        users.close()

    asyncio.run(run())


def test_a_right_password_is_remembered_for_a_while() -> None:
    async def run() -> None:
        users, now = make(cache="10s")
        assert not users.remembered(("bcrypt", "secret"))
        assert await users.verify(("bcrypt", "secret"), b"192.0.2.1")
        assert users.remembered(("bcrypt", "secret"))
        assert not users.remembered(("bcrypt", "Secret"))
        assert not users.remembered(("argon2", "secret"))
        now[0] += 11
        assert not users.remembered(("bcrypt", "secret"))
        users.close()

    asyncio.run(run())


def test_guessing_locks_an_address_out_and_no_other() -> None:
    async def run() -> None:
        users, now = make(lock_out={"attempts": 3, "within": "60s", "wait": "100s"})
        for _ in range(3):
            assert not await users.verify(("apr_md5_crypt", "wrong"), b"192.0.2.1")
        with pytest.raises(LockedOutError) as caught:
            await users.verify(("apr_md5_crypt", "secret"), b"192.0.2.1")
        assert 99 < caught.value.wait <= 100
        assert await users.verify(("apr_md5_crypt", "secret"), b"192.0.2.2")
        now[0] += 101
        assert await users.verify(("apr_md5_crypt", "secret"), b"192.0.2.1")
        for _ in range(2):
            assert not await users.verify(("apr_md5_crypt", "wrong"), b"192.0.2.1")
        now[0] += 61  # those are forgotten
        for _ in range(2):
            assert not await users.verify(("apr_md5_crypt", "wrong"), b"192.0.2.1")
        users.close()

    asyncio.run(run())


def test_who_has_many_addresses_of_a_network_guesses_as_one() -> None:
    guesses = Guesses(LockOut(attempts=2), lambda: 0.0)
    for address in (b"2001:db8::1", b"2001:db8::2:3:4"):
        guesses.check(address)
        guesses.wrong(address)
    with pytest.raises(LockedOutError):
        guesses.check(b"2001:db8::5")
    guesses.check(b"2001:db8:0:1::1")
    guesses.right(b"2001:db8::6")
    guesses.check(b"2001:db8::5")


def test_a_password_of_ones_own_forgives_no_guesses_of_others() -> None:
    async def run() -> None:
        users, _ = make(lock_out={"attempts": 4}, cache="0s")
        for _ in range(3):
            assert not await users.verify(("argon2", "wrong"), b"192.0.2.1")  # a typing error each, of the same user
            assert await users.verify(("argon2", "secret"), b"192.0.2.1")
        for number in range(4):
            assert not await users.verify(("apr_md5_crypt", f"guess {number}"), b"192.0.2.1")
            if number < 3:
                assert await users.verify(("argon2", "secret"), b"192.0.2.1")
        with pytest.raises(LockedOutError):
            await users.verify(("apr_md5_crypt", "secret"), b"192.0.2.1")
        users.close()

    asyncio.run(run())


def test_names_with_control_characters_are_nobodys() -> None:
    async def run() -> None:
        users, _ = make()
        users._right[users._digest(("a", "b\0c"))] = float("inf")  # right not long ago, and the same digest
        assert not await users.verify(("a\0b", "c"), b"192.0.2.1")
        users.close()

    asyncio.run(run())
    assert basic_credentials(b"Basic " + base64.b64encode(b"a\0b:c")) is None


def test_guesses_made_at_the_same_time_count_all() -> None:
    async def run() -> None:
        users, _ = make(lock_out={"attempts": 3})
        guesses = [users.verify(("bcrypt", str(number)), b"192.0.2.1") for number in range(20)]
        results = await asyncio.gather(*guesses, return_exceptions=True)
        assert [type(result) for result in results].count(bool) == 3
        users.close()

    asyncio.run(run())


def test_a_browser_that_asks_many_times_at_once_is_one_guess() -> None:
    async def run() -> None:
        users, _ = make(lock_out={"attempts": 3})
        results = await asyncio.gather(*(users.verify(("bcrypt", "secret"), b"192.0.2.1") for _ in range(20)))
        assert results == [True] * 20
        wrong = await asyncio.gather(*(users.verify(("bcrypt", "wrong"), b"192.0.2.1") for _ in range(20)))
        assert wrong == [False] * 20
        assert await users.verify(("bcrypt", "secret"), b"192.0.2.1")
        users.close()

    asyncio.run(run())


def test_nobody_is_remembered_without_the_groups_of_the_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    class Staff:
        def check(self, name: str, password: str) -> Found:
            return Found(f"uid={name}", frozenset(("staff",)))

    async def run() -> None:
        users, _ = make()
        monkeypatch.setattr(users, "_directory", Staff())
        assert await users.verify(("bcrypt", "secret"), b"192.0.2.1")  # of the file
        for name in ("anna", "ben", "carl"):
            assert await users.verify((name, "secret"), b"192.0.2.1")
        known = [name for name in ("anna", "ben", "carl") if users.remembered((name, "secret"))]
        assert "carl" in known
        assert all(users.groups(name, b"") == {"staff"} for name in known)
        users.close()

    monkeypatch.setattr(identity, "_REMEMBERED", 2)
    asyncio.run(run())


def test_nobody_of_the_directory_passes_for_a_user_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    class Staff:
        def check(self, name: str, password: str) -> Found:
            return Found(f"uid={name}", frozenset(("staff",)))

    async def run() -> None:
        ldap = {"servers": "ldap://127.0.0.1:1", "base": "dc=test", "user_dn": "uid={user}"}
        users, _ = make(ldap=ldap, groups={"chiefs": ["bcrypt"]})
        monkeypatch.setattr(users, "_directory", Staff())
        for name in ("BCRYPT", "bcrypt ", "Ldap_SHA1"):
            assert not await users.verify((name, "the directory's"), b"192.0.2.1")
        assert users.groups("bcrypt", b"") == {"chiefs"}
        assert await users.verify(("bcrypt", "secret"), b"192.0.2.1")
        assert await users.verify(("ANNA", "the directory's"), b"192.0.2.1")
        assert users.groups(users.named("ANNA"), b"") == {"staff"}
        users.close()

    asyncio.run(run())


def test_workers_count_guesses_together_also_over_a_reload() -> None:
    auth, now = (
        Auth.model_validate({"addresses": {"127.0.0.7": "lab"}, "lock_out": {"attempts": 7, "within": "1h"}}),
        [100.0],
    )
    first = Users.load(auth)
    workers = [
        Guesses(auth.lock_out, lambda: now[0], users.guesses) for users in (first, first, Users.load(auth, first))
    ]
    for number in range(7):
        for worker in workers:
            worker.check(b"192.0.2.1")
        workers[number % 3].wrong(b"192.0.2.1")
        now[0] += 1.0
    for worker in workers:
        with pytest.raises(LockedOutError):
            worker.check(b"192.0.2.1")
        worker.check(b"192.0.2.2")
    now[0] += auth.lock_out.wait
    workers[0].check(b"192.0.2.1")


def test_only_so_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "MAX_WAITING", 2)

    async def run() -> None:
        users, _ = make()
        guesses = [users.verify(("bcrypt", "x"), b"192.0.2.%d" % number) for number in range(5)]
        results = await asyncio.gather(*guesses, return_exceptions=True)
        assert [type(result) for result in results].count(LockedOutError) == 3
        users.close()

    asyncio.run(run())


def test_users_by_address_and_groups() -> None:
    users, _ = make(addresses={"10.0.0.0/8": "company", "10.1.0.0/16": "lab"}, groups={"a": "lab", "b": ["lab", "x"]})
    assert [users.user_at(address) for address in (b"10.1.2.3", b"10.2.0.1", b"192.0.2.1")] == ["lab", "company", ""]
    assert users.groups("lab", b"") == {"a", "b"}
    users.close()


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"Basic " + base64.b64encode(b"anna:se:cret"), ("anna", "se:cret")),
        (b"basic " + base64.b64encode("jörg:ä".encode()), ("jörg", "ä")),
        (b"Basic " + base64.b64encode(b"anna"), None),
        (b"Basic " + base64.b64encode(b":x"), None),
        (b"Basic " + base64.b64encode(b"\xff:x"), None),
        (b"Basic !!!", None),
        (b"Bearer x", None),
        (b"", None),
        (b"Basic " + base64.b64encode(b"a:" + b"x" * 2000), None),
    ],
)
def test_basic(value: bytes, found: tuple[str, str] | None) -> None:
    assert basic_credentials(value) == found


@given(st.binary(max_size=80))
def test_any_bytes(data: bytes) -> None:
    for value in (data, b"Basic " + data, b"Basic " + base64.b64encode(data)):
        basic_credentials(value)
