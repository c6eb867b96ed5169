"""What limits count by: from the keys of the configuration to functions of a request."""

from __future__ import annotations

import binascii
from collections.abc import Callable
from typing import Protocol

from bascule.config.defence import Limit
from bascule.defence.clients import ClientPrefix
from bascule.defence.geo import Database


class Head(Protocol):
    """What is asked of a request's head."""

    @property
    def host(self) -> bytes:
        """The host asked for, in lower case without port."""

    @property
    def authority(self) -> bytes:
        """Host and port as sent."""

    @property
    def target(self) -> bytes:
        """Path and query as sent."""


class Request(Protocol):
    """What is asked of a request."""

    @property
    def head(self) -> Head:
        """Its head."""

    @property
    def method(self) -> bytes:
        """Its method."""

    @property
    def path(self) -> bytes:
        """Its path in normal form; empty until a site is found."""

    @property
    def client(self) -> bytes:
        """The client's textual address."""

    @property
    def ja4(self) -> bytes:
        """The fingerprint of its client's TLS; empty without TLS."""

    @property
    def started_at(self) -> float:
        """When its head was complete, in seconds of the epoch."""

    def reference(self) -> str:
        """Return its reference id, made on first use."""

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of a field, or None."""

    def cookie(self, name: bytes) -> bytes | None:
        """Return the value of a cookie, or None."""


Key = Callable[[Request], bytes]


class Keys:
    """Makes key functions; `countries` and `operators` are the databases, where they are configured."""

    def __init__(
        self, clients: ClientPrefix, countries: Database | None = None, operators: Database | None = None
    ) -> None:
        self._clients = clients
        self._countries = countries
        self._operators = operators

    def of(self, limit: Limit) -> Key:
        """Return the function that gives a request the key by which `limit` counts it."""
        parts = [self._one(key) for key in limit.per]
        if len(parts) == 1:
            return parts[0]
        # Values that hold the separator only make a client share a count with itself under another name.
        return lambda request: b"\0".join([part(request) for part in parts])

    def _one(self, key: str) -> Key:
        kind, _, name = key.partition(":")
        of = self._clients.of

        def client(request: Request) -> bytes:
            return of(request.client)

        if kind in ("header", "cookie"):
            return _named(kind, name.encode(), client)
        if kind == "user":
            return lambda request: _user(request) or client(request)
        if kind == "ja4":
            return lambda request: b"=" + fingerprint if (fingerprint := request.ja4) else client(request)
        if kind in ("country", "asn"):
            database = self._countries if kind == "country" else self._operators
            if database is None:
                raise ValueError(f"a limit per {kind} needs a database")
            find = database.find
            return lambda request: find(request.client)
        return _PLAIN.get(kind, client)


_PLAIN: dict[str, Key] = {
    "all": lambda request: b"",
    "host": lambda request: request.head.host,
    "method": lambda request: request.method,
    "path": lambda request: request.path,
}


def _named(kind: str, name: bytes, client: Key) -> Key:
    """A field's or cookie's value, marked, so that nobody can count as somebody's address."""

    def key(request: Request) -> bytes:
        value = request.header(name) if kind == "header" else request.cookie(name)
        return b"=" + value if value else client(request)

    return key


def _user(request: Request) -> bytes:
    """Return the user name of HTTP Basic credentials (RFC 7617), marked; empty without any."""
    scheme, _, credentials = (request.header(b"authorization") or b"").partition(b" ")
    if scheme.lower() != b"basic":
        return b""
    try:
        user, separator, _ = binascii.a2b_base64(credentials).partition(b":")
    except binascii.Error:
        return b""
    return b"=" + user if separator else b""
