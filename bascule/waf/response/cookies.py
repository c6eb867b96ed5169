"""Cookies that clients cannot change (signed) or not even read (encrypted), without any state here.

A server's cookie leaves as ``VALUE.bsc1.TAG``, with a MAC over name and value (HMAC-SHA-256, 128 bits), or as
``bsc2.TOKEN``, sealed by AES-256-GCM with the name as associated data; so a token of one cookie is none of another.
Keys are derived from the configured secret (HKDF, RFC 5869). Cookies made with a previous secret are accepted too,
until the last one is gone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bascule.config.response import CookieGuard

POISONED, UNPROTECTED = 702_001, 702_002
SIGNED, SEALED = b".bsc1.", b"bsc2."
TAG_BYTES = 16
NONCE_BYTES = 12
_NAMES_KEPT = 1024


class Opened(NamedTuple):
    """A Cookie field as the server may see it, and each cookie that was left out: (rule, name)."""

    value: bytes
    faults: list[tuple[int, bytes]]


class Cookies:
    """The cookies of one route that are protected."""

    def __init__(self, guard: CookieGuard) -> None:
        self._names, self._except = guard.names, guard.leave
        self._known: dict[bytes, bool] = {}
        secrets = (guard.secret, *guard.previous)
        self._macs = [derived(secret, b"cookie sign") for secret in secrets]
        self._ciphers = [AESGCM(derived(secret, b"cookie encrypt")) for secret in secrets]
        self._seal: Callable[[bytes, bytes], bytes] = self._encrypt if guard.protect == "encrypt" else self._sign

    def protects(self, name: bytes) -> bool:
        """Whether a cookie is one of those that are protected."""
        known = self._known.get(name)
        if known is None:
            text = name.decode("latin-1")
            known = any(fnmatchcase(text, pattern) for pattern in self._names) and not any(
                fnmatchcase(text, pattern) for pattern in self._except
            )
            if len(self._known) >= _NAMES_KEPT:
                self._known.clear()
            self._known[name] = known
        return known

    def seal(self, set_cookie: bytes) -> bytes:
        """Return the value of a Set-Cookie field with its cookie protected; an empty one, which deletes, stays."""
        pair, semicolon, attributes = set_cookie.partition(b";")
        name, equals, value = pair.partition(b"=")
        name, value = name.strip(b" \t"), value.strip(b" \t")
        if not equals or not value or not self.protects(name):
            return set_cookie
        return name + b"=" + self._seal(name, value) + semicolon + attributes

    def open(self, cookie: bytes, strict: bool = True) -> Opened:
        """Return a Cookie field with its protected cookies as the server set them.

        Those that are not as they left are left out; unless `strict`, they are only told and stay.
        """
        kept: list[bytes] = []
        faults: list[tuple[int, bytes]] = []
        for pair in cookie.split(b";"):
            name, equals, value = pair.strip(b" \t").partition(b"=")
            if not equals or not value or not self.protects(name):
                kept.append(pair.strip(b" \t"))
                continue
            plain = self._opened(name, value)
            if plain is not None:
                kept.append(name + b"=" + plain)
                continue
            faults.append((POISONED if SIGNED in value or value.startswith(SEALED) else UNPROTECTED, name))
            if not strict:
                kept.append(pair.strip(b" \t"))
        return Opened(b"; ".join(pair for pair in kept if pair), faults)

    def _sign(self, name: bytes, value: bytes) -> bytes:
        return value + SIGNED + _mac(self._macs[0], name, value)

    def _encrypt(self, name: bytes, value: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return SEALED + _text(nonce + self._ciphers[0].encrypt(nonce, value, name))

    def _opened(self, name: bytes, value: bytes) -> bytes | None:
        """Return what the server set, or None; both forms are taken, so that `protect` may be changed."""
        if value.startswith(SEALED):
            return self._decrypted(name, value[len(SEALED) :])
        plain, mark, tag = value.rpartition(SIGNED)
        if mark and any(hmac.compare_digest(tag, _mac(key, name, plain)) for key in self._macs):
            return plain
        return None

    def _decrypted(self, name: bytes, token: bytes) -> bytes | None:
        try:
            sealed = base64.b64decode(token + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        if _text(sealed) != token:  # bits that Base64 leaves unused are not to make a second token
            return None
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], name)
            except (InvalidTag, ValueError):
                continue
        return None


def derived(secret: str, purpose: bytes) -> bytes:
    """Return a key of 32 bytes for one purpose."""
    return HKDF(SHA256(), 32, salt=None, info=b"bascule " + purpose).derive(secret.encode())


def _mac(key: bytes, name: bytes, value: bytes) -> bytes:
    """The name ends at its first ``=``, so no other name and value make the same text."""
    return _text(hmac.digest(key, name + b"=" + value, hashlib.sha256)[:TAG_BYTES])


def _text(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
