"""Whether a site is under attack: what the counters say, with hysteresis, unless an operator says it.

The keeper looks once a second at what all workers counted, and tells them over the bus.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from bascule.config.defence import Attack
from bascule.config.plan import Plan
from bascule.defence.challenges.ladder import UNDER_ATTACK
from bascule.telemetry import causes
from bascule.telemetry.sinks import complain
from bascule.telemetry.totals import Totals

BY_HAND: Final = "defence/attack-by-hand"
"""Topic of the bus: from the name of a site to whether an operator says that it is under attack."""
INTERVAL: Final = 1.0
_SHED: Final = (
    causes.RATE_LIMITED, causes.OVER_LIMIT_CONNECTIONS, causes.OVER_LIMIT_ADDRESS, causes.OVER_ARRIVALS, causes.SHED,
    causes.QUEUE_FULL, causes.QUEUE_TIMEOUT,
)  # fmt: skip
_UNASKED: Final = (causes.OVER_LIMIT_CONNECTIONS, causes.OVER_LIMIT_ADDRESS, causes.OVER_ARRIVALS)
"""Those of connections that asked for nothing yet."""
Word = Literal["on", "off", "auto"]


@dataclass(frozen=True, slots=True)
class Load:
    """What was counted by a moment, since the start: of a site, and of all for `shed`."""

    requests: int
    errors: int
    shed: int
    asked: int
    """Requests and connections of all sites."""


class Gauge:
    """Judges one site. `update` returns whether it is under attack."""

    __slots__ = ("_beyond_since", "_calm_since", "_config", "_last", "attacked", "why")

    def __init__(self, config: Attack, attacked: bool = False) -> None:
        self._config = config
        self._last: tuple[float, Load] | None = None
        self._beyond_since: float | None = None
        self._calm_since: float | None = None
        self.attacked = attacked
        self.why = ""
        """What it was beyond last."""

    def update(self, now: float, load: Load) -> bool:
        """Take the counters of a moment."""
        last, self._last = self._last, (now, load)
        if last is None or now <= last[0]:
            return self.attacked
        excess, why = self._excess(now - last[0], last[1], load)
        config = self._config
        if excess <= 1.0:
            self._beyond_since = None
        elif self._beyond_since is None:
            self._beyond_since = last[0]
        if excess >= config.calm:
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since = last[0]
        if self._beyond_since is not None and now - self._beyond_since >= config.after:
            self.attacked, self.why = True, why
        elif self._calm_since is not None and now - self._calm_since >= config.until:
            self.attacked = False
        return self.attacked

    def _excess(self, seconds: float, before: Load, after: Load) -> tuple[float, str]:
        """Return how many times the nearest threshold is reached, and what that is in words."""
        config = self._config
        requests = max(0, after.requests - before.requests)
        found = [(0.0, "")]
        if (rate := config.requests) is not None:
            found.append((requests / seconds / (rate.count / rate.seconds), f"{requests / seconds:.0f} requests/s"))
        if config.errors is not None and requests / seconds >= config.least:
            share = max(0, after.errors - before.errors) / requests
            found.append((share / config.errors, f"{share:.0%} of answers are server errors"))
        asked = max(0, after.asked - before.asked)
        if config.shed is not None and asked / seconds >= config.least:
            share = max(0, after.shed - before.shed) / asked
            found.append((share / config.shed, f"{share:.0%} of requests are shed"))
        return max(found)


class Bus(Protocol):
    """The keeper's end of the bus."""

    def publish(self, topic: str, payload: Any, *, durable: bool = False) -> None: ...

    def retained(self, topic: str) -> Any: ...


