"""Challenges: where what defence asks of a client becomes a page, and its answer a pass."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlsplit

from bascule.defence.challenges import pages
from bascule.defence.challenges.ladder import CAPTCHA, COOKIE, PROOF, REFRESH, cookie_name, is_navigation, rung_name
from bascule.defence.challenges.pages import ENDPOINT
from bascule.http.errors import HttpError
from bascule.proxy import answers
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.defence.challenges.ladder import Challenges, RouteChallenge
    from bascule.defence.challenges.tokens import Token
    from bascule.defence.shield import Shield
    from bascule.proxy.exchange import Exchange

_TRY: bytes = b"bascule-try"
"""Cookie that comes with every challenge: who does not bring it back keeps no cookies, so could keep no pass."""
_MAX_QUERY = 24576
"""Bytes of a query that is read: a place to go on to, and an answer."""
_MAX_PARAMETERS = 8
_LONGEST_PLACE = 4096
"""Bytes of a place that is gone on to; from a longer one, to its path without query."""
_SLACK = 5.0
"""Seconds of a client's deadline beyond the wait for a provider."""
_REQUIRED = (
    "This site asks its visitors to pass a check first, which needs a page to be shown. Open the site in a browser, "
    "then try again."
)
_NO_COOKIES = "The check needs cookies. Allow them for this site, then reload the page you came from."
_FAILED = "The check did not work: {why}. Go back and reload the page."


def admit(exchange: Exchange, shield: Shield, route: RouteChallenge, least: int) -> bool:
    """Ask of a client what it has yet to pass, `least` for what it did before. False: the request got its answer."""
    challenges = shield.challenges
    if challenges is None or (exchange.site.secure_suffix is not None and exchange.scheme == b"http"):
        return True  # over HTTPS it is asked again
    demand = challenges.demand(exchange, route, least)
    if demand is None or exchange.client in shield.allowed:
        return True
    name = rung_name(demand.rung)
    if route.detect or (not demand.page and route.passes_others):
        shield.reports.count("challenge", name, "detect")
        shield.reports.event(exchange, 0, f"would have to pass: {name}", [demand.why])
        return True
    if not demand.page:
        shield.reports.count("challenge", name, "refuse")
        shield.reports.event(exchange, 403, f"has not passed: {name}", [demand.why, "it can be shown no page"])
        answers.error(exchange, 403, causes.CHALLENGE_REQUIRED, advice=_REQUIRED)
        return False
    shield.reports.count("challenge", name, "challenge")
    shield.reports.event(exchange, 403, f"asked to pass: {name}", [demand.why])
    _ask(exchange, challenges, route, demand.rung)
    return False


def has_passed(exchange: Exchange) -> bool:
    """Whether a rule of the firewall need not challenge a client: it passed before, or is let past all challenges.

    Unlike without a rule, neither what a path is exempt for nor `others` counts: an attacker chooses both.
    """
    route, shield = exchange.route.challenge, exchange.app.shield
    if route is None or shield is None or shield.challenges is None:
        return False
    return (
        route.detect
        or exchange.client in shield.allowed
        or route.has_token(exchange)
        or shield.challenges.passed(exchange, route) >= route.hardest
    )


def ask_hardest(exchange: Exchange) -> bool:
    """Challenge a client for another reason than its account or an attack: a rule of the firewall, or too much to do.

    False: it can be shown no page, or not any more.
    """
    route, shield = exchange.route.challenge, exchange.app.shield
    if route is None or shield is None or shield.challenges is None:
        return False
    if exchange.responding or not is_navigation(exchange):
        return False
    shield.reports.count("challenge", rung_name(route.hardest), "challenge")
    _ask(exchange, shield.challenges, route, route.hardest)
    return True


def _ask(exchange: Exchange, challenges: Challenges, route: RouteChallenge, rung: int) -> None:
    """Answer with the challenge itself."""
    ticket = challenges.ticket(exchange, route, rung).decode()
    posted = exchange.method == b"POST"
    # A redirect keeps what was posted; a page cannot, so from there it goes on to where it was written.
    keeps = not posted or rung == COOKIE
    place = _place(exchange) if keeps else _came_from(exchange)
    link = f"{ENDPOINT.decode()}?t={ticket}&to={quote(place, safe='/')}"
    fields = _cookie(exchange, _TRY, b"1", ENDPOINT, 600)
    if rung == COOKIE:
        answers.redirect(exchange, link.encode(), 307, causes.CHALLENGED, fields + b"cache-control: no-store\r\n")
        return
    ref = exchange.reference()
    if rung == REFRESH:
        page = pages.refresh_page(ref, link, posted)
    elif rung == PROOF:
        page = pages.proof_page(ref, ticket, route.bits, posted)
    else:
        page = pages.captcha_page(ref, ticket, challenges.captchas[route.captcha], place.decode("latin-1"), posted)
    fields += b"x-bascule-ref: %b\r\ncontent-security-policy: %b\r\nreferrer-policy: same-origin\r\n" % (
        ref.encode(),
        page.policy,
    )
    answers.own_page(exchange, 403, page.content, fields, causes.CHALLENGED)


def cut_answer(exchange: Exchange) -> bytes:
    """Return the query that a request for the endpoint has, and cut it off: a ticket, and what answers it, are nothing
    for the access log."""
    exchange.head.target, _, query = exchange.head.target.partition(b"?")
    return query


