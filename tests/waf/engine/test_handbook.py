"""Rules as handbooks teach them (counters, scores, virtual patches, uploads, leaks), through all phases of both engines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bascule.waf.engine import ConnectionFacts, Waf, WafSettings

ON = """SecRuleEngine On
SecRequestBodyAccess On
SecResponseBodyAccess On
SecResponseBodyMimeType text/html text/plain application/json
"""
Fields = list[tuple[str, str]]


@dataclass
class Message:
    """A start line, or a status, with what follows it."""

    start: str
    fields: Fields = field(default_factory=list)
    body: str = ""


@dataclass
class Case:
    rules: str = ""
    exchanges: list[tuple[Message, Message]] = field(default_factory=list)


def message(text: str) -> Message:
    head, _, body = text.strip("\n").partition("\n\n")
    start, *lines = head.split("\n")
    pairs = [line.partition(": ") for line in lines]
    return Message(start, [(name, value) for name, _, value in pairs], body.replace("\\r", "\r").replace("\\n", "\n"))


def read() -> Iterator[tuple[str, Case]]:
    text = Path(__file__).with_name("handbook.txt").read_text(encoding="utf-8")
    for section in text.split("\n=== ")[1:]:
        name, _, rest = section.partition("\n")
        rules, *requests = rest.split("\n--- ")
        case = Case(rules + "\n")
        for request in requests:
            asked, _, answered = request.partition("\n<<< ")
            answer = message(answered) if answered else Message("200", [("Content-Type", "text/html")], "hello")
            case.exchanges.append((message(asked), answer))
        yield name, case


CASES = dict(read())
Outcome = tuple[int, str, list[tuple[int, str]]]
"""Status, Location, and id and message of every rule that fired but for the one that refused."""


def theirs(case: Case) -> list[Outcome]:
    library = pytest.importorskip("libmodsecurity")
    seen: list[Any] = []
    engine, rules = library.ModSecurity(), library.RulesSet()
    engine.set_log_callback(lambda text: None)
    engine.set_rule_message_callback(seen.append)
    assert rules.load(ON + case.rules) >= 0, rules.get_parser_error()
    found = []
    for request, response in case.exchanges:
        seen.clear()
        with engine.transaction(rules) as t:
            stop = next(filter(None, _their_phases(t, request, response)), None)
            t.process_logging()
        status, location = (stop.status, stop.url or "") if stop is not None else (200, "")
        found.append((status, location, sorted((one.rule_id, one.message) for one in seen)))
    return found


def _their_phases(t: Any, request: Message, response: Message) -> Iterator[Any]:
    method, target = request.start.split(" ")
    t.process_connection("203.0.113.7", 40000, "192.0.2.1", 80)
    t.process_uri(target, method, "1.1")
    for name, value in request.fields:
        t.add_request_header(name, value)
    t.process_request_headers()
    yield t.intervention()
    if request.body:
        t.append_request_body(request.body.encode())
    t.process_request_body()
    yield t.intervention()
    for name, value in response.fields:
        t.add_response_header(name, value)
    t.process_response_headers(int(response.start), "HTTP 1.1")
    yield t.intervention()
    if response.body:
        t.append_response_body(response.body.encode())
    t.process_response_body()
    yield t.intervention()


def ours(case: Case) -> list[Outcome]:
    waf = Waf.load(WafSettings(bare=True, directives=ON + case.rules))
    found = []
    for request, response in case.exchanges:
        t = waf.begin(ConnectionFacts(b"203.0.113.7", 40000, b"192.0.2.1", 80))
        verdict = next(filter(None, _our_phases(t, request, response)), None)
        t.finish()
        status, location = (verdict.status, verdict.location.decode()) if verdict is not None else (200, "")
        fired = t.fired[:-1] if verdict is not None else t.fired
        found.append((status, location, sorted((f.rule.rule_id, f.message.decode()) for f in fired if f.rule.log)))
    return found


def _our_phases(t: Any, request: Message, response: Message) -> Iterator[Any]:
    method, target = request.start.encode().split(b" ")
    yield t.request_head(method, target, b"1.1", _lower(request.fields))
    if request.body:
        t.request_body(request.body.encode())
    yield t.request_end()
    yield t.response_head(int(response.start), _lower(response.fields))
    if response.body:
        t.response_body(response.body.encode())
    yield t.response_end()


def _lower(fields: Fields) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in fields]


@pytest.mark.parametrize("name", CASES)
def test_both_make_the_same_of_it(name: str) -> None:
    assert CASES[name].exchanges
    assert ours(CASES[name]) == theirs(CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_the_engine_without_shortcuts_makes_the_same_of_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_shortcuts = ours(CASES[name])
    load = Waf.load
    monkeypatch.setattr(
        Waf, "load", lambda settings: load(WafSettings(bare=True, directives=settings.directives, prefilter=False))
    )
    assert ours(CASES[name]) == with_shortcuts
