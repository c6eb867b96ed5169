"""Bans that hold on several machines: the keeper of each tells the others what it bans and what it lifts.

A hash at the server has what is known of each network, a stream what changed lately. Of two words about a network the
later one counts, whichever comes first: who hears an older one than is known here tells this again. So a ban that was
lifted stays as one that has ended, at the server and for a while in each keeper. A keeper that comes, or finds that the
server has lost its memory, compares all of it with its own list, and both have the union after.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from bascule.config.sharing import Sharing
from bascule.defence.ban_keeper import LIFTED, BanKeeper
from bascule.defence.bans import MAX_BANS, STEP, Ban
from bascule.state.valkey import Line

INTERVAL: Final = 0.5
"""Seconds between looks at what others changed."""
_CHANGES: Final = 10_000
"""Changes that are kept at the server: of what is older, whoever was away hears by comparing all."""
_AT_ONCE: Final = 1_000
_PATIENCE: Final = 30.0
"""Seconds that comparing or telling many bans may take in all."""
_MOST: Final = 2 * MAX_BANS
"""Networks that are kept at the server; beyond it, those give way whose ban ended or ends first."""
_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(Ban).decode


class SharedBans:
    """The part of one keeper."""

    def __init__(self, share: Sharing, keeper: BanKeeper) -> None:
        self._hash = f"{{{share.prefix}}}:bans"
        self._stream = f"{{{share.prefix}}}:bans:changes"
        self._epoch = f"{{{share.prefix}}}:bans:epoch"
        self._known: bytes | None = None
        """By what a server is recognised that has lost its memory: whoever comes first then makes up another one."""
        self._last = b"0-0"
        self._pending: dict[str, Ban] = {}
        self._lifted: dict[str, Ban] = {}
        """The last word about networks that were banned: the list of bans has none."""
        self._keeper = keeper
        keeper.on_change = self._changed

    def _changed(self, ban: Ban) -> None:
        """Note what this machine decided, as a later word than that by which another one lifted the ban."""
        lifted = self._lifted.get(ban.network)
        if lifted is not None and lifted is not ban and lifted.since >= ban.since:
            ban.since = lifted.since + STEP
        self._remember(ban)
        if ban.network in self._pending or len(self._pending) < MAX_BANS:
            self._pending[ban.network] = ban

    def _remember(self, ban: Ban) -> None:
        self._lifted.pop(ban.network, None)
        if ban.source == LIFTED:
            if len(self._lifted) >= MAX_BANS:
                del self._lifted[next(iter(self._lifted))]
            self._lifted[ban.network] = ban

    def _latest(self, network: str) -> Ban | None:
        """Return the last word about a network that is known here."""
        return self._lifted.get(network) or self._keeper.list.get(network)

    async def exchange(self, line: Line) -> None:
        """Tell what changed here, and hear what changed elsewhere."""
        found = await line.ask(self._look)
        if found is None:
            return
        epoch, changes = found
        if epoch != self._known:
            if await line.ask(self._compare, _PATIENCE) is None:
                return
            self._known = epoch
        for name, fields in changes:
            self._last = name
            self._take(fields.get(b"ban", b""))
        if changes:
            self._keeper.publish()
        while self._pending:
            if not await line.ask(self._tell, _PATIENCE):
                return

    async def _look(self, redis: Redis) -> tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]:
        pipe = redis.pipeline(transaction=False)
        pipe.set(self._epoch, secrets.token_hex(8), nx=True)
        pipe.get(self._epoch)
        pipe.xread({self._stream: self._last}, count=_AT_ONCE)
        _, epoch, streams = await pipe.execute()
        return epoch, streams[0][1] if streams and self._known == epoch else []

    async def _compare(self, redis: Redis) -> bool:
        """Take over all that the server knows, and let it have what it does not."""
        newest: Any = await redis.xrevrange(self._stream, count=1)
        self._last = newest[0][0] if newest else b"0-0"
        theirs: dict[str, Ban] = {}
        async for network, text in redis.hscan_iter(self._hash, count=_AT_ONCE):
            if (ban := self._take(text)) is not None:
                theirs[network.decode()] = ban
        self._keeper.publish()
        for ban in self._keeper.list.current():
            known = theirs.get(ban.network)
            if known is None or known.since < ban.since:
                self._changed(ban)
        return True

    async def _tell(self, redis: Redis) -> bool:
        """Tell some of what changed here. Return whether there was any."""
        part = dict(list(self._pending.items())[:_AT_ONCE])
        pipe = redis.pipeline(transaction=True)
        for network, ban in part.items():
            text = _encode(ban)
            pipe.hset(self._hash, network, text)
            pipe.xadd(self._stream, {"ban": text}, maxlen=_CHANGES, approximate=True)
        pipe.hlen(self._hash)
        *_, kept = await pipe.execute()
        for network, ban in part.items():
            if self._pending.get(network) is ban:
                del self._pending[network]
        if kept > _MOST:
            await self._make_room(redis)
        return bool(part)

    def _take(self, text: bytes) -> Ban | None:
        """Take a word about a network, unless there is a later one here. None for what is no ban."""
        try:
            ban = _decode(text)
            known = self._latest(ban.network)
            if known is None or known.since < ban.since:
                self._pending.pop(ban.network, None)
                self._keeper.adopt(ban)
                self._remember(ban)
            elif known.since > ban.since:
                self._changed(known)
        except msgspec.MsgspecError:
            return None
        return ban

    async def _make_room(self, redis: Redis) -> None:
        """Let the server forget a tenth of what it knows."""
        ends: list[tuple[float, bytes]] = []
        async for network, text in redis.hscan_iter(self._hash, count=_AT_ONCE):
            try:
                ban = _decode(text)
                ends.append((ban.until or float("inf"), network))
            except msgspec.MsgspecError:
                ends.append((0.0, network))
        ends.sort()
        for start in range(0, _MOST // 10, _AT_ONCE):
            await redis.hdel(self._hash, *(network for _, network in ends[start : start + _AT_ONCE]))
