"""Squid's native access log format, for the many programs that read it (calamaris, SARG, lightsquid).

``time.ms elapsed client result/status bytes method URL user hierarchy/peer type``, parted by blanks. The time is that
of the end. The type of the content is not known here and is ``-``.
"""

from __future__ import annotations

from typing import Any, Final

from bascule.telemetry import causes
from bascule.telemetry.combined import escaped
from bascule.telemetry.record import (
    BYTES_OUT,
    CACHE,
    CAUSE,
    CLIENT,
    DURATION,
    HOST,
    METHOD,
    ROUTE,
    SERVER,
    STATUS,
    TARGET,
    TIME,
    USER,
    VERSION,
    Batch,
)

_LINE: Final = b"%10d.%03d %6d %b %b/%03d %d %b %b %b %b/%b -\n"
_CACHED: Final = {
    "hit": b"TCP_MEM_HIT",
    "collapsed": b"TCP_CF_HIT",
    "stale": b"TCP_STALE_HIT",
    "revalidated": b"TCP_REFRESH_UNMODIFIED",
}
_TUNNELS: Final = frozenset((b"CONNECT", b"UDP", b"UDP-ASSOCIATE"))
"""Methods whose target is a host and a port."""
_DENIED: Final = frozenset(
    (causes.EGRESS_CLIENT, causes.EGRESS_DENIED, causes.EGRESS_PRIVATE, causes.EGRESS_PORT, causes.EGRESS_LOOP,
     causes.PROXY_AUTHENTICATION, causes.PROXY_LOCKED_OUT, causes.WAF)
)  # fmt: skip


def squid_lines(batch: Batch) -> bytes:
    """Return one line for each record."""
    return b"".join([_line(record) for record in batch])


def _line(record: Any) -> bytes:
    ended = int((record[TIME] + record[DURATION]) * 1000)
    tunnel = record[METHOD] in _TUNNELS
    server = record[SERVER]
    return _LINE % (
        ended // 1000,
        ended % 1000,
        int(record[DURATION] * 1000),
        _word(record[CLIENT]),
        _CACHED.get(record[CACHE]) or _result(record[CAUSE], tunnel, bool(server)),
        record[STATUS],
        record[BYTES_OUT],
        _word(record[METHOD]),
        _word(record[TARGET] if tunnel else b"%b://%b%b" % (_scheme(record[VERSION]), record[HOST], record[TARGET])),
        _word(record[USER]),
        _hierarchy(record[ROUTE]) if server else b"HIER_NONE",
        _word(server.rpartition(":")[0]),
    )


def _scheme(version: bytes) -> bytes:
    """Return the scheme of a URL: requests of https ones, inside of opened tunnels or not, say so."""
    return b"https" if version == b"HTTPS" else b"http"


def _hierarchy(route: Any) -> bytes:
    """Return by which way a server was reached: one of a pool is a parent."""
    return b"HIER_DIRECT" if route is None or route.pool is None else b"FIRSTUP_PARENT"


def _result(cause: str, tunnel: bool, served: bool) -> bytes:
    """Return Squid's result code."""
    if cause in _DENIED:
        return b"TCP_DENIED"
    if not served:
        return b"NONE_NONE"
    return b"TCP_TUNNEL" if tunnel else b"TCP_MISS"


def _word(value: bytes | str) -> bytes:
    """Return a value as one word of printable ASCII; ``-`` for an empty one."""
    raw = value if isinstance(value, bytes) else value.encode("utf-8", "replace")
    return escaped(raw).replace(b" ", b"%20") or b"-"
