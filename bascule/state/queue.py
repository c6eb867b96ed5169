"""Places and a queue for them, in memory that processes share: who waits comes in in the order of coming, exactly.

Who waits has a number, and has to show that it is still there. A number comes in when a place is free that nobody alive
before it is about to take; so the order holds whichever process is asked. Places are given up by silence, too.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import Final

from bascule.state.locks import Lock

SWEEP: Final = 1.0
"""Seconds between two counts of the free places."""
BURST: Final = 6.0
"""Seconds' worth of newcomers that may come in at once."""
NEAR: Final = 1024
"""Up to this number of waiters before one they are counted; beyond it their number is estimated. Each look holds up the
other workers."""
ROOM: Final = 4
"""Numbers for each that may wait: those who gave up keep theirs until all before them have gone."""
_GONE = -1e18
_NEXT, _HEAD, _CURSOR, _FREE, _EPOCH, _ALIVE, _LOOKED_TO, _FOUND = range(8)
_WORDS = 8
_DUE, _SWEPT, _LOOKED = range(3)
_TIMES = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """How many are in and wait, in seconds how long both last without a sign, and the rate of newcomers a second."""

    places: int
    waiting: int
    stay: float
    patience: float
    rate: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of who asks to come in: it is in at `place`, or waits; without a number it is refused."""

    number: int = 0
    place: int = -1
    ahead: int = 0
    """How many wait before it, roughly where there are many."""


class QueueMemory:
    """What the processes share of one queue; made before the fork. Pages are allocated as they are used."""

    __slots__ = ("lock", "memory", "owners", "seen", "times", "until", "words")

    def __init__(self, limits: Limits, lock: Lock, epoch: int) -> None:
        numbers = ROOM * limits.waiting
        size = 8 * (_WORDS + _TIMES + 2 * limits.places + numbers)
        self.memory = mmap.mmap(-1, size, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
        view = memoryview(self.memory)
        ends = [0]
        for count in (_WORDS, _TIMES, limits.places, limits.places, numbers):
            ends.append(ends[-1] + 8 * count)
        self.words = view[ends[0] : ends[1]].cast("Q")
        self.times = view[ends[1] : ends[2]].cast("d")
        self.owners = view[ends[2] : ends[3]].cast("Q")
        """Who has each place, by number."""
        self.until = view[ends[3] : ends[4]].cast("d")
        """Until when, in monotonic seconds."""
        self.seen = view[ends[4] : ends[5]].cast("d")
        """When each waiter was last seen, by its number; `_GONE` when it waits no more."""
        self.lock = lock
        self.words[_NEXT] = self.words[_HEAD] = 1
        self.words[_EPOCH] = epoch
        self.words[_FREE] = limits.places


class Queue:
    """A queue as one process sees it."""

    __slots__ = ("_limits", "_memory")

    def __init__(self, limits: Limits, memory: QueueMemory) -> None:
        self._limits = limits
        self._memory = memory

    @property
    def epoch(self) -> int:
        """What tells this queue from those of other runs of the program, so that numbers of these mean nothing here."""
        return int(self._memory.words[_EPOCH])

    def renew(self, number: int, place: int, now: float) -> bool:
        """Let who is in stay for longer. False: its place is another's by now. Takes no lock."""
        memory, stay = self._memory, self._limits.stay
        if not 0 <= place < self._limits.places or memory.owners[place] != number:
            return False
        if memory.until[place] - now < stay - SWEEP:
            memory.until[place] = now + stay
        return True

    def ask(self, number: int, now: float) -> Answer:
        """Ask to come in; `number` is what it got when it asked before, 0 the first time."""
        memory = self._memory
        with memory.lock:
            words = memory.words
            self._sweep(now)
            self._pass_over(now)
            self._look(now)
            free = min(int(words[_FREE]), self._allowance(now))
            waits = words[_HEAD] <= number < words[_NEXT] and memory.seen[number % len(memory.seen)] > _GONE
            if not waits:
                if self._waiting() >= self._limits.waiting or words[_NEXT] - words[_HEAD] >= len(memory.seen):
                    return Answer()
                number = int(words[_NEXT])
                words[_NEXT] = number + 1
                words[_ALIVE] += 1
            at = number % len(memory.seen)
            memory.seen[at] = now
            if free and self._alive_before(number, free, now) < free and (place := self._take(number, now)) >= 0:
                memory.seen[at] = _GONE
                words[_ALIVE] = max(0, words[_ALIVE] - 1)
                return Answer(number, place)
            return Answer(number, ahead=self._ahead(number, now))

    def visit(self, now: float) -> Answer:
        """Take a place if one is free, whoever waits; without one there is no number either."""
        memory = self._memory
        with memory.lock:
            words, size = memory.words, len(memory.seen)
            self._sweep(now)
            self._pass_over(now)
            if words[_NEXT] - words[_HEAD] >= size or min(int(words[_FREE]), self._allowance(now)) < 1:
                return Answer()
            number = int(words[_NEXT])
            place = self._take(number, now)
            if place < 0:
                return Answer()
            words[_NEXT] = number + 1
            memory.seen[number % size] = _GONE
            return Answer(number, place)

    def counts(self, now: float) -> tuple[int, int]:
        """Return how many are in, and how many wait (those who have just given up among them)."""
        return sum(until > now for until in self._memory.until.tolist()), self._waiting()

    def _waiting(self) -> int:
        words = self._memory.words
        return max(0, min(int(words[_ALIVE]), int(words[_NEXT]) - int(words[_HEAD])))

    def _sweep(self, now: float) -> None:
        """Count the places that are free now."""
        memory = self._memory
        if now - memory.times[_SWEPT] >= SWEEP:
            memory.times[_SWEPT] = now
            memory.words[_FREE] = sum([until <= now for until in memory.until.tolist()])

    def _pass_over(self, now: float) -> None:
        """Let the queue begin with the first that is alive."""
        memory = self._memory
        words, seen, size = memory.words, memory.seen, len(memory.seen)
        head, end, oldest = words[_HEAD], words[_NEXT], now - self._limits.patience
        while head < end and seen[head % size] < oldest:
            head += 1
        words[_HEAD] = head

    def _look(self, now: float) -> None:
        """Count anew who waits, up to `NEAR` at a time; the whole line at most once in `SWEEP` seconds."""
        memory = self._memory
        words, seen, size, oldest = memory.words, memory.seen, len(memory.seen), now - self._limits.patience
        if now - memory.times[_LOOKED] < SWEEP:
            return
        begin = max(int(words[_LOOKED_TO]), int(words[_HEAD]))
        end = min(begin + NEAR, int(words[_NEXT]))
        found = words[_FOUND] + sum([seen[number % size] >= oldest for number in range(begin, end)])
        if end < words[_NEXT]:
            words[_LOOKED_TO], words[_FOUND] = end, found
            return
        words[_ALIVE], words[_LOOKED_TO], words[_FOUND] = found, 0, 0
        memory.times[_LOOKED] = now

    def _allowance(self, now: float) -> int:
        """Return how many may come in by their rate."""
        owed = max(0.0, self._memory.times[_DUE] - now)
        return int(max(1.0, BURST * self._limits.rate) - owed * self._limits.rate + 1e-6)

    def _alive_before(self, number: int, most: int, now: float) -> int:
        """Return how many that are alive wait before a number; it counts no further than `most`.

        Nobody is looked at beyond the first `NEAR`: who is so far behind waits until the line has moved.
        """
        memory, oldest = self._memory, now - self._limits.patience
        seen, size, count, head = memory.seen, len(memory.seen), 0, int(memory.words[_HEAD])
        for before in range(head, min(number, head + NEAR)):
            if seen[before % size] >= oldest:
                count += 1
                if count >= most:
                    break
        return most if number - head > NEAR else count

    def _ahead(self, number: int, now: float) -> int:
        words = self._memory.words
        before = number - int(words[_HEAD])
        if before > NEAR:
            return before * self._waiting() // (int(words[_NEXT]) - int(words[_HEAD]))
        return self._alive_before(number, before, now) if before else 0

    def _take(self, number: int, now: float) -> int:
        """Take a free place; -1 where there is none after all."""
        memory, places = self._memory, self._limits.places
        cursor = memory.words[_CURSOR]
        for step in range(places):
            place: int = (cursor + step) % places
            if memory.until[place] <= now:
                memory.owners[place], memory.until[place] = number, now + self._limits.stay
                memory.words[_CURSOR] = (place + 1) % places
                memory.words[_FREE] = max(0, memory.words[_FREE] - 1)
                memory.times[_DUE] = max(memory.times[_DUE], now) + 1 / self._limits.rate
                return place
        memory.words[_FREE] = 0
        return -1
