"""Attacks that are known on several machines: a site under attack at one is under attack at all of them.

Each keeper says which sites it finds attacked, once a second, and what it said counts for a few seconds: a machine that
is gone says nothing any more. What operators say by hand counts everywhere. The later word wins: whoever knows one that
is later than the server's tells it, so one that a slower machine overwrote, or that was lost with the server, is told
again.
"""

from __future__ import annotations

import json
import secrets
import time
from typing import Any, Final

from redis.asyncio import Redis

from bascule.config.sharing import Sharing
from bascule.defence.attack import AttackWatch
from bascule.state.valkey import Line

_LASTS: Final = 5
"""Seconds that a machine's word about its sites counts."""
_STEP: Final = 0.001
"""Seconds by which what is said here is later than what is known, if the clock of another machine is ahead."""
_MOST: Final = 1024
"""Machines whose words are read."""


class SharedAttacks:
    """The part of one keeper."""

    def __init__(self, share: Sharing, watch: AttackWatch) -> None:
        self._found = f"{{{share.prefix}}}:attack:"
        self._hand = f"{{{share.prefix}}}:attack-by-hand"
        self._machines = f"{{{share.prefix}}}:machines"
        self._token = secrets.token_hex(8)
        self._watch = watch
        self._said_at = 0.0
        watch.on_say = self._said

    def _said(self) -> None:
        """Note that an operator said something here."""
        self._said_at = max(time.time(), self._said_at + _STEP)

    async def exchange(self, line: Line) -> None:
        """Tell what is attacked here, and hear what is elsewhere."""
        found = await line.ask(self._look)
        if found is None:
            self._watch.set_elsewhere(())
            return
        words, hand = found
        self._watch.set_elsewhere({str(site) for text in words if text for site in json.loads(text)})
        told: dict[str, Any] = json.loads(hand) if hand else {"at": 0.0, "sites": {}}
        if told["at"] > self._said_at:
            self._said_at = float(told["at"])
            self._watch.adopt({str(site): bool(on) for site, on in told["sites"].items()})
        elif told["at"] < self._said_at:
            await line.ask(self._tell)

    async def _look(self, redis: Redis) -> tuple[list[bytes | None], bytes | None]:
        """Say what is found here; return what the others found, and what operators said."""
        pipe = redis.pipeline(transaction=False)
        pipe.set(self._found + self._token, json.dumps(self._watch.found_here()), ex=_LASTS)
        pipe.sadd(self._machines, self._token)
        pipe.expire(self._machines, 86400)
        pipe.srandmember(self._machines, _MOST)
        pipe.get(self._hand)
        *_, machines, hand = await pipe.execute()
        others = [name.decode() for name in machines if name.decode() != self._token]
        words: Any = await redis.mget([self._found + name for name in others]) if others else []
        gone = [name for name, text in zip(others, words, strict=True) if text is None]
        if gone:
            await redis.srem(self._machines, *gone)
        return words, hand

    async def _tell(self, redis: Redis) -> bool:
        told = {"at": self._said_at, "sites": self._watch.by_hand()}
        await redis.set(self._hand, json.dumps(told))
        return True
