"""Load shedding by class: with too much to do, who is known to be good is served and who is suspicious is not.

Refusing costs little, serving late costs as much as serving and helps nobody: so it begins before queues grow (Netflix,
"Keeping Netflix reliable using prioritized load shedding"; Envoy's overload manager).
"""

from __future__ import annotations

from typing import Final

from bascule.config.overload import Shedding

GOOD, ORDINARY, SUSPICIOUS = range(3)
CLASSES: Final = ("good", "ordinary", "suspicious")
SMOOTHING: Final = 0.3
"""Weight of a tick's lag in the average: one late tick, such as a process that lost its core, is no overload yet."""


class Overload:
    """What presses on one worker, and whom it sheds for that."""

    __slots__ = ("_config", "_lag", "_owed", "detect", "first", "level", "line", "points", "retry_after")

    def __init__(self, config: Shedding) -> None:
        self._config = config
        self._lag = 0.0
        self._owed = [0.0] * len(CLASSES)
        self.detect = config.mode == "detect"
        self.first = config.suspicious
        """The pressure below which nobody is refused."""
        self.line = 0.0 if self.detect else config.suspicious * config.wait
        """Seconds of a pool's line from which on requests are refused; 0 where none is."""
        self.level = 0.0
        """The pressure on the worker, apart from the line of a pool."""
        self.points = config.points
        self.retry_after = b"retry-after: %d\r\n" % config.retry_after

    def update(self, late: float, connections: float, resident: int) -> None:
        """Take what a tick saw: seconds that it came late, share of the connections in use, resident bytes."""
        config = self._config
        self._lag += SMOOTHING * (late - self._lag)
        memory = resident / config.memory if config.memory else 0.0
        self.level = max(self._lag / config.lag, connections / config.connections, memory)

    def pressure(self, wait: float) -> float:
        """Return the pressure on a request whose pool has a line of `wait` seconds."""
        return max(self.level, wait / self._config.wait)

    def sheds(self, kind: int, pressure: float) -> bool:
        """Whether one more request of a class is refused: of each class an even share, so that no chance is in it."""
        if kind == GOOD:
            return False
        config = self._config
        begins, ends = (config.ordinary, 1.0) if kind == ORDINARY else (config.suspicious, config.ordinary)
        self._owed[kind] += min(1.0, max(0.0, (pressure - begins) / (ends - begins)))
        if self._owed[kind] < 1.0:
            return False
        self._owed[kind] -= 1.0
        return True
