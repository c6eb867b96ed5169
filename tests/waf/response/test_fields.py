"""Header fields of responses: what each rule finds, what it leaves alone, and what becomes of the value."""

from __future__ import annotations

import time

import pytest

from bascule.http.fields import Field
from bascule.waf.response.fields import (
    COOKIE,
    DEBUG,
    INJECTED,
    INNER,
    NOTHING,
    VERSION,
    Asked,
    FieldFinding,
    FieldRules,
    Pairs,
    is_inner,
)

ALL, SURE = FieldRules("all"), FieldRules("sure")


def field(line: str) -> Field:
    name, _, value = line.partition(": ")
    return name.lower().encode(), value.encode(), 0, b""


def judge(
    *lines: str, rules: FieldRules = ALL, host: str = "shop.example.com", tls: bool = True, given: Pairs | None = None
) -> list[FieldFinding]:
    asked = Asked(host.encode(), tls, lambda: given or [], lambda authority: authority == b"10.0.0.11:8000")
    return rules.judge(rules.look([field(line) for line in lines]), asked)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("X-Debug-Token: a1b2c3", DEBUG),
        ("X-Debug-Token-Link: https://shop.example.com/_profiler/a1b2c3", DEBUG),
        ("X-ChromeLogger-Data: eyJ2ZXJzaW9uIjoiNC4xLjAifQ==", DEBUG),
        ('X-Wf-1-1-1-1: 62|[{"Type":"LOG"},"select"]|', DEBUG),
        ("X-Clockwork-Id: 1", DEBUG),
        ("phpdebugbar-id: 1", DEBUG),
        ("X-SourceFiles: =?UTF-8?B?QzpcZGV2XHNob3A=?=", DEBUG),
        ("X-App: PHP/8.1.2", VERSION),
        ("Via: 1.1 cache (Varnish/6.0)", VERSION),
        ("X-Stack: Apache/2.4.57 (Debian) OpenSSL/3.0.11", VERSION),
        ("X-Engine: nginx 1.22.1", VERSION),
        ("X-Container: Servlet/3.1; JBossAS-6", VERSION),
        ("X-Handled-By: 10.1.2.3", INNER),
        ("X-Node-Address: 192.168.7.12:8443", INNER),
        ("Via: 1.1 web3.shop.internal", INNER),
        ("X-Backend-Url: http://172.16.4.1/app", INNER),
        ("X-Pod: app-7f.shop.svc.cluster.local:8080", INNER),
        ("Set-Cookie: PHPSESSID=abc; path=/", COOKIE),
        ("Set-Cookie: __Host-session=abc; Secure; Path=/", COOKIE),
        ("Set-Cookie: _shop_session=abc; HttpOnly", COOKIE),
    ],
)
def test_finds(line: str, rule: int) -> None:
    assert [found.rule for found in judge("Content-Type: text/html", line)] == [rule]
    assert bool(judge(line, rules=SURE)) is (rule == DEBUG)


@pytest.mark.parametrize(
    "line",
    [
        "X-Request-Id: 10.0.0.0-abc",
        "X-App-Version: 10.0.3.2",
        "X-Api-Version: 2.1.0",
        "X-Content-Type-Options: nosniff",
        'Content-Disposition: attachment; filename="python 3.11.2.tar.gz"',
        "Location: /python/3.11/library",
        "Location: https://pay.example.net/start",
        "Location: http://10.0.0.11:8000/x",  # a server's, which the public site is written for anyway
        "Link: </php/8.1/a.css>; rel=preload",
        "Content-Security-Policy: default-src 'self' http://10.1.1.1",
        "Set-Cookie: theme=dark; path=/",
        "Set-Cookie: XSRF-TOKEN=abc; Secure",
        "Set-Cookie: PHPSESSID=; Max-Age=0",
        "Set-Cookie: PHPSESSID=abc; secure; HTTPONLY; SameSite=Lax",
        "X-Cache: HIT from edge-7",
        "X-RateLimit-Remaining: 10",
        "Retry-After: 120",
        'ETag: "nginx/1.2.3"',
        "X-Debug: 1",
        "X-Robots-Tag: noindex",
        "Server-Info: ready",
        "X-Java: 17",
    ],
)
def test_leaves_alone(line: str) -> None:
    assert judge(line) == []


