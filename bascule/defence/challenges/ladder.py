"""What is asked of a request: nothing, or a rung of the ladder, unless its client passed that before.

It decides and tells; the answers are given by proxy/challenge.py.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any, Final, NamedTuple, Protocol

from bascule.config.challenge import NUMBERS, RUNGS, Captcha, Challenge
from bascule.config.plan import Plan, RoutePlan
from bascule.defence.challenges.captcha import Verifier
from bascule.defence.challenges.keys import KeyRing
from bascule.defence.challenges.pages import WAIT
from bascule.defence.challenges.proof import BITS, solves
from bascule.defence.challenges.tokens import PASS, TICKET, TICKET_LIFE, Token, Tokens, binding
from bascule.defence.clients import ClientPrefix
from bascule.defence.keys import Request
from bascule.http.answers import HTML, preferred
from bascule.state.buckets import ROUNDING, Buckets, hash_of

COOKIE, REFRESH, PROOF, CAPTCHA = range(1, 5)
UNDER_ATTACK: Final = "defence/attack"
"""Topic of the bus: the names of the sites that are under attack."""
REFRESH_WAIT: Final = WAIT - 1.0
"""Seconds before which no browser goes on by itself: a little less than the page says."""
_KEPT: Final = 16384
"""Passes that are remembered as good; then all are forgotten at once."""
_NAVIGATED: Final = frozenset((b"document", b"iframe", b"frame", b"embed", b"object"))
"""Values of Sec-Fetch-Dest (W3C Fetch Metadata) of what is shown as a page."""


class Asked(Request, Protocol):
    """What is asked of a request here."""

    @property
    def scheme(self) -> bytes:
        """``http`` or ``https``."""


class Demand(NamedTuple):
    """What a client has to pass."""

    rung: int
    why: str
    page: bool
    """Whether it can be shown a page."""


class RouteChallenge:
    """The challenge of a route, made ready to run."""

    __slots__ = (
        "_exempt",
        "_level",
        "_tokens",
        "bits",
        "captcha",
        "detect",
        "hardest",
        "passes_others",
        "site",
        "valid",
    )

    def __init__(self, config: Challenge, site: str, captcha: int) -> None:
        self.site = site
        self._level = NUMBERS[config.level]
        self.hardest = max(self._level, NUMBERS[config.under_attack])
        """The rung of a site under attack, and of a client that a rule of the firewall has its doubts about."""
        self.detect = config.mode == "detect"
        self.passes_others = config.others == "pass"
        self.valid = config.valid
        self.bits = BITS[config.difficulty]
        self.captcha = captcha
        """The number of its provider."""
        self._exempt = tuple(prefix.encode() for prefix in config.exempt)
        self._tokens = [
            (name.lower().encode(), [value.encode() for value in values]) for name, values in config.tokens.items()
        ]

    def level(self, attacked: bool) -> int:
        """Return the rung that everybody has to pass."""
        return self.hardest if attacked else self._level

    def exempts(self, request: Request) -> bool:
        """Whether nothing is asked of a request: for its path, or for a token that it has."""
        return request.path.startswith(self._exempt) or self.has_token(request)

    def has_token(self, request: Request) -> bool:
        """Whether a request has a token that lets programs past."""
        return any(
            (found := request.header(name)) is not None and any(hmac.compare_digest(found, value) for value in values)
            for name, values in self._tokens
        )


class Challenges:
    """The challenges of one worker."""

    def __init__(
        self, plan: Plan, secret: bytes, spent: Buckets, clients: ClientPrefix, clock: Callable[[], float]
    ) -> None:
        self._tokens = Tokens(KeyRing(secret), clock)
        self._clock = clock
        self._spent = spent
        self._clients = clients
        self._attacked: frozenset[str] = frozenset()
        self._good: dict[bytes, tuple[int, int, int, int]] = {}
        self.captchas = captchas_of(plan)
        self.verifier = Verifier()
        self.longest = max((route.challenge.valid for route in plan.routes if route.challenge.asks), default=0.0)
        """How long a browser keeps a pass; each route says how long it counts there."""

    def of_route(self, route: RoutePlan) -> RouteChallenge | None:
        """Return the challenge of a route, if it ever asks anything."""
        config = route.challenge
        if not config.asks:
            return None
        number = self.captchas.index(config.captcha) if config.captcha is not None else 0
        return RouteChallenge(config, route.site, number)

    def set_attacked(self, topic: str, payload: Any) -> None:
        """Hear from the keeper which sites are under attack."""
        self._attacked = frozenset(map(str, payload or ()))

    def is_attacked(self, site: str) -> bool:
        """Whether a site is under attack."""
        return site in self._attacked

    def demand(self, request: Asked, route: RouteChallenge, least: int = 0) -> Demand | None:
        """Return what the client of a request has yet to pass; None where that is nothing.

        `least` is what its account leads to.
        """
        attacked = self.is_attacked(route.site)
        level = route.level(attacked)
        rung = max(level, least)
        if not rung or self.passed(request, route) >= rung or route.exempts(request):
            return None
        why = "its account leads to it" if rung > level else "everybody passes it"
        if attacked and rung == level:
            why = "the site is under attack"
        return Demand(rung, why, is_navigation(request))

    # Tokens ----------------------------------------------------------------------------------------

    def bound(self, request: Request, site: str) -> bytes:
        """Return what a token of this client at this site is bound to."""
        return binding(request, site, self._clients)

    def passed(self, request: Asked, route: RouteChallenge) -> int:
        """Return the rung that the cookie of a request proves; 0 for none. A proof of less work than the route asks for
        counts as the rung below."""
        text = request.cookie(cookie_name(request.scheme))
        if text is None:
            return 0
        bound = self.bound(request, route.site)
        mark = hash_of(bound)  # itself it may have the length of a head
        known = self._good.get(text)
        if known is not None and known[0] == mark and known[2] + route.valid > self._clock():
            return _worth(known[1], known[3], route)
        token = self._tokens.read(text, PASS, bound, route.valid)
        if token is None:
            return 0
        if len(self._good) >= _KEPT:
            self._good.clear()
        self._good[text] = mark, token.rung, token.made, token.detail
        return _worth(token.rung, token.detail, route)

    def ticket(self, request: Request, route: RouteChallenge, rung: int) -> bytes:
        """Return a ticket that says what is asked of a client."""
        detail = route.bits if rung == PROOF else route.captcha if rung == CAPTCHA else 0
        return self._tokens.make(TICKET, rung, self.bound(request, route.site), detail)

    def read_ticket(self, request: Request, site: str, text: bytes) -> Token | None:
        """Return the ticket of a client, if it is its own and in time."""
        return self._tokens.read(text, TICKET, self.bound(request, site), TICKET_LIFE)

    def make_pass(self, request: Request, site: str, ticket: Token) -> bytes:
        """Return the cookie's value that proves that what a ticket asks was done."""
        return self._tokens.make(PASS, ticket.rung, self.bound(request, site), ticket.detail)

    def solved(self, ticket: Token, answer: bytes) -> str:
        """Return what is wrong with the answer to a ticket of a rung below ``captcha``; empty if it is right."""
        age = self._clock() - ticket.made
        if ticket.rung == REFRESH and age < REFRESH_WAIT:
            return "it came too early for a browser"
        if ticket.rung == PROOF:
            if not solves(ticket.text, ticket.detail, answer):
                return "the proof of work is wrong"
            if not self.spend(ticket):
                return "the proof of work was used before"
        return ""

    def spend(self, ticket: Token) -> bool:
        """Note that a ticket was answered. Return whether it was the first time, at any worker."""
        left = max(1.0, TICKET_LIFE - (self._clock() - ticket.made))
        return self._spent.take(hash_of(ticket.nonce), left, left + ROUNDING, monotonic()) <= 0


