"""Differential test of whole rule sets against libmodsecurity: mutated requests fire the same rules, or for a reason.

The reasons are listed in `REASONS`; each must still be needed, so that the list can only become shorter.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from bascule.waf.engine import Transaction, Waf, WafSettings, crs_files
from tests.support.debian import debian_crs
from tests.support.ftw import read_cases
from tests.support.oracle import Oracle
from tests.support.shared import shared_dir
from tests.waf.engine.world import CLIENT, CRS_TEST_SETUP, fired, rule_cache

BASE = (
    r"""
SecRuleEngine DetectionOnly
SecRequestBodyAccess On
SecRequestBodyLimit 131072
SecRequestBodyLimitAction ProcessPartial
SecRequestBodyJsonDepthLimit 64
SecArgumentsLimit 1000
SecResponseBodyAccess Off
SecRule REQUEST_HEADERS:Content-Type "^(?:application(?:/soap\+|/)|text/)xml" \
    "id:200000,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "^application/(?:[a-z0-9.-]+[+])?json" \
    "id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
"""
    + CRS_TEST_SETUP
    + 'SecAction "id:900006,phase:1,nolog,pass,setvar:tx.paranoia_level=4,setvar:tx.executing_paranoia_level=4"\n'
)
PIECES = (
    [*rb"""' " %27 %20 + < > %00 %0a / .. \ %u0041 & = ; { } select union $( ` -- /* */ %2e % # ? A 0""".split(), b"\xff", b"\xc3\xa9"]
)  # fmt: skip
REQUESTS = 400

Parts = tuple[bytes, bytes, bytes, list[tuple[bytes, bytes]], bytes]
Reason = Callable[[int, Parts, Transaction], bool]


def _multi_match(rule: int, parts: Parts, t: Transaction) -> bool:
    return any(link.actions.multi_match for link in t.waf.rules.rules[rule].links)


REASONS: dict[str, Reason] = {
    "rules of phase 5 are not reported to the callback": lambda rule, parts, t: t.waf.rules.rules[rule].phase == 5,
    "multiMatch: libmodsecurity evaluates the last step twice and captures of both": _multi_match,
    "what follows # in the target is inspected, not cut off": lambda rule, parts, t: b"#" in parts[1],
    "a body that cannot be parsed: libmodsecurity keeps what it read up to there, here all its texts are read":
        lambda rule, parts, t: t.body_error == 1,
    "of fields of one name libmodsecurity looks at the last one first, and captures the first one last":
        lambda rule, parts, t: len({name for name, _ in parts[3]}) < len(parts[3]),
    "libmodsecurity drops the line ends within a multipart field":
        lambda rule, parts, t: t.multipart is not None and any(b"\n" in value for _, value in t.args_post),
}  # fmt: skip


def theirs(reference: Oracle, parts: Parts) -> set[int]:
    method, target, version, headers, body = parts
    return {message.rule_id for message in reference.messages(method, target, headers, body, version)}


def ours(waf: Waf, parts: Parts) -> tuple[set[int], Transaction]:
    method, target, version, headers, body = parts
    t = waf.begin(CLIENT)
    t.request_head(method, target, version, headers)
    if body and t.wants_request_body:
        t.request_body(body)
    t.request_end()
    t.finish()
    return set(fired(t)), t


def mutate(text: bytes, draw: random.Random) -> bytes:
    out = bytearray(text)
    for _ in range(draw.randrange(1, 4)):
        at = draw.randrange(len(out) + 1)
        kind = draw.randrange(4)
        if kind == 0:
            out[at:at] = draw.choice(PIECES)
        elif kind == 1:
            del out[at : at + draw.randrange(1, 4)]
        elif kind == 2 and at < len(out):
            out[at] ^= 0x20
        else:
            out[at:at] = out[at : at + 8]
    return bytes(out)


_HEAD = [(b"host", b"localhost"), (b"user-agent", b"test"), (b"accept", b"*/*")]
_FORM = b"multipart/form-data; boundary=b"
_FIELD = b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\nx\r\ncontent-type: y\r\n--b--\r\n'
ODD: list[Parts] = [
    (b"GET", b"/", b"1.1", [*_HEAD, (b"content-type", b"a/b"), (b"content-type", b"application/xml")], b""),
    (b"POST", b"/", b"1.1", [*_HEAD, (b"content-type", _FORM), (b"content-length", b"%d" % len(_FIELD))], _FIELD),
]
"""What chance seldom makes."""


def mutants(draw: random.Random) -> list[Parts]:
    """Requests of CRS's own tests, most of them with something changed in query, body or a header."""
    stages = [stage for case in read_cases(shared_dir("crs", "tests", "regression", "tests")) for stage in case.stages]
    found = list(ODD)
    for stage in draw.sample(stages, REQUESTS):
        method, target, version, headers, body = stage.split()
        path, mark, query = target.partition(b"?")
        if mark and draw.random() < 0.8:
            target = path + mark + mutate(query, draw)
        if body and draw.random() < 0.8:
            body = mutate(body, draw)
        if headers and draw.random() < 0.3:
            at = draw.randrange(len(headers))
            headers[at] = (headers[at][0], mutate(headers[at][1], draw))
        headers = [(name, b"%d" % len(body) if name == b"content-length" else value) for name, value in headers]
        found.append((method, target, version.partition(b"/")[2] or b"1.1", headers, body))
    return found


def test_same_rules_fire_for_crs_4_and_for_crs_3_of_debian() -> None:
    used: set[str | None] = set()
    for folder in (shared_dir("crs"), debian_crs()):
        setup, rules = crs_files(folder)
        files = [setup, *rules]
        settings = WafSettings(directives=BASE, rules=tuple(files), bare=True, time_budget=60.0)
        waf, reference = Waf.load(settings, rule_cache()), Oracle(BASE, files)
        total = 0
        for parts in mutants(random.Random(4)):
            expected = theirs(reference, parts)
            found, t = ours(waf, parts)
            total += len(expected)
            for rule in expected ^ found:
                why = next((reason for reason, holds in REASONS.items() if holds(rule, parts, t)), None)
                used.add(why)
                assert why is not None, (rule, "is extra" if rule in found else "is missing", parts)
        assert total > 2 * REQUESTS
    assert used == set(REASONS)
