"""What a firewall says to a recorded request."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.http.coding import CodingError, decode
from bascule.waf.engine import ConnectionFacts, Transaction, Verdict, Waf
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
    reason: str = ""
    event: Event | None = None


def judge(waf: Waf, request: Recorded) -> tuple[Judgement, Transaction]:
    """Run the request phases and return what comes of it. The response, which is not recorded, is not judged.

    Of a body only the part within the firewall's limit is seen, as in the proxy.
    """
    transaction, verdict = begin(waf, request)
    if verdict is None:
        if request.body and transaction.wants_request_body:
            transaction.request_body(_shown(request, transaction, waf))
        transaction.request_end()
    return conclude(transaction), transaction


def begin(waf: Waf, request: Recorded) -> tuple[Transaction, Verdict | None]:
    """Begin a transaction and show it the head of a request."""
    transaction = waf.begin(ConnectionFacts(request.client, 0, b"127.0.0.1", 80))
    verdict = transaction.request_head(request.method, request.target, request.version, request.headers)
    return transaction, verdict


def conclude(transaction: Transaction) -> Judgement:
    """End a transaction and return what came of it."""
    event = transaction.finish()
    if event is None:
        return Judgement(blocked=False)
    found = [fired for fired in event.fired if not _REPORTS.intersection(fired.tags)]
    verdict = event.verdict
    if verdict is None or verdict.action == "allow":
        return Judgement(False, event=event)
    rules = tuple(dict.fromkeys(fired.rule.rule_id for fired in found))
    reason = "" if rules else verdict.message.decode("utf-8", "backslashreplace")
    return Judgement(True, verdict.status, rules, reason, event)


def plain_body(request: Recorded, limit: int) -> bytes:
    """Return a body as the server would see it, up to a limit; as it was sent where it cannot be decoded."""
    try:
        return _plain(request, limit)
    except CodingError:
        return request.body


def _plain(request: Recorded, limit: int) -> bytes:
    """Take the content codings off a body. Raises CodingError."""
    codings = [
        coding.strip().lower()
        for name, value in request.headers
        if name == b"content-encoding"
        for coding in value.split(b",")
    ]
    return decode(request.body, codings, limit) if codings else request.body


def _shown(request: Recorded, transaction: Transaction, waf: Waf) -> bytes:
    """Return what the rules are shown of a body at first."""
    try:
        return _plain(request, waf.settings.request_body_limit + 1)
    except CodingError as error:
        transaction.fail_body(f"Content-Encoding: {error}".encode())
        return request.body
