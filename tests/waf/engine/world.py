"""Firewalls made of a few lines of rules, and requests through them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from bascule.cli.folders import cache_dir
from bascule.waf.engine import ConnectionFacts, Transaction, Verdict, Waf, WafSettings
from tests.support.shared import shared_dir

CLIENT = ConnectionFacts(b"203.0.113.7", 40000, b"192.0.2.1", 80)
HOST = (b"host", b"shop.example.com")
CRS_TEST_SETUP = (
    "SecResponseBodyMimeType text/plain text/html text/xml application/json\n"
    'SecAction "id:900005,phase:1,nolog,pass,setvar:tx.blocking_paranoia_level=4,setvar:tx.crs_validate_utf8_encoding=1,'
    "setvar:tx.arg_name_length=100,setvar:tx.arg_length=400,setvar:tx.total_arg_length=64000,setvar:tx.max_num_args=255,"
    'setvar:tx.max_file_size=64100,setvar:tx.combined_file_sizes=65535"\n'
)
"""What CRS's own test set-up turns on."""


@dataclass(slots=True)
class Request:
    """A request and the response it gets."""

    method: bytes = b"GET"
    target: bytes = b"/"
    headers: list[tuple[bytes, bytes]] = field(default_factory=lambda: [HOST])
    body: bytes = b""
    version: bytes = b"1.1"
    status: int = 200
    response_headers: list[tuple[bytes, bytes]] = field(default_factory=lambda: [(b"content-type", b"text/html")])
    response_body: bytes = b""


def waf(rules: str, **settings: Any) -> Waf:
    """A firewall of these rules alone (`bare`: nothing is added to them)."""
    return Waf.load(WafSettings(directives=rules, bare=True, time_budget=60.0, **settings))


@lru_cache
def crs(paranoia: int, prefilter: bool, mode: str = "detect", directives: str = "") -> Waf:
    """A firewall of the Core Rule Set, compiled once for all tests of a process."""
    settings = WafSettings(
        mode=mode,
        crs_dir=shared_dir("crs"),
        paranoia=paranoia,
        prefilter=prefilter,
        directives=directives,
        time_budget=60.0,
    )
    return Waf.load(settings, rule_cache())


def rule_cache() -> Path | None:
    """Where compiled rules are kept between test runs."""
    return cache_dir("")


VARYING = (b"cookie", b"referer", b"content-length")


def send(firewall: Waf, request: Request, cut: bool = False) -> tuple[Transaction, Verdict | None]:
    """Drive a request and its response through all phases; a verdict ends it, as in the proxy.

    With `cut`, the fields that vary come last, the others being known from before.
    """
    t = firewall.begin(CLIENT)
    varying = [field for field in request.headers if not cut or field[0] in VARYING]
    steady = firewall.steady([field for field in request.headers if field[0] not in VARYING]) if cut else None
    verdict = t.request_head(request.method, request.target, request.version, varying, steady)
    if verdict is None:
        if request.body and t.wants_request_body:
            t.request_body(request.body)
        verdict = t.request_end()
    if verdict is None:
        verdict = t.response_head(request.status, request.response_headers)
    if verdict is None and t.wants_response_body:
        t.response_body(request.response_body)
        verdict = t.response_end()
    return t, verdict


def fired(t: Transaction) -> list[int]:
    """The rules that fired, in order, without repetition."""
    return list(dict.fromkeys(f.rule.rule_id for f in t.fired))