class AttackWatch:
    """Watches all sites that ask anything of their clients. `read` returns the counters."""

    def __init__(self, plan: Plan, bus: Bus, read: Callable[[], Totals], clock: Callable[[], float]) -> None:
        self._bus = bus
        self._read = read
        self._clock = clock
        self.sites = [site.name for site in plan.sites if any(route.challenge.asks for route in site.routes)]
        """Those on which an attack has an effect."""
        config = plan.config.defence.attack
        self._gauges = {name: Gauge(config) for name in self.sites} if config.automatic else {}
        self._said: list[str] | None = None
        self._elsewhere: frozenset[str] = frozenset()
        self.on_say: Callable[[], object] = lambda: None
        """Told when an operator said something here."""
        self._task: asyncio.Task[None] | None = None
        self._broken = False

    async def start(self) -> None:
        """Begin, where the keeper before left off."""
        self._said = self._bus.retained(UNDER_ATTACK)
        for name, gauge in self._gauges.items():
            gauge.attacked = name in (self._said or ())
        self._tell()
        if self._gauges:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()

    def say(self, word: Word, site: str = "") -> list[str]:
        """Let an operator decide for a site, or for all; ``auto`` leaves it to the counters again.

        Return the sites it holds for; none where no such site asks anything of its clients.
        """
        named = [name for name in self.sites if site in ("", name)]
        by_hand = {name: on for name, on in self.by_hand().items() if name not in named}
        if word != "auto":
            by_hand.update(dict.fromkeys(named, word == "on"))
        self.adopt(by_hand)
        self.on_say()
        return named

    def adopt(self, by_hand: dict[str, bool]) -> None:
        """Take over what operators said of each site they said anything of."""
        self._bus.publish(BY_HAND, by_hand, durable=True)
        self._tell()

    def found_here(self) -> list[str]:
        """Return the sites that the counters of this machine find attacked."""
        return [name for name, gauge in self._gauges.items() if gauge.attacked]

    def set_elsewhere(self, sites: Iterable[str]) -> None:
        """Hear which sites other machines find attacked."""
        if self._elsewhere != (found := frozenset(sites)):
            self._elsewhere = found
            self._tell()

    def states(self) -> dict[str, dict[str, Any]]:
        """Return of each site whether it is under attack, who says so, and why."""
        by_hand, told = self.by_hand(), {}
        for name in self.sites:
            gauge = self._gauges.get(name)
            automatic = gauge is not None and gauge.attacked
            elsewhere = name in self._elsewhere and not automatic
            own = "counters" if gauge is not None else "nobody"
            told[name] = {
                "attacked": by_hand.get(name, automatic or elsewhere),
                "by": "operator" if name in by_hand else "another machine" if elsewhere else own,
                "why": gauge.why if gauge is not None and automatic else "",
            }
        return told

    def by_hand(self) -> dict[str, bool]:
        """Return of each site that operators said anything of, whether it is under attack."""
        kept = dict(self._bus.retained(BY_HAND) or {})
        return {str(name): bool(on) for name, on in kept.items() if name in self.sites}

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            try:
                self._judge()
            except Exception as error:  # a site that nobody judges any more would stay as it is for ever
                self._complain(error)

    def _judge(self) -> None:
        loads = site_loads(self._read(), self.sites)
        for name, gauge in self._gauges.items():
            gauge.update(self._clock(), loads[name])
        self._tell()
        self._broken = False

    def _complain(self, error: Exception) -> None:
        """Say once what keeps the sites from being judged, until they are judged again."""
        if not self._broken:
            self._broken = True
            complain(f"sites cannot be judged for attacks, trying again every second: {error!r}")

    def _tell(self) -> None:
        """Tell workers, and the log, what changed."""
        states = self.states()
        attacked = sorted(name for name, state in states.items() if state["attacked"])
        if attacked == self._said:
            return
        for name in sorted({*attacked} ^ {*(self._said or ())}):
            state = states[name]
            word = f"is under attack ({state['why'] or state['by']})" if name in attacked else "is under attack no more"
            complain(f"site {name} {word}")
        self._said = attacked
        self._bus.publish(UNDER_ATTACK, attacked, durable=True)


def site_loads(totals: Totals, sites: Iterable[str]) -> dict[str, Load]:
    """Return the load of each site by name, from what all workers counted."""
    requests: dict[str, int] = {}
    errors: dict[str, int] = {}
    for route in totals.routes:
        for (_, status), count in route.requests.items():
            requests[route.site] = requests.get(route.site, 0) + count
            if status == "5xx":
                errors[route.site] = errors.get(route.site, 0) + count
    shed = sum(totals.causes.get(cause, 0) for cause in _SHED)
    asked = sum(requests.values()) + sum(totals.causes.get(cause, 0) for cause in _UNASKED)
    return {name: Load(requests.get(name, 0), errors.get(name, 0), shed, asked) for name in sites}
