"""What sites and routes inherit and override: deadlines, limits, path and header policy, answers."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from bascule.config.base import Model
from bascule.config.types import Cidr, Count, Duration, FileField, PositiveDuration, Size


class Timeouts(Model):
    """Deadlines and idle limits. A site or route overrides only the keys it states."""

    header: PositiveDuration = 10.0
    """From the first byte of a request to the end of its head; hard, whatever trickles in. Top level only."""
    body_idle: PositiveDuration = 30.0
    """Longest silence while a request body is awaited."""
    keep_alive: Duration = 60.0
    """How long an idle client connection is kept."""
    send_idle: PositiveDuration = 30.0
    """Longest time a client may take nothing of a response that is ready for it (slow read)."""
    tls_handshake: PositiveDuration = 5.0
    """From accept to the end of the TLS handshake. Top level only."""
    connect: PositiveDuration = 3.0
    """To open a connection to a server, its TLS handshake included."""
    response: PositiveDuration = 60.0
    """Per try: from the request sent to the head of the response."""
    response_idle: PositiveDuration = 300.0
    """Longest silence of a server inside a response body, and of both sides of an upgraded connection."""
    total: Duration = 0.0
    """For the whole exchange with all its tries, up to the response head; 0 means no such limit."""
    queue: Duration = 5.0
    """Longest wait for a free connection slot of a server."""
    drain: Duration = 30.0
    """Longest life of a connection after a stop or a reload asked it to end."""


class Limits(Model):
    """Sizes and counts that bound what a client may ask."""

    header_fields: Annotated[int, Field(ge=8, le=1024)] = 128
    """Header fields of a request. Top level only."""
    header_bytes: Annotated[Size, Field(ge=1024, le=1 << 20)] = 65536
    """Bytes of the whole head of a request. Top level only."""
    target_bytes: Annotated[Size, Field(ge=256, le=1 << 18)] = 16384
    """Bytes of the request target (path and query). Top level only."""
    body_bytes: Size = 0
    """Largest request body; 0 means unlimited (it streams and is never held whole)."""
    request_buffer: Annotated[Size, Field(le=65536)] = 0
    """Bytes of a request body that are awaited before a server is asked, so that who sends slowly does not occupy one;
    0 passes it on as it comes. With a firewall, bodies are awaited anyhow."""
    held_requests: Size = 32 << 20
    """Bytes that a worker holds of requests while more of them is awaited, all together: of heads that come in pieces,
    and of bodies, for a firewall or `request_buffer`. Beyond it those that have been coming for longest are refused by
    503; 0 means unlimited. Top level only."""
    body_min_rate: Size = 256
    """Lowest rate of a request body in bytes a second, judged after `body_grace`."""
    body_grace: Duration = 10.0
    """Time from the first byte of a body until its rate is judged."""
    send_min_rate: Size = 256
    """Lowest rate at which a client takes what waits for it, in bytes a second, judged after `send_grace`."""
    send_grace: Duration = 10.0
    """Time from when a client falls behind until the rate at which it takes its response is judged."""
    requests_per_connection: Count = 0
    """Requests after which a client connection is closed; 0 means unlimited."""
    ranges: Annotated[int, Field(ge=1, le=1000)] = 16
    """Ranges one request may ask for; with more the server is asked for the whole (RFC 9110 14.2, CVE-2011-3192)."""
    pipelined: Annotated[int, Field(ge=1, le=1000)] = 64
    """Pipelined requests read ahead of the one being answered. Top level only."""
    connections: Count = 0
    """Client connections a worker keeps at most; 0 derives it from the limit of open files. Top level only."""
    connections_per_address: Count = 0
    """Client connections per address (of IPv6 per network, see `defence.ipv6_prefix`) and worker; 0 means unlimited.
    Those of `trusted_proxies`, or before a PROXY header, are not counted. Top level only."""


class PathPolicy(Model):
    """How the path is normalised before it decides route, WAF and what the server gets."""

    dot_segments: Literal["resolve", "reject"] = "resolve"
    """``.`` and ``..`` segments, also when percent-encoded; above the root is always refused."""
    encoded_slash: Literal["keep", "reject", "decode"] = "keep"
    """``%2F`` and ``%5C``: pass on as data (400 if decoding would climb or change the route), refuse, or decode."""
    double_slash: Literal["merge", "keep", "reject"] = "merge"
    """``//`` inside a path: make it one slash, keep it, or refuse."""
    backslash: Literal["reject", "slash", "keep"] = "reject"
    """A backslash: refuse, read it as a slash (as some servers do), or keep it."""
    parameters: Literal["keep", "reject", "strip"] = "keep"
    """``;name=value`` path parameters (`/admin;x/` tricks): keep them, but route as if they were not there."""
    underscore_headers: Literal["drop", "reject", "keep"] = "drop"
    """Field names with an underscore, which CGI-like servers confuse with others."""


