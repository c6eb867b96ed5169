"""What the firewall changes of a request on its way: values are made harmless, its own tokens and seals taken off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.telemetry import causes
from bascule.waf.response.forms import without_fields
from bascule.waf.rewriting import rewrite
from bascule.waf.verdict import Verdict

if TYPE_CHECKING:
    from bascule.proxy.exchange import Exchange
    from bascule.waf.engine import Transaction, Waf
    from bascule.waf.response.cookies import Cookies


_ENCODED = frozenset((b"content-encoding",))
_DIGESTS = frozenset((b"content-md5", b"content-digest", b"repr-digest", b"digest"))


def amend(exchange: Exchange, transaction: Transaction, waf: Waf, encoded: bool = False, whole: bool = True) -> bool:
    """Change a request that passed as its rules say. Return False if that cannot be done: it was refused.

    `encoded`: its body has a Content-Encoding; if it is changed, it is passed on decoded, and that must be `whole`.
    """
    if transaction.rewrites and not _rewrite(exchange, transaction, encoded, whole):
        return False
    if waf.response is not None and waf.response.given:
        _take_out(exchange, waf.response.given)
    return True


def open_cookies(exchange: Exchange, transaction: Transaction, guard: Cookies) -> None:
    """Let rules and server see protected cookies as the server set them; those that were changed not at all."""
    strict = transaction.rule_engine == "On"
    changed: dict[tuple[bytes, bytes], bytes] = {}
    faults: list[tuple[int, bytes]] = []
    for value in exchange.head.values(b"cookie"):
        opened = guard.open(value, strict)
        changed[b"cookie", value] = opened.value
        faults += opened.faults
    if changed:
        exchange.head = exchange.head.amended(changed)
        transaction.cookie_faults = faults


def _take_out(exchange: Exchange, names: tuple[bytes, ...]) -> None:
    """The token of a form, and a decoy, are between Bascule and the client."""
    path, mark, query = exchange.target.partition(b"?")
    if (left := without_fields(b"", query, names)) != query:
        exchange.target = path + mark + left if left else path
    body = b"".join(exchange.parts)
    kind = exchange.head.value(b"content-type") or b"application/x-www-form-urlencoded"
    left = without_fields(kind, body, names)
    if len(left) != len(body):
        exchange.parts = [left]
        exchange.kept = len(left)
        if exchange.head.length >= 0:
            exchange.head.length -= len(body) - len(left)


def _rewrite(exchange: Exchange, transaction: Transaction, encoded: bool, whole: bool) -> bool:
    what = ", ".join(sorted({f"rule {c.rule_id}: {c.action}" for c in transaction.rewrites}))
    if transaction.rule_engine != "On":
        transaction.note(f"in block mode it would be passed on changed: {what}")
        return True
    sent = b"".join(exchange.parts)
    body = transaction.raw_body if encoded else sent
    changed = rewrite(transaction, body)
    if changed is None or (encoded and not whole and changed.body != body):
        transaction.note(f"refused, for it could not be made harmless: {what}")
        rule = transaction.rewrites[0].rule_id
        transaction.decide(Verdict("block", 403, rule, b"could not be made harmless", b"", transaction.phase))
        exchange.answer(403, causes.WAF)
        return False
    transaction.note(f"passed on changed: {what}")
    path, mark, _ = exchange.target.partition(b"?")
    exchange.target = path + mark + changed.query
    if changed.fields:
        exchange.head = exchange.head.amended(changed.fields)
    if changed.body != body:
        _replace_body(exchange, sent, changed.body, encoded)
    return True


def _replace_body(exchange: Exchange, sent: bytes, body: bytes, encoded: bool) -> None:
    """Pass on another body. What the head says of the old one, its length apart, is left out."""
    exchange.parts = [body]
    exchange.kept = len(body)
    exchange.head = exchange.head.without(_DIGESTS | _ENCODED if encoded else _DIGESTS)
    if exchange.head.length >= 0:
        exchange.head.length += len(body) - len(sent)
