"""Pools of servers: members, balancing, health, failover, discovery, and TLS towards them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from bascule.config.base import Model
from bascule.config.types import Duration, Origin, OriginField, Share

Balance = Literal["round-robin", "least-connections", "least-time", "random-two", "hash"]


class Server(Model):
    """One member of a pool; a bare ``host:port`` or URL is short for its `address`."""

    address: OriginField
    weight: Annotated[int, Field(ge=0, le=1000)] = 1
    """Share of the load; 0 drains the server (it keeps its sticky sessions)."""
    backup: bool = False
    """Used only while no primary server is usable."""
    locality: str = ""
    """Zone of the server; the pool's `locality` prefers its own."""
    max_connections: Annotated[int, Field(ge=0)] = 0
    """Requests in progress at a time, over all workers; 0 means unlimited."""
    drain: bool = False
    """Finish what it has, take no new client."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"address": data} if isinstance(data, str | Origin) else data


class HealthCheck(Model):
    """Active check run by the keeper; a bare path is short for an HTTP check of it."""

    kind: Literal["http", "tcp"] = "http"
    path: str = "/"
    method: Literal["GET", "HEAD", "OPTIONS"] = "GET"
    host: str = ""
    headers: dict[str, str] = Field(default_factory=dict)
    status: tuple[str, ...] = ("200-399",)
    """Statuses that count as healthy: numbers or ranges."""
    body: str = ""
    """Text or RE2 pattern that must occur in the first 64 KiB of the answer."""
    interval: Duration = 5.0
    timeout: Duration = 2.0
    jitter: Share = 0.1
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

    consecutive: Annotated[int, Field(ge=0)] = 5
    """Failures in a row (connect, reset, timeout, 502-504) that eject; 0 turns it off."""
    ejection: Duration = 10.0
    """First ejection; it grows with each further one."""
    max_ejection: Duration = 300.0
    max_share: Share = 0.5
    """Never eject more of the pool than this."""
    panic: Share = 0.3
    """When fewer servers than this are healthy, balance over all: some answer is better than none."""


class Breaker(Model):
    """Circuit breaker of a server: bounds what is put on a server that is in trouble."""

    error_rate: Share = 0.5
    """Share of failures within `window` that opens the circuit."""
    minimum: Annotated[int, Field(ge=1)] = 20
    """Requests within `window` before the rate counts."""
    window: Duration = 10.0
    open: Duration = 5.0
    """How long it stays open before one trial request at a time is let through."""
    enabled: bool = True


class Retries(Model):
    """Retries on another server. Only idempotent requests whose response has not begun are tried again."""

    attempts: Annotated[int, Field(ge=0, le=10)] = 2
    """Further tries after the first."""
    budget: Share = 0.2
    """Retries may be at most this share of requests (plus `budget_floor` a second)."""
    budget_floor: Annotated[int, Field(ge=0)] = 10
    on: tuple[Literal["connect", "reset", "timeout", "502", "503", "504"], ...] = ("connect", "reset")
    methods: tuple[str, ...] = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE")
    body_buffer: Annotated[int, Field(ge=0)] = 65536
    """Bytes of a request body kept for a further try; a larger body is not tried again once sent."""


class Sticky(Model):
    """Sticky sessions by a cookie that names the server only as a signed, opaque token."""

    cookie: str = "bascule_route"
    secret: str = ""
    """Key of the signature; give it to keep sessions over restarts and over several machines."""
    ttl: Duration = 0.0
    """Life of the cookie; 0 means the browser session."""


class Hash(Model):
    """Key of consistent hashing, with bounded load."""

    key: Literal["client", "uri", "header", "cookie"] = "client"
    name: str = ""
    """Name of the header or cookie."""
    bound: Annotated[float, Field(ge=1.0, le=10.0)] = 1.25
    """No server gets more than this factor of the mean load."""


class Discovery(Model):
    """Where the members come from when they are not listed: DNS, or a file that is watched."""

    dns: str = ""
    """``name:port`` for A/AAAA records, or ``_service._proto.name`` for SRV."""
    file: str = ""
    """A JSON, YAML or plain-line file of servers, read again when it changes."""
    scheme: Literal["http", "https"] = "http"
    resolver: str = ""
    """DNS server ``address:port``; the system's by default."""
    min_ttl: Duration = 1.0
    max_ttl: Duration = 300.0


class OriginTls(Model):
    """TLS towards the servers. Verification is on unless `verify` says otherwise."""

    verify: bool = True
    ca: str = ""
    """File of trusted authorities; the system's by default."""
    server_name: str = ""
    """Name for SNI and verification; by default the server's host name."""
    cert: str = ""
    key: str = ""
    min_version: Literal["1.2", "1.3"] = "1.2"


class Pool(Model):
    """Servers and how the load is spread over them."""

    servers: tuple[Server, ...] = ()
    discover: Discovery | None = None
    balance: Balance = "round-robin"
    hash: Hash = Hash()
    health: HealthCheck | None = None
    outliers: Outliers = Outliers()
    breaker: Breaker = Breaker()
    retries: Retries = Retries()
    sticky: Sticky | None = None
    slow_start: Duration = 0.0
    """A server that comes back gets its share only gradually over this time."""
    locality: str = ""
    """Zone of this Bascule; servers of the same zone are preferred while enough of them are healthy."""
    max_queue: Annotated[int, Field(ge=0)] = 1024
    """Requests that may wait when every server is at its `max_connections`."""
    keep_alive: Annotated[int, Field(ge=0)] = 256
    """Idle connections kept to each server, per worker."""
    keep_alive_idle: Duration = 50.0
    """Longest idle time of a kept connection."""
    proxy_protocol: Literal["off", "v1", "v2"] = "off"
    """Send a PROXY protocol header on each new connection (connections are then not shared by clients)."""
    tls: OriginTls = OriginTls()
