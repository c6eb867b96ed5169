"""Profiles in memory: requests are learned from, and others judged by what came of it."""

from __future__ import annotations

from collections.abc import Iterable

from bascule.waf.engine import ConnectionFacts, Transaction, Waf, WafSettings
from bascule.waf.profile.inspector import Holding
from bascule.waf.profile.model import Learner, Profile
from bascule.waf.profile.observation import Observation, observe
from bascule.waf.profile.usual import usual_of

FORM = b"application/x-www-form-urlencoded"
Request = tuple[str, str, bytes, bytes, str]
"""Method, target, content type, body, Referer."""


def request(target: str, method: str = "GET", body: bytes = b"", kind: bytes = FORM, referer: str = "") -> Request:
    """A request, with defaults."""
    return method, target, kind if body else b"", body, referer


def transaction(waf: Waf, what: Request) -> Transaction:
    """Begin a transaction for a request, which is not judged yet."""
    method, target, kind, body, referer = what
    t = waf.begin(ConnectionFacts(b"192.0.2.1", 1, b"127.0.0.1", 80))
    headers = [(b"host", b"shop.example")]
    if kind:
        headers.append((b"content-type", kind))
    if referer:
        headers.append((b"referer", f"http://shop.example{referer}".encode()))
    t.set_head(method.encode(), target.encode("utf-8", "surrogateescape"), b"1.1", headers)
    if body:
        t.request_body(body)
    return t


class World:
    """A site whose profile is learned from single requests."""

    def __init__(
        self, clients: int = 1, requests: int = 1, mode: str = "block", preset: str = "standard", **settings: object
    ) -> None:
        self.waf = Waf.load(WafSettings(mode=mode, logic=preset, **settings))  # type: ignore[arg-type]
        self.clients, self.requests = clients, requests
        self.learner = Learner(Profile("shop.example"), clients)

    def observation(self, what: Request, client: str = "a") -> Observation:
        path = what[1].partition("?")[0].encode("utf-8", "surrogateescape")
        return observe(transaction(self.waf, what), "shop.example", client, path)

    def learn(self, what: Iterable[Request] | Request, clients: Iterable[str] = ("a",)) -> None:
        for each in [what] if isinstance(what, tuple) else list(what):
            for client in clients:
                self.learner.learn(self.observation(each, client), 1.0)

    def judge(self, what: Request, stage: str = "enforced", limit: int = 5, unknown: bool = False) -> Transaction:
        """Judge a request beside what was learned."""
        usual = usual_of(self.learner.profile, self.clients, self.requests).prepared()
        target = what[1]
        t = transaction(self.waf, what)
        t.profile = Holding(stage, limit, unknown, usual).hold(
            target.partition("?")[0].encode("utf-8", "surrogateescape")
        )
        verdict = t.request_head(t.method, t.target, b"1.1", t.headers)
        if verdict is None:
            t.request_end()
        while t.unfinished:
            t.go_on(1.0)
        return t

    def points(self, what: Request) -> int:
        """Return how far a request is from what was learned."""
        held = self.judge(what, limit=1000).profile
        assert held is not None
        return held._points


def rules(t: Transaction) -> list[int]:
    """Return the rules that fired."""
    return [fired.rule.rule_id for fired in t.fired]
