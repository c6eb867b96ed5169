"""Who may speak to the admin API over TCP. The UNIX socket needs none of this: its folder is the owner's alone.

- A bearer token (RFC 6750), compared in constant time, opens everything. Without it: health and readiness only.
- Where no token is configured, clients of this machine may read, and nobody may change anything.
- A web page must not get in through the operator's browser: the `Host` must be an address or a name of this machine
  (DNS rebinding), and a change must not carry an `Origin` (cross-site requests). There is no CORS.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PUBLIC: Final = ("/healthz", "/readyz")
_READING: Final = ("GET", "HEAD")
_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class SecurityHeaders:
    """Adds to each response what keeps browsers from doing more with it than showing it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class Guard:
    """Lets through what the module's rules allow; answers the rest with 401, 403 or 421."""

    def __init__(self, app: ASGIApp, token: str, names: frozenset[str] | None = None) -> None:
        self._app = app
        self._token = token.encode()
        self._names = own_names() if names is None else names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refuse(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refuse(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        scheme, _, given = headers.get("authorization", "").partition(" ")
        bearer = given.strip().encode() if scheme.lower() == "bearer" else b""
        if self._token and hmac.compare_digest(bearer, self._token):
            return None
        if not self._is_own(headers.get("host", "")):
            return _error(421, "the Host field names neither an address nor a name of this machine")
        reading = scope["method"] in _READING
        if reading and scope["path"] in PUBLIC:
            return None
        if self._token:
            return _error(401, "a bearer token is needed: admin.token", {"www-authenticate": "Bearer"})
        if not reading or "origin" in headers:
            return _error(403, "without admin.token, changes are taken on the UNIX socket only")
        if not _is_loopback(scope.get("client")):
            return _error(403, "without admin.token, only clients of this machine may read")
        return None

    def _is_own(self, host: str) -> bool:
        name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name.lower().rstrip(".") in self._names
        return True


def own_names() -> frozenset[str]:
    """Return the names that this machine has by itself, without asking the network."""
    return frozenset({"localhost", socket.gethostname().lower()})


def _is_loopback(client: tuple[str, int] | None) -> bool:
    try:
        return client is not None and ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False


def _error(status: int, text: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": text}, status, headers)