def test_location_keeps_its_path_and_nothing_is_inside_for_who_asks_inside() -> None:
    (found,) = judge("Location: https://app.corp:8443/login?next=/a")
    assert (found.rule, found.instead) == (INNER, b"/login?next=/a")
    (found,) = judge("Location: http://10.9.8.7")
    assert found.instead == b"/"
    (found,) = judge("Refresh: 5; url=http://[fd00::1]/x")
    assert found.instead == b"5; url=/x"
    for host in ("app.corp", "10.9.9.9", "localhost", "intranet", ""):
        assert judge("Location: http://10.9.8.7/", "X-Node: 10.1.2.3", host=host) == [], host


@pytest.mark.parametrize(
    ("host", "inner"),
    [
        ("localhost", True),
        ("wiki", True),
        ("127.0.0.1", True),
        ("172.31.255.1", True),
        ("[::1]", True),
        ("a.b.lan", True),
        ("172.32.0.1", False),
        ("8.8.8.8", False),
        ("shop.example.com", False),
        ("locals.example", False),
        ("[2001:db8::1]", False),
    ],
)
def test_inner_hosts(host: str, inner: bool) -> None:
    assert is_inner(host.encode()) is inner


def test_cookies_are_mended_and_judged_over_https_alone() -> None:
    (found,) = judge("Set-Cookie: JSESSIONID=1; Path=/")
    assert found.instead == b"JSESSIONID=1; Path=/; Secure; HttpOnly"
    assert judge("Set-Cookie: JSESSIONID=1; Path=/", tls=False) == []


SPLIT = b"en\r\nSet-Cookie: sid=evil; path=/"


@pytest.mark.parametrize(
    ("given", "lines", "found"),
    [
        ([(b"lang", SPLIT)], ["Set-Cookie: sid=evil; path=/"], True),
        ([(b"lang", b"en\nset-cookie:sid=evil; path=/\r\n\r\n<html>")], ["Set-Cookie: sid=evil; path=/"], True),
        ([(b"to", b"/\rLocation: http://evil.example/")], ["Location: http://evil.example/"], True),
        ([(b"lang", SPLIT)], ["Set-Cookie: sid=good; path=/"], False),
        ([(b"lang", b"Set-Cookie: sid=evil; path=/")], ["Set-Cookie: sid=evil; path=/"], False),
        ([(b"dump", b"HTTP/1.1 200 OK\r\nContent-Type: text/html")], ["Content-Type: text/html"], False),
    ],
)
def test_a_field_that_a_parameter_wrote_behind_a_line_end(given: Pairs, lines: list[str], found: bool) -> None:
    rules = [each.rule for each in judge(*lines, rules=SURE, given=given)]
    assert (INJECTED in rules) is found


def test_most_blocks_show_nothing_and_parameters_are_read_only_where_they_count() -> None:
    usual = [field("Content-Type: text/html"), field("Cache-Control: no-store"), field("Vary: Accept-Encoding")]
    assert ALL.look(usual) is NOTHING
    read: list[int] = []

    def parameters() -> Pairs:
        read.append(1)
        return []

    asked = Asked(b"shop.example.com", True, parameters, lambda authority: False)
    ALL.judge(ALL.look([field("X-App: PHP/8.1.2")]), asked)
    assert not read
    ALL.judge(ALL.look([field("Set-Cookie: a=b")]), asked)
    assert read


@pytest.mark.parametrize(
    "value",
    [
        b"//" * 32_000,
        b"http://" + b"a" * 64_000,
        b"http://a@" * 7_000,
        b"php/" * 16_000,
        b"a." * 32_000,
        b"a-" * 32_000 + b".corp",
        b"10.1." * 13_000,
        b"fd00:" + b"0:" * 32_000,
    ],
)
def test_linear_in_the_length_of_a_value(value: bytes) -> None:
    began = time.thread_time()
    asked = Asked(b"shop.example.com", True, lambda: [(b"a", b"\n" * 30_000 + value)], lambda authority: False)
    fields: list[Field] = [(name, value, 0, b"") for name in (b"location", b"refresh", b"x-app", b"set-cookie")]
    ALL.judge(ALL.look(fields), asked)
    assert time.thread_time() - began < 0.25
