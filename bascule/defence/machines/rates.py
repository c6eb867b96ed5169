"""Rate limits over several machines: each counts by itself, tells what it let pass, and hears what others did.

A worker never waits for that. What it let pass is told some times a second; the server adds it to the theoretical
arrival time (TAT) that it has for the key, and answers with the debt that comes out. A debt beyond what a limit allows
stays a debt: what machines let pass together too much within an interval, none of them lets pass later. So over any
longer time the limit is exact (docs/decisions/limits-over-machines.md). While the server is away, each machine holds
the limit by itself; what it let pass then is not told later, or honest clients would pay for the outage.
"""

from __future__ import annotations

import hashlib
from functools import partial
from time import monotonic
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from bascule.config.plan import ScopedLimit
from bascule.state.buckets import Buckets, hash_of
from bascule.state.valkey import Line

MOST_KEYS: Final = 4096
"""Keys of a limit that a worker tells of at a time. Of a larger crowd the rest is counted on its own machine only:
80,000 keys a second in which each comes once are within their limits."""
_AT_ONCE: Final = 512
"""Keys that one run of the script settles: it keeps the server busy for about a millisecond."""
_BURSTS: Final = 64.0
"""Bursts of debt that are believed: as many machines may have let one pass before they heard of each other. More comes
of a server whose clock was set back, and would keep honest clients out for as long as that."""
_MICRO: Final = 1e6
SCRIPT: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local cost = tonumber(ARGV[1])
local debts = {}
for number, key in ipairs(KEYS) do
  local tat = tonumber(redis.call('GET', key) or 0)
  if tat < now then tat = now end
  tat = tat + cost * tonumber(ARGV[number + 1])
  redis.call('SET', key, string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000) + 1)
  debts[number] = string.format('%.0f', tat - now)
end
return debts
"""
"""GCRA (ITU-T I.371) by the server's own clock, in microseconds."""
_DIGEST: Final = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()


class SharedLimit:
    """One limit, as a worker shares it; routes of a site have it together."""

    __slots__ = ("_buckets", "_cost", "_most", "_name", "pending")

    def __init__(self, prefix: str, scoped: ScopedLimit, buckets: Buckets) -> None:
        limit = scoped.limit
        identity = "\0".join((scoped.scope, str(limit.rate), str(limit.size), *limit.per))
        digest = hashlib.blake2b(identity.encode(), digest_size=6).hexdigest()
        self._name = f"{{{prefix}}}:rate:{digest}:".encode()  # in braces: one slot of a cluster
        self._buckets = buckets
        self._cost = limit.rate.seconds / limit.rate.count
        self._most = _BURSTS * self._cost * limit.size
        self.pending: dict[bytes, int] = {}
        """What passed since it was told last, by key."""

    def note(self, key: bytes) -> None:
        """A request of a key passed here."""
        pending = self.pending
        if key in pending:
            pending[key] += 1
        elif len(pending) < MOST_KEYS:
            pending[key] = 1

    async def settle(self, line: Line) -> None:
        """Tell what passed, and take over the debts that come out."""
        told = list(self.pending.items())
        self.pending.clear()
        for start in range(0, len(told), _AT_ONCE):
            part = told[start : start + _AT_ONCE]
            names = [self._name + hashlib.blake2b(key, digest_size=12).digest() for key, _ in part]
            arguments: list[Any] = [*names, f"{self._cost * _MICRO:.3f}", *(count for _, count in part)]
            debts = await line.ask(partial(_run, len(part), arguments))
            if debts is None:
                return
            now = monotonic()
            for (key, _), debt in zip(part, debts, strict=True):
                self._buckets.owe(hash_of(key), now + min(debt, self._most))


async def _run(keys: int, arguments: list[Any], redis: Redis) -> list[float]:
    """Run the script; the server learns it where it does not know it (after its restart). Return debts in seconds.

    Raises ValueError for an answer that has not one for each key.
    """
    try:
        found: list[bytes] = await redis.evalsha(_DIGEST, keys, *arguments)
    except NoScriptError:
        found = await redis.eval(SCRIPT, keys, *arguments)
    if not isinstance(found, list) or len(found) != keys or not all(isinstance(debt, bytes) for debt in found):
        raise ValueError(f"{keys} debts were asked for, and it answered something else")
    return [float(debt) / _MICRO for debt in found]
