"""Who asks: names and passwords of files or of a directory, users by address, and a bound on guessing.

A hash that is safe to keep is slow on purpose (bcrypt: tens of milliseconds), and a directory is far away. So both are
asked in threads, what was right is remembered for a while under a keyed digest of the password, and only so much is
asked at a time.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING

from passlib.context import CryptContext

from bascule.config.auth import Auth, Ldap
from bascule.config.types import parse_network
from bascule.forward.digest import Digest, Stored, read_htdigest
from bascule.forward.guesses import Guesses, GuessMemory, LockedOutError
from bascule.forward.negotiate import Negotiate, Negotiation, NegotiationError, Step
from bascule.forward.portal import Portal, SignIns
from bascule.http.addresses import TrustedNetworks
from bascule.state.locks import make_locks
from bascule.state.replay import ReplayWindows
from bascule.telemetry.sinks import complain

if TYPE_CHECKING:
    from bascule.forward.directory import Directory

MAX_CREDENTIALS = 1024
"""Characters of a Proxy-Authorization value; a password has at most 72 bytes in bcrypt."""
MAX_WAITING = 64
"""Passwords that wait to be looked at in a worker; beyond that a guess is refused unread."""
_REMEMBERED = 10_000
_DIRECTORY_THREADS = 8
_NONCES = 1 << 16
_SCHEMES = ("bcrypt", "argon2", "sha512_crypt", "sha256_crypt", "apr_md5_crypt", "ldap_sha1")

_NEGOTIATE = b"proxy-authenticate: Negotiate\r\n"
_UNKNOWN: tuple[frozenset[str], float] = (frozenset(), float("-inf"))
_LEAST_KEPT = 5.0
"""Seconds for which groups hold though `auth.cache` is shorter: from finding them to asking for them."""

Credentials = tuple[str, str]
"""Name and password."""


def basic_credentials(value: bytes) -> Credentials | None:
    """Return name and password of a ``Basic`` Proxy-Authorization value (RFC 7617), or None if it is none."""
    scheme, _, token = value.partition(b" ")
    if scheme.lower() != b"basic" or len(value) > MAX_CREDENTIALS:
        return None
    try:
        text = base64.b64decode(token.strip(b" "), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    name, colon, password = text.partition(":")
    return (name, password) if colon and name.isprintable() and name else None


def _folded(name: str) -> str:
    return " ".join(name.lower().split())


def read_htpasswd(file: str) -> dict[str, str]:
    """Return the hashes of an htpasswd file by name. Raises OSError; what a line lacks, config/ has refused before."""
    users = {}
    for line in Path(file).read_text("utf-8").splitlines():
        name, colon, digest = line.strip().partition(":")
        if colon and not name.startswith("#"):
            users[name] = digest
    return users


class DirectoryError(Exception):
    """No server of the directory answers as it should: whether a password is right is not known."""


@dataclass(frozen=True, slots=True)
class Found:
    """A user whose password is right."""

    dn: str
    groups: frozenset[str]


@dataclass(frozen=True)
class Users:
    """What is read and made before the fork: the files, and what workers need in common to take a digest once."""

    hashes: dict[str, str] = field(default_factory=dict)
    digests: Stored = field(default_factory=dict)
    nonce_key: bytes = b""
    windows: ReplayWindows | None = None
    sign_ins: SignIns | None = None
    """Who signed in at the portal."""
    guesses: GuessMemory | None = None
    """Who guessed passwords."""

    @classmethod
    def load(cls, auth: Auth, previous: Users | None = None) -> Users:
        """Read the files; nonces that clients have stay good, and who signed in stays so while the portal is the same.

        Raises OSError and ValueError.
        """
        hashes = read_htpasswd(auth.users) if auth.users else {}
        if auth.kerberos is not None:
            Negotiate(auth.kerberos)  # a keytab that cannot be used fails the start, not a login
        sign_ins = previous.sign_ins if previous is not None else None
        if auth.portal is None or sign_ins is None or sign_ins.config != auth.portal:
            sign_ins = SignIns(auth.portal) if auth.portal is not None else None
        guesses = (previous.guesses if previous is not None else None) or GuessMemory()
        if not auth.digest:
            return cls(hashes, sign_ins=sign_ins, guesses=guesses)
        digests = read_htdigest(auth.digest, auth.realm)
        if previous is not None and previous.windows is not None:
            return cls(hashes, digests, previous.nonce_key, previous.windows, sign_ins, guesses)
        windows = ReplayWindows(_NONCES, make_locks())
        return cls(hashes, digests, secrets.token_bytes(32), windows, sign_ins, guesses)


def _directory(config: Ldap) -> Directory:
    from bascule.forward.directory import Directory  # ldap3 is slow to import, and rarely needed

    return Directory(config)


class Identity:
    """The users of a worker."""

    def __init__(self, auth: Auth, users: Users, clock: Callable[[], float]) -> None:
        self.auth = auth
        self.takes_basic = bool(auth.users or auth.ldap)
        realm = auth.realm.encode("ascii", "replace")
        self._basic = b'proxy-authenticate: Basic realm="%b", charset="UTF-8"\r\n' % realm if self.takes_basic else b""
        self.digest: Digest | None = None
        """What asks for digests, where there are any."""
        if users.windows is not None:
            self.digest = Digest(auth.realm, users.digests, users.nonce_key, users.windows, time.time)
        self.negotiate = Negotiate(auth.kerberos) if auth.kerberos is not None else None
        """What takes tickets, where they are taken."""
        self._negotiating = 0
        self._directory = _directory(auth.ldap) if auth.ldap is not None else None
        self._complained = 0.0
        self._users = users.hashes
        self._clock = clock
        self._context = CryptContext(schemes=list(_SCHEMES))
        self._dummy = ""
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="passwords")
        self._directory_pool = ThreadPoolExecutor(_DIRECTORY_THREADS, thread_name_prefix="directory")
        self._asked: dict[tuple[bytes, bytes], asyncio.Task[bool]] = {}
        """What is being looked at, by who asks and the digest."""
        self._right: dict[bytes, float] = {}
        """Until when a name and a password (as a keyed digest) are known to be right."""
        self._key = secrets.token_bytes(32)
        self.guesses = Guesses(auth.lock_out, clock, users.guesses)
        self.portal: Portal | None = None
        """Where people sign in, if they can."""
        if users.sign_ins is not None:
            self.portal = Portal(users.sign_ins, self.guesses, self._directory_pool)
        self._found_groups: dict[str, tuple[frozenset[str], float]] = {}
        """Groups of the directory by user, and until when they are not looked at again."""
        self._own = {*users.hashes, *users.digests, *auth.addresses.values()}
        """Users whom the configuration knows, and of whom the directory is asked nothing."""
        self._here = {_folded(name) for name in (*users.hashes, *users.digests)}
        """Users whose passwords the configuration knows, as the directory reads their names."""
        self._searches = auth.ldap is not None and bool(auth.ldap.bind_dn or not auth.ldap.user_dn)
        """Whether groups can be found without the user's password."""
        self._groups: dict[str, set[str]] = {}
        for group, members in auth.groups.items():
            for member in auth.known_as(members):
                self._groups.setdefault(member, set()).add(group)
        networks: list[tuple[IPv4Network | IPv6Network, str]] = sorted(
            ((parse_network(text), user) for text, user in auth.addresses.items()), key=lambda pair: -pair[0].prefixlen
        )
        self._addresses = [(TrustedNetworks([network]), user) for network, user in networks]

    def named(self, name: str) -> str:
        """Return what a user whose password or ticket was right is called.

        Directories take ``ANNA`` and ``anna `` for anna (RFC 4518 2), Active Directory gives tickets to all of them:
        rules and quotas are to know but one.
        """
        return _folded(name) if self.auth.folds_names and name not in self._own else name

    def groups(self, user: str, address: bytes) -> frozenset[str]:
        """Return the groups of a user, those among them that the directory knows, or the provider at signing in."""
        groups = self._found_groups.get(user, _UNKNOWN)[0].union(self._groups.get(user, ()))
        found = self.portal.sign_ins.of(address) if self.portal is not None else None
        return groups | found[0].groups if found is not None and found[0].user == user else groups

    def lacks_groups(self, user: str) -> bool:
        """Tell whether the directory has to be asked for the groups of a user who is known without a password."""
        return self._searches and user not in self._own and self._found_groups.get(user, _UNKNOWN)[1] < self._clock()

    async def learn_groups(self, user: str) -> None:
        """Ask the directory for the groups of a user. Raises DirectoryError."""
        assert self._directory is not None
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._directory_pool, self._directory.groups, user)
        except DirectoryError as error:
            self._complain(error)
            raise
        self._keep_groups(user, found)

    def _keep_groups(self, user: str, groups: frozenset[str]) -> None:
        if len(self._found_groups) >= _REMEMBERED:
            self._found_groups.clear()
            self._right.clear()  # nobody is known without the groups that rules may ask for
        self._found_groups[user] = groups, self._clock() + max(self.auth.cache, _LEAST_KEPT)

    def challenge(self, stale: bool = False) -> bytes:
        """Return the fields that ask for name and password, the best way first (RFC 9110 11.7.1).

        `stale` tells that those that came were right, but have been said before or too long ago.
        """
        tickets = _NEGOTIATE if self.negotiate is not None else b""
        digests = self.digest.challenge(stale) if self.digest is not None else b""
        return tickets + digests + self._basic

    def user_at(self, address: bytes) -> str:
        """Return the user that an address stands for, or who signed in there, or empty; the smallest network counts."""
        user = next((user for networks, user in self._addresses if address in networks), "")
        if not user and self.portal is not None and (found := self.portal.sign_ins.of(address)) is not None:
            return found[0].user
        return user

    def remembered(self, credentials: Credentials) -> bool:
        """Tell whether name and password were found right not long ago."""
        return self._right.get(self._digest(credentials), 0.0) > self._clock()

    async def verify(self, credentials: Credentials, address: bytes) -> bool:
        """Tell whether name and password are right.

        Raises LockedOutError where that is not even looked at, DirectoryError where it cannot be found out.
        """
        if not credentials[0].isprintable():  # no name has such characters, and logs should not (RFC 7617 2)
            return False
        self.guesses.check(address)
        if self.remembered(credentials):
            return True
        guess = address, self._digest(credentials)
        asked = self._asked.get(guess)
        if asked is None:  # a browser opens many connections at once: they are one guess
            if len(self._asked) >= MAX_WAITING:
                raise LockedOutError(1.0)
            self.guesses.wrong(address, credentials[0])
            asked = self._asked[guess] = asyncio.get_running_loop().create_task(self._ask(credentials, guess))
            asked.add_done_callback(lambda _: self._asked.pop(guess, None))
        return await asyncio.shield(asked)  # a client that goes away must not take the answer from the others

    async def _ask(self, credentials: Credentials, guess: tuple[bytes, bytes]) -> bool:
        """Find out in a thread, and remember what comes of it."""
        address, digest = guess
        try:
            right = await self._find_out(credentials)
        except DirectoryError as error:
            self.guesses.unknown(address, credentials[0])
            self._complain(error)
            raise
        if right:
            self.guesses.right(address, credentials[0])
            if self.auth.cache:
                if len(self._right) >= _REMEMBERED:
                    self._right.clear()
                self._right[digest] = self._clock() + self.auth.cache
        return right

    async def _find_out(self, credentials: Credentials) -> bool:
        name, password = credentials
        if self.digest is not None and name not in self._users:
            known = self.digest.knows(name, password)
            if known is not None:
                return known
        loop = asyncio.get_running_loop()
        if self._directory is None or _folded(name) in self._here:  # or ANNA there would be the anna of the file
            return await loop.run_in_executor(self._pool, self._compare, credentials)
        found = await loop.run_in_executor(self._directory_pool, self._directory.check, name, password)
        if found is None:
            return False
        self._keep_groups(self.named(name), found.groups)
        return True

    async def take_ticket(self, negotiation: Negotiation, token: bytes, address: bytes) -> Step:
        """Judge a token. Raises NegotiationError, and LockedOutError where it is not even looked at."""
        assert self.negotiate is not None
        self.guesses.check(address)
        if self._negotiating >= MAX_WAITING:
            raise LockedOutError(1.0)
        self._negotiating += 1
        loop = asyncio.get_running_loop()
        try:
            step = await loop.run_in_executor(self._directory_pool, self.negotiate.step, negotiation, token)
        except NegotiationError:
            self.guesses.wrong(address)
            raise
        finally:
            self._negotiating -= 1
        return step

    def _complain(self, error: DirectoryError) -> None:
        """Say on the console, once a minute, that the directory does not answer."""
        now = self._clock()
        if now - self._complained > 60.0 or not self._complained:
            self._complained = now
            complain(f"forward.auth.ldap: {error}")

    def close(self) -> None:
        """Ask no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._directory_pool.shutdown(wait=False, cancel_futures=True)

    def _digest(self, credentials: Credentials) -> bytes:
        name, password = credentials
        return hashlib.blake2b(f"{name}\0{password}".encode(), key=self._key, digest_size=16).digest()

    def _compare(self, credentials: Credentials) -> bool:
        """Hash the password as the file says; for an unknown name all the same, so that time tells nothing."""
        name, password = credentials
        stored = self._users.get(name)
        try:
            if stored is not None:
                return bool(self._context.verify(password, stored))
            if not self._dummy:
                scheme = self._context.identify(next(iter(self._users.values()), "")) or "bcrypt"
                self._dummy = self._context.handler(scheme).hash("")
            self._context.verify(password, self._dummy)
        except (ValueError, TypeError):  # a hash or a password (longer than 72 bytes in bcrypt) that is none
            return False
        return False
