"""The portal: people sign in with a browser at an OpenID Connect provider, and their address is theirs for a while.

``/portal`` says who is signed in; ``/portal/login`` leads to the provider, which leads back to ``/portal/callback``
with a code; a POST to ``/portal/logout`` ends it. What has to be known between the two is sealed into a cookie, with
the address that it began at: so an address can only be signed in by a browser that began there, and nobody signs in
another's.
"""

from __future__ import annotations

import html
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from bascule.config.auth import Portal as Config
from bascule.forward.guesses import Guesses, LockedOutError
from bascule.forward.provider import Person, Provider, ProviderError, SignInError
from bascule.http.answers import HTML, preferred
from bascule.http.pages import frame
from bascule.proxy import answers
from bascule.state.locks import make_locks
from bascule.state.records import Record, Records, RecordTooLargeError
from bascule.telemetry import causes
from bascule.telemetry.sinks import complain

if TYPE_CHECKING:
    from bascule.forward.exchange import ForwardExchange

PATH: Final = b"/portal"
PATIENCE: Final = 600
"""Seconds that signing in at the provider may take."""
MAX_RETURN: Final = 1024
"""Bytes of the URL that a browser is led back to; to a longer one it is not."""
_MAX_WAITING: Final = 64
_NAME: Final = b"session"
_FIELDS: Final = (
    b"content-security-policy: default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    b"frame-ancestors 'none'\r\nreferrer-policy: no-referrer\r\n"
)
_SIGN_IN: Final = '<p><a href="/portal/login">Sign in</a></p>'
_SIGN_OUT: Final = '<form method="post" action="/portal/logout"><button>Sign out</button></form>'


class SignIns:
    """Which address is whose, for all workers: made before the fork, and handed on over reloads."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.key = Fernet.generate_key()
        self._records = Records(make_locks())

    def of(self, address: bytes) -> tuple[Person, float] | None:
        """Return who signed in at an address, and until when that holds (seconds since the epoch)."""
        found = self._records.read(address).get(_NAME)
        if found is None or found[1] <= time.time():
            return None
        return msgspec.msgpack.decode(found[0], type=Person), found[1]

    def begin(self, address: bytes, person: Person) -> None:
        """Take an address for somebody's. Raises RecordTooLargeError for too many groups."""
        now = time.time()
        value = msgspec.msgpack.encode(person), now + self.config.valid, False

        def put(record: Record) -> None:
            record[_NAME] = value

        self._records.change(address, put, now)

    def end(self, address: bytes) -> None:
        """Let an address be nobody's."""
        self._records.change(address, Record.clear, time.time())


class _Begun(msgspec.Struct, tag=True):
    """What is sealed into the cookie of a browser that is on its way."""

    address: str
    state: str
    nonce: str
    verifier: str
    to: str


class _Return(msgspec.Struct, tag=True):
    """Where somebody wanted to go; sealed, so that nobody else can say it."""

    address: str
    to: str


_read: Callable[[bytes], _Begun | _Return] = msgspec.json.Decoder(_Begun | _Return).decode


class Portal:
    """The portal of one worker."""

    def __init__(self, sign_ins: SignIns, guesses: Guesses, pool: ThreadPoolExecutor) -> None:
        config = self.config = sign_ins.config
        url = urlsplit(config.url)
        self.url = f"{url.scheme}://{url.netloc}"
        self.secure = url.scheme == "https"
        self._default_port = 443 if self.secure else 80
        self._place = (url.hostname or "").encode(), url.port or self._default_port
        self.open = config.reached
        self.sign_ins = sign_ins
        self.provider = Provider(config, f"{self.url}/portal/callback")
        self.guesses = guesses
        self.pool = pool
        self.waiting = 0
        self._fernet = Fernet(sign_ins.key)
        self._complained = float("-inf")

    def is_at(self, host: bytes, port: int | None) -> bool:
        """Tell whether a request names the portal as where it goes."""
        return (host, port or self._default_port) == self._place

    def seal(self, what: _Begun | _Return) -> bytes:
        """Return something so that only the portal can read it, or make it."""
        return self._fernet.encrypt(msgspec.json.encode(what))

    def unseal(self, token: bytes) -> _Begun | _Return | None:
        """Return what was sealed; None for what the portal has not sealed, or too long ago."""
        try:
            return _read(self._fernet.decrypt(token, ttl=PATIENCE))
        except (InvalidToken, msgspec.MsgspecError):
            return None

    def login_url(self, address: bytes, to: bytes) -> bytes:
        """Return where somebody who wanted to go somewhere signs in."""
        start = f"{self.url}/portal/login".encode()
        if len(to) > MAX_RETURN:
            return start
        return start + b"?to=" + self.seal(_Return(address.decode(), to.decode("latin-1")))

    def complain(self, error: Exception) -> None:
        """Say on the console, once a minute, that something is wrong between the provider and us."""
        if (now := time.monotonic()) - self._complained > 60.0:
            self._complained = now
            complain(f"forward.auth.portal: {error}")


