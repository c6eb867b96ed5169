"""Sticky sessions: a cookie that names a server by a keyed hash and is signed, so that it tells and allows nothing.

The value is base64url(name || signature): a truncated HMAC-SHA256 (RFC 2104, section 5) of the server, and one over
pool and name. Both depend only on the secret and the server, so they are made once per server, not per request.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterable

from bascule.config.pools import Sticky
from bascule.upstream.server import ServerState
from bascule.upstream.terms import RequestFacts

_NAME_BYTES = 12
_SIGNATURE_BYTES = 18
_NAME_CHARS = 16

# Made at import, that is before the fork: workers and their successors after a reload share it.
_DEFAULT_SECRET = secrets.token_bytes(32)


class StickySessions:
    """Maps cookies to the servers of one pool."""

    def __init__(self, config: Sticky, pool: str) -> None:
        self._secret = config.secret.encode() or _DEFAULT_SECRET
        self._pool = pool.encode()
        self._cookie = config.cookie.encode()
        self._servers: dict[bytes, ServerState] = {}
        attributes = b"; Path=/; HttpOnly; SameSite=Lax"
        if config.ttl:
            attributes += b"; Max-Age=%d" % config.ttl
        self._attributes = attributes

    def update(self, servers: Iterable[ServerState]) -> None:
        """Give every member its token."""
        self._servers = {}
        for server in servers:
            server.token = self._token(server)
            self._servers[server.token[:_NAME_CHARS]] = server

    def find(self, facts: RequestFacts) -> ServerState | None:
        """Return the server that the request's cookie names; None without a cookie or with a forged one."""
        value = facts.cookie(self._cookie)
        if value is None:
            return None
        server = self._servers.get(value[:_NAME_CHARS])
        if server is None or not hmac.compare_digest(server.token, value):
            return None
        return server

    def set_cookie(self, server: ServerState) -> bytes:
        """Return the value of a `Set-Cookie` field (RFC 6265) that keeps the client at the server."""
        return self._cookie + b"=" + server.token + self._attributes

    def _token(self, server: ServerState) -> bytes:
        name = self._digest(b"server\0" + server.name.encode())[:_NAME_BYTES]
        signature = self._digest(b"cookie\0" + self._pool + b"\0" + name)[:_SIGNATURE_BYTES]
        return urlsafe_b64encode(name + signature)

    def _digest(self, message: bytes) -> bytes:
        return hmac.digest(self._secret, message, "sha256")
