"""Devices from which an account was logged in to before: known by a signed cookie.

As OWASP describes it ("Slow Down Online Guessing Attacks with Device Cookies"): whoever attacks an account from
elsewhere uses up what strangers may try, not what its owner's devices may. A cookie proves that one device logged in to
one account at one site; it opens nothing, and guesses made with it are counted by themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from bascule.defence.challenges.keys import KeyRing
from bascule.defence.challenges.tokens import DEVICE, Tokens


class Devices:
    """Makes and reads the cookies of devices; a device is known for `life` seconds."""

    __slots__ = ("_life", "_site", "_tokens")

    def __init__(self, secret: bytes, site: str, life: float, clock: Callable[[], float]) -> None:
        self._tokens = Tokens(KeyRing(secret), clock)
        self._site = site.encode()
        self._life = life

    def name(self, account: bytes, secure: bool) -> bytes:
        """Return the name of an account's cookie: several people may use one device."""
        digest = hashlib.blake2b(self._bound(account), digest_size=4).hexdigest().encode()
        return (b"__Host-bascule-device-" if secure else b"bascule-device-") + digest

    def known(self, account: bytes, cookie: bytes | None) -> bytes:
        """Return the number of the device that a cookie is of; empty if it is not known to the account."""
        token = self._tokens.read(cookie, DEVICE, self._bound(account), self._life) if cookie else None
        return b"" if token is None else token.nonce

    def line(self, account: bytes, secure: bool) -> bytes:
        """Return the field line that makes a device known."""
        name, value = self.name(account, secure), self._tokens.make(DEVICE, 0, self._bound(account))
        mark = b"; Secure" if secure else b""
        return b"set-cookie: %b=%b; Path=/; Max-Age=%d; HttpOnly; SameSite=Lax%b\r\n" % (name, value, self._life, mark)

    def _bound(self, account: bytes) -> bytes:
        return self._site + b"\0" + account
