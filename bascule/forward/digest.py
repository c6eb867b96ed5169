"""Digest access authentication (RFC 7616) as a proxy asks for it: SHA-256 and MD5, ``qop=auth``. Sans-I/O.

What is stored of a password is H(name:realm:password), as htdigest writes it. A nonce is made without remembering it:
a time, and a MAC under a key that all workers have. Each count of a nonce is taken once (`state/replay.py`), so what is
overheard cannot be said again.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

from bascule.state.buckets import hash_of
from bascule.state.replay import ReplayWindows

LIFETIME: Final = 300.0
"""Seconds for which a nonce is good; then clients are told that it is stale, and try again by themselves."""
MAX_CREDENTIALS: Final = 4096
"""Characters of a Proxy-Authorization value: it repeats the URI."""
ALGORITHMS: Final[dict[str, Callable[[bytes], hashlib._Hash]]] = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}
"""By the name they go by, the preferred one first (RFC 7616 3.7)."""
_LENGTHS: Final = {64: "SHA-256", 32: "MD5"}
_PARAMETER = re.compile(rb'\s*([!#$%&\'*+\-.^_`|~0-9A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)')
_ESCAPED = re.compile(rb"\\(.)")
_COUNT = re.compile(rb"[0-9a-fA-F]{8}")
_STAMP, _SALT, _MAC = 8, 8, 16

Stored = dict[str, dict[str, str]]
"""From name to algorithm to H(name:realm:password), in lower-case hexadecimal digits."""


def read_htdigest(file: str, realm: str) -> Stored:
    """Return what an htdigest file stores for a realm. Raises OSError, and ValueError naming the line."""
    users: Stored = {}
    for number, line in enumerate(Path(file).read_text("utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.strip().partition(":")
        of, _, digest = rest.rpartition(":")
        algorithm = _LENGTHS.get(len(digest))
        if not name or algorithm is None or not all(char in "0123456789abcdefABCDEF" for char in digest):
            raise ValueError(f"{file}:{number}: this is not name:realm:digest, with 32 (MD5) or 64 (SHA-256) digits")
        if of == realm:
            users.setdefault(name, {})[algorithm] = digest.lower()
    return users


def common_algorithms(users: Stored) -> list[str]:
    """Return the algorithms for which every user has a digest: a client takes the first, whoever its user is."""
    return [name for name in ALGORITHMS if all(name in stored for stored in users.values())]


class Claim:
    """What a client says of itself; not yet proven."""

    __slots__ = ("algorithm", "cnonce", "count", "name", "nonce", "response", "uri")

    def __init__(self, parameters: dict[bytes, bytes]) -> None:
        self.name = _name(parameters)
        self.algorithm = parameters.get(b"algorithm", b"MD5").decode("latin-1").upper()
        self.nonce = parameters[b"nonce"]
        self.uri = parameters[b"uri"]
        self.response = parameters[b"response"].lower()
        self.cnonce = parameters[b"cnonce"]
        self.count = parameters[b"nc"]


def parse_claim(value: bytes) -> Claim | None:
    """Return what a ``Digest`` Proxy-Authorization value claims, or None if it is none or lacks a part we ask for."""
    scheme, _, rest = value.partition(b" ")
    if scheme.lower() != b"digest" or len(value) > MAX_CREDENTIALS:
        return None
    parameters: dict[bytes, bytes] = {}
    position = 0
    while position < len(rest):
        match = _PARAMETER.match(rest, position)
        if match is None or (key := match.group(1).lower()) in parameters:
            return None
        quoted = match.group(2)
        parameters[key] = match.group(3) if quoted is None else _ESCAPED.sub(rb"\1", quoted)
        position = match.end()
    if parameters.get(b"qop") != b"auth" or not _COUNT.fullmatch(parameters.get(b"nc", b"")):
        return None
    try:
        return Claim(parameters)
    except (KeyError, UnicodeDecodeError):
        return None


def _name(parameters: dict[bytes, bytes]) -> str:
    """Return the user name: plain, or extended (RFC 7616 3.4, RFC 5987). Raises KeyError and UnicodeDecodeError."""
    if b"username" in parameters:
        return parameters[b"username"].decode("utf-8")
    charset, _, rest = parameters[b"username*"].partition(b"'")
    if charset.upper() != b"UTF-8":
        raise KeyError("username")
    return unquote_to_bytes(rest.partition(b"'")[2]).decode("utf-8")


class Digest:
    """Asks, and judges the answers, for one worker. `clock` gives seconds that all workers count alike."""

    def __init__(
        self, realm: str, users: Stored, key: bytes, windows: ReplayWindows, clock: Callable[[], float]
    ) -> None:
        self._realm = realm
        self._users = users
        self._key = key
        self._windows = windows
        self._clock = clock
        self._algorithms = common_algorithms(users)

    def challenge(self, stale: bool = False) -> bytes:
        """Return the fields that ask for name and password, one for each algorithm (RFC 7616 3.3)."""
        nonce = self._nonce()
        line = b'proxy-authenticate: Digest realm="%b", qop="auth", algorithm=%b, nonce="%b", charset=UTF-8%b\r\n'
        realm, more = self._realm.encode("ascii", "replace"), b", stale=true" if stale else b""
        return b"".join([line % (realm, name.encode(), nonce, more) for name in self._algorithms])

    def _nonce(self) -> bytes:
        stamp = int(self._clock() * 1000).to_bytes(_STAMP, "big") + secrets.token_bytes(_SALT)
        return (stamp + self._mac(stamp)).hex().encode()

    def _mac(self, stamp: bytes) -> bytes:
        return hmac.digest(self._key, stamp, "sha256")[:_MAC]

    def is_fresh(self, claim: Claim) -> bool:
        """Tell whether its nonce is one of ours, and young enough."""
        try:
            raw = bytes.fromhex(claim.nonce.decode("ascii"))
        except ValueError:
            return False
        stamp, mac = raw[: _STAMP + _SALT], raw[_STAMP + _SALT :]
        if not hmac.compare_digest(mac, self._mac(stamp)):
            return False
        return 0 <= self._clock() - int.from_bytes(stamp[:_STAMP], "big") / 1000 <= LIFETIME

    def is_right(self, claim: Claim, method: bytes, target: bytes) -> bool:
        """Tell whether the response proves that the client knows the password (RFC 7616 3.4.1).

        `target` is that of the request line: what was said for another request proves nothing for this one.
        """
        stored = self._users.get(claim.name, {}).get(claim.algorithm)
        make = ALGORITHMS.get(claim.algorithm)
        if make is None or claim.uri != target:
            return False
        first = (stored or "0" * 32).encode()  # an unknown name takes as long
        second = make(method + b":" + claim.uri).hexdigest().encode()
        joined = b":".join((first, claim.nonce, claim.count, claim.cnonce, b"auth", second))
        right = hmac.compare_digest(make(joined).hexdigest().encode(), claim.response)
        return right and stored is not None

    def is_new(self, claim: Claim) -> bool:
        """Take the count of a nonce; False if it was taken before. Ask it of what is right only."""
        return self._windows.take(hash_of(claim.nonce), int(claim.count, 16), self._clock())

    def knows(self, name: str, password: str) -> bool | None:
        """Tell whether a password is right, for those who send it (SOCKS 5); None for an unknown name."""
        stored = self._users.get(name)
        if stored is None:
            return None
        algorithm, digest = next(iter(stored.items()))
        made = ALGORITHMS[algorithm](f"{name}:{self._realm}:{password}".encode()).hexdigest()
        return hmac.compare_digest(made, digest)