def _worth(rung: int, detail: int, route: RouteChallenge) -> int:
    return REFRESH if rung == PROOF and detail < route.bits else rung


def captchas_of(plan: Plan) -> list[Captcha]:
    """Return the providers of a plan, each once."""
    found = [route.challenge.captcha for route in plan.routes if route.challenge.captcha is not None]
    return list({captcha.model_dump_json(): captcha for captcha in found}.values())


def challenged(routes: Iterable[RoutePlan]) -> bool:
    """Whether any route may ask anything of its clients."""
    return any(route.challenge.asks for route in routes)


def cookie_name(scheme: bytes) -> bytes:
    """Return the name of the cookie that proves what was passed (RFC 6265bis 4.1.3 for the prefix)."""
    return b"__Host-bascule" if scheme == b"https" else b"bascule"


def rung_name(rung: int) -> str:
    """Return what a rung is called."""
    return RUNGS[rung]


def is_navigation(request: Request) -> bool:
    """Whether a request is a browser's for a page that it will show (W3C Fetch Metadata; before that, by Accept)."""
    if request.method not in (b"GET", b"HEAD", b"POST"):
        return False
    accept = request.header(b"accept")
    if not accept or preferred(accept) != HTML:
        return False
    mode = request.header(b"sec-fetch-mode")
    return mode is None or (mode == b"navigate" and request.header(b"sec-fetch-dest") in _NAVIGATED)
