"""Whose tunnels are opened: the rules of interception, and what stands in for servers then. See peek.py for the way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from bascule.config.auth import Auth
from bascule.config.intercept import Intercept
from bascule.forward.conditions import NamedTest, compile_condition
from bascule.forward.onboarding import Page, pages
from bascule.forward.peek import Peek
from bascule.forward.pinning import Pins
from bascule.state.buckets import Buckets
from bascule.tls.authority import Authority
from bascule.tls.mimicry import Mimicry

if TYPE_CHECKING:
    from bascule.forward.client import ForwardClient
    from bascule.forward.exchange import ForwardExchange
    from bascule.forward.policy import Access


@dataclass(frozen=True, slots=True)
class Choice:
    """What becomes of a tunnel, and by which rule."""

    bump: bool
    rule: str


class InterceptRules:
    """The rules made ready."""

    def __init__(self, config: Intercept, auth: Auth | None) -> None:
        self._rules: list[tuple[tuple[NamedTest, ...], Choice]] = [
            (
                compile_condition(rule.condition, auth),
                Choice(rule.bump is not None, f"{rule.action}: {rule.name or f'rule {index + 1}'}"),
            )
            for index, rule in enumerate(config.rules)
        ]
        self._default = Choice(config.default == "bump", f"{config.default}: default")

    def choose(self, access: Access) -> Choice:
        """Return what the first rule that holds says. What is not known of a tunnel does not hold."""
        for tests, choice in self._rules:
            if all(test(access) is True for _, test in tests):
                return choice
        return self._default


class Interception:
    """The interception of one worker. `let_go` is what all of them know of clients that pin (see pinning.py)."""

    def __init__(self, config: Intercept, auth: Auth | None, authority: Authority, let_go: Buckets) -> None:
        self.config = config
        self.authority = authority
        self.mimicry = Mimicry(authority, config.cache)
        self.pins = Pins(config.pinning, let_go)
        self._rules = InterceptRules(config, auth)
        self._pages = pages(authority) if config.page else {}

    def choose(self, access: Access) -> Choice:
        """Return what becomes of a tunnel."""
        choice = self._rules.choose(access)
        if choice.bump and self.pins.holds(access.client.decode(), access.target.host):
            return Choice(False, "splice: pinned")
        if choice.bump and not self.authority.may_sign(access.target.host):
            return Choice(False, "splice: beyond the authority's domains")
        return choice

    def peek(self, client: ForwardClient, exchange: ForwardExchange) -> Peek:
        """Return what looks at the first bytes of a tunnel."""
        return Peek(client, exchange, self)

    def page(self, path: bytes) -> Page | None:
        """Return what is served of the authority at a path of the proxy's own."""
        return self._pages.get(path)

    def rejected(self, exchange: ForwardExchange, host: str, reason: str) -> None:
        """A client did not take what stands in for a host; tell it as an event if it is let go for that."""
        client = exchange.client.decode()
        if not self.pins.rejected(client, host):
            return
        if (events := exchange.app.events) is not None:
            events.write(_event(exchange, host, reason))


def _event(exchange: ForwardExchange, host: str, reason: str) -> bytes:
    return msgspec.json.encode(
        {
            "reference": exchange.reference(),
            "time": datetime.fromtimestamp(exchange.started_at, UTC).isoformat(timespec="milliseconds"),
            "client": exchange.client.decode("latin-1"),
            "method": exchange.method.decode("latin-1"),
            "target": exchange.head.target.decode("latin-1"),
            "host": host,
            "status": exchange.status,
            "mode": "On",
            "verdict": {"action": "allow", "status": 0, "message": "client is let go: it pins", "enforced": True},
            "rules": [],
            "notes": [f"it does not take the certificate of interception for {host}: {reason}"],
        }
    )
