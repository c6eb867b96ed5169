"""How fast new connections and TLS handshakes may come, exact over all workers: rates in shared memory."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.config.overload import Arrivals, Flow
from bascule.defence.clients import ClientPrefix
from bascule.state.buckets import ROUNDING, Buckets, hash_of


def flows(config: Arrivals) -> Iterator[tuple[str, Flow]]:
    """Yield the limits that are stated, with their names."""
    for name in ("per_client", "total", "handshakes_per_client", "handshakes"):
        if (flow := getattr(config, name)) is not None:
            yield name, flow


def limits_arrivals(config: Arrivals) -> bool:
    """Whether anything about arrivals is limited."""
    return bool(config.handshakes_at_once) or any(flows(config))


class _Rate:
    """One limit."""

    __slots__ = ("_take", "everybody", "name")

    def __init__(self, name: str, flow: Flow, buckets: Buckets) -> None:
        self.name = name
        self.everybody = 0 if name.endswith("per_client") else hash_of(name.encode())
        """The key under which all clients are counted together; 0 for one each."""
        self._take = buckets.taker(flow.interval, flow.interval * flow.size + ROUNDING)

    def is_over(self, client: int, now: float) -> bool:
        """Count one more."""
        return self._take(self.everybody or client, now) > 0


class Gatekeeper:
    """The limits as one worker sees them. `handshaking` has the handshakes in progress of each worker."""

    __slots__ = ("_clients", "_connections", "_handshakes", "_most", "_underway", "_worker", "detect")

    def __init__(
        self, config: Arrivals, clients: ClientPrefix, tables: dict[str, Buckets], underway: memoryview, worker: int
    ) -> None:
        rates = [_Rate(name, flow, tables[name]) for name, flow in flows(config)]
        self.detect = config.mode == "detect"
        self._clients = clients
        self._connections = [rate for rate in rates if not rate.name.startswith("handshakes")]
        self._handshakes = [rate for rate in rates if rate.name.startswith("handshakes")]
        self._most = config.handshakes_at_once
        self._underway = underway
        self._worker = worker
        underway[worker] = 0  # those of a predecessor, which may have been killed

    def over(self, address: bytes, now: float, connection: bool, handshake: bool) -> str:
        """Count a new connection, a handshake, or both where the one begins with the other. Return the limit that is
        exceeded, or nothing."""
        client = hash_of(self._clients.of(address))
        rates = (self._connections if connection else []) + (self._handshakes if handshake else [])
        return next((rate.name for rate in rates if rate.is_over(client, now)), "")

    def begin_handshake(self) -> bool:
        """Count a handshake as in progress, until `end_handshake`. False: there are too many at all workers."""
        self._underway[self._worker] += 1
        return self.fits

    @property
    def fits(self) -> bool:
        """Whether there are no more handshakes in progress than there may be. Two workers may both find one too many,
        but not both none."""
        return not self._most or sum(self._underway.tolist()) <= self._most

    def end_handshake(self) -> None:
        """It succeeded, or failed, or was refused."""
        self._underway[self._worker] -= 1
