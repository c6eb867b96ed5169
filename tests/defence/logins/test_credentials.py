"""What bodies say of a login."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.defence.logins.credentials import LONGEST, NONE, Credentials, Reader

FORM = b"application/x-www-form-urlencoded"
JSON = b"application/json; charset=utf-8"
BOUNDED = b"multipart/form-data; boundary=b"


@pytest.mark.parametrize(
    ("content_type", "body", "found"),
    [
        (FORM, b"email=Ada%40shop.example&password=secret", Credentials((b"ada@shop.example",), b"secret", b"")),
        (FORM, b"log=ada&pwd=secret&rememberme=forever", Credentials((b"ada",), b"secret", b"")),
        (FORM, b"j_username=ada&j_password=secret", Credentials((b"ada",), b"secret", b"")),
        (FORM, b"user%5Blogin%5D=ada&user%5Bpassword%5D=secret&csrf=x", Credentials((b"ada",), b"secret", b"")),
        (FORM, b"csrf=x&q=password", NONE),
        (FORM, b"email=ada&password=", Credentials((b"ada",), b"", b"")),
        (FORM, b"user=a&user=b&email=c&login=d&password=x", Credentials((b"a", b"b", b"d"), b"x", b"")),
        (FORM, b"email=a&password=one&password_confirm=one", Credentials((b"a",), b"", b"one")),
        (FORM, b"email=a&password1=one&password2=one", Credentials((b"a",), b"", b"one")),
        (FORM, b"old_password=x&new_password=y&confirm=y", Credentials((), b"x", b"y")),
        (FORM, b"current-password=x&password=y&password_again=y", Credentials((), b"x", b"y")),
        (JSON, b'{"username": "ada", "password": "secret"}', Credentials((b"ada",), b"secret", b"")),
        (JSON, b'{"user": {"email": "ada", "passwd": "secret"}}', Credentials((b"ada",), b"secret", b"")),
        (JSON, b'{"username": "ada", "password": ', NONE),
        (JSON, b"[" * 100_000, NONE),
        (
            BOUNDED,
            b'--b\r\nContent-Disposition: form-data; name="user"\r\n\r\nada\r\n'
            b'--b\r\nContent-Disposition: form-data; name="pass"\r\n\r\nsecret\r\n--b--\r\n',
            Credentials((b"ada",), b"secret", b""),
        ),
        (b"text/plain", b"email=ada&password=x", NONE),
        (b"text/plain", b' {"username": "ada", "password": "secret"}', Credentials((b"ada",), b"secret", b"")),
        (FORM, b'{"username": "ada", "password": "secret"}', Credentials((b"ada",), b"secret", b"")),
        (FORM, b'["&email=ada&password=secret&"]', Credentials((b"ada",), b"secret", b"")),
    ],
)  # fmt: skip
def test_bodies(content_type: bytes, body: bytes, found: Credentials) -> None:
    assert Reader().read(body, content_type) == found


def test_names_of_its_own() -> None:
    reader = Reader(("kunde",), ("geheim",))
    body = b"email=decoy&kunde=ada&password=x&geheim=secret"
    assert reader.read(body, FORM) == Credentials((b"ada",), b"secret", b""), "further fields hide nothing"


def test_long_values_are_cut() -> None:
    found = Reader().read(b"email=" + b"a" * 5000 + b"&password=" + b"b" * 5000, FORM)
    assert (len(found.accounts[0]), len(found.password)) == (LONGEST, LONGEST)


@given(st.binary(max_size=400), st.sampled_from([FORM, JSON, BOUNDED, b"", b"multipart/form-data"]))
def test_anything_is_read(body: bytes, content_type: bytes) -> None:
    assert len(Reader().read(body, content_type).accounts) <= 3


@given(st.text(min_size=1).filter(str.strip), st.text(min_size=1))
def test_json_round_trip(account: str, password: str) -> None:
    body = json.dumps({"email": account, "password": password}).encode()
    found = Reader().read(body, JSON)
    assert found.password == password.encode()[:LONGEST] if password.isprintable() and password.isascii() else True
    assert found.logs_in
