"""How answers tell the outcome of a login."""

from __future__ import annotations

import pytest

from bascule.config.logins import Signs
from bascule.defence.logins.outcome import FAILED, LOOKED_AT, SUCCEEDED, UNKNOWN, Judge, set_cookies

HTML = [("content-type", "text/html")]
JSON = [("content-type", "application/json")]


class Head:
    def __init__(self, status: int, fields: list[tuple[str, str]]) -> None:
        self.status = status
        self.fields = fields

    def values(self, name: bytes) -> list[bytes]:
        return [value.encode() for known, value in self.fields if known.encode() == name]

    def value(self, name: bytes) -> bytes:
        return next(iter(self.values(name)), b"")


@pytest.mark.parametrize(
    ("status", "fields", "body", "outcome"),
    [
        (401, [], b"", FAILED),
        (403, HTML, b"welcome", FAILED),
        (429, [], b"", FAILED),
        (500, [], b"", UNKNOWN),
        (204, [], b"", SUCCEEDED),
        (302, [("location", "/account")], b"", SUCCEEDED),
        (302, [("location", "https://shop.example/")], b"", SUCCEEDED),
        (302, [("location", "/login")], b"", FAILED),
        (303, [("location", "https://shop.example/session/new?error=1")], b"", FAILED),
        (302, [("location", "/signin?failed")], b"", FAILED),
        (302, [("location", "/login/mfa")], b"", SUCCEEDED),
        (302, [("location", "http://[next")], b"", FAILED),
        (302, [("location", "/home?from=login")], b"", SUCCEEDED),
        (200, HTML, b"<form><input name=p type='password'></form>", FAILED),
        (200, [*HTML, ("set-cookie", "sid=new; Path=/")], b"<h1>Hello</h1>", SUCCEEDED),
        (200, [*HTML, ("set-cookie", "sid=new")], b'<input type="password">', FAILED),
        (200, [*HTML, ("set-cookie", "sid=old-value")], b"<h1>Hello</h1>", UNKNOWN),
        (200, [*HTML, ("set-cookie", "sid=; Max-Age=0")], b"<h1>Hello</h1>", UNKNOWN),
        (200, HTML, b"<h1>Hello</h1>", UNKNOWN),
        (200, JSON, b'{"access_token": "abc"}', SUCCEEDED),
        (200, JSON, b'{"success": true}', SUCCEEDED),
        (200, JSON, b'{"success": false, "token": "x"}', FAILED),
        (200, JSON, b'{"error": "wrong password"}', FAILED),
        (200, JSON, b'{"error": null, "token": "x"}', SUCCEEDED),
        (200, [*JSON, ("set-cookie", "sid=new")], b'{"message": "hm"}', UNKNOWN),
    ],
)  # fmt: skip
def test_usual_answers(status: int, fields: list[tuple[str, str]], body: bytes, outcome: str) -> None:
    assert Judge(None, None).judge(b"/session/new", b"sid=old-value", Head(status, fields), body, True) == outcome


def test_the_body_is_awaited() -> None:
    judge, head = Judge(None, None), Head(200, [*HTML, ("set-cookie", "sid=new")])
    assert judge.judge(b"/in", b"", head, b"<h1>", False) == UNKNOWN
    assert judge.judge(b"/in", b"", head, b" " * LOOKED_AT, False) == SUCCEEDED, "no more is looked at"


@pytest.mark.parametrize(
    ("signs", "head", "body", "outcome"),
    [
        ({"status": [200]}, Head(200, []), b"", FAILED),
        ({"body": ["Wrong password"]}, Head(200, []), b"<p>Wrong password", FAILED),
        ({"location": ["/in?no"]}, Head(302, [("location", "https://a/in?no")]), b"", FAILED),
        ({"cookie": ["failed"]}, Head(200, [("set-cookie", "failed=1")]), b"", FAILED),
        ({"status": [202]}, Head(302, [("location", "/account")]), b"", SUCCEEDED),
    ],
)
def test_signs_of_failure(signs: dict[str, object], head: Head, body: bytes, outcome: str) -> None:
    assert Judge(Signs.model_validate(signs), None).judge(b"/in", b"", head, body, True) == outcome


def test_signs_of_success_leave_nothing_else() -> None:
    judge = Judge(None, Signs(body=("Welcome",)))
    assert judge.judge(b"/in", b"", Head(200, []), b"Welcome", True) == SUCCEEDED
    assert judge.judge(b"/in", b"", Head(302, [("location", "/account")]), b"", True) == FAILED
    assert judge.judge(b"/in", b"", Head(200, []), b"Wel", False) == UNKNOWN, "it may yet come"
    assert judge.judge(b"/in", b"", Head(502, []), b"", True) == UNKNOWN


def test_set_cookies() -> None:
    head = Head(200, [("set-cookie", "a=1; Path=/"), ("set-cookie", "b=2; Expires=Thu, 01 Jan 1970 00:00:00 GMT")])
    assert set_cookies(head) == {b"a": b"1", b"b": b""}
