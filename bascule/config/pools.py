"""Pools of servers: members, balancing, health, failover, discovery, and TLS towards them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, WithJsonSchema, model_validator

from bascule.config.base import Model
from bascule.config.types import (
    Count,
    Digits,
    Duration,
    FileField,
    NameServerField,
    Origin,
    OriginField,
    PositiveDuration,
    Share,
    TlsVersion,
)

Balance = Literal["round-robin", "least-connections", "least-time", "random-two", "hash"]


StatusRange = Annotated[
    str, Digits, WithJsonSchema({"title": "status", "type": ["integer", "string"], "examples": [204, "200-399"]})
]
RetryCause = Annotated[
    Literal["connect", "reset", "timeout", "502", "503", "504"],
    Digits,
    WithJsonSchema({"enum": ["connect", "reset", "timeout", "502", "503", "504", 502, 503, 504]}),
]


class Server(Model):
    """One member of a pool; a bare ``host:port`` or URL is short for its `address`."""

    short_forms: ClassVar = ({"type": "string"},)

    address: OriginField
    """``host:port``, ``http://host``, ``https://host`` or ``unix:/path``; ``http`` unless it says otherwise."""
    weight: Annotated[int, Field(ge=0, le=1000)] = 1
    """Share of the load; 0 drains the server (it keeps its sticky sessions)."""
    backup: bool = False
    """Used only while no primary server is usable."""
    locality: str = ""
    """Zone of the server; the pool's `locality` prefers its own."""
    max_connections: Count = 0
    """Requests in progress at a time, over all workers; 0 means unlimited."""
    drain: bool = False
    """Finish what it has, take no new client."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"address": data} if isinstance(data, str | Origin) else data


class HealthCheck(Model):
    """Active check run by the keeper; a bare path is short for an HTTP check of it, ``tcp`` for a TCP check."""

    short_forms: ClassVar = ({"type": "string"},)

    kind: Literal["http", "tcp"] = "http"
    """An HTTP request, or just a TCP connection."""
    path: str = "/"
    """What is asked for, with a query if need be."""
    method: Literal["GET", "HEAD", "OPTIONS"] = "GET"
    """Method of the request."""
    host: str = ""
    """`Host` of the request; by default the server's address."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Further header fields of the request."""
    status: tuple[StatusRange, ...] = ("200-399",)
    """Statuses that count as healthy: numbers or ranges."""
    body: str = ""
    """Text or RE2 pattern that must occur in the first 64 KiB of the answer."""
    interval: PositiveDuration = 5.0
    """Time from one check of a server to its next."""
    timeout: PositiveDuration = 2.0
    """Longest time a check may take."""
    jitter: Share = 0.1
    """Share of `interval` by which each check is shifted at random."""
    rise: Annotated[int, Field(ge=1)] = 2
    """Good checks in a row that bring a server back."""
    fall: Annotated[int, Field(ge=1)] = 3
    """Bad checks in a row that take it out."""
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Another port than the server's own."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if isinstance(data, str):
            return {"kind": "tcp"} if data == "tcp" else {"path": data}
        return data


class Outliers(Model):
    """Passive checks: a server that keeps failing real requests is ejected for a while."""

    consecutive: Count = 5
    """Failures in a row (connect, reset, timeout, 502-504) that eject; 0 turns it off."""
    ejection: Duration = 10.0
    """First ejection; it grows with each further one."""
    max_ejection: Duration = 300.0
    """Longest ejection."""
    max_share: Share = 0.5
    """Never eject more of the pool than this; who failed last is out, who failed before is asked again."""
    panic: Share = 0.3
    """When fewer servers than this are healthy, balance over all: some answer is better than none."""


class Breaker(Model):
    """Circuit breaker of a server: bounds what is put on a server that is in trouble."""

    error_rate: Share = 0.5
    """Share of failures within `window` that opens the circuit."""
    minimum: Annotated[int, Field(ge=1)] = 20
    """Requests within `window` before the rate counts."""
    window: PositiveDuration = 10.0
    """Time over which the rate is taken."""
    open: Duration = 5.0
    """How long it stays open before one trial request at a time is let through; a fiftieth of it, but at least 0.1 s,
    if no other server can be asked."""
    enabled: bool = True
    """Whether there is a circuit breaker at all."""


class Retries(Model):
    """Retries on another server. Only idempotent requests whose response has not begun are tried again."""

    attempts: Annotated[int, Field(ge=0, le=10)] = 2
    """Further tries after the first."""
    budget: Share = 0.2
    """Retries may be at most this share of requests (plus `budget_floor` a second)."""
    budget_floor: Count = 10
    """Retries a second that are always allowed."""
    on: tuple[RetryCause, ...] = ("connect", "reset")
    """What is tried again: no connection, a connection lost before the response, silence, or a status."""
    methods: tuple[str, ...] = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE")
    """Methods that may be tried again: the idempotent ones (RFC 9110, 9.2.2)."""
    body_buffer: Count = 65536
    """Bytes of a request body kept for a further try; a larger body is not tried again once sent."""


