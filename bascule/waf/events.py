"""Audit events: what fired, on which value, and what came of it. One JSON line each, secrets masked."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

import msgspec

from bascule.waf.seclang.model import SEVERITIES, Link, Rule
from bascule.waf.verdict import Verdict

MAX_VALUE = 512
"""Longest value, in bytes, an event shows."""

MAX_HEADERS = 64
"""Most header fields of the request an event shows."""

SCORES = (
    b"blocking_inbound_anomaly_score", b"detection_inbound_anomaly_score", b"inbound_anomaly_score_threshold",
    b"blocking_outbound_anomaly_score", b"detection_outbound_anomaly_score", b"outbound_anomaly_score_threshold",
    *(b"%s_anomaly_score_pl%d" % (way, n) for way in (b"inbound", b"outbound") for n in (1, 2, 3, 4)),
    b"anomaly_score", *(b"anomaly_score_pl%d" % n for n in (1, 2, 3, 4)), b"outbound_anomaly_score",
)  # fmt: skip
"""The TX variables whose values an event carries: those of CRS 4, and the names CRS 3 has for them."""

MASK = "***"
_SECRET_NAME = re.compile(
    r"pass(?:word|wd|phrase)?|pwd|secret|token|api[-_]?key|auth(?!ors?\b)|credential|session|sessid|sid\b|csrf|xsrf|jwt|pin\b|cvv|cvc",
    re.IGNORECASE,
)
_HINTS = ("pass", "pwd", "secret", "token", "api", "auth", "credential", "sess", "sid", "csrf", "xsrf", "jwt", "pin",
          "cvv", "cvc", "cookie")  # fmt: skip
"""Without any of these no secret is named: a test of 1 us before one of 200."""
_SECRET_COLLECTIONS = ("REQUEST_COOKIES:", "REQUEST_HEADERS:cookie", "REQUEST_HEADERS:authorization",
                       "REQUEST_HEADERS:proxy-authorization", "RESPONSE_HEADERS:set-cookie")  # fmt: skip
_CARD = re.compile(r"(?<!\d)(?:\d[ -]?){12,18}\d(?!\d)")
_PARAMETER = re.compile(r"([?&;]|^)([^=&;?]+)=([^&;]*)")
_SECRET = rf"(?:{_SECRET_NAME.pattern})"
_PAIR = re.compile(
    rf"""({_SECRET}[^\s"'=:&;]*"\s*:\s*")[^"]*"""  # in JSON
    rf"""|(name="[^"]*{_SECRET}[^"]*"[^\r\n]*(?:\r?\n[^\r\n]+)*\r?\n\r?\n)[^\r\n]+"""  # in multipart/form-data
    rf"""|({_SECRET}[^\s"'=:&;]*(?:=|%3d))[^&\r\n]+"""  # in a form or query
    rf"""|((?:{_SECRET}|\bcookie)[^\s"'=:&;]*:\s*)[^\r\n]+""",  # in a header
    re.IGNORECASE,
)


class Evidence(NamedTuple):
    """One value that matched a link: its name, its raw form, the form matched, and the setvars it caused."""

    name: bytes
    raw: bytes
    form: bytes
    link: Link
    changes: tuple[tuple[bytes, bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class FiredRule:
    """A rule whose whole chain matched."""

    rule: Rule
    message: bytes
    logdata: bytes
    tags: tuple[bytes, ...]
    evidence: tuple[Evidence, ...]
    phase: int


@dataclass(slots=True)
class Event:
    """Everything `bascule explain` needs of one transaction."""

    reference: str
    time: float
    client: bytes
    method: bytes
    target: bytes
    host: bytes
    mode: str
    verdict: Verdict | None
    enforced: bool
    fired: list[FiredRule]
    scores: dict[str, str]
    engine_us: int
    notes: list[str] = field(default_factory=list)
    status: int = 0
    sanitised: frozenset[str] = frozenset()
    client_port: int = 0
    server: tuple[bytes, int] = (b"", 0)
    version: bytes = b""
    headers: Sequence[tuple[bytes, bytes]] = ()
    body_bytes: int = 0
    components: tuple[str, ...] = ()
    """What the rules say that they are (SecComponentSignature)."""

    def as_dict(self) -> dict[str, Any]:
        """Return the event as plain data with secrets masked."""
        secrets = self._secrets()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self.time)) + f".{int(self.time * 1000) % 1000:03d}Z"
        return {
            "reference": self.reference,
            "time": stamp,
            "client": _text(self.client),
            "method": _text(self.method),
            "target": mask_target(_text(self.target), self._sanitised("args_get:")),
            "host": _text(self.host),
            "status": self.status,
            "mode": self.mode,
            "verdict": self._verdict(secrets),
            "rules": [self._rule(fired, secrets) for fired in self.fired],
            "scores": self.scores,
            "notes": self.notes,
            "engine_us": self.engine_us,
            "client_port": self.client_port,
            "server_address": _text(self.server[0]),
            "server_port": self.server[1],
            "version": _text(self.version),
            "headers": [self._header(name, value) for name, value in self.headers[:MAX_HEADERS]],
            "body_bytes": self.body_bytes,
            "components": self.components,
        }

    def to_json(self) -> bytes:
        """Return the event as one line of JSON, without the line end."""
        return msgspec.json.encode(self.as_dict())

    def _secrets(self) -> list[str]:
        """The values that matched and are secrets: a message may tell them."""
        matched = (found for fired in self.fired for found in fired.evidence if self._is_secret(_text(found.name)))
        return [text for found in matched for text in {_text(found.form), _text(found.raw)} if text]

    def _sanitised(self, prefix: str) -> frozenset[str]:
        """The names of a collection whose values rules said that the event must not show."""
        return frozenset(name.removeprefix(prefix) for name in self.sanitised if name.startswith(prefix))

    def _header(self, name: bytes, value: bytes) -> list[str]:
        hidden = b"request_headers:" + name in (each.encode() for each in self.sanitised)
        return [_text(name), MASK if hidden else mask_header(name, value)]

    def _verdict(self, secrets: list[str]) -> dict[str, Any] | None:
        if self.verdict is None:
            return None
        return {
            "action": self.verdict.action,
            "status": self.verdict.status,
            "rule": self.verdict.rule_id,
            "message": _without(secrets, _text(self.verdict.message)),
            "phase": self.verdict.phase,
            "enforced": self.enforced,
        }

    def _rule(self, fired: FiredRule, secrets: list[str]) -> dict[str, Any]:
        severity = next((x.actions.severity for x in fired.rule.links if x.actions.severity is not None), None)
        head = fired.rule.head.actions
        secret = any(self._is_secret(_text(found.name)) for found in fired.evidence)
        return {
            "id": fired.rule.rule_id,
            "phase": fired.phase,
            "message": mask_pairs(_without(secrets, _text(fired.message))),
            "data": MASK if secret else mask_pairs(mask_cards(_text(fired.logdata))),
            "severity": SEVERITIES[severity] if severity is not None else None,
            "tags": [_text(tag) for tag in fired.tags],
            "ver": head.version,
            "rev": head.revision,
            "maturity": head.maturity,
            "accuracy": head.accuracy,
            "file": fired.rule.file,
            "line": fired.rule.line,
            "matched": [self._evidence(found) for found in fired.evidence if found.name],
            "changes": [
                {"name": _text(name), "by": _text(by), "to": _text(to)}
                for found in fired.evidence
                for name, by, to in found.changes
            ],
        }

    def _evidence(self, found: Evidence) -> dict[str, Any]:
        name = _text(found.name)
        secret = self._is_secret(name)
        operator = ("!" if found.link.negated else "") + "@" + found.link.operator_name
        shown = {
            "variable": name,
            "value": _masked(found.form, secret),
            "after": list(found.link.actions.transformations),
            "operator": f"{operator} {found.link.argument.source[:MAX_VALUE]}".rstrip(),
        }
        if found.raw != found.form:
            shown["raw"] = _masked(found.raw, secret)
        return shown

    def _is_secret(self, name: str) -> bool:
        if name.startswith(_SECRET_COLLECTIONS) or name.lower() in self.sanitised:
            return True
        collection, _, key = name.partition(":")
        return not collection.endswith("_NAMES") and bool(_SECRET_NAME.search(key))


_RISKS = ("critical", "critical", "critical", "high", "medium")
"""Risks by severity: that of Bascule's own rules was made from their risk, that of CRS's means as much."""


def risk_of(fired: Sequence[FiredRule]) -> str:
    """Return the risk of the gravest of the rules that fired: critical, high, medium or low."""
    severities = (link.actions.severity for each in fired for link in each.rule.links)
    gravest = min((severity for severity in severities if severity is not None), default=len(_RISKS))
    return _RISKS[gravest] if gravest < len(_RISKS) else "low"


def _without(secrets: list[str], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


def _masked(value: bytes, secret: bool) -> str:
    return MASK if secret else mask_pairs(mask_cards(_text(value)))


def _text(value: bytes) -> str:
    cut = value[:MAX_VALUE].decode("utf-8", "backslashreplace")
    return cut if len(value) <= MAX_VALUE else cut + f"... ({len(value)} bytes)"


def mask_cards(text: str) -> str:
    """Replace what looks like a payment card number (13 to 19 digits that pass the Luhn check)."""

    def replace(match: re.Match[str]) -> str:
        digits = [int(c) for c in match[0] if c.isdigit()]
        doubled = [d if i % 2 == 0 else (d * 2 - 9 if d > 4 else d * 2) for i, d in enumerate(reversed(digits))]
        return MASK if sum(doubled) % 10 == 0 else match[0]

    return _CARD.sub(replace, text)


def mask_header(name: bytes, value: bytes) -> str:
    """Return a header field's value without what it may give away: credentials, cookies' values, card numbers."""
    text = _text(value)
    if name == b"cookie":
        return "; ".join(f"{pair.partition('=')[0]}={MASK}" for pair in text.split("; "))
    if name == b"referer":
        return mask_target(text)
    return MASK if _SECRET_NAME.search(name.decode("latin-1")) else mask_cards(text)


def mask_pairs(text: str) -> str:
    """Mask what stands behind a secret-looking name in a query, a form, a header or JSON, whole or in part."""
    folded = text.casefold()
    if not any(hint in folded for hint in _HINTS):
        return text
    return _PAIR.sub(lambda match: match[match.lastindex or 0] + MASK, text)


def mask_target(target: str, hidden: frozenset[str] = frozenset()) -> str:
    """Mask the values of parameters that look secret, or are `hidden`, in a target, and card numbers anywhere."""

    def replace(match: re.Match[str]) -> str:
        secret = _SECRET_NAME.search(match[2]) or (hidden and unquote_plus(match[2]).lower() in hidden)
        return f"{match[1]}{match[2]}={MASK}" if secret else match[0]

    path, question, query = target.partition("?")
    return mask_pairs(mask_cards(path + question + (_PARAMETER.sub(replace, query) if question else "")))
