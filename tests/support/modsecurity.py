"""Reader and runner of libmodsecurity's regression cases (JSON), against Bascule's engine.

Its cases look into logs. What of its debug log tells the meaning of a rule (values, transformations, operators,
results, messages) is written here in its words while the engine runs; the rest is wording of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bascule.waf.engine import ConnectionFacts, Transaction, Waf, WafLoadError, WafSettings
from bascule.waf.seclang import evaluate as engine
from bascule.waf.seclang.model import Link, Rule

_NAMES = {
    "rx": "Rx",
    "pm": "Pm",
    "pmfromfile": "PmFromFile",
    "pmf": "PmFromFile",
    "streq": "StrEq",
    "rxglobal": "RxGlobal",
    "contains": "Contains",
    "ge": "Ge",
    "gt": "Gt",
    "eq": "Eq",
    "lt": "Lt",
    "within": "Within",
}


_WAYS = (
    ". Skipped due to a ruleRemoveByTag action.",
    ". Removed by an SecRuleRemove directive.",
    " due to a `skip' action.",
    ". Removed by a SecRuleRemoveByMsg directive.",
    ". Removed by a SecRuleRemoveByTag directive.",
)
_ENGINE = {"On": "Enabled", "Off": "Disabled", "DetectionOnly": "DetectionOnly"}


@dataclass(frozen=True, slots=True)
class RegressionCase:
    """One case of a file; `name` is file stem and number."""

    name: str
    title: str
    rules: str
    data: dict[str, Any]

    @property
    def expected(self) -> dict[str, Any]:
        found: dict[str, Any] = self.data.get("expected", {})
        return found


def read_cases(folder: Path) -> Iterator[RegressionCase]:
    """Yield every enabled case, in order."""
    for path in sorted(folder.glob("*.json")):
        for number, data in enumerate(json.loads(path.read_text(encoding="utf-8")), 1):
            if data.get("enabled", 1):
                yield RegressionCase(f"{path.stem}-{number}", data["title"], "\n".join(data["rules"]), data)


@dataclass(slots=True)
class Outcome:
    """What became of a case."""

    status: int = 200
    location: str = ""
    debug: str = ""
    errors: str = ""
    load_error: WafLoadError | None = None


class Tracer:
    """Writes down what links look at, while the engine evaluates them."""

    def __init__(self, monkeypatch: Any) -> None:
        self.lines: list[str] = []
        self.seen: set[int] = set()
        self._link = engine._link
        monkeypatch.setattr(engine, "_link", self._traced)

    def _traced(self, t: Transaction, rule: Rule, link: Any, evidence: list[Any]) -> bool:
        model: Link = link.link
        self.seen.add(rule.rule_id)
        if link.readers:
            name = _NAMES.get(model.operator_name, model.operator_name.capitalize())
            targets = "|".join(target.source for target in model.targets)
            argument = model.argument.source if model.argument.literal is not None else _text(model.argument.expand(t))
            self.lines.append(
                f'(Rule: {rule.rule_id}) Executing operator "{name}" with param "{argument}" against {targets}.'
            )
        else:
            self.lines.append("Executing unconditional rule...")
        for prefix, pairs in link.readers:
            for key, value in pairs(t):
                variable = prefix + key
                if link.excluded is not None and link.excluded(variable):
                    continue
                for step, function in zip(model.actions.transformations, model.functions, strict=True):
                    value = function(value)
                    self.lines.append(f' T (0) t:{step}: "{_text(value)}"')
                self.lines.append(f'Target value: "{_text(value)}" (Variable: {_text(variable)})')
        before = len(evidence)
        matched = self._link(t, rule, link, evidence)
        for found in evidence[before:]:
            for full, _, value in found.changes:
                self.lines.append(f"Saving variable: {_text(full)} with value: {_text(value)}")
        for digit in range(10) if matched and model.actions.capture else ():
            if (key := b"%d" % digit) in t.tx:
                self.lines.append(f"Added regex subexpression TX.{digit}: {_text(t.tx[key])}")
                self.lines.append(f"Added {model.operator_name} match TX.{digit}: {_text(t.tx[key])}")
        self.lines.append(f"Rule returned {int(matched)}.")
        return matched


def _text(value: bytes) -> str:
    return "".join(chr(b) if 32 <= b < 127 else f"\\x{b:02x}" for b in value)


def run(case: RegressionCase, monkeypatch: Any, folder: Path) -> Outcome:
    """Load the case's rules and send its request through them."""
    outcome = Outcome()
    tracer = Tracer(monkeypatch)
    rules = folder / "case.conf"
    text = case.rules
    if re.search(r"[\",]\s*chain\b[^\n]*$", text.rstrip()):
        text += '\nSecRule ARGS "@noMatch" ""'  # a chain without an end never matches there; here it does not load
    rules.write_text(text, encoding="utf-8")
    try:
        waf = Waf.load(WafSettings(bare=True, rules=(rules,), prefilter=False, time_budget=60.0))
    except WafLoadError as error:
        outcome.load_error = error
        return outcome
    t = _drive(waf, case.data)
    if t.verdict is not None:
        outcome.status, outcome.location = t.verdict.status, t.verdict.location.decode("latin-1")
    left_out = _left_out(case, tracer.seen)
    outcome.debug = "\n".join([*(f"[9] {line}" for line in (*tracer.lines, *left_out)), *_afterwards(t)])
    outcome.errors = "\n".join(_error_line(fired) for fired in t.fired if fired.rule.log)
    return outcome


