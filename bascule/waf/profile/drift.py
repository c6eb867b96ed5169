"""Drift: requests of many clients that differ from what was learned, which means that the application has changed."""

from __future__ import annotations

from dataclasses import dataclass, field

WINDOW = 600.0
"""Seconds that are looked at together."""
SILENCE = 3600.0
"""Seconds between two alarms about one place."""
MAX_PLACES = 1_000
MAX_WORDS = 3


@dataclass(slots=True)
class Tally:
    """What was judged at one place in a window of time."""

    began: float
    judged: int = 0
    deviating: int = 0
    clients: set[str] = field(default_factory=set)
    words: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Alarm:
    """A place whose requests have changed."""

    place: str
    judged: int
    deviating: int
    clients: int
    words: tuple[str, ...]

    def text(self) -> str:
        """Say it in a sentence."""
        return (
            f"{self.place}: {self.deviating} of {self.judged} requests, of {self.clients} clients or more, differ from "
            f"what was learned: {'; '.join(self.words)}"
        )


class Drift:
    """The tallies of one site. `share` of the requests, by at least `clients`, raise an alarm."""

    def __init__(self, share: float, clients: int, requests: int) -> None:
        self._share, self._clients, self._requests = share, clients, requests
        self._tallies: dict[str, Tally] = {}
        self._told: dict[str, float] = {}

    def add(
        self, place: str, judged: int, deviating: int, clients: list[str], words: list[str], now: float
    ) -> Alarm | None:
        """Take what a worker judged at a place. Return an alarm if it is time for one."""
        tally = self._tallies.get(place)
        if tally is None or now - tally.began > WINDOW:
            if len(self._tallies) >= MAX_PLACES:
                self._tallies = {name: kept for name, kept in self._tallies.items() if now - kept.began <= WINDOW}
            if tally is None and len(self._tallies) >= MAX_PLACES:
                return None
            tally = self._tallies[place] = Tally(now)
        tally.judged += judged
        tally.deviating += deviating
        for client in clients:
            if len(tally.clients) < self._clients:
                tally.clients.add(client)
        for text in words:
            if len(tally.words) < MAX_WORDS and text not in tally.words:
                tally.words.append(text)
        return self._alarm(place, tally, now)

    def _alarm(self, place: str, tally: Tally, now: float) -> Alarm | None:
        if tally.judged < self._requests or tally.deviating < self._share * tally.judged:
            return None
        if len(tally.clients) < self._clients or now - self._told.get(place, -SILENCE) < SILENCE:
            return None
        if len(self._told) >= MAX_PLACES:
            self._told.clear()
        self._told[place] = now
        return Alarm(place, tally.judged, tally.deviating, len(tally.clients), tuple(tally.words))
