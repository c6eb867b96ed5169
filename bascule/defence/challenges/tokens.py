"""Tokens: what a client was asked, and what it passed, signed, so that nothing has to be remembered here.

A token is base64url(purpose, rung, detail, time, nonce, MAC). The MAC (HMAC-SHA-256, 128 bits) also covers what the
token is bound to, which is not in it: the site, the client's address or prefix, its User-Agent, and of its TLS what
does not change from connection to connection. So a token is worth nothing at another site, from another address or
program.
"""

from __future__ import annotations

import hmac
import os
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Callable
from typing import NamedTuple

from bascule.defence.challenges.keys import KeyRing
from bascule.defence.clients import ClientPrefix
from bascule.defence.keys import Request

TICKET, PASS, DEVICE, WAITS, IN_ROOM = 1, 2, 3, 4, 5
"""Purposes: what was asked, what was passed, and from where an account was logged in to; a place before a waiting room,
and one in it."""
TICKET_LIFE = 600
"""Seconds in which an answer has to come: a person may be slow with a captcha."""
_CONTENT = struct.Struct(">BBBI7s")
_MAC_BYTES = 16
LENGTH = 40
"""Characters of a token."""
_EARLY = 5
"""Seconds that the clock of a machine with the same key may be ahead."""


class Token(NamedTuple):
    """A token whose signature is right."""

    text: bytes
    rung: int
    detail: int
    """Of a proof, and a pass for one, the bits of its puzzles; of a captcha, the number of its provider."""
    made: int
    """Seconds of the epoch."""
    nonce: bytes


class Tokens:
    """Makes and reads tokens."""

    __slots__ = ("_clock", "_keys")

    def __init__(self, keys: KeyRing, clock: Callable[[], float]) -> None:
        self._keys = keys
        self._clock = clock

    def make(self, purpose: int, rung: int, bound: bytes, detail: int = 0, nonce: bytes = b"") -> bytes:
        """Return a new token; `nonce` is seven bytes, by default at random."""
        now = int(self._clock())
        content = _CONTENT.pack(purpose, rung, detail, now, nonce or os.urandom(7))
        return urlsafe_b64encode(content + self._mac(now, content, bound))

    def read(self, text: bytes, purpose: int, bound: bytes, life: float) -> Token | None:
        """Return a token that was made for this purpose and `bound`, at most `life` seconds ago; None for any other."""
        try:
            raw = urlsafe_b64decode(text) if len(text) == LENGTH else b""
        except (Error, ValueError):
            return None
        content, mac = raw[: _CONTENT.size], raw[_CONTENT.size :]
        if len(mac) != _MAC_BYTES:
            return None
        found, rung, detail, made, nonce = _CONTENT.unpack(content)
        if found != purpose or not -_EARLY <= self._clock() - made <= life:
            return None
        if not hmac.compare_digest(mac, self._mac(made, content, bound)):
            return None
        return Token(text, rung, detail, made, nonce)

    def _mac(self, made: int, content: bytes, bound: bytes) -> bytes:
        return hmac.digest(self._keys.key(made), content + bound, "sha256")[:_MAC_BYTES]


def binding(request: Request, scope: str, clients: ClientPrefix) -> bytes:
    """Return what a token of this client is bound to within a site, or another scope."""
    agent = request.header(b"user-agent") or b""
    return b"\0".join((scope.encode(), clients.of(request.client), steady_part(request.ja4), agent))


def steady_part(ja4: bytes) -> bytes:
    """Return of a JA4 what stays the same while a program goes on: protocol, version, number and hash of its ciphers,
    ALPN. Resumption and padding add extensions, so these are left out."""
    return ja4[:6] + ja4[8:23]
