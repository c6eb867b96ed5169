"""What a firewall says to a recorded request."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.http.coding import CodingError, decode
from bascule.waf.engine import ConnectionFacts, Transaction, Waf
from bascule.waf.events import Event
from bascule.waf.replay.records import Recorded

_REPORTS = frozenset((b"anomaly-evaluation", b"reporting"))
"""Tags of the rules of CRS that only add up and report what others found."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """`blocked`: it is refused, or would be in block mode. `rules` are those that found something, in order.

    `reason` says why where no rule does: no firewall is responsible, or the request is refused before it.
    """

    blocked: bool
    status: int = 0
    rules: tuple[int, ...] = ()
    messages: tuple[str, ...] = ()
    score: int = 0
    reason: str = ""
    event: Event | None = None


def judge(waf: Waf, request: Recorded) -> Judgement:
    """Run the request phases and return what comes of it. The response, which is not recorded, is not judged."""
    transaction = waf.begin(ConnectionFacts(request.client, 0, b"127.0.0.1", 80))
    verdict = transaction.request_head(request.method, request.target, request.version, request.headers)
    if verdict is None:
        if request.body and transaction.wants_request_body:
            transaction.request_body(_plain(request, transaction, waf))
        transaction.request_end()
    event = transaction.finish()
    if event is None:
        return Judgement(blocked=False)
    found = [fired for fired in event.fired if not _REPORTS.intersection(fired.tags)]
    verdict = event.verdict
    blocked = verdict is not None and verdict.action != "allow"
    return Judgement(
        blocked,
        verdict.status if verdict is not None and blocked else 0,
        tuple(dict.fromkeys(fired.rule.rule_id for fired in found)),
        tuple(dict.fromkeys(fired.message.decode("utf-8", "backslashreplace") for fired in found)),
        int(event.scores.get("blocking_inbound_anomaly_score", "0")),
        "" if found or not blocked or verdict is None else verdict.message.decode("utf-8", "backslashreplace"),
        event,
    )


def _plain(request: Recorded, transaction: Transaction, waf: Waf) -> bytes:
    """Return the body as the server would see it, within the limit: content codings are taken off."""
    codings = [
        coding.strip().lower()
        for name, value in request.headers
        if name == b"content-encoding"
        for coding in value.split(b",")
    ]
    if not codings:
        return request.body
    try:
        return decode(request.body, codings, waf.settings.request_body_limit + 1)
    except CodingError as error:
        transaction.note(f"request body inspected as sent: {error}")
        return request.body
