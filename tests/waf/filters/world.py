"""Firewalls of named rules alone, and requests through them."""

from __future__ import annotations

from typing import Any

from bascule.config.waf import WafConfig
from bascule.proxy.firewall import settings_of
from bascule.waf.engine import ConnectionFacts, Transaction, Waf


def firewall(preset: str = "bypass-learned", **waf: Any) -> Waf:
    """Return a firewall: of what is configured alone, or of a preset with its learned rules."""
    rules = {"rules": "crs"} if preset == "bypass-learned" else {"preset": preset}
    return Waf.load(settings_of(WafConfig.model_validate({"mode": "block", **rules, **waf})))


def judge(
    waf: Waf,
    target: str = "/",
    method: str = "GET",
    body: bytes = b"",
    client: str = "192.0.2.7",
    **fields: str,
) -> Transaction:
    """Return the transaction of a request whose fields are keywords, with ``_`` for ``-``."""
    transaction = waf.begin(ConnectionFacts(client.encode(), 4711, b"127.0.0.1", 80))
    given = {"host": "shop.example", "user_agent": "Mozilla/5.0", **fields}
    if body:
        given.setdefault("content_length", str(len(body)))
    headers = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in given.items() if value]
    verdict = transaction.request_head(method.encode(), target.encode("latin-1"), b"1.1", headers)
    if verdict is None:
        if body:
            transaction.request_body(body)
        transaction.request_end()
    return transaction


def fired(transaction: Transaction) -> list[int]:
    """Return the ids of the rules that fired."""
    return [each.rule.rule_id for each in transaction.fired]
