"""What is decided about a login, and what its outcome changes.

A login is charged when it is tried, so that many at a time do not slip by, and what it was charged is given back when
it succeeds. What is counted, each with an allowance of its own: an account from a client (the pair), the accounts that
a client fails at, a client, an account from everywhere, and the failures of the whole site. A device from which the
account was logged in to before has only an allowance of its own: nobody can lock its owner out from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, time
from typing import Final, NamedTuple, Protocol

from bascule.config.logins import Allowance
from bascule.config.plan import SitePlan
from bascule.defence.clients import ClientPrefix
from bascule.defence.keys import Request
from bascule.defence.logins.credentials import Credentials, Reader, readable
from bascule.defence.logins.devices import Devices
from bascule.defence.logins.memory import FAILED, FIRST, SUCCEEDED, LoginMemory
from bascule.defence.logins.outcome import Judge
from bascule.defence.logins.passwords import weakness
from bascule.defence.logins.sessions import SessionLimit
from bascule.defence.offences import LOGIN_FAILED
from bascule.defence.report import Reports
from bascule.state.buckets import ROUNDING, Buckets, hash_of

LEARNED_BODY: Final = 16_384
"""Bytes of the longest body that is read where no login is configured."""
_LEARNED: Final = 64
"""Logins that a worker remembers to have told of."""
_LONGEST_PATH: Final = 512
_BEYOND: Final = 0.25
"""How much more than its allowance is remembered of who goes on: it takes a while to come down from there."""
_NEW_WORDS: Final = (b"regist", b"signup", b"sign-up", b"sign_up", b"join", b"password", b"passwd", b"reset")
"""Parts of the paths to which new passwords are sent."""
_HARDNESS: Final = {"": 0, "delay": 1, "challenge": 2, "refuse": 3}


class Asked(Request, Protocol):
    """What is asked of a request here."""

    @property
    def scheme(self) -> bytes:
        """``http`` or ``https``."""


class Counter:
    """One allowance made ready to run."""

    __slots__ = ("_ceiling", "_cost", "_most", "_table", "answer", "name", "rate")

    def __init__(self, name: str, allowance: Allowance, table: Buckets) -> None:
        self.name = name
        self.answer = allowance.answer
        self.rate = allowance.failures
        self._cost = self.rate.seconds / self.rate.count
        self._most = self.rate.seconds + ROUNDING
        self._ceiling = self._most + max(self._cost, self.rate.seconds * _BEYOND)
        self._table = table

    def take(self, key: int, now: float) -> tuple[float, bool]:
        """Charge a key; beyond its allowance only where that is not refused, and only so far.

        Return by how many seconds it is beyond, and whether it was charged: what was not must not be given back.
        """
        excess = self._table.take(key, self._cost, self._most, now)
        if excess <= 0:
            return excess, True
        return excess, self.answer != "refuse" and self._table.take(key, self._cost, self._ceiling, now) <= 0

    def give_back(self, key: int, now: float) -> None:
        """Take a charge back."""
        self._table.charge(key, -self._cost, self._ceiling, now)

    def clear(self, key: int, now: float) -> None:
        """Forget what a key was charged."""
        self._table.hold(key, now)

    def is_new(self, key: int, now: float) -> bool:
        """Whether a key owes nothing."""
        return self._table.until(key) <= now


class Over(NamedTuple):
    """An allowance that a login is beyond."""

    name: str
    answer: str
    wait: float
    """Seconds until it would be within it."""
    why: str


class Charge(NamedTuple):
    """One allowance that a login counts for."""

    counter: Counter
    key: int
    charged: bool
    """Whether there is anything to give back."""


class Try(NamedTuple):
    """One login that was charged."""

    account: bytes
    charges: list[Charge]
    over: Over | None
    """The hardest of what it is beyond."""
    first: bool
    """Whether its client did not fail at this account lately."""
    known: bool
    """Whether it comes from a device that is known."""


class LoginGuard:
    """The defence of one site's logins in one worker.

    `offended` is told of failed logins.
    """

    def __init__(
        self,
        site: SitePlan,
        memory: LoginMemory,
        clients: ClientPrefix,
        secret: bytes,
        reports: Reports,
        offended: Callable[[Request, str], object],
    ) -> None:
        config = self.config = site.logins
        self.site = site.name
        self._mark = site.name.encode()
        self.detect = config.mode == "detect"
        self._endpoints = frozenset(_same(path.encode()) for path in config.endpoints)
        new = config.passwords.endpoints if config.passwords else ()
        self._new = frozenset(_same(path.encode()) for path in new)
        self._learned: set[bytes] = set()
        self.reader = Reader(config.account_fields, config.password_fields)
        self.judge = Judge(config.failed, config.succeeded)
        self.devices = Devices(secret, site.name, config.devices, time)
        self._clients = clients
        self._reports = reports
        self._offended = offended
        self._windows = memory.windows
        self._row = memory.sites.index(site.name)
        self._sprayed = False
        self._pair = Counter("pair", config.pair, memory.pairs)
        self._accounts = Counter("accounts", config.accounts, memory.others)
        self._client = Counter("client", config.client, memory.others)
        self._account = Counter("account", config.account, memory.others)
        self._breached = memory.breached.get(config.passwords.breached) if config.passwords else None
        self.sessions: SessionLimit | None = None
        if config.sessions is not None and memory.sessions is not None and memory.ended is not None:
            self.sessions = SessionLimit(config.sessions, site.name, memory.sessions, memory.ended)

    # Which requests --------------------------------------------------------------------------------

    def names(self, path: bytes) -> bool:
        """Whether a path is configured to take logins or new passwords."""
        path = _same(path)
        return path in self._endpoints or path in self._new

    def may_learn(self, content_type: bytes, length: int) -> bool:
        """Whether a body may turn out to be a login at a path that is not configured."""
        return self.config.learn and 0 < length <= LEARNED_BODY and readable(content_type)

    def is_login(self, path: bytes, found: Credentials) -> bool:
        """Whether a request is a login: sent to where logins are, or of their form."""
        if _same(path) in self._endpoints:
            return True
        return self.config.learn and found.logs_in and not self.new_password(path, found)

    def new_password(self, path: bytes, found: Credentials) -> bytes:
        """Return the password that is to be, of a registration or change; empty where there is none."""
        if found.new or (same := _same(path)) in self._endpoints:
            return found.new
        named = same in self._new or (self.config.learn and any(word in path.lower() for word in _NEW_WORDS))
        return found.password if named else b""

    # Logins ----------------------------------------------------------------------------------------

    def charge(self, request: Asked, accounts: tuple[bytes, ...]) -> Try:
        """Charge a login to all it counts for, and tell what it is beyond.

        One that is to be refused is charged nothing.
        """
        now = monotonic()
        account = b"\0".join(accounts)
        if account and (device := self.devices.known(account, self._device_cookie(request, account))):
            key = self._key(b"device", account, device)
            if self._pair.take(key, now)[0] <= 0:
                return Try(account, [Charge(self._pair, key, True)], None, False, True)
        client = self._clients.of(request.client)
        pairs = [self._key(b"pair", each, client) for each in accounts]
        first = any(self._pair.is_new(key, now) for key in pairs)
        asked = [(self._pair, key) for key in pairs]
        asked += [(self._account, self._key(b"account", each)) for each in accounts]
        asked += [(self._accounts, self._key(b"accounts", client))] if first else []
        asked.append((self._client, self._key(b"client", client)))
        charges, over = self._take(asked, now)
        if over is None or over.answer != "refuse":
            over = self._site_wide(request, over, now)
        return Try(account, charges, over, first, False)

    def _take(self, asked: list[tuple[Counter, int]], now: float) -> tuple[list[Charge], Over | None]:
        """Charge counters. Return what was charged, and the hardest of what that is beyond."""
        charges: list[Charge] = []
        over: Over | None = None
        for counter, key in asked:
            excess, charged = counter.take(key, now)
            if excess > 0:
                if over is None or _HARDNESS[counter.answer] > _HARDNESS[over.answer]:
                    over = Over(counter.name, counter.answer, excess, f"more than {counter.rate} failed")
                if counter.answer == "refuse":
                    if not self.detect:
                        self._give_back(charges, now)
                        return [], over
                    continue
            charges.append(Charge(counter, key, charged))
        return charges, over

    def _give_back(self, charges: list[Charge], now: float) -> None:
        for counter, key, charged in charges:
            if charged:
                counter.give_back(key, now)

    def _key(self, *parts: bytes) -> int:
        return hash_of(b"\0".join((self._mark, *parts)))

    def _site_wide(self, request: Asked, over: Over | None, now: float) -> Over | None:
        """Return what a login is beyond where those of the whole site count, too."""
        failed, succeeded, first = self._windows.sums(self._row, now)
        config = self.config.spraying
        sprayed = failed >= config.least and failed / (failed + succeeded) >= config.share
        share = f"{failed / max(1, failed + succeeded):.0%} of {failed + succeeded} logins failed in five minutes"
        if sprayed and not self._sprayed:
            kind = "many accounts, few tries each" if first * 2 > failed else "few accounts, many tries each"
            self._reports.event(request, 0, f"logins fail all over the site {self.site}", [share, kind])
        self._sprayed = sprayed
        if not sprayed or (over is not None and _HARDNESS[over.answer] >= _HARDNESS[config.answer]):
            return over
        return Over("spraying", config.answer, 0.0, share)

    def tell(self, request: Asked, tried: Try, over: Over, decision: str, status: int) -> None:
        """Tell what became of a login that is beyond an allowance."""
        self._reports.count("login", f"{self.site} {over.name}", decision)
        text = (
            f"a login is beyond the allowance of the {over.name}" if over.name != "spraying" else "logins are sprayed"
        )
        self._reports.event(request, status, text, [over.why, f"account {shown(tried.account)}", decision])

    def refused(self, request: Asked) -> None:
        """Note that a login was refused."""
        self._offended(request, LOGIN_FAILED)

    def failed(self, request: Asked, tried: Try) -> None:
        """Note that a login failed."""
        now = monotonic()
        self._count("failed")
        self._windows.add(self._row, FAILED, now)
        if tried.first:
            self._windows.add(self._row, FIRST, now)
        self._offended(request, LOGIN_FAILED)

    def succeeded(self, request: Asked, tried: Try) -> None:
        """Note that a login succeeded: nothing is held against it, and the account begins anew with this client."""
        now = monotonic()
        self._count("succeeded")
        self._windows.add(self._row, SUCCEEDED, now)
        for counter, key, charged in tried.charges:
            if counter is self._pair or counter is self._account:
                counter.clear(key, now)
            elif charged:  # an attacker's own account must not wipe out what its client did before
                counter.give_back(key, now)
        path = request.path[:_LONGEST_PATH]
        if _same(path) not in self._endpoints and len(self._learned) < _LEARNED and path not in self._learned:
            self._learned.add(path)
            where = path.decode("latin-1")
            self._reports.event(request, 0, f"there is a login at {where}", ["name it in logins.endpoints"])

    def unknown(self) -> None:
        """Note a login of which nothing told how it ended: its charges stay."""
        self._count("unknown")

    def forget(self, tried: Try) -> None:
        """Take back what a login was charged that no server judged."""
        self._give_back(tried.charges, monotonic())

    def _count(self, outcome: str) -> None:
        self._reports.count("login", f"{self.site} {outcome}", "pass")

    def _device_cookie(self, request: Asked, account: bytes) -> bytes | None:
        return request.cookie(self.devices.name(account, request.scheme == b"https"))

    # Sessions --------------------------------------------------------------------------------------

    def tell_sessions_ended(self, request: Asked, tried: Try, ended: int) -> None:
        """Tell that a login ended older sessions of its account."""
        self._reports.count("login", f"{self.site} sessions", "detect" if self.detect else "refuse")
        notes = [f"account {shown(tried.account)}", f"{ended} older ones end"]
        self._reports.event(request, 0, "an account has more sessions than it may have", notes)

    # Passwords -------------------------------------------------------------------------------------

    def weakness(self, password: bytes, accounts: tuple[bytes, ...]) -> str:
        """Return why a new password is weak; empty if it is not, as far as no list says."""
        return weakness(password, accounts, self.config.passwords.length) if self.config.passwords else ""

    def is_breached(self, password: bytes) -> bool:
        """Whether a password is known from breaches. It may have to wait for the disk."""
        passwords = self.config.passwords
        if self._breached is None or passwords is None:
            return False
        return self._breached.count(password) >= passwords.least

    def tell_password(self, request: Asked, word: str, why: str, decision: str, status: int) -> None:
        """Tell of a new password that is weak or breached; of the password itself, nothing."""
        self._reports.count("password", f"{self.site} {word}", decision)
        self._reports.event(request, status, f"a new password is {word}", [why, decision])


def _same(path: bytes) -> bytes:
    """Return what paths have in common that many servers take for one: those that differ in case, in a slash at the
    end, or in parameters (RFC 3986 3.3)."""
    path = path.lower()
    if b";" in path:
        path = b"/".join(segment.partition(b";")[0] for segment in path.split(b"/"))
    return path.rstrip(b"/") or b"/"


def shown(account: bytes) -> str:
    """Return an account as evidence shows it: only its beginning."""
    return f"{account[:3].decode('latin-1')}***" if account else "not found"
