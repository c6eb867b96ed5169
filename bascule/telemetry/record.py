"""What a worker remembers of one exchange: a tuple, and the place of each column in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from bascule.config.plan import RoutePlan

Record: TypeAlias = tuple[
    float,  # time, seconds since the epoch, of the end of the exchange
    bytes | str,  # client address
    int,  # client port
    RoutePlan | None,
    bytes,  # method
    bytes,  # host
    bytes,  # target
    bytes,  # version
    int,  # status; 0: none was sent
    int,  # bytes in
    int,  # bytes out
    float,  # duration in seconds
    float,  # wait in seconds for the server's response head; 0: there was none
    str,  # server: its name in the pool; empty: none was asked
    int,  # tries
    str,  # cause, one of telemetry/causes.py
    str,  # ref
    bytes,  # user agent
    bytes,  # referer
    str,  # tls version; empty: plain
    str,  # user, of the forward proxy
    str,  # rule, of the forward proxy
    str,  # cache, one of store.CACHE; empty: none was asked
]
(TIME, CLIENT, PORT, ROUTE, METHOD, HOST, TARGET, VERSION, STATUS, BYTES_IN, BYTES_OUT, DURATION, WAIT, SERVER, TRIES,
 CAUSE, REF, USER_AGENT, REFERER, TLS, USER, RULE, CACHE) = range(23)  # fmt: skip

Batch: TypeAlias = Sequence[Record]
