"""Decisions of a CrowdSec Local API, as a bouncer takes them: all at first, then what changed.

See https://docs.crowdsec.net/docs/local_api/bouncers, ``GET /v1/decisions/stream``. Decisions are held by the keeper,
beside the bans of this program: neither lifts the other. A decision ends by itself when its time is over, also while
the API is away.
"""

from __future__ import annotations

import asyncio
import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Final

import msgspec

from bascule.config.defence import CrowdSec
from bascule.defence.ban_keeper import BanKeeper
from bascule.defence.bans import BanError, name_of, parse
from bascule.lists.keeper import in_thread
from bascule.lists.remote import opener
from bascule.telemetry.sinks import complain

TIMEOUT: Final = 30.0
MOST_BYTES: Final = 64 << 20
"""Bytes of an answer: some 200,000 decisions."""
MOST_DECISIONS: Final = 1 << 18
"""Addresses and networks that are held; there is room for as many in the table that workers look in."""
_LONGEST_WAIT: Final = 300.0
_SCOPES: Final = frozenset(("ip", "range"))
_DURATION: Final = re.compile(r"(-?\d+(?:\.\d+)?)(h|ms|m|s|us|\u00b5s|ns)")
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "\u00b5s": 1e-6, "ns": 1e-9}


class Decision(msgspec.Struct):
    """One decision (model ``Decision`` of the API)."""

    value: str
    type: str
    scope: str
    duration: str
    id: int = 0
    origin: str = ""
    simulated: bool = False


class Stream(msgspec.Struct):
    """What the API answers (model ``DecisionsStreamResponse``); it writes null for nothing."""

    new: list[Decision] | None = None
    deleted: list[Decision] | None = None


class ApiError(OSError):
    """The API cannot be asked; the text says why."""


_decode = msgspec.json.Decoder(Stream).decode


def seconds(duration: str) -> float:
    """Return the seconds of a duration as Go writes it (``3h59m56.7s``). Raises ValueError."""
    parts = _DURATION.findall(duration)
    if "".join(number + unit for number, unit in parts) != duration.replace("+", "") or not parts:
        raise ValueError(f"{duration!r} is not a duration")
    total = sum(abs(float(number)) * _UNITS[unit] for number, unit in parts)
    return -total if duration.startswith("-") else total


class CrowdSecWatch:
    """Holds what the API decided; `keeper` puts it in force."""

    def __init__(self, config: CrowdSec, keeper: BanKeeper, clock: Callable[[], float] = time.time) -> None:
        self._config = config
        self._keeper = keeper
        self._clock = clock
        self._held: dict[str, dict[int, float]] = {}
        self._task: asyncio.Task[None] | None = None
        self._away = False
        self._settled = False
        """Whether all that is decided was told once since the start."""
        self._full = False

    @property
    def count(self) -> int:
        """How many addresses and networks are held."""
        return len(self._held)

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """End; a question under way ends with the process."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        first, wait = True, self._config.interval
        while True:
            try:
                content = await in_thread(lambda startup=first: self._ask(startup))  # type: ignore[misc]
                self.take(_decode(content), whole=first)
            except (ApiError, msgspec.MsgspecError) as error:
                if not self._away:
                    self._away = True
                    complain(f"CrowdSec at {self._config.url}: {error}; what it decided before stays in force")
                first, wait = True, min(wait * 2, _LONGEST_WAIT)  # what changed is told once: it may be lost
            else:
                if self._away:
                    self._away = False
                    complain(f"CrowdSec at {self._config.url} answers again")
                first, wait = False, self._config.interval
            await asyncio.sleep(wait)

    def take(self, stream: Stream, whole: bool = False) -> None:
        """Take up decisions, and what was taken back; `whole`: nothing else is decided."""
        now = self._clock()
        before = self._held
        if whole:
            self._held = {}
        for decision in stream.deleted or ():
            if (name := self._name(decision)) is not None:
                self._release(name, decision.id)
        for decision in stream.new or ():
            if decision.simulated or decision.type not in self._config.types or (name := self._name(decision)) is None:
                continue
            until = now + self._seconds(decision)
            if until > now:
                self._hold(name, decision.id, until)
        for name in before.keys() - self._held.keys():
            self._show(name)
        self._forget_ended(now)
        if not self._settled:
            self._settled = True
            self._keeper.let_go()  # what a keeper before held, and was taken back since or is another API's
        self._keeper.publish()

    def _hold(self, name: str, number: int, until: float) -> None:
        if name not in self._held and len(self._held) >= MOST_DECISIONS:
            if not self._full:
                self._full = True
                complain(f"CrowdSec decides about more than {MOST_DECISIONS} addresses: the rest is not in force")
            return
        held = self._held.setdefault(name, {})
        held[number] = until
        self._show(name)

    def _release(self, name: str, number: int) -> None:
        held = self._held.get(name, {})
        held.pop(number, None)
        if not held:
            self._held.pop(name, None)
        self._show(name)

    def _forget_ended(self, now: float) -> None:
        for name in [name for name, held in self._held.items() if max(held.values()) <= now]:
            del self._held[name]
            self._show(name)

    def _show(self, name: str) -> None:
        """Put in force, or end, what is decided about a network."""
        held = self._held.get(name)
        if self._config.mode == "detect":
            self._keeper.watch(name, bool(held))
        elif held:
            self._keeper.hold(name, max(held.values()))
        else:
            self._keeper.release(name)

    def _name(self, decision: Decision) -> str | None:
        """Return the network that a decision is about; None for other things than networks."""
        if decision.scope.lower() not in _SCOPES:
            return None
        try:
            return name_of(parse(decision.value))
        except BanError:
            return None

    @staticmethod
    def _seconds(decision: Decision) -> float:
        try:
            return seconds(decision.duration)
        except ValueError:
            return 0.0

    def _ask(self, startup: bool) -> bytes:
        """Ask the API. Blocks. Raises ApiError."""
        word = "true" if startup else "false"
        url = f"{self._config.url.rstrip('/')}/v1/decisions/stream?startup={word}&scopes=ip,range&dedup=false"
        fields = {"X-Api-Key": self._config.key, "User-Agent": "bascule/1", "Accept": "application/json"}
        try:
            with opener().open(urllib.request.Request(url, headers=fields), timeout=TIMEOUT) as answer:  # noqa: S310
                content: bytes = answer.read(MOST_BYTES + 1)
        except urllib.error.HTTPError as error:
            error.close()
            why = "it does not know the key" if error.code == 403 else f"status {error.code}"
            raise ApiError(why) from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise ApiError(str(getattr(error, "reason", None) or error)) from None
        if len(content) > MOST_BYTES:
            raise ApiError(f"its answer has more than {MOST_BYTES >> 20} MiB")
        return content
