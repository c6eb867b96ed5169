"""Collections that outlive a transaction: IP, GLOBAL, SESSION, USER, RESOURCE.

Their records lie in a table that is handed in: `state/records.py` shares one between the workers of a machine,
`LocalTable` is for a single process. Every change is one step of the table, so that workers may count together.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Protocol, TypeVar

from bascule.state.records import Record

MAX_RECORDS = 65_536
"""Most records a `LocalTable` keeps; the least recently used leaves first (bounded memory)."""

MAX_VARIABLES = 1_024
"""Most variables in one record; a rule that builds names from a client's data must not fill memory."""
LONGEST_KEY = 64
"""Bytes of the longest key that is kept as it is; a client that chooses a longer one has its hash kept."""
T = TypeVar("T")
_ZERO = (b"0", 0.0, False)


class Table(Protocol):
    """Where records are. Times are seconds since the epoch."""

    def read(self, key: bytes) -> Record:
        """Return a record, or an empty one."""

    def change(self, key: bytes, edit: Callable[[Record], T], now: float) -> T:
        """Let `edit` change a record in one step. Raises ValueError for one that has no room."""


class LocalTable:
    """A table of one process."""

    def __init__(self, limit: int = MAX_RECORDS) -> None:
        self._limit = limit
        self._records: OrderedDict[bytes, Record] = OrderedDict()

    def read(self, key: bytes) -> Record:
        record = self._records.get(key)
        if record is None:
            return {}
        self._records.move_to_end(key)
        return record

    def change(self, key: bytes, edit: Callable[[Record], T], now: float) -> T:
        record = self._records.setdefault(key, {})
        self._records.move_to_end(key)
        for name in [name for name, (_, ends, _) in record.items() if ends <= now]:
            del record[name]
        result = edit(record)
        while len(self._records) > self._limit:
            self._records.popitem(last=False)
        return result


class CollectionStore:
    """What rules do to collections. `key` is of `record_key`; a variable ends at `ends`, unless `expire` said when."""

    def __init__(self, table: Table | None = None) -> None:
        self._table = table if table is not None else LocalTable()

    def load(self, key: bytes, now: float) -> dict[bytes, bytes]:
        """Return a copy of the record's living variables (empty if there is no record)."""
        return {name: value for name, (value, ends, _) in self._table.read(key).items() if ends > now}

    def set(self, key: bytes, name: bytes, value: bytes, now: float, ends: float) -> None:
        """Store one variable. Raises ValueError if it finds no room."""
        self._table.change(key, lambda record: _put(record, name, value, ends), now)

    def add(self, key: bytes, name: bytes, delta: int, now: float, ends: float) -> bytes:
        """Add `delta` to a number; return the new value. Raises as `set`."""

        def edit(record: Record) -> bytes:
            value = b"%d" % (to_int(record.get(name, _ZERO)[0]) + delta)
            _put(record, name, value, ends)
            return value

        return self._table.change(key, edit, now)

    def remove(self, key: bytes, name: bytes, now: float) -> None:
        """Forget one variable."""
        self._table.change(key, lambda record: record.pop(name, None), now)

    def expire(self, key: bytes, name: bytes, now: float, ends: float) -> None:
        """Let a variable end at `ends`."""

        def edit(record: Record) -> None:
            if name in record:
                record[name] = (record[name][0], ends, True)

        self._table.change(key, edit, now)

    def deprecate(self, key: bytes, name: bytes, amount: int, period: int, now: float, ends: float) -> None:
        """Lower a number by `amount`, not below 0, for each `period` seconds gone by. Raises as `set`."""
        stamp = b"__deprecated_" + name

        def edit(record: Record) -> None:
            last = to_int(record.get(stamp, _ZERO)[0]) or int(now)
            steps = int(now - last) // period
            if stamp not in record or steps > 0:
                _put(record, stamp, b"%d" % (last + steps * period), ends)
            if steps > 0 and name in record:
                _put(record, name, b"%d" % max(0, to_int(record[name][0]) - steps * amount), ends)

        self._table.change(key, edit, now)


def record_key(collection: str, application: bytes, key: bytes) -> bytes:
    """Return the table's key of a record: as in ModSecurity, each SecWebAppId has records of its own."""
    whole = b"%b\0%b\0%b" % (collection.encode(), application, key)
    return whole if len(whole) <= LONGEST_KEY else blake2b(whole, digest_size=32).digest()


def _put(record: Record, name: bytes, value: bytes, ends: float) -> None:
    _, until, fixed = record.get(name, (b"", ends, False))
    if name not in record and len(record) >= MAX_VARIABLES:
        raise ValueError(f"a record has room for {MAX_VARIABLES} variables")
    record[name] = (value, until if fixed else ends, fixed)


def to_int(text: bytes) -> int:
    """The leading decimal number of `text` as C's `strtol` reads it; 0 where there is none."""
    stripped = text.strip()[:20]
    end = 1 if stripped[:1] in (b"-", b"+") else 0
    while end < len(stripped) and stripped[end] in b"0123456789":
        end += 1
    digits = stripped[:end]
    return int(digits) if digits.strip(b"+-") else 0