class Sticky(Model):
    """Sticky sessions by a cookie that names the server only as a signed, opaque token."""

    cookie: str = "bascule_route"
    """Name of the cookie."""
    secret: Annotated[str, Field(repr=False)] = ""
    """Key of the signature; give it to keep sessions over restarts and over several machines."""
    ttl: Duration = 0.0
    """Life of the cookie; 0 means the browser session."""


class Hash(Model):
    """Key of consistent hashing, with bounded load."""

    key: Literal["client", "uri", "header", "cookie"] = "client"
    """What is hashed: the client's address, path and query, a header field or a cookie."""
    name: str = ""
    """Name of the header or cookie."""
    bound: Annotated[float, Field(ge=1.0, le=10.0)] = 1.25
    """No server gets more than this factor of the mean load."""


class Discovery(Model):
    """Where the members come from when they are not listed: DNS, or a file that is watched."""

    dns: str = ""
    """``name:port`` for A/AAAA records, or ``_service._proto.name`` for SRV."""
    file: FileField = ""
    """A JSON, YAML or plain-line file of servers, read again when it changes."""
    scheme: Literal["http", "https"] = "http"
    """How the servers found are spoken to."""
    resolver: NameServerField | None = None
    """DNS server to ask; by default those of the machine."""
    min_ttl: PositiveDuration = 1.0
    """Shortest time between two look-ups, whatever the records say."""
    max_ttl: PositiveDuration = 300.0
    """Longest time between two look-ups."""


class OriginTls(Model):
    """TLS towards the servers. Verification is on unless `verify` says otherwise."""

    verify: bool = True
    """Verify the server's certificate and name."""
    ca: FileField = ""
    """File of trusted authorities; the system's by default."""
    server_name: str = ""
    """Name for SNI and verification; by default the server's host name."""
    cert: FileField = ""
    """Our own certificate for servers that ask for one, PEM."""
    key: FileField = ""
    """Its private key, PEM."""
    min_version: TlsVersion = "1.2"
    """Lowest TLS version."""


class Adaptive(Model):
    """A limit to the requests in progress at each server that follows how fast it answers; ``true``, ``block`` or
    ``detect`` is short for `mode`. Requests beyond it wait in the pool's line, as with `max_connections`."""

    short_forms: ClassVar = ({"enum": [True, "block", "detect"]},)

    mode: Literal["block", "detect"] = "block"
    """``detect`` learns and shows the limit (`bascule top`, ``bascule_upstream_limit``), and holds nobody to it."""
    min: Annotated[int, Field(ge=1, le=100_000)] = 4
    """The limit falls no further."""
    initial: Annotated[int, Field(ge=1, le=100_000)] = 20
    """The limit to begin with, once it was measured at `min` how fast the server is."""
    max: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """The limit rises no further."""
    tolerance: Annotated[float, Field(gt=0, le=10)] = 0.5
    """How much slower than at its best a server may become by its load: at 0.5, half as slow again."""
    window: Annotated[PositiveDuration, Field(ge=0.2, le=60)] = 0.5
    """How often the limit is reconsidered, where there are at least ten answers by then."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if data is True:
            return {}
        return {"mode": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _ordered(self) -> Adaptive:
        if not self.min <= self.initial <= self.max:
            raise ValueError(f"min ({self.min}), initial ({self.initial}) and max ({self.max}) are not in this order")
        return self


class Pool(Model):
    """Servers and how the load is spread over them."""

    servers: tuple[Server, ...] = ()
    """The members."""
    discover: Discovery | None = None
    """Where to find the members, in place of `servers`."""
    balance: Balance = "round-robin"
    """How a server is chosen. All but ``hash`` respect the weights; ``least-time`` weighs latency by its load."""
    hash: Hash = Hash()
    """What ``balance: hash`` goes by."""
    health: HealthCheck | None = None
    """Active check; none by default."""
    outliers: Outliers = Outliers()
    """Passive check."""
    breaker: Breaker = Breaker()
    """Circuit breaker of each server."""
    retries: Retries = Retries()
    """What is tried again on another server."""
    sticky: Sticky | None = None
    """Sticky sessions; none by default."""
    slow_start: Duration = 0.0
    """A server that comes back gets its share only gradually over this time."""
    locality: str = ""
    """Zone of this Bascule; servers of the same zone are preferred while enough of them are healthy."""
    adaptive: Adaptive | None = None
    """A limit that keeps a server from being buried when it slows down; none by default."""
    max_queue: Count = 1024
    """Requests that may wait when every server is at its `max_connections`, or its `adaptive` limit."""
    keep_alive: Count = 256
    """Idle connections kept to each server, per worker."""
    keep_alive_idle: Duration = 50.0
    """Longest idle time of a kept connection."""
    proxy_protocol: Literal["off", "v1", "v2"] = "off"
    """Send a PROXY protocol header on each new connection (connections are then not shared by clients)."""
    tls: OriginTls = OriginTls()
    """TLS towards ``https`` servers. (In a route too this means the servers; TLS of clients is a site's.)"""
