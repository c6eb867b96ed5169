"""Collections that outlive a transaction (IP, GLOBAL, SESSION, USER, RESOURCE), behind a small interface."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

MAX_RECORDS = 65_536
"""Most records an in-process store keeps; the least recently used leaves first (bounded memory)."""

MAX_VARIABLES = 1_024
"""Most variables in one record; a rule that builds names from a client's data must not fill memory."""


class CollectionStore(Protocol):
    """What the engine needs of shared state. Times are seconds of the injected wall clock."""

    def load(self, collection: str, key: bytes, now: float) -> dict[bytes, bytes]:
        """Return a copy of the record's living variables (empty if there is no record)."""

    def set(self, collection: str, key: bytes, name: bytes, value: bytes, expires: float) -> None:
        """Store one variable; it ends at `expires`."""

    def add(self, collection: str, key: bytes, name: bytes, delta: int, now: float, expires: float) -> bytes:
        """Add `delta` to a number in one step (many workers may count at once); return the new value."""

    def remove(self, collection: str, key: bytes, name: bytes) -> None:
        """Forget one variable."""

    def expire(self, collection: str, key: bytes, name: bytes, expires: float) -> None:
        """Let a variable end at `expires`."""


class LocalStore:
    """The default store: one process, bounded, expiry checked on reading."""

    def __init__(self, limit: int = MAX_RECORDS) -> None:
        self._limit = limit
        self._records: OrderedDict[tuple[str, bytes], dict[bytes, tuple[bytes, float]]] = OrderedDict()

    def load(self, collection: str, key: bytes, now: float) -> dict[bytes, bytes]:
        record = self._records.get((collection, key))
        if record is None:
            return {}
        self._records.move_to_end((collection, key))
        for name in [name for name, (_, expires) in record.items() if expires <= now]:
            del record[name]
        return {name: value for name, (value, _) in record.items()}

    def set(self, collection: str, key: bytes, name: bytes, value: bytes, expires: float) -> None:
        record = self._records.setdefault((collection, key), {})
        self._records.move_to_end((collection, key))
        if name in record or len(record) < MAX_VARIABLES:
            record[name] = (value, expires)
        while len(self._records) > self._limit:
            self._records.popitem(last=False)

    def add(self, collection: str, key: bytes, name: bytes, delta: int, now: float, expires: float) -> bytes:
        value = b"%d" % (to_int(self.load(collection, key, now).get(name, b"0")) + delta)
        self.set(collection, key, name, value, expires)
        return value

    def remove(self, collection: str, key: bytes, name: bytes) -> None:
        self._records.get((collection, key), {}).pop(name, None)

    def expire(self, collection: str, key: bytes, name: bytes, expires: float) -> None:
        record = self._records.get((collection, key), {})
        if name in record:
            record[name] = (record[name][0], expires)


Clock = Callable[[], float]


def to_int(text: bytes) -> int:
    """The leading decimal number of `text` as C's `strtol` reads it; 0 where there is none."""
    stripped = text.strip()[:20]
    end = 1 if stripped[:1] in (b"-", b"+") else 0
    while end < len(stripped) and stripped[end] in b"0123456789":
        end += 1
    digits = stripped[:end]
    return int(digits) if digits.strip(b"+-") else 0
