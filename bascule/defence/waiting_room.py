"""Waiting rooms: the place of a visitor, in a cookie that is signed and bound to it, and the queue behind it."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from time import monotonic
from typing import Final

from bascule.config.plan import RoutePlan, ScopedRoom
from bascule.config.waiting_room import WaitingRoom
from bascule.defence.challenges.keys import KeyRing
from bascule.defence.challenges.ladder import Asked, cookie_name
from bascule.defence.challenges.tokens import IN_ROOM, WAITS, Tokens, binding
from bascule.defence.clients import ClientPrefix
from bascule.state.buckets import hash_of
from bascule.state.locks import Lock
from bascule.state.queue import Answer, Limits, Queue, QueueMemory

MISSED: Final = 3
"""Times that a page may not have asked again until its place counts as given up."""
LIFE: Final = 7 * 86400.0
"""Seconds that a cookie is looked at; how long a place lasts is known to the queue."""
_KEPT: Final = 16384
"""Cookies that are remembered as good; then all are forgotten at once."""
_NUMBERS = struct.Struct(">I3s")


Rooms = dict[str, tuple[Limits, QueueMemory]]
"""By name the memory of each room, and the limits it was made for."""


def limits_of(config: WaitingRoom) -> Limits:
    """Return the limits of a queue."""
    return Limits(
        config.total_active_users,
        config.total_waiting_users,
        config.session_duration,
        MISSED * config.refresh,
        config.new_users_per_minute / 60,
    )


def rooms_of(routes: tuple[RoutePlan, ...]) -> dict[str, ScopedRoom]:
    """Return the rooms of a plan by their names."""
    return {route.waiting_room.scope: route.waiting_room for route in routes if route.waiting_room is not None}


def make_memory(rooms: dict[str, ScopedRoom], before: Rooms) -> Rooms:
    """Return the memory of each room; one that stays as it is keeps it over a reload."""
    made = {}
    for name, room in rooms.items():
        limits = limits_of(room.config)
        known = before.get(name)
        if known is not None and known[0] == limits:
            made[name] = known
        else:
            made[name] = limits, QueueMemory(limits, Lock(), int.from_bytes(os.urandom(7), "big"))
    return made


@dataclass(frozen=True, slots=True)
class Wait:
    """That a visitor waits: the cookie that keeps its place (none where the room is full), and who is before it."""

    cookie: bytes
    ahead: int


class Room:
    """One waiting room in one worker. `clock` is that of cookies, seconds of the epoch."""

    def __init__(
        self,
        name: str,
        config: WaitingRoom,
        queue: Queue,
        secret: bytes,
        clients: ClientPrefix,
        clock: Callable[[], float],
    ) -> None:
        self.name = name
        self.detects = config.mode == "detect"
        """Whether nobody waits, and it is only counted who would."""
        self.refresh = int(config.refresh)
        self.rate = config.new_users_per_minute
        self._queue = queue
        self._tokens = Tokens(KeyRing(secret), clock)
        self._clients = clients
        self._epoch = b"%d" % queue.epoch
        self._suffix = b"-room-" + blake2b(name.encode(), digest_size=4).hexdigest().encode()
        self._good: dict[bytes, tuple[int, int, int, int]] = {}

    def cookie_name(self, scheme: bytes) -> bytes:
        """Return the name of its cookie: several rooms of a host have one each."""
        return cookie_name(scheme) + self._suffix

    def enter(self, request: Asked, text: bytes | None) -> bytes | Wait:
        """Let a visitor in; `text` is its cookie. Return the one it gets, empty for none, or that it would wait."""
        bound = binding(request, self.name, self._clients) + self._epoch
        number = 0
        if text is not None and (known := self._read(text, bound)) is not None:
            kind, number, place = known
            if kind == IN_ROOM:
                if self._queue.renew(number, place, monotonic()):
                    return b""
                number = 0
        answer = self._queue.visit(monotonic()) if self.detects else self._queue.ask(number, monotonic())
        if answer.place >= 0:
            return self._make(IN_ROOM, bound, answer)
        return Wait(self._make(WAITS, bound, answer) if answer.number else b"", answer.ahead)

    def _make(self, kind: int, bound: bytes, answer: Answer) -> bytes:
        place = max(0, answer.place).to_bytes(3, "big")
        return self._tokens.make(kind, 0, bound, nonce=_NUMBERS.pack(answer.number & 0xFFFFFFFF, place))

    def _read(self, text: bytes, bound: bytes) -> tuple[int, int, int] | None:
        """Return the kind of a cookie, its number and its place, if it is this visitor's."""
        mark = hash_of(bound)  # itself it may have the length of a head
        known = self._good.get(text)
        if known is not None and known[0] == mark:
            return known[1:]
        for kind in (IN_ROOM, WAITS):
            if (token := self._tokens.read(text, kind, bound, LIFE)) is not None:
                number, place = _NUMBERS.unpack(token.nonce)
                if len(self._good) >= _KEPT:
                    self._good.clear()
                self._good[text] = mark, kind, number, int.from_bytes(place, "big")
                return self._good[text][1:]
        return None
