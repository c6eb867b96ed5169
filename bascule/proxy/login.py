"""Logins on their way: the body is held until it is read, and the answer is looked at as it passes.

What is decided is in defence/logins/guard.py; here it becomes an answer, a wait, or a field for the server.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from bascule.defence.logins.credentials import NONE
from bascule.defence.logins.outcome import FAILED, LOOKED_AT, SUCCEEDED, UNKNOWN, set_cookies
from bascule.defence.logins.passwords import PASSWORD_WORD
from bascule.http.errors import HttpError
from bascule.proxy import answers, challenge, waits
from bascule.proxy.parking import ask_for_body
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.defence.logins.credentials import Credentials
    from bascule.defence.logins.guard import LoginGuard, Over, Try
    from bascule.defence.logins.sessions import SessionLimit
    from bascule.defence.shield import Shield
    from bascule.http.message import ResponseHead
    from bascule.proxy.exchange import Exchange

_METHODS = frozenset((b"POST", b"PUT", b"PATCH"))
_DISK = 10.0
"""Seconds that a look into the list of breached passwords may take."""
_TOO_MANY = "Too many logins failed. Wait a little, then try again."
_REFUSED = "This password is {why}. Go back and choose another one."


def begin(exchange: Exchange, shield: Shield, guard: LoginGuard, wait: float) -> bool:
    """Take a request that may be a login; `wait` is how long it has to wait anyhow.

    True: it goes on, if at all, once its body was read. False: it is none.
    """
    if guard.sessions is not None and not guard.detect:
        _leave_out(exchange, guard.sessions)
    if exchange.method not in _METHODS or exchange.request_done or exchange.client in shield.allowed:
        return False
    head = exchange.head
    if not guard.names(exchange.path) and not guard.may_learn(head.value(b"content-type"), head.length):
        return False
    exchange.login = Login(exchange, shield, guard, wait)
    ask_for_body(exchange)
    return True


def _leave_out(exchange: Exchange, sessions: SessionLimit) -> None:
    """Let the server see no session that ended for a newer one."""
    changed = {}
    for value in exchange.head.values(b"cookie"):
        if sessions.cookie not in value:
            continue
        parts = [part.strip() for part in value.split(b";")]
        kept = [part for part in parts if not _has_ended(part, sessions)]
        if len(kept) < len(parts):
            changed[b"cookie", value] = b"; ".join(kept)
    if changed:
        exchange.head = exchange.head.amended(changed)


def _has_ended(part: bytes, sessions: SessionLimit) -> bool:
    """Whether a cookie is a session that ended. Each of that name is looked at: servers differ in which they take."""
    name, _, session = part.partition(b"=")
    return name.rstrip() == sessions.cookie and sessions.has_ended(session)


class Login:
    """One request that may be a login, or bring a new password."""

    __slots__ = ("_awaits", "_body", "_exchange", "_guard", "_head", "_shield", "_size", "_tried", "_wait")

    def __init__(self, exchange: Exchange, shield: Shield, guard: LoginGuard, wait: float) -> None:
        self._exchange = exchange
        self._shield = shield
        self._guard = guard
        self._wait = wait
        self._awaits = True
        self._tried: Try | None = None
        self._head: ResponseHead | None = None
        self._body: list[bytes] = []
        self._size = 0

    # The request -----------------------------------------------------------------------------------

    def body_complete(self) -> None:
        """The body is here: judge it, unless that was done."""
        if not self._awaits:
            return
        exchange = self._exchange
        body, content_type = b"".join(exchange.parts), exchange.head.value(b"content-type")
        encoded = exchange.head.value(b"content-encoding") not in (b"", b"identity")
        self._judge(NONE if encoded else self._guard.reader.read(body, content_type))

    def body_too_large(self) -> None:
        """More came than any login has. Where logins are configured, padding would hide one."""
        if not self._awaits:
            return
        if self._guard.names(self._exchange.path) and not self._guard.detect:
            self._awaits = False
            self._exchange.answer(413, causes.BODY_TOO_LARGE)
        else:
            self._judge(NONE)

    def _judge(self, found: Credentials) -> None:
        self._awaits = False
        guard = self._guard
        if guard.config.passwords is not None and (password := guard.new_password(self._exchange.path, found)):
            self._check(password, found)
        else:
            self._log_in(found)

    def _log_in(self, found: Credentials) -> None:
        """Charge what is a login. A new password beside it, where logins are configured, makes it no less of one."""
        if self._guard.is_login(self._exchange.path, found):
            self._try(found.accounts)
        else:
            self._go_on(self._wait)

    def _try(self, accounts: tuple[bytes, ...]) -> None:
        """Charge a login, and give it the answer to what it is beyond."""
        guard, exchange = self._guard, self._exchange
        tried = self._tried = guard.charge(exchange, accounts)
        _ask_for_plain_answer(exchange)
        over = tried.over
        if over is None:
            self._go_on(self._wait)
        elif guard.detect:
            guard.tell(exchange, tried, over, "detect", 0)
            self._go_on(self._wait)
        elif over.answer == "refuse":
            guard.tell(exchange, tried, over, "refuse", 429)
            guard.refused(exchange)
            self._tried = None
            fields = b"retry-after: %d\r\n" % max(1, round(over.wait))
            answers.error(exchange, 429, causes.LOGIN_LIMITED, fields, _TOO_MANY)
        else:
            self._slow_down(tried, over)

    def _slow_down(self, tried: Try, over: Over) -> None:
        """Ask for a challenge, or let wait who can be asked for none."""
        guard, exchange = self._guard, self._exchange
        asked = exchange.route.challenge
        if over.answer == "challenge" and asked is not None:
            guard.tell(exchange, tried, over, "challenge", 0)
            if challenge.admit(exchange, self._shield, asked, asked.hardest):
                self._go_on(self._wait)
            return
        guard.tell(exchange, tried, over, "delay", 0)
        if waits.tarpit(exchange, guard.config.delay):
            self._go_on(max(self._wait, guard.config.delay))

    def _check(self, password: bytes, found: Credentials) -> None:
        """Hold a new password against what is weak, then against the list, which may have to be read from the disk."""
        exchange, guard = self._exchange, self._guard
        if why := guard.weakness(password, found.accounts):
            self._checked(found, "weak", why)
            return
        exchange.peer.deadline = exchange.app.now + _DISK

        async def look() -> None:
            breached = False
            with suppress(OSError):  # a folder of ranges may lose one
                breached = await asyncio.to_thread(guard.is_breached, password)
            exchange.connecting = None
            if not exchange.finished:
                word, why = ("breached", "known from breaches") if breached else ("fine", "")
                self._checked(found, word, why)

        # Kept where a connection in the making is: it goes when the client goes.
        exchange.connecting = exchange.app.loop.create_task(look())

    def _checked(self, found: Credentials, word: str, why: str) -> None:
        """Do what is configured about a password of this kind."""
        guard, exchange = self._guard, self._exchange
        passwords = guard.config.passwords
        refuses = why and not guard.detect and passwords is not None and passwords.answer == "refuse"
        if why:
            guard.tell_password(exchange, word, why, "refuse" if refuses else "detect", 422 if refuses else 0)
        if refuses:
            answers.error(exchange, 422, causes.PASSWORD_REFUSED, advice=_REFUSED.format(why=why))
            return
        if not guard.detect and passwords is not None and passwords.answer == "flag":
            exchange.head = exchange.head.with_field(PASSWORD_WORD.encode(), word.encode())
        self._log_in(found)

    def _go_on(self, wait: float) -> None:
        exchange = self._exchange
        if exchange.finished:
            return
        if wait:
            waits.hold(exchange, wait, exchange.proceed)
            return
        try:
            exchange.proceed()
        except HttpError as error:
            exchange.answer(error.status, error.cause)

    # The response ----------------------------------------------------------------------------------

    def on_response(self, head: ResponseHead, content: bytes, complete: bool) -> None:
        """Look at the answer of the server. What it tells of the outcome counts before the client has it."""
        if self._tried is None:
            return
        self._head = head
        self.on_content(content)
        outcome = self._outcome(complete)
        if outcome == SUCCEEDED:
            self._make_known(self._tried, head)
        if outcome != UNKNOWN:
            self._settle(outcome)

    def _make_known(self, tried: Try, head: ResponseHead) -> None:
        """Give the client the cookie of a known device, and count its session."""
        exchange, guard = self._exchange, self._guard
        if not tried.account:
            return
        if not guard.detect:
            exchange.extra += guard.devices.line(tried.account, exchange.scheme == b"https")
        if (sessions := guard.sessions) is not None:
            session = set_cookies(head).get(sessions.cookie) or exchange.cookie(sessions.cookie)
            if session and (ended := sessions.begin(tried.account, session)):
                guard.tell_sessions_ended(exchange, tried, ended)

    def on_content(self, content: bytes) -> None:
        """Look at more of the answer, as far as that is looked at."""
        if self._tried is not None and self._size < LOOKED_AT:
            self._body.append(content[: LOOKED_AT - self._size])
            self._size += len(content)

    def _outcome(self, complete: bool) -> str:
        exchange, head = self._exchange, self._head
        assert head is not None
        known = exchange.head.value(b"cookie")
        return self._guard.judge.judge(exchange.path, known, head, b"".join(self._body), complete)

    def finish(self) -> None:
        """The exchange has ended: what was seen of the answer by now is all there is to tell the outcome by."""
        if self._tried is None:
            return
        if self._head is not None:
            outcome = self._outcome(complete=True)
            # Who goes away before the form comes again has not succeeded.
            self._settle(UNKNOWN if outcome == SUCCEEDED and self._exchange.cause else outcome)
        elif self._exchange.cause == causes.CLIENT_ABORT:
            self._settle(UNKNOWN)
        else:
            self._guard.forget(self._tried)  # no server judged it

    def _settle(self, outcome: str) -> None:
        """Tell the guard how the login did."""
        tried, guard, exchange = self._tried, self._guard, self._exchange
        self._tried = None
        assert tried is not None
        if outcome == FAILED:
            guard.failed(exchange, tried)
        elif outcome == SUCCEEDED:
            guard.succeeded(exchange, tried)
        elif exchange.status >= 500:
            guard.forget(tried)
        else:
            guard.unknown()


def _ask_for_plain_answer(exchange: Exchange) -> None:
    """Let the server not compress the answer, which is looked at."""
    values = exchange.head.values(b"accept-encoding")
    if values:
        exchange.head = exchange.head.amended({(b"accept-encoding", value): b"identity" for value in values})
