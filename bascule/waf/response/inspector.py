"""The response side of one firewall: leaks judged in a held window, and the masks that streams go through."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from bascule.config.response import WafResponse
from bascule.waf.response.leaks import FIRST_ERROR, Leaks
from bascule.waf.response.masking import WORD, Masker

if TYPE_CHECKING:
    from bascule.waf.answers import Answers
    from bascule.waf.filters.inspector import FilterInspector
    from bascule.waf.request import Pairs
    from bascule.waf.transaction import Transaction

IDENTIFIERS, WORDS = 712_001, 712_002


class ResponseInspector:
    """See the module. `masker` is None where nothing is masked."""

    def __init__(self, response: WafResponse, rules: FilterInspector, answers: Answers) -> None:
        self._rules, self._answers = rules, answers
        self._leaks = Leaks(response.cloak) if response.cloak != "off" else None
        self.masker = Masker(response.mask, response.words) if response.mask or response.words else None

    def looks_at(self, status: int, headers: Pairs) -> bool:
        """Whether `judge_body` is to be given the body of a response."""
        return self._leaks is not None and self._leaks.looks_at(status, headers)

    def judge_body(self, t: Transaction, body: bytes) -> None:
        """Judge the beginning of a response body. An error stays one with the same status, told by another page."""
        if self._leaks is None:
            return
        status = t.status if t.status >= FIRST_ERROR else 403
        for rule, found in self._leaks.find(body):
            self._rules.record(t, self._answers, (rule, b"RESPONSE_BODY", found), status=status)

    def note_masked(self, t: Transaction, found: Counter[str]) -> None:
        """Note in the event what was masked in a response: kinds and numbers, never the texts."""
        words = found.pop(WORD, 0)
        told = ", ".join(f"{kind} {count}" for kind, count in sorted(found.items()))
        for rule, text in ((IDENTIFIERS, told), (WORDS, f"{words} words" if words else "")):
            if text:
                self._rules.note(t, (rule, b"RESPONSE_BODY", text.encode()))
