"""Kerberos: who has a ticket says so by Negotiate (RFC 4559, RFC 4178), and types no password.

The tickets are judged by the GSS library of the system, which the optional package `gssapi` binds. Like in every proxy,
it is the connection that is somebody's once the exchange of tokens is over, not the single request.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from bascule.config.auth import KERBEROS_EXTRA, Kerberos

MAX_LEGS = 4
"""Tokens of one client until it has to be known; Kerberos takes one, and rarely two."""


class NegotiationError(Exception):
    """The token is none, is not for us, has been used before, or is of somebody who is not let in."""


@dataclass(frozen=True, slots=True)
class Step:
    """What comes of a token: an answer, and the user once it is over; empty before."""

    token: bytes
    user: str


class Negotiation:
    """The exchange of tokens on one connection."""

    __slots__ = ("context", "legs")

    def __init__(self, context: Any) -> None:
        self.context = context
        self.legs = 0


class Negotiate:
    """Judges tokens. Raises ValueError where the library is missing, or finds no key."""

    def __init__(self, config: Kerberos) -> None:
        try:
            import gssapi  # an extra: there is no wheel of it
        except ImportError as error:
            raise ValueError(f"Kerberos needs the package gssapi: {KERBEROS_EXTRA} ({error})") from None
        self._gss = gssapi
        self._realm = config.realm
        try:
            name = gssapi.Name(config.principal, gssapi.NameType.kerberos_principal) if config.principal else None
            self._credentials = gssapi.Credentials(name=name, usage="accept", store={"keytab": config.keytab})
        except gssapi.exceptions.GSSError as error:
            raise ValueError(f"{config.keytab}: no key in it that can be used: {_words(error)}") from None

    def begin(self) -> Negotiation:
        """Return a new exchange of tokens."""
        return Negotiation(self._gss.SecurityContext(creds=self._credentials, usage="accept"))

    def step(self, negotiation: Negotiation, token: bytes) -> Step:
        """Take a client's token. Raises NegotiationError. It may wait for the disk, so call it in a thread."""
        negotiation.legs += 1
        context = negotiation.context
        if negotiation.legs > MAX_LEGS or context.complete:
            raise NegotiationError("it takes too many tokens")
        try:
            answer = context.step(token) or b""
            if not context.complete:
                return Step(answer, "")
            name, _, realm = str(context.initiator_name).rpartition("@")
        except self._gss.exceptions.GSSError as error:
            raise NegotiationError(_words(error)) from None
        if realm != self._realm or not name:
            raise NegotiationError(f"{name}@{realm} is not of the realm {self._realm}")
        return Step(answer, name)


def token_of(value: bytes) -> bytes:
    """Return the token of a ``Negotiate`` Proxy-Authorization value (RFC 4559 4.2); empty if it is none."""
    scheme, _, text = value.partition(b" ")
    if scheme.lower() != b"negotiate":
        return b""
    try:
        return base64.b64decode(text.strip(b" "), validate=True)
    except binascii.Error:
        return b""


def _words(error: Exception) -> str:
    return " ".join(str(error).split())