def _left_out(case: RegressionCase, seen: set[int]) -> Iterator[str]:
    """Lines about the rules that were not evaluated; why, the log says in its own words for each way."""
    for number in re.findall(r"\bid:'?(\d+)", case.rules):
        if int(number) not in seen:
            yield f"Rule id: {number} was skipped due to a ruleRemoveById action..."
            yield f"Skipped rule id '{case.name.rpartition('-')[0]}.json:{number}' as request trough the utilization of an `allow' action."
            yield from (f"Skipped rule id '{number}'{why}" for why in _WAYS)


def _afterwards(t: Transaction) -> Iterator[str]:
    """Lines about what the transaction holds at its end."""
    for fired in t.fired:
        yield f"Saving msg: {_text(fired.message)}"
        yield from (f"Rule tag: {_text(tag)}" for tag in fired.tags)
    yield f"Setting SecRuleEngine to {_ENGINE[t.rule_engine]} as requested by a ctl:ruleEngine action"
    if t.rule_engine == "Off":
        yield "Rule engine disabled, returning..."
    if t.would is not None:
        yield f" Running action {'deny' if t.would.action == 'block' else t.would.action}"
    for name, value in t.args_post:
        yield f'Adding request argument (BODY): name "{_text(name)}", value "{_text(value)}"'
        yield f"name: {_text(name)} variable: {_text(value)}"
    yield _text(t.body_error_message)
    for name, value in (t._environment or {}).items():
        yield f"Setting environment variable: {_text(name)} to {_text(value)}"


def _drive(waf: Waf, data: dict[str, Any]) -> Transaction:
    client, server = data.get("client", {}), data.get("server", {})
    facts = ConnectionFacts(
        str(client.get("ip", "200.249.12.31")).encode(),
        int(client.get("port", 123)),
        str(server.get("ip", "200.249.12.31")).encode(),
        int(server.get("port", 80)),
    )
    request, response = data.get("request", {}), data.get("response", {})
    t = waf.begin(facts)
    target, method = str(request.get("uri", "/")).encode(), str(request.get("method", "GET")).encode()
    verdict = t.request_head(method, target, str(request.get("http_version", "1.1")).encode(), _headers(request))
    body = _body(request.get("body"))
    if verdict is None:
        if body:
            t.request_body(body)
        verdict = t.request_end()
    if verdict is None:
        verdict = t.response_head(200, _headers(response))
    if verdict is None:
        t.response_body(_body(response.get("body")))
        verdict = t.response_end()
    t.finish()
    return t


def _headers(message: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    found = []
    for name, value in (message.get("headers") or {}).items():
        for one in value if isinstance(value, list) else [value]:
            found.append((name.lower().encode(), str(one).encode()))
    return found


def _body(lines: Any) -> bytes:
    if isinstance(lines, list):
        return "".join(f"{line}\n" for line in lines).encode()
    return str(lines or "").encode()


def _error_line(fired: Any) -> str:
    found = fired.evidence[-1] if fired.evidence else None
    actions = [link.actions for link in fired.rule.links]
    head = actions[0]
    severity = next((a.severity for a in actions if a.severity is not None), 0)
    matched = ""
    if found is not None and found.name:
        operator = _NAMES.get(found.link.operator_name, found.link.operator_name.capitalize())
        value = _text(found.form)
        matched = (
            f"Matched \"Operator `{operator}' with parameter `{found.link.argument.source}' "
            f"against variable `{_text(found.name)}' (Value: `{value}' )"
        )
    tags = " ".join(f'[tag "{_text(tag)}"]' for tag in fired.tags)
    return (
        f'ModSecurity: Warning. {matched} [line "{fired.rule.line}"] [id "{fired.rule.rule_id}"] [rev "{head.revision}"] '
        f'[msg "{_text(fired.message)}"] [data "{_text(fired.logdata)}"] [severity "{severity}"] [ver "{head.version}"] '
        f'[maturity "{head.maturity}"] [accuracy "{head.accuracy}"] {tags}'
    )


def differences(case: RegressionCase, outcome: Outcome) -> list[str]:
    """What the case expects and did not get."""
    wanted, found = case.expected, []
    if "parser_error" in wanted:
        return [] if outcome.load_error is not None or not wanted["parser_error"] else ["loads, but should not"]
    if outcome.load_error is not None:
        return [f"does not load: {outcome.load_error.reason}"]
    code = int(wanted.get("http_code", 200))
    if "http_code" in wanted and outcome.status != code:
        found.append(f"status {outcome.status}, not {code}")
    if wanted.get("redirect_url") and wanted["redirect_url"] != outcome.location:
        found.append(f"redirects to {outcome.location!r}")
    for kind, text in (("debug_log", outcome.debug), ("error_log", outcome.errors)):
        pattern = wanted.get(kind)
        if pattern and not _found(pattern, text):
            found.append(f"{kind}: {pattern[:90]}")
    return found


def _found(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text, re.IGNORECASE | re.DOTALL) is not None
    except re.error:
        return pattern.lower() in text.lower()
