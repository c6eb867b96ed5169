"""Durable values of the bus: what keepers found out or were told, and the keepers after them start with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class Durable:
    """The last value of each durable topic. The keeper that leads is the only one that changes them."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def keep(self, topic: str, payload: Any) -> None:
        """Keep the payload of a topic, instead of the one before; None forgets the topic."""
        if payload is None:
            self._values.pop(topic, None)
        else:
            self._values[topic] = payload

    def copy(self) -> dict[str, Any]:
        """Return topics and payloads as they are now."""
        return dict(self._values)

    def since(self, before: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Yield topic and payload of what has changed since a copy was made."""
        for topic in [*before.keys(), *(topic for topic in self._values if topic not in before)]:
            payload = self._values.get(topic)
            if payload != before.get(topic):
                yield topic, payload
