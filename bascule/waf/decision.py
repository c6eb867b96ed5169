"""What becomes of a transaction: the verdict on it, what is passed on changed, and the event that tells of both."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from bascule.config.filters import REWRITES
from bascule.waf.answers import BLOCK, Answers
from bascule.waf.body import BodyView
from bascule.waf.events import SCORES, Event, FiredRule
from bascule.waf.rewriting import Change, masked, neutral
from bascule.waf.seclang.collections import to_int
from bascule.waf.verdict import Verdict

if TYPE_CHECKING:
    from bascule.waf.logic.values import Value
    from bascule.waf.seclang.model import Rule

UNIQUE_BYTES = 12


class Decision(BodyView):
    """The part of a transaction that decides; whoever finds something calls it."""

    rule_engine: str
    audit_engine: str
    fired: list[FiredRule]
    rewrites: list[Change]
    """What is to be passed on changed: see `rewriting.py`."""
    spent: float = 0.0
    phase: int = 0
    has_passed: Callable[[], bool] | None = None
    """Whether the client passed the challenge of its route; asked only where a rule is answered with it."""
    verdict: Verdict | None = None
    would: Verdict | None = None
    """The first verdict, though the rule engine only detects."""
    allow_scope: str | None = None
    limits_exceeded: bool = False
    _unique_id: bytes | None = None

    def allow(self, scope: str) -> None:
        """`allow`: skip the other rules of the phase ("phase"), up to the response ("request"), or all."""
        if self.rule_engine == "On":
            self.allow_scope = scope or "all"

    def intervene(self, kind: str, status: int | None, location: bytes, rule_id: int, message: bytes) -> None:
        """Record a disruptive action; it takes effect only where the rule engine is On."""
        action = {"deny": "block", "redirect": "redirect", "drop": "drop"}[kind]
        if action == "redirect":
            status = status if status is not None and 300 <= status < 400 else 302
        self.decide(Verdict(action, status or 403, rule_id, message, location, self.phase))

    def carry_out(
        self,
        answers: Answers,
        rule_id: int,
        message: bytes,
        value: Value | None = None,
        mask: Callable[[bytes], bytes] = masked,
        status: int = 403,
    ) -> None:
        """Answer a finding as the configuration says, or if it does not, by refusing it with `status`.

        `value` is what it is about, if that is a single value, and `mask` makes unreadable what was found in it.
        """
        answer = answers.of(rule_id)
        action = answer.action
        if action == "log":
            return
        if action == "challenge" and self.has_passed is not None and self.has_passed():
            self.note(f"rule {rule_id} passed on: the client passed its challenge before")
            return
        if action in REWRITES and value is not None and self.piece is None:  # of a large body the start alone is here
            self.rewrites.append(Change(action, rule_id, value, neutral if action == "neutralise" else mask))
            return
        if action == "redirect":
            self.intervene("redirect", answer.status, answer.redirect.encode(), rule_id, message)
            return
        page = answers.pages[answer.page] if action == "page" else b""
        kind = "block" if action in REWRITES else action
        delay = answer.tarpit if action == "tarpit" else 0.0
        status = status if answer is BLOCK else answer.status
        self.decide(Verdict(kind, status, rule_id, message, b"", self.phase, page, delay))

    def decide(self, verdict: Verdict) -> None:
        """Take the first verdict; it takes effect only where the rule engine is On."""
        if self.would is None:
            self.would = verdict
        if self.rule_engine == "On" and self.verdict is None and self.phase != 5:
            self.verdict = verdict

    def limit_exceeded(self, rule: Rule, name: bytes, limit: Exception) -> None:
        """An operator left off at its bound on a value: MSC_PCRE_LIMITS_EXCEEDED, and a remark."""
        self.limits_exceeded = True
        remark = f"rule {rule.rule_id} counts as matching {name.decode('latin-1')}: {limit}"
        if remark not in self.notes:
            self.note(remark)

    @property
    def unique_id(self) -> bytes:
        """UNIQUE_ID, and the reference by which a refusal can be found."""
        if self._unique_id is None:
            self._unique_id = secrets.token_hex(UNIQUE_BYTES).encode("ascii")
        return self._unique_id

    def event(self) -> Event:
        """Return what the log is to have of it."""
        tx = self.tx
        scores = {name.decode(): tx[name].decode("latin-1") for name in SCORES if to_int(tx.get(name, b"0"))}
        return Event(
            reference=self.unique_id.decode(), time=self.time, client=self.connection.client_address,
            method=self.method, target=self.target, host=self.header(b"host") or b"", mode=self.rule_engine,
            verdict=self.verdict or self.would, enforced=self.verdict is not None, fired=self.fired, scores=scores,
            engine_us=round(self.spent * 1e6), notes=self.notes, status=self.status,
            sanitised=frozenset(self.sanitised), client_port=self.connection.client_port,
            server=(self.connection.server_address, self.connection.server_port),
            version=self.version, headers=self.headers, body_bytes=self.body_length,
            components=self.config.signatures,
        )  # fmt: skip
