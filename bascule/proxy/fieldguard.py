"""Header fields of responses on their way to the client: what rules find in them is taken out, mended or refused.

Servers repeat themselves, so what a block of fields shows is worked out once and remembered with it: nearly all show
nothing, and cost one look-up.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from bascule.waf.response.fields import NOTHING, Asked, FieldFinding, Told
from bascule.waf.response.forms import sent_fields
from bascule.waf.steady import pairs_of

if TYPE_CHECKING:
    from bascule.http.message import ResponseHead
    from bascule.proxy.exchange import Exchange
    from bascule.waf.response.fields import FieldRules, Pairs
    from bascule.waf.response.inspector import ResponseInspector

TELL_AGAIN = 3600.0
"""Seconds after which what is taken out of every response is told again: one event a response would fill the log."""
MOST_TOLD = 1024
_LINE_ENDS = (b"%0a", b"%0d")
_IN_BODIES = (b"%0", b"\n", b"\r", b"\\n", b"\\r", b"\\u000")


class FieldGuard:
    """The rules about fields at one route of a worker. `dropped` are those that no client sees anyway."""

    __slots__ = ("_dropped", "_inspector", "_rules", "_told")

    def __init__(self, inspector: ResponseInspector, rules: FieldRules, dropped: frozenset[bytes]) -> None:
        self._inspector = inspector
        self._rules = rules
        self._dropped = dropped
        self._told: dict[tuple[int, bytes], float] = {}

    def clears(self, head: ResponseHead) -> bool:
        """Whether the fields show nothing, whatever was asked. Those that vary (ETag and the like) never do."""
        return self._look(head) is NOTHING

    def _look(self, head: ResponseHead) -> Told:
        told = cast("Told | None", head.block.notes.get(self))
        if told is None:
            told = self._rules.look([field for field in head.block.fields if field[0] not in self._dropped])
            head.block.note(self, told)
        return told

    def passed(self, exchange: Exchange, head: ResponseHead) -> ResponseHead | None:
        """Return the head as the client may see it, or None: the response was refused."""
        asked = Asked(
            exchange.head.host, exchange.scheme == b"https", partial(_parameters, exchange), exchange.route.place.hides
        )
        found = self._rules.judge(self._look(head), asked)
        inspection = exchange.inspection
        if not found or inspection is None:
            return head
        transaction = inspection.transaction
        if transaction.rule_engine == "Off":
            return head
        if not transaction.status:
            transaction.set_response(head.status, pairs_of(head.fields))
        transaction.phase = 3
        changes = self._inspector.judge_head_fields(transaction, found, partial(self._tells, transaction.time))
        if transaction.verdict is not None and inspection.refuse(transaction.verdict):
            return None
        return _changed(head, changes) if changes else head

    def _tells(self, now: float, found: FieldFinding) -> bool:
        """Whether an event is to tell of this: it was not for an hour."""
        key = found.rule, found.name
        if now - self._told.get(key, -TELL_AGAIN) < TELL_AGAIN:
            return False
        if len(self._told) >= MOST_TOLD:
            self._told.clear()
        self._told[key] = now
        return True


def _changed(head: ResponseHead, changes: dict[tuple[bytes, bytes], bytes | None]) -> ResponseHead:
    fields = []
    for field in head.block.fields:
        name, value, kind, _ = field
        new = changes.get((name, value), value)
        if new is not None:
            fields.append(field if new is value else (name, new, kind, b"%b: %b\r\n" % (name, new)))
    changed = head.copied()
    changed.block = head.block.with_fields(fields)
    return changed


def _parameters(exchange: Exchange) -> Pairs:
    """Return the parameters of a request that may hold line ends; of most none does."""
    target = exchange.head.line_target.lower()
    body = b"".join(exchange.parts)
    if not any(end in target for end in _LINE_ENDS) and not any(end in body for end in _IN_BODIES):
        return []
    inspection = exchange.inspection
    if inspection is None:
        return []
    return inspection.transaction.args_get + sent_fields(exchange.head.value(b"content-type"), body)
