"""Who asks: names and passwords of an htpasswd file, users by address, and a bound on guessing.

A hash that is safe to keep is slow on purpose (bcrypt: tens of milliseconds), so it is computed in a thread, the
result is remembered for a while under a keyed digest of the password, and only so many are computed at a time.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from passlib.context import CryptContext

from bascule.config.forward import Auth, LockOut
from bascule.config.types import parse_network
from bascule.http.addresses import TrustedNetworks

MAX_CREDENTIALS = 1024
"""Characters of a Proxy-Authorization value; a password has at most 72 bytes in bcrypt."""
MAX_WAITING = 64
"""Passwords that wait to be hashed in a worker; beyond that a guess is refused unread."""
_REMEMBERED = 10_000
_ADDRESSES = 10_000
_SCHEMES = ("bcrypt", "argon2", "sha512_crypt", "sha256_crypt", "apr_md5_crypt", "ldap_sha1")

Credentials = tuple[str, str]
"""Name and password."""


class LockedOutError(Exception):
    """Too many wrong passwords came from an address, or too many wait to be checked. `wait` is in seconds."""

    def __init__(self, wait: float) -> None:
        super().__init__("locked out")
        self.wait = wait


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
    return (name, password) if colon and name else None


def challenge(realm: str) -> bytes:
    """Return the field that asks for name and password (RFC 9110 11.7.1)."""
    return b'proxy-authenticate: Basic realm="%b", charset="UTF-8"\r\n' % realm.encode("ascii", "replace")


def read_htpasswd(file: str) -> dict[str, str]:
    """Return the hashes of an htpasswd file by name. Raises OSError; what a line lacks, config/ has refused before."""
    users = {}
    for line in Path(file).read_text("utf-8").splitlines():
        name, colon, digest = line.strip().partition(":")
        if colon and not name.startswith("#"):
            users[name] = digest
    return users


class Guesses:
    """Counts wrong passwords by address, and says who has to wait."""

    def __init__(self, policy: LockOut, clock: Callable[[], float]) -> None:
        self._policy = policy
        self._clock = clock
        self._counts: dict[bytes, tuple[float, int]] = {}
        """When the first of the wrong passwords came, and how many they are."""
        self._locked: dict[bytes, float] = {}

    def check(self, address: bytes) -> None:
        """Raise LockedOutError if an address has to wait."""
        until = self._locked.get(address, 0.0)
        if until > self._clock():
            raise LockedOutError(until - self._clock())
        if until:
            del self._locked[address]

    def wrong(self, address: bytes) -> None:
        """Count a guess, before it is known to be wrong: guesses made at the same time count all."""
        now = self._clock()
        first, count = self._counts.get(address, (now, 0))
        if now - first > self._policy.within:
            first, count = now, 0
        if len(self._counts) >= _ADDRESSES:
            self._counts.clear()
        self._counts[address] = (first, count + 1)
        if count + 1 >= self._policy.attempts:
            if len(self._locked) >= _ADDRESSES:  # the one that has waited longest
                del self._locked[next(iter(self._locked))]
            self._locked.pop(address, None)
            self._locked[address] = now + self._policy.wait

    def right(self, address: bytes) -> None:
        """Forget what an address guessed before."""
        self._counts.pop(address, None)
        self._locked.pop(address, None)


class Identity:
    """The users of a worker. `users` are the hashes by name, read before the fork."""

    def __init__(self, auth: Auth, users: dict[str, str], clock: Callable[[], float]) -> None:
        self.auth = auth
        self.challenge = challenge(auth.realm)
        self._users = users
        self._clock = clock
        self._context = CryptContext(schemes=list(_SCHEMES))
        self._dummy = ""
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="passwords")
        self._asked: dict[tuple[bytes, bytes], asyncio.Task[bool]] = {}
        """What is being hashed, by who asks and the digest."""
        self._right: dict[bytes, float] = {}
        """Until when a name and a password (as a keyed digest) are known to be right."""
        self._key = secrets.token_bytes(32)
        self.guesses = Guesses(auth.lock_out, clock)
        self._groups: dict[str, set[str]] = {}
        for group, members in auth.groups.items():
            for member in members:
                self._groups.setdefault(member, set()).add(group)
        networks: list[tuple[IPv4Network | IPv6Network, str]] = sorted(
            ((parse_network(text), user) for text, user in auth.addresses.items()), key=lambda pair: -pair[0].prefixlen
        )
        self._addresses = [(TrustedNetworks([network]), user) for network, user in networks]

    def groups(self, user: str) -> frozenset[str]:
        """Return the groups of a user."""
        return frozenset(self._groups.get(user, ()))

    def user_at(self, address: bytes) -> str:
        """Return the user that an address stands for, or empty; the smallest network counts."""
        return next((user for networks, user in self._addresses if address in networks), "")

    def remembered(self, credentials: Credentials) -> bool:
        """Tell whether name and password were found right not long ago."""
        return self._right.get(self._digest(credentials), 0.0) > self._clock()

    async def verify(self, credentials: Credentials, address: bytes) -> bool:
        """Tell whether name and password are right. Raises LockedOutError where that is not even looked at."""
        self.guesses.check(address)
        if self.remembered(credentials):
            return True
        guess = address, self._digest(credentials)
        asked = self._asked.get(guess)
        if asked is None:  # a browser opens many connections at once: they are one guess
            if len(self._asked) >= MAX_WAITING:
                raise LockedOutError(1.0)
            self.guesses.wrong(address)
            asked = self._asked[guess] = asyncio.get_running_loop().create_task(self._ask(credentials, guess))
            asked.add_done_callback(lambda _: self._asked.pop(guess, None))
        return await asyncio.shield(asked)  # a client that goes away must not take the answer from the others

    async def _ask(self, credentials: Credentials, guess: tuple[bytes, bytes]) -> bool:
        """Compute the hash in the thread, and remember what comes of it."""
        right = await asyncio.get_running_loop().run_in_executor(self._pool, self._compare, credentials)
        if right:
            address, digest = guess
            self.guesses.right(address)
            if self.auth.cache:
                if len(self._right) >= _REMEMBERED:
                    self._right.clear()
                self._right[digest] = self._clock() + self.auth.cache
        return right

    def close(self) -> None:
        """Compute no more hashes."""
        self._pool.shutdown(wait=False, cancel_futures=True)

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