class HeaderOps(Model):
    """Changes to a message's header, in the order remove, set, add.

    Values may name ``{client_address}``, ``{host}``, ``{scheme}``, ``{request_id}`` and ``{path}``.
    """

    remove: tuple[str, ...] = ()
    """Names of fields to take out."""
    set: dict[str, str] = Field(default_factory=dict)
    """From name to the value that takes the place of all fields of that name."""
    add: dict[str, str] = Field(default_factory=dict)
    """From name to the value of one more field."""


class Headers(Model):
    """Header policy of a site or route."""

    request: HeaderOps = HeaderOps()
    """Changes to requests on their way to the server."""
    response: HeaderOps = HeaderOps()
    """Changes to responses on their way to the client."""
    hide: tuple[str, ...] = (
        "server",
        "x-powered-by",
        "x-aspnet-version",
        "x-aspnetmvc-version",
        "x-generator",
        "x-runtime",
        "x-backend",
        "x-backend-server",
        "x-server",
        "x-server-name",
        "x-served-by",
        "x-upstream",
        "server-timing",
        "x-php-version",
        "x-powered-by-plesk",
        "x-powered-cms",
        "x-cf-powered-by",
        "x-server-powered-by",
        "x-turbo-charged-by",
        "x-content-encoded-by",
        "x-generated-by",
        "x-joomla-version",
        "x-umbraco-version",
        "x-cocoon-version",
        "x-mod-pagespeed",
        "x-page-speed",
        "x-hostname",
        "liferay-portal",
        "oraclecommercecloud-version",
        "pega-host",
    )
    """Response fields that would tell what runs behind the bridge, or which server answered."""
    server: str = ""
    """The `Server` field to answer with; empty sends none."""
    forwarded: Literal["x-forwarded", "forwarded", "both", "off"] = "x-forwarded"
    """Which fields tell the server who asked. A client's own are dropped unless it is a trusted proxy."""
    via: bool = True
    """Write `Via` (RFC 9110, 7.6.3) in both directions."""
    host: str = "preserve"
    """`Host` sent to the server: ``preserve`` the client's, ``origin`` the server's own, or a literal name."""


class CookieMap(Model):
    """Rewrites of `Set-Cookie` attributes from what the server says to what the client may see."""

    domain: dict[str, str] = Field(default_factory=dict)
    """From server domain to public domain; an empty target removes the attribute."""
    path: dict[str, str] = Field(default_factory=dict)
    """From path prefix to path prefix, by whole segments."""
    secure: bool = False
    """Add `Secure` to every cookie."""
    http_only: bool = False
    """Add `HttpOnly` to every cookie."""
    same_site: Literal["", "Lax", "Strict", "None"] = ""
    """Set `SameSite` of every cookie."""


class ErrorPages(Model):
    """Answers that Bascule gives itself: HTML or JSON by `Accept`, always with a reference id."""

    pages: dict[str, FileField] = Field(default_factory=dict)
    """From status (``503``) or class (``5xx``) to an HTML file; ``{status}``, ``{reason}``, ``{ref}`` are filled in."""
    intercept: tuple[int, ...] = ()
    """Statuses of the server's own responses that are replaced by these pages."""
    contact: str = ""
    """Shown on the page: whom to tell the reference id."""


class Maintenance(Model):
    """Maintenance mode: 503 with `Retry-After` to everybody but the networks that `allow` names.

    A bare ``true`` or ``false`` is short for `enabled`.
    """

    short_forms: ClassVar = ({"type": "boolean"},)

    enabled: bool = True
    """Whether the mode is on (unless `file` decides)."""
    retry_after: Duration = 300.0
    """What `Retry-After` says."""
    allow: tuple[Cidr, ...] = ()
    """Networks of clients that are served all the same."""
    file: FileField = ""
    """When given, the mode is on while this file exists, with no reload."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"enabled": data} if isinstance(data, bool) else data


class Redirect(Model):
    """An answer that sends the client elsewhere; a bare text is short for `to`."""

    short_forms: ClassVar = ({"type": "string"},)

    to: str
    """Where to: a URL or a path. May use ``{host}``, ``{path}``, ``{query}`` and ``{uri}`` (path and query)."""
    status: Literal[301, 302, 303, 307, 308] = 308
    """Permanent are 301 and 308, and only 307 and 308 keep the method."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"to": data} if isinstance(data, str) else data


class Respond(Model):
    """A fixed answer."""

    status: Annotated[int, Field(ge=200, le=599)] = 200
    """Status of the answer."""
    body: str = ""
    """Body of the answer, sent as UTF-8."""
    content_type: str = "text/plain; charset=utf-8"
    """Its `Content-Type`."""


class Rewrite(Model):
    """How the path changes on its way to the server, in this order."""

    strip_prefix: str = ""
    """Prefix of whole segments that is taken off."""
    pattern: str = ""
    """A linear-time regular expression (RE2) over the whole path."""
    replacement: str = ""
    """What takes the place of the match; groups are ``\\1`` to ``\\9``."""
    add_prefix: str = ""
    """Prefix that is put before what is left."""