def invite(exchange: ForwardExchange, portal: Portal) -> bool:
    """Lead a browser that asks for a page to the portal. Return whether it is one."""
    if exchange.is_tunnel or exchange.method != b"GET" or preferred(exchange.head.value(b"accept")) != HTML:
        return False
    to = portal.login_url(exchange.peer.address, exchange.url)
    answers.redirect(exchange, to, 302, causes.PROXY_AUTHENTICATION, b"cache-control: no-store\r\n")
    return True


def answer(exchange: ForwardExchange, portal: Portal) -> bool:
    """Serve a page of the portal, if one is asked for. Return whether it was."""
    head = exchange.head
    path, _, query = head.target.partition(b"?")
    if path != PATH and not path.startswith(PATH + b"/"):
        return False
    if not portal.is_at(head.host, head.port):
        if head.line_target[:1] != b"/":
            return False
        answers.redirect(exchange, portal.url.encode() + PATH, 302, causes.RESPOND)
    elif path == b"/portal/logout" and exchange.method == b"POST":
        _log_out(exchange, portal)
    elif exchange.method not in (b"GET", b"HEAD"):
        exchange.answer(405, causes.METHOD_NOT_ALLOWED)
    elif path == b"/portal/login":
        _log_in(exchange, portal, query)
    elif path == b"/portal/callback":
        _call_back(exchange, portal, query)
    else:
        _tell(exchange, portal)
    return True


def _page(exchange: ForwardExchange, status: int, title: str, text: str, more: str, cause: str, fields: bytes) -> None:
    page = frame(title, f"<h1>{title}</h1>\n<p>{html.escape(text)}</p>\n{more}")
    answers.own_page(exchange, status, page.encode("utf-8", "replace"), _FIELDS + fields, cause)


def _tell(exchange: ForwardExchange, portal: Portal) -> None:
    """Say who is signed in."""
    found = portal.sign_ins.of(exchange.peer.address)
    if found is None:
        _page(exchange, 200, "Not signed in", "Sign in to use this proxy.", _SIGN_IN, causes.RESPOND, b"")
        return
    until = time.strftime("%H:%M UTC", time.gmtime(found[1]))
    text = f"You are signed in as {found[0].user}, until {until}, for everything that comes from this device's address."
    _page(exchange, 200, "Signed in", text, _SIGN_OUT, causes.RESPOND, b"")


def _refused(exchange: ForwardExchange, text: str, fields: bytes = b"") -> None:
    text += " Start again."
    _page(exchange, 403, "You are not signed in", text, _SIGN_IN, causes.PROXY_AUTHENTICATION, fields)


def _log_out(exchange: ForwardExchange, portal: Portal) -> None:
    origin = exchange.head.value(b"origin")
    if origin is not None and origin.decode("latin-1") != portal.url:  # a page of another site signs nobody out
        _refused(exchange, "Another site asked to sign you out, which was not done.")
        return
    portal.sign_ins.end(exchange.peer.address)
    text = "You are signed out here. At the provider you may still be signed in."
    _page(exchange, 200, "Signed out", text, _SIGN_IN, causes.RESPOND, b"")


def _enter(exchange: ForwardExchange, portal: Portal) -> bool:
    """Let somebody ask the provider something, if they may now."""
    try:
        portal.guesses.check(exchange.peer.address)
        if portal.waiting >= _MAX_WAITING:
            raise LockedOutError(1.0)
    except LockedOutError as error:
        exchange.answer(429, causes.PROXY_LOCKED_OUT, b"retry-after: %d\r\n" % max(1, error.wait))
        return False
    portal.waiting += 1
    exchange.peer.deadline = exchange.app.now + 4 * portal.config.timeout  # metadata, code, keys, keys again
    return True


