"""The time of the week in a time zone, looked at once a minute."""

from __future__ import annotations

from datetime import datetime
from time import time
from zoneinfo import ZoneInfo

from bascule.config.when import When


class Calendar:
    """Tells whether times of the week hold now; `zone` is empty for that of the machine."""

    __slots__ = ("_minute", "_now", "_zone")

    def __init__(self, zone: str = "") -> None:
        self._zone = ZoneInfo(zone) if zone else None
        self._minute = -1
        self._now = (0, 0)

    def minute(self) -> int:
        """Return the number of the present minute since the epoch."""
        minute = int(time() // 60)
        if minute != self._minute:
            self._minute = minute
            now = datetime.fromtimestamp(minute * 60, self._zone).astimezone(self._zone)
            self._now = now.weekday(), now.hour * 60 + now.minute
        return minute

    def holds(self, when: When) -> bool:
        """Whether the present minute is among those of `when`."""
        self.minute()
        return when.holds(*self._now)
