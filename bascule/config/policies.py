"""What sites and routes inherit and override: deadlines, limits, path and header policy, answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bascule.config.base import Model
from bascule.config.types import Duration, Size


class Timeouts(Model):
    """Deadlines and idle limits (DESIGN 7). A site or route overrides only the keys it states."""

    header: Duration = 10.0
    """From the first byte of a request to the end of its head; hard, whatever trickles in."""
    body_idle: Duration = 30.0
    """Longest silence while a request body is awaited."""
    keep_alive: Duration = 60.0
    """How long an idle client connection is kept."""
    send_idle: Duration = 30.0
    """Longest time a client may take nothing of a response that is ready for it (slow read)."""
    tls_handshake: Duration = 5.0
    """From accept to the end of the TLS handshake."""
    connect: Duration = 3.0
    """To open a connection to a server, its TLS handshake included."""
    response: Duration = 60.0
    """Per try: from the request sent to the head of the response."""
    response_idle: Duration = 300.0
    """Longest silence of a server inside a response body, and of both sides of an upgraded connection."""
    total: Duration = 0.0
    """For the whole exchange with all its tries, up to the response head; 0 means no such limit."""
    queue: Duration = 5.0
    """Longest wait for a free connection slot of a server."""
    drain: Duration = 30.0
    """Longest life of a connection after a stop or a reload asked it to end."""


class Limits(Model):
    """Sizes and counts that bound what a client may ask (DESIGN 7)."""

    header_fields: Annotated[int, Field(ge=8, le=1024)] = 128
    header_bytes: Annotated[Size, Field(ge=1024, le=1 << 20)] = 65536
    target_bytes: Annotated[Size, Field(ge=256, le=1 << 18)] = 16384
    body_bytes: Size = 0
    """Largest request body; 0 means unlimited (it streams and is never held whole)."""
    body_min_rate: Size = 256
    """Lowest rate of a request body in bytes a second, judged after `body_grace`."""
    body_grace: Duration = 10.0
    requests_per_connection: Annotated[int, Field(ge=0)] = 0
    """Requests after which a client connection is closed; 0 means unlimited."""
    pipelined: Annotated[int, Field(ge=1, le=1000)] = 64
    """Pipelined requests read ahead of the one being answered."""
    connections: Annotated[int, Field(ge=0)] = 0
    """Client connections a worker keeps at most; 0 derives it from the limit of open files."""
    connections_per_address: Annotated[int, Field(ge=0)] = 0
    """Client connections per address and worker; 0 means unlimited."""


class PathPolicy(Model):
    """How the path is normalised before it decides route, WAF and what the server gets."""

    dot_segments: Literal["resolve", "reject"] = "resolve"
    """``.`` and ``..`` segments, also when percent-encoded; above the root is always refused."""
    encoded_slash: Literal["reject", "keep", "decode"] = "reject"
    """``%2F`` and ``%5C``: refuse, pass on as they are, or treat as a separator."""
    double_slash: Literal["merge", "keep", "reject"] = "merge"
    backslash: Literal["reject", "slash", "keep"] = "reject"
    parameters: Literal["keep", "reject", "strip"] = "keep"
    """``;name=value`` path parameters (`/admin;x/` tricks): keep them, but route as if they were not there."""
    underscore_headers: Literal["drop", "reject", "keep"] = "drop"
    """Field names with an underscore or a dot, which CGI-like servers confuse with others."""


class HeaderOps(Model):
    """Changes to a message's header, in the order remove, set, add.

    Values may name ``{client_address}``, ``{host}``, ``{scheme}``, ``{request_id}`` and ``{path}``.
    """

    remove: tuple[str, ...] = ()
    set: dict[str, str] = Field(default_factory=dict)
    add: dict[str, str] = Field(default_factory=dict)


class Headers(Model):
    """Header policy of a site or route."""

    request: HeaderOps = HeaderOps()
    response: HeaderOps = HeaderOps()
    hide: tuple[str, ...] = (
        "server",
        "x-powered-by",
        "x-aspnet-version",
        "x-aspnetmvc-version",
        "x-generator",
    )
    """Response fields that would tell what runs behind the bridge."""
    server: str = ""
    """The `Server` field to answer with; empty sends none."""
    forwarded: Literal["x-forwarded", "forwarded", "both", "off"] = "x-forwarded"
    """Which fields tell the server who asked. A client's own are dropped unless it is a trusted proxy."""
    via: bool = True
    host: str = "preserve"
    """`Host` sent to the server: ``preserve`` the client's, ``origin`` the server's own, or a literal name."""


class CookieMap(Model):
    """Rewrites of `Set-Cookie` attributes from what the server says to what the client may see."""

    domain: dict[str, str] = Field(default_factory=dict)
    """From server domain to public domain; an empty target removes the attribute."""
    path: dict[str, str] = Field(default_factory=dict)
    """From path prefix to path prefix."""
    secure: bool = False
    http_only: bool = False
    same_site: Literal["", "Lax", "Strict", "None"] = ""


class ErrorPages(Model):
    """Answers that Bascule gives itself: HTML or JSON by `Accept`, always with a reference id."""

    pages: dict[str, str] = Field(default_factory=dict)
    """From status (``503``) or class (``5xx``) to an HTML file; ``{status}``, ``{reason}``, ``{ref}`` are filled in."""
    intercept: tuple[int, ...] = ()
    """Statuses of the server's own responses that are replaced by these pages."""
    contact: str = ""
    """Shown on the page: whom to tell the reference id."""


class Maintenance(Model):
    """Maintenance mode: 503 with `Retry-After` to everybody but the networks that `allow` names."""

    enabled: bool = True
    retry_after: Duration = 300.0
    allow: tuple[str, ...] = ()
    file: str = ""
    """When given, the mode is on while this file exists, with no reload."""


class Redirect(Model):
    """An answer that sends the client elsewhere. `to` may use ``{host}``, ``{path}``, ``{query}``, ``{uri}``."""

    to: str
    status: Literal[301, 302, 303, 307, 308] = 308


class Respond(Model):
    """A fixed answer."""

    status: Annotated[int, Field(ge=200, le=599)] = 200
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"


class Rewrite(Model):
    """How the path changes on its way to the server, in this order."""

    strip_prefix: str = ""
    pattern: str = ""
    """A linear-time regular expression (RE2) over the whole path."""
    replacement: str = ""
    """What takes the place of the match; groups are ``\\1`` to ``\\9``."""
    add_prefix: str = ""