def _log_in(exchange: ForwardExchange, portal: Portal, query: bytes) -> None:
    if not _enter(exchange, portal):
        return
    wanted = portal.unseal(query[3:]) if query.startswith(b"to=") else None
    own = isinstance(wanted, _Return) and wanted.address == exchange.peer.address.decode()
    to = wanted.to if wanted is not None and own else ""
    exchange.connecting = exchange.app.loop.create_task(_begin(exchange, portal, to))


async def _begin(exchange: ForwardExchange, portal: Portal, to: str) -> None:
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    try:
        ask = portal.provider.sign_in_url
        url = await exchange.app.loop.run_in_executor(portal.pool, ask, state, nonce, verifier)
    except ProviderError as error:
        _unknown(exchange, portal, error)
        return
    finally:
        portal.waiting -= 1
    exchange.connecting = None
    begun = _Begun(exchange.peer.address.decode(), state, nonce, verifier, to)
    cookie = _cookie(portal, state, portal.seal(begun), PATIENCE)
    answers.redirect(exchange, url.encode(), 302, causes.RESPOND, b"cache-control: no-store\r\n" + cookie)


def _cookie_name(state: str) -> bytes:
    return b"bascule-portal-" + state[:8].encode()  # each tab has its own


def _cookie(portal: Portal, state: str, value: bytes, age: int) -> bytes:
    mark = b"; Secure" if portal.secure else b""
    name = _cookie_name(state)
    return b"set-cookie: %b=%b; Path=/portal; Max-Age=%d; HttpOnly; SameSite=Lax%b\r\n" % (name, value, age, mark)


def _call_back(exchange: ForwardExchange, portal: Portal, query: bytes) -> None:
    """Take what the provider lets a browser bring (RFC 6749 4.1.2, RFC 9207)."""
    try:
        given = {name: values[0] for name, values in parse_qs(query.decode("latin-1"), max_num_fields=16).items()}
    except ValueError:
        given = {}
    state = given.get("state", "")
    cookie = exchange.cookie(_cookie_name(state))
    begun = portal.unseal(cookie) if cookie else None
    if not isinstance(begun, _Begun) or not secrets.compare_digest(begun.state.encode(), state.encode()):
        _refused(exchange, "This browser has not begun to sign in, or too long ago.")
        return
    over = _cookie(portal, state, b"", 0)
    if begun.address != exchange.peer.address.decode():
        _refused(exchange, "Your address has changed meanwhile.", over)
    elif given.get("iss", portal.config.issuer) != portal.config.issuer:
        _refused(exchange, "It was another provider that answered.", over)
    elif not (code := given.get("code", "")):
        _refused(exchange, f"The provider says: {given.get('error', 'nothing')[:100]}.", over)
    elif _enter(exchange, portal):
        portal.guesses.wrong(exchange.peer.address)  # before it is known to be: those at the same time count all
        exchange.connecting = exchange.app.loop.create_task(_finish(exchange, portal, begun, code, over))


async def _finish(exchange: ForwardExchange, portal: Portal, begun: _Begun, code: str, over: bytes) -> None:
    address = exchange.peer.address
    try:
        ask = portal.provider.redeem
        person = await exchange.app.loop.run_in_executor(portal.pool, ask, code, begun.nonce, begun.verifier)
        portal.sign_ins.begin(address, person)
    except ProviderError as error:
        portal.guesses.unknown(address)
        _unknown(exchange, portal, error)
        return
    except (SignInError, RecordTooLargeError) as error:
        portal.complain(error)
        exchange.connecting = None
        _refused(exchange, "The provider did not say who you are in a way that counts here.", over)
        return
    finally:
        portal.waiting -= 1
    portal.guesses.right(address)
    exchange.connecting = None
    if exchange.service.no_log.isdisjoint(person.groups):
        exchange.user = person.user
    to = begun.to.encode("latin-1") or portal.url.encode() + PATH
    answers.redirect(exchange, to, 302, causes.RESPOND, b"cache-control: no-store\r\n" + over)


def _unknown(exchange: ForwardExchange, portal: Portal, error: Exception) -> None:
    portal.complain(error)
    exchange.connecting = None
    exchange.answer(503, causes.PROXY_IDENTITY, b"retry-after: 5\r\n")
