"""Measuring the rules about header fields of responses, by heads that are made up: no corpus has any."""

from __future__ import annotations

import random

from bascule.http.fields import Field
from bascule.waf.filters.table import NamedRates
from bascule.waf.logic.learn.named.figures import least, share
from bascule.waf.response.fields import COOKIE, DEBUG, INJECTED, INNER, SURE, VERSION, Asked, FieldRules, Pairs

CASES = 300
Head = tuple[list[Field], Pairs]
"""Fields of an answer, and the parameters of the request."""
_USUAL: tuple[tuple[str, ...], ...] = (
    ("content-type: text/html; charset=utf-8", "content-type: application/json", "content-type: image/png"),
    ("cache-control: no-store", "cache-control: public, max-age=31536000, immutable", "cache-control: private"),
    ("vary: Accept-Encoding", "vary: Origin, Accept", "x-robots-tag: noindex", "x-cache: HIT", "x-cache: MISS from edge-3"),
    ("x-frame-options: SAMEORIGIN", "content-security-policy: default-src 'self' https://cdn.example.net; img-src *",
     "permissions-policy: geolocation=()", "referrer-policy: strict-origin", "strict-transport-security: max-age=63072000"),
    ("x-request-id: 6f1c2d7e-10.0.0", "x-api-version: 10.0.3.2", "x-app-version: 2026.11.3", "x-ratelimit-remaining: 59",
     "x-total-count: 1024", "retry-after: 120", "x-trace: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ("location: /account/orders", "location: https://pay.example.net/start?return=https%3A%2F%2Fshop.example.com",
     "link: </php/8.1/style.css>; rel=preload", "content-disposition: attachment; filename=\"apache-2.4.57.tar.gz\"",
     "access-control-allow-origin: https://www.example.com"),
    ("set-cookie: theme=dark; path=/", "set-cookie: lang=en; Max-Age=31536000", "set-cookie: XSRF-TOKEN=a1; Secure",
     "set-cookie: session=abc; Path=/; Secure; HttpOnly; SameSite=Lax", "set-cookie: _ga=GA1.2.3; Domain=example.com"),
    ("x-content-type-options: nosniff", "x-powered-for: customers", "x-node: 7", "x-region: eu-west-1", "etag: \"a-1.22\""),
)  # fmt: skip
"""Fields of honest answers; a head has one of each row."""
_FOUND: dict[int, tuple[str, ...]] = {
    DEBUG: ("x-debug-token: {0}", "x-debug-token-link: /_profiler/{0}", "x-chromelogger-data: eyJ2{0}", "x-wf-1-1-1-{0}: 9|[]|",
            "phpdebugbar-id: X{0}", "x-clockwork-id: {0}.1", "x-sourcefiles: =?UTF-8?B?QzpcZGV2?=", "x-debug-exception: {0}"),
    VERSION: ("x-app: PHP/8.{0}.1", "via: 1.1 cache (Varnish/6.{0})", "x-stack: Apache/2.4.{0} (Debian) OpenSSL/3.0.{0}",
              "x-engine: nginx 1.{0}.1", "x-container: Servlet/3.1; Tomcat/9.0.{0}", "x-by: Express 4.{0}.0",
              "x-runs: Microsoft-HTTPAPI/2.{0}", "x-lang: Ruby/3.{0}.1"),
    INNER: ("location: http://10.{0}.2.3:8080/next", "x-node-address: 192.168.{0}.12", "via: 1.1 web{0}.shop.internal",
            "x-backend-url: http://172.16.{0}.1/app", "content-location: http://app{0}.corp/x", "x-pod: app-{0}.shop.svc.cluster.local",
            "refresh: 3; url=http://localhost:{0}/x", "x-host-name: srv{0}"),
    COOKIE: ("set-cookie: PHPSESSID={0}; path=/", "set-cookie: JSESSIONID={0}; HttpOnly", "set-cookie: sid={0}; Secure",
             "set-cookie: _shop{0}_session=a; path=/", "set-cookie: connect.sid=s%3A{0}", "set-cookie: token_of_user={0}"),
    INJECTED: ("set-cookie: sid={0}", "location: http://evil.example/{0}", "refresh: 0;url=//evil.example/{0}",
               "access-control-allow-origin: https://evil{0}.example", "x-injected: {0}"),
}  # fmt: skip
"""Fields that a rule is to find, some of them of forms that it does not know."""
_WHY = "no corpus has heads of responses: harmless ones are this project's own, of usual fields"


def measure(seed: int) -> dict[int, NamedRates]:
    """Return what is measured of these rules, by id."""
    source = random.Random(f"{seed} heads")
    usual: list[Head] = [([_field(source.choice(row)) for row in _USUAL], []) for _ in range(CASES * 10)]
    return {rule: _measured(source, rule, usual) for rule in _FOUND}


def _measured(source: random.Random, rule: int, usual: list[Head]) -> NamedRates:
    sure = rule in SURE
    rules = FieldRules("sure" if sure else "all")
    made = [_made(source, rule, usual) for _ in range(CASES)]
    return NamedRates(
        microseconds=least(lambda: [_found(rules, head) for head in usual], len(usual)),
        found=share(sum(rule in _found(rules, head) for head in made), CASES),
        browsers=share(sum(rule in _found(rules, head) for head in usual), len(usual)),
        harmless="made-up heads",
        given="" if sure else "response: {headers: all}",
        why=_WHY,
    )


def _found(rules: FieldRules, head: Head) -> set[int]:
    fields, given = head
    asked = Asked(b"shop.example.com", True, lambda: given, lambda authority: False)
    return {each.rule for each in rules.judge(rules.look(fields), asked)}


def _made(source: random.Random, rule: int, usual: list[Head]) -> Head:
    line = source.choice(_FOUND[rule]).format(source.randint(1, 99))
    end = source.choice(("\r\n", "\n", "\r"))
    given = [(b"lang", f"en{end}{line}".encode())] if rule == INJECTED else []
    return [*source.choice(usual)[0], _field(line)], given


def _field(line: str) -> Field:
    name, _, value = line.partition(": ")
    return name.encode(), value.encode(), 0, b""
