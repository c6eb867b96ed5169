"""Batches: each request in a body is one of its own, and nothing in the body goes unseen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.waf.logic import batches
from bascule.waf.logic.body_values import body_values
from bascule.waf.logic.engine import Logic

KIND = b'multipart/mixed; boundary="b_1"'
READ = b"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\nGET Orders?$filter=%b HTTP/1.1\r\nAccept: application/json\r\nsap-contextid-accept: header\r\n\r\n\r\n"
WRITE = b"Content-Type: application/http\r\n\r\nPOST Orders HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n%b\r\n"
HONEST = READ % b"Price%20gt%2020%20and%20(Cat%20eq%20'A'%20or%20Cat%20eq%20'B')"


def body(*parts: bytes, boundary: bytes = b"b_1") -> bytes:
    return b"".join(b"--%b\r\n%b" % (boundary, part) for part in parts) + b"--%b--\r\n" % boundary


def changes(*parts: bytes) -> bytes:
    return b"Content-Type: multipart/mixed; boundary=c-2\r\n\r\n" + body(*parts, boundary=b"c-2")


@pytest.fixture(scope="module")
def logic() -> Logic:
    return Logic.load("standard")


@pytest.mark.parametrize(
    "content",
    [
        body(HONEST),
        body(HONEST, changes(WRITE % b'{"Name": "O\'Brien", "Note": "50 % off"}', WRITE % b'{"Qty": 3}')),
    ],
)
def test_honest_batches_pass(logic: Logic, content: bytes) -> None:
    assert not logic.judge(body_values(KIND, content))


ATTACK = b"%27%20UNION%20SELECT%20password%20FROM%20users--%20-"
PLAIN = b"' UNION SELECT password FROM users-- -"


@pytest.mark.parametrize(
    "content",
    [
        body(HONEST, READ % ATTACK),
        body(WRITE % (b'{"a": "%b"}' % PLAIN)),
        body(changes(WRITE % (b'{"a": "%b"}' % PLAIN))),
        body(changes(changes(WRITE % (b'{"a": "%b"}' % PLAIN)))),
        body(HONEST.replace(b"header", b"() { :;}; /bin/bash -c 'id'")),
        PLAIN + body(HONEST),
        body(HONEST) + PLAIN,
        body(PLAIN),
        body(b"a: b\r\n" + PLAIN),
        body(b"a: b\r\n\r\n" + PLAIN),
        body(b"Content-Type: application/http\r\n\r\nget Orders HTTP/1.1\r\n\r\n" + PLAIN),
        PLAIN,
        b"--b_1\r\n" * (batches.MOST + 1) + PLAIN,
    ],
)
def test_attacks_are_found_wherever_they_stand(logic: Logic, content: bytes) -> None:
    assert logic.judge(body_values(KIND, content))


def test_batches_in_each_other_come_to_an_end() -> None:
    content = b"x"
    for _ in range(3000):
        content = b"Content-Type: multipart/mixed; boundary=b_1\r\n\r\n--b_1\r\n" + content
    assert list(body_values(KIND, b"--b_1\r\n" + content))


@given(
    st.lists(
        st.sampled_from([b"--b_1", b"\r\n", b"\n", b"a: b", b"GET /x HTTP/1.1", b"tok", b"Content-Type: x/y", b"--"])
    )
)
def test_no_word_is_lost(pieces: list[bytes]) -> None:
    content = b"".join(pieces)
    seen = b" ".join(
        [
            part.target + part.content + b"".join(b"".join(field) for field in part.headers)
            for part in batches.batch(KIND, content)
        ]
    )
    if seen:
        assert seen.count(b"tok") == content.count(b"tok")