def serve(exchange: Exchange, shield: Shield, challenges: Challenges, query: bytes) -> None:
    """Answer at the endpoint: a pass for who answers a ticket rightly. Raises HttpError for a host without a site."""
    site = exchange.app.router.site(exchange.head.host)
    if site is None:
        raise HttpError(421, causes.NO_SITE)
    exchange.site = site
    answer = _parameters(query)
    ticket = challenges.read_ticket(exchange, site.plan.name, answer.get(b"t", b""))
    if ticket is None or not (exchange.request_done or ticket.rung == COOKIE):
        _fail(exchange, shield, "ticket", "it took too long, or the address changed meanwhile")
    elif exchange.cookie(_TRY) is None:
        _fail(exchange, shield, rung_name(ticket.rung), "no cookies", _NO_COOKIES)
    elif ticket.rung == CAPTCHA:
        _judge_captcha(exchange, shield, challenges, ticket, answer)
    elif wrong := challenges.solved(ticket, answer.get(b"a", b"")):
        _fail(exchange, shield, rung_name(ticket.rung), wrong)
    else:
        _pass(exchange, shield, challenges, ticket, answer.get(b"to"))


def _parameters(query: bytes) -> dict[bytes, bytes]:
    """Return the parameters of a query; of one that no challenge asks for, none."""
    if len(query) > _MAX_QUERY or query.count(b"&") >= _MAX_PARAMETERS:
        return {}
    pairs = parse_qsl(query.decode("latin-1"), encoding="latin-1")
    return {name.encode("latin-1"): value.encode("latin-1") for name, value in pairs}


def _judge_captcha(
    exchange: Exchange, shield: Shield, challenges: Challenges, ticket: Token, answer: dict[bytes, bytes]
) -> None:
    """Let the provider say whether a captcha is solved; the client waits meanwhile."""
    if ticket.detail >= len(challenges.captchas) or not challenges.spend(ticket):
        _fail(exchange, shield, "captcha", "it was answered before")
        return
    captcha = challenges.captchas[ticket.detail]
    text = answer.get(captcha.widget.encode() + b"-response", b"")
    exchange.peer.deadline = exchange.app.now + captcha.timeout + _SLACK

    async def judge() -> None:
        try:
            right = await challenges.verifier.verify(captcha, text, exchange.client)
            wrong = "" if right else "the captcha is not solved"
        except OSError as error:
            shield.reports.event(exchange, 403, "the provider of captchas did not answer", [str(error)])
            wrong = "the captcha could not be checked"
        if exchange.finished:
            return
        if wrong:
            _fail(exchange, shield, "captcha", wrong)
        else:
            _pass(exchange, shield, challenges, ticket, answer.get(b"to"))

    # Kept where a connection in the making is: it goes when the client goes.
    exchange.connecting = exchange.app.loop.create_task(judge())


def _pass(exchange: Exchange, shield: Shield, challenges: Challenges, ticket: Token, to: bytes | None) -> None:
    """Give a client its pass, and send it on; a script is only told."""
    exchange.connecting = None
    shield.reports.count("challenge", rung_name(ticket.rung), "pass")
    proof = challenges.make_pass(exchange, exchange.site.plan.name, ticket)
    fields = _cookie(exchange, cookie_name(exchange.scheme), proof, b"/", challenges.longest)
    if to is None:
        answers.nothing(exchange, fields, causes.CHALLENGE_PASSED)
        return
    fields += b"cache-control: no-store\r\n"
    status = 307 if ticket.rung == COOKIE else 303
    answers.redirect(exchange, _local(to), status, causes.CHALLENGE_PASSED, fields)


def _fail(exchange: Exchange, shield: Shield, name: str, why: str, advice: str = "") -> None:
    exchange.connecting = None
    shield.reports.count("challenge", name, "refuse")
    shield.reports.event(exchange, 403, f"did not pass: {name}", [why])
    answers.error(exchange, 403, causes.CHALLENGE_FAILED, advice=advice or _FAILED.format(why=why))


def _cookie(exchange: Exchange, name: bytes, value: bytes, path: bytes, age: float) -> bytes:
    """Return a Set-Cookie line. Over HTTPS it is sent with requests from other sites, too: a bank sends its customers
    back by POST, and a pass is no login that this could abuse."""
    site = b"None; Secure" if exchange.scheme == b"https" else b"Lax"
    return b"set-cookie: %b=%b; Path=%b; Max-Age=%d; HttpOnly; SameSite=%b\r\n" % (name, value, path, age, site)


def _place(exchange: Exchange) -> bytes:
    """Return where a request wanted to go."""
    target = exchange.head.target
    return target if len(target) <= _LONGEST_PLACE else exchange.path[:_LONGEST_PLACE]


def _came_from(exchange: Exchange) -> bytes:
    """Return the page of this host that a form was on, or the start page."""
    try:
        parts = urlsplit(exchange.head.referer.decode("ascii"))
    except ValueError:
        return b"/"
    if parts.netloc.encode() != exchange.head.authority or not parts.path:
        return b"/"
    return (parts.path + (f"?{parts.query}" if parts.query else "")).encode()[:_LONGEST_PLACE]


def _local(place: bytes) -> bytes:
    """Return a place if it is one of this host, else the start page: nobody is sent elsewhere (CWE-601)."""
    good = place[:1] == b"/" and place[1:2] not in (b"/", b"\\") and place.isascii() and b"\t" not in place
    return place if good and place.decode().isprintable() else b"/"
