"""One server as a worker sees it: who it is, what it carries, and whether it may be given more."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from bascule.config.pools import Pool, Server
from bascule.config.types import Address, Origin
from bascule.upstream.adaptive import AdaptiveLimit
from bascule.upstream.breaker import CircuitBreaker

_DEFAULT_PORTS = {"http": 80, "https": 443}


def server_key(origin: Origin) -> int:
    """Return a 64-bit name of a server that is the same in every process and over restarts; never 0."""
    return int.from_bytes(blake2b(str(origin).encode(), digest_size=8).digest(), "little") or 1


def authority(host: str, origin: Origin) -> bytes:
    """Return the `Host` field value (RFC 9110, 7.2) for `host` at the port of `origin`."""
    address: Address = origin.address
    if address.path:
        return host.encode() or b"localhost"
    name = f"[{host}]" if ":" in host else host
    if address.port == _DEFAULT_PORTS[origin.scheme]:
        return name.encode()
    return f"{name}:{address.port}".encode()


@dataclass(slots=True, eq=False)
class ServerState:
    """A member of a pool. The pool owns every field but `idle`, which is the connection keeper's."""

    name: str
    """For logs and metrics; never sent to a client."""
    origin: Origin
    slot: int
    """Its place on the board; -1 once it has left the pool."""
    weight: int
    backup: bool
    locality: str
    limit: int
    """Requests in progress at a time over all workers, configured or learned; 0 means unlimited."""
    drain: bool
    secure: bool
    server_name: str
    """For SNI and verification of the certificate."""
    host_header: bytes
    """The server's own authority, for ``host: origin``."""
    key: int
    breaker: CircuitBreaker
    adaptive: AdaptiveLimit | None = None
    """What learns `limit`, where that is asked for."""

    idle: list[Any] = field(default_factory=list)
    """Kept connections."""
    active: int = 0
    """Requests in progress in this worker."""
    elsewhere: int = 0
    """Requests in progress in the other workers, as of the last tick."""
    part: float = 1.0
    """Of its limit, what those may have who do not go first (`headroom`)."""
    picks: int = 0
    aborts: int = 0
    failures: int = 0
    """Failures in a row."""
    removed: bool = False
    """It left the pool: keep no connection to it."""

    up: bool = True
    """Verdict of the active checks; True where there are none."""
    ejected: bool = False
    ejections: int = 0
    ejected_until: float = 0.0
    """End of the last ejection this worker decided."""
    alive: bool = True
    """Up, not ejected, and its circuit not open."""
    draining: bool = False
    """Takes no new client, but keeps its sticky sessions."""
    warm_since: float = -1e9
    """When it came back, for slow start."""

    current_weight: float = 1.0
    """Configured or overridden weight; `share` is what is left of it by slow start and locality."""
    share: float = 1.0
    inverse: float = 1.0
    """1 / share."""
    bias: float = 0.0
    """What past picks weigh: it decides between servers of equal load."""
    cost: float = 0.0
    """Peak EWMA of the time to the response head, seconds."""
    cost_time: float = 0.0
    token: bytes = b""
    """Its sticky-session token."""

    @property
    def answered(self) -> int:
        """Requests of which it is known how they ended, and that say something about the server."""
        return self.picks - self.active - self.aborts


def make_server(pool: Pool, member: Server, slot: int, host: str = "") -> ServerState:
    """Return the state of a new member; `host` is the name it was found under, where discovery knows one."""
    origin = member.address
    host = host or origin.address.host
    return ServerState(
        name=str(origin),
        origin=origin,
        slot=slot,
        weight=member.weight,
        backup=member.backup,
        locality=member.locality,
        limit=member.max_connections,
        drain=member.drain,
        secure=origin.scheme == "https",
        server_name=pool.tls.server_name or host,
        host_header=authority(host, origin),
        key=server_key(origin),
        breaker=CircuitBreaker(pool.breaker),
    )
