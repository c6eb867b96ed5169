"""The key that signs challenges: one secret for all workers, in a file, so that it outlives them; a new key each day.

The daily key is derived from the secret (HMAC as a PRF, RFC 5869), so nobody has to tell anybody of the next one, and
machines that have the same file agree. A token says when it was made, hence under which key.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets

ROTATION = 86400
"""Seconds of a key."""
_SECRET_BYTES = 32
_KEPT = 128
"""Keys that are remembered: a pass lives for a week at most, the token of a device for months."""


class KeyFileError(OSError):
    """The file of the secret cannot be used; the text says why."""


class KeyRing:
    """The keys that are derived from a secret."""

    __slots__ = ("_keys", "_secret")

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._keys: dict[int, bytes] = {}

    def key(self, moment: int) -> bytes:
        """Return the key of a moment in seconds of the epoch."""
        period = moment // ROTATION
        key = self._keys.get(period)
        if key is None:
            if len(self._keys) >= _KEPT:
                self._keys.clear()
            key = self._keys[period] = hmac.digest(self._secret, b"bascule challenge %d" % period, "sha256")
        return key


def load_secret(file: str) -> bytes:
    """Return the secret that a file holds, in hexadecimal; where there is no such file, make one. Without the name of a
    file the secret is a new one.

    Raises KeyFileError where it can be neither read nor made, or holds something else.
    """
    if not file:
        return secrets.token_bytes(_SECRET_BYTES)
    try:
        if not os.path.exists(file):
            _make(file)
        with open(file, "rb") as stream:
            secret = bytes.fromhex(stream.read(1024).decode("ascii"))
    except OSError as error:
        raise KeyFileError(f"{file}: {error.strerror}; set defence.challenge_key") from None
    except ValueError:
        secret = b""
    if len(secret) < _SECRET_BYTES:
        raise KeyFileError(f"{file} does not hold {_SECRET_BYTES} bytes in hexadecimal; remove it, and one is made")
    return secret


def _make(file: str) -> None:
    """Make the file of a new secret, unless somebody else does meanwhile. Raises OSError."""
    with contextlib.suppress(FileExistsError):
        # The name appears with its content, so that nobody ever reads half a key.
        temporary = f"{file}.{os.getpid()}"
        with open(temporary, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as stream:
            stream.write(secrets.token_hex(_SECRET_BYTES).encode() + b"\n")
        try:
            os.link(temporary, file)
        finally:
            os.unlink(temporary)
