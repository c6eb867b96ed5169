"""How many sessions an account has, also where a login names accounts that are not its own."""

from __future__ import annotations

import pytest

from bascule.config.logins import Sessions
from bascule.defence.logins.sessions import SessionLimit
from bascule.state.buckets import Buckets
from bascule.state.locks import make_locks
from bascule.state.records import Records


@pytest.fixture
def limit() -> SessionLimit:
    locks = make_locks()
    return SessionLimit(Sessions(cookie="sid", most=2), "site", Records(locks, 64), Buckets(1024, locks))


def ended(limit: SessionLimit, *sessions: bytes) -> list[bool]:
    return [limit.has_ended(session) for session in sessions]


def test_the_oldest_ends(limit: SessionLimit) -> None:
    assert [limit.begin(b"ada", session) for session in (b"1", b"2", b"3")] == [0, 0, 1]
    assert ended(limit, b"1", b"2", b"3") == [True, False, False]
    assert limit.begin(b"ada", b"1") == 1, "a session whose cookie the server kept is logged in again"
    assert ended(limit, b"1", b"2", b"3") == [False, True, False]


def test_a_decoy_hides_no_session(limit: SessionLimit) -> None:
    for session in (b"1", b"2"):
        limit.begin(b"ada", session)
    assert limit.begin(b"ada\0decoy", b"3") == 1
    assert limit.begin(b"other\0ada", b"4") == 1
    assert ended(limit, b"1", b"2", b"3", b"4") == [False, False, True, True]


def test_decoys_alone_are_counted_too(limit: SessionLimit) -> None:
    assert [limit.begin(b"ada\0decoy%d" % n, b"%d" % n) for n in range(4)] == [0, 0, 1, 1]


def test_a_decoy_ends_nobodys_session(limit: SessionLimit) -> None:
    limit.begin(b"ada", b"1")
    for n in range(2, 6):
        limit.begin(b"mallory\0ada", b"%d" % n)
    assert ended(limit, b"1") == [False]
    assert limit.begin(b"ada", b"9") == 1
    assert ended(limit, b"1", b"9") == [False, False], "what others named gives way first"


def test_a_form_that_always_names_two(limit: SessionLimit) -> None:
    assert [limit.begin(b"ada\0ada@site.test", session) for session in (b"1", b"2", b"3")] == [0, 0, 1]
    assert ended(limit, b"1", b"2", b"3") == [True, False, False]
