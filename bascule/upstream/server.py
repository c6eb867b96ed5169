"""One server as a worker sees it: who it is, what it carries, and whether it may be given more."""

from __future__ import annotations

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


class ServerState:
    """A member of a pool. The pool owns every attribute but `idle`, which is the connection keeper's."""

    __slots__ = (
        "aborts",
        "active",
        "adaptive",
        "alive",
        "backup",
        "bias",
        "breaker",
        "cost",
        "cost_time",
        "current_weight",
        "drain",
        "draining",
        "ejected",
        "ejected_until",
        "ejections",
        "elsewhere",
        "failures",
        "host_header",
        "idle",
        "inverse",
        "key",
        "limit",
        "locality",
        "name",
        "origin",
        "part",
        "picks",
        "removed",
        "secure",
        "server_name",
        "share",
        "slot",
        "token",
        "up",
        "warm_since",
        "weight",
    )

    def __init__(self, pool: Pool, member: Server, slot: int, host: str = "") -> None:
        """`host` is the name it was found under, where discovery knows one."""
        origin = member.address
        host = host or origin.address.host
        self.name = str(origin)
        """For logs and metrics; never sent to a client."""
        self.origin: Origin = origin
        self.slot = slot
        """Its place on the board; -1 once it has left the pool."""
        self.weight = member.weight
        self.backup = member.backup
        self.locality = member.locality
        self.limit = member.max_connections
        """Requests in progress at a time over all workers, configured or learned; 0 means unlimited."""
        self.drain = member.drain
        self.secure = origin.scheme == "https"
        self.server_name = pool.tls.server_name or host
        """For SNI and verification of the certificate."""
        self.host_header = authority(host, origin)
        """The server's own authority, for ``host: origin``."""
        self.key = server_key(origin)
        self.breaker = CircuitBreaker(pool.breaker)
        self.adaptive: AdaptiveLimit | None = None
        """What learns `limit`, where that is asked for."""

        self.idle: list[Any] = []
        """Kept connections."""
        self.active = 0
        """Requests in progress in this worker."""
        self.elsewhere = 0
        """Requests in progress in the other workers, as of the last tick."""
        self.part = 1.0
        """Of its limit, what those may have who do not go first (`headroom`)."""
        self.picks = 0
        self.aborts = 0
        self.failures = 0
        """Failures in a row."""
        self.removed = False
        """It left the pool: keep no connection to it."""

        self.up = True
        """Verdict of the active checks; True where there are none."""
        self.ejected = False
        self.ejections = 0
        self.ejected_until = 0.0
        """End of the last ejection this worker decided."""
        self.alive = True
        """Up, not ejected, and its circuit not open."""
        self.draining = False
        """Takes no new client, but keeps its sticky sessions."""
        self.warm_since = -1e9
        """When it came back, for slow start."""

        self.current_weight = 1.0
        """Configured or overridden weight; `share` is what is left of it by slow start and locality."""
        self.share = 1.0
        self.inverse = 1.0
        """1 / share."""
        self.bias = 0.0
        """What past picks weigh: it decides between servers of equal load."""
        self.cost = 0.0
        """Peak EWMA of the time to the response head, seconds."""
        self.cost_time = 0.0
        self.token = b""
        """Its sticky-session token."""

    @property
    def answered(self) -> int:
        """Requests of which it is known how they ended, and that say something about the server."""
        return self.picks - self.active - self.aborts
