"""What passes at a glance before rules in SecLang: nothing that a transaction would find something in."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from bascule.http.errors import HttpError
from bascule.http.h1.head import RequestParser, ResponseParser
from bascule.http.message import RequestHead
from bascule.waf.engine import Waf
from bascule.waf.signature_glance import SignatureGlance, Sketch
from benchmarks import traffic
from tests.waf.engine.test_prefilter import ordinary_requests, requests
from tests.waf.engine.world import CLIENT, Request, crs, fired, send, waf

CHAINED = """
SecRequestBodyAccess On
SecResponseBodyAccess On
SecResponseBodyMimeType text/html
SecRule ARGS:a "@streq bad" "id:1,phase:2,deny,log"
SecRule RESPONSE_BODY "@contains secret" "id:2,phase:4,deny,log"
SecRule RESPONSE_HEADERS:x-debug "@rx ." "id:3,phase:3,deny,log"
"""


def glance_of(firewall: Waf) -> SignatureGlance:
    assert firewall.signature_glance is not None
    return firewall.signature_glance


def head_of(request: Request) -> RequestHead:
    """Parse a request's head. Raises HttpError."""
    line = b"%b %b HTTP/%b\r\n" % (request.method, request.target, request.version)
    return RequestParser().parse(line + b"".join(b"%b: %b\r\n" % field for field in request.headers) + b"\r\n")


def look(glance: SignatureGlance, request: Request) -> Sketch | None:
    """Look at a request as the proxy does. None: something may be found."""
    sketch = glance.look(head_of(request), CLIENT)
    if sketch.idle and request.body:
        glance.passes_body(sketch, request.body)
    return sketch if sketch.idle else None


def passes(glance: SignatureGlance, request: Request, complete: bool = True) -> bool:
    """Whether a request and its response pass at a glance."""
    sketch = look(glance, request)
    fields = [*request.response_headers, (b"content-length", b"%d" % len(request.response_body))]
    text = b"HTTP/1.1 %d X\r\n" % request.status + b"".join(b"%b: %b\r\n" % field for field in fields) + b"\r\n"
    response = ResponseParser().parse(text, request.method)
    return sketch is not None and glance.passes_response(sketch, response, request.response_body, complete)


@pytest.mark.parametrize("paranoia", [1, 4])
@given(request=requests() | ordinary_requests())
@settings(max_examples=150, deadline=None)
def test_nothing_passes_at_a_glance_in_which_the_plain_engine_finds_something(paranoia: int, request: Request) -> None:
    firewall = crs(paranoia, True)
    try:
        passed = passes(glance_of(firewall), request)
        head = head_of(request)
    except HttpError:
        return
    request = replace(request, headers=[(name, value) for name, value, *_ in head.fields])  # without blanks around them
    plain, verdict = send(crs(paranoia, False), request)
    assert not passed or (fired(plain), plain.notes, verdict) == ([], [], None)
    if not passed and look(glance_of(firewall), request) is None:
        nominated = glance_of(firewall).look(head, CLIENT).head_mask
        t = firewall.begin(CLIENT)
        t.request_head(request.method, request.target, request.version, request.headers, nominated=nominated)
        assert fired(t) == fired_by_head(crs(paranoia, False), request)


def fired_by_head(firewall: Waf, request: Request) -> list[int]:
    t = firewall.begin(CLIENT)
    t.request_head(request.method, request.target, request.version, request.headers)
    return fired(t)


@pytest.mark.parametrize("make", [traffic.page, traffic.checkout, traffic.order])
def test_what_people_send_passes_at_a_glance(make: Any) -> None:
    glance, parser, rng = glance_of(crs(1, True, "block")), RequestParser(), random.Random(3)
    for number in range(50):
        head, end, body = make(rng).replace(traffic.SLOT, f"{number:010}").encode().partition(b"\r\n\r\n")
        sketch = glance.look(parser.parse(head + end), CLIENT)
        assert sketch.idle, head
        assert not body or glance.passes_body(sketch, body), body


def test_the_response_is_looked_at_and_so_is_what_came_before() -> None:
    glance = glance_of(waf(CHAINED))
    assert passes(glance, Request(target=b"/?a=good", response_body=b"nothing"))
    assert not passes(glance, Request(target=b"/?a=bad"))
    assert not passes(glance, Request(target=b"/?a=good", response_body=b"a secret"))
    assert not passes(glance, Request(target=b"/?a=good", response_body=b"nothing"), complete=False)
    shown = [(b"content-type", b"text/html"), (b"x-debug", b"1")]
    assert not passes(glance, Request(target=b"/?a=good", response_headers=shown))
    gzipped = [(b"content-type", b"text/html"), (b"content-encoding", b"gzip")]
    assert not passes(glance, Request(target=b"/?a=good", response_headers=gzipped, response_body=b"\x1f\x8b"))
    image = [(b"content-type", b"image/png"), (b"content-encoding", b"gzip")]
    assert passes(glance, Request(target=b"/?a=good", response_headers=image, response_body=b"\x1f\x8b"))
    form = [(b"host", b"x"), (b"content-type", b"application/x-www-form-urlencoded")]
    assert passes(glance, Request(b"POST", headers=form, body=b"a=good"))
    assert not passes(glance, Request(b"POST", headers=form, body=b"a=bad"))


@pytest.mark.parametrize(
    "rules",
    [
        'SecAction "id:9,phase:1,pass,initcol:ip=%{REMOTE_ADDR},setvar:ip.seen=+1"',
        'SecAction "id:9,phase:2,pass,log"',
        'SecAction "id:9,phase:5,pass,setvar:global.count=+1"',
        'SecRule TIME_HOUR "@ge 0" "id:9,phase:1,pass,log"',
        'SecRule &ARGS:a "@eq 0" "id:9,phase:2,pass,log"',
    ],
)
def test_no_request_passes_where_a_rule_keeps_an_account_of_each(rules: str) -> None:
    glance = waf(CHAINED + rules).signature_glance
    assert glance is None or look(glance, Request(target=b"/?b=c")) is None


@pytest.mark.parametrize("rules", ["SecAuditEngine On", "SecRequestBodyAccess Off", "SecRuleEngine Off"])
def test_there_is_no_glance_where_each_request_is_told_of_or_bodies_are_not(rules: str) -> None:
    assert waf(CHAINED + rules).signature_glance is None
    assert waf(CHAINED, prefilter=False).signature_glance is None
