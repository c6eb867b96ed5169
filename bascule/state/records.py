"""Records of named values that all processes of a machine share: a table of fixed size in shared memory.

The hash of a key chooses a page, which holds the records of all keys that fall on it. A page is written anew for each
change: into the half of it that is not in use, and then one number, which tells half, length and checksum, is stored.
So a process that dies within a change leaves the page as it was, and readers take no lock: what does not have its
checksum was written over meanwhile and is read again. A page that is full gives up what has ended, then the records
that were not changed for longest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from zlib import crc32

import msgspec

from bascule.state.buckets import hash_of
from bascule.state.locks import COUNT, Lock
from bascule.state.sets import shared_memory

Record = dict[bytes, tuple[bytes, float, bool]]
"""By name: a value, when it ends (seconds since the epoch), and whether a new value keeps that end."""

PAGES = 8_192
HALF = 2_048
"""Bytes of the records of a page; a record has at most as many. ModSecurity 2 allows 1,008."""
_TRIES = 3
"""Readings of a page that others write to, until its lock is taken."""
T = TypeVar("T")

_encode = msgspec.msgpack.Encoder().encode
_decode_page = msgspec.msgpack.Decoder(dict[bytes, msgspec.Raw]).decode
_decode_record = msgspec.msgpack.Decoder(Record).decode


class RecordTooLargeError(ValueError):
    """A record would be larger than a page; it was left as it was."""


class Records:
    """The table; made before the fork. It takes `pages` x 4 KiB, which are allocated as they are used.

    Raises ValueError if `pages` is not a power of two.
    """

    __slots__ = ("_heads", "_locks", "_mask", "_memory")

    def __init__(self, locks: tuple[Lock, ...], pages: int = PAGES) -> None:
        if pages < 1 or pages & (pages - 1):
            raise ValueError(f"the number of pages is a power of two, not {pages}")
        self._memory = shared_memory(pages * (8 + 2 * HALF))
        self._heads = self._memory[pages * 2 * HALF :].cast("Q")
        self._mask = pages - 1
        self._locks = locks

    def read(self, key: bytes) -> Record:
        """Return the record of `key`; an empty one if there is none. What has ended may still be in it."""
        page = hash_of(key) & self._mask
        for _ in range(_TRIES):
            records = self._page(page)
            if records is not None:
                break
        else:
            with self._locks[page % COUNT]:
                records = self._page(page) or {}
        found = records.get(key)
        return {} if found is None else _decode_record(found)

    def change(self, key: bytes, edit: Callable[[Record], T], now: float) -> T:
        """Let `edit` change the record of `key`, while nobody else does; return what it returns.

        Raises RecordTooLargeError.
        """
        page = hash_of(key) & self._mask
        with self._locks[page % COUNT]:
            records = self._page(page) or {}
            old = records.pop(key, None)
            record = {} if old is None else _decode_record(old)
            for name in [name for name, (_, ends, _) in record.items() if ends <= now]:
                del record[name]
            result = edit(record)
            if record:
                records[key] = msgspec.Raw(_encode(record))
            self._write(page, _fitting(records, key, now))
        return result

    def _page(self, page: int) -> dict[bytes, msgspec.Raw] | None:
        """Return the encoded records of a page, the one changed last at the end; None if it was not read whole."""
        head = self._heads[page]
        start = (2 * page + (head & 1)) * HALF
        content = bytes(self._memory[start : start + (head >> 1 & 0x7FFF_FFFF)])
        if crc32(content) != head >> 32:
            return None
        return _decode_page(content) if content else {}

    def _write(self, page: int, content: bytes) -> None:
        half = ~self._heads[page] & 1
        start = (2 * page + half) * HALF
        self._memory[start : start + len(content)] = content
        self._heads[page] = crc32(content) << 32 | len(content) << 1 | half


def _fitting(records: dict[bytes, msgspec.Raw], key: bytes, now: float) -> bytes:
    """Return the page encoded, without records that have no place on it. Raises RecordTooLargeError."""
    content = _encode(records)
    if len(content) <= HALF:
        return content
    for other, raw in list(records.items()):
        if all(ends <= now for _, ends, _ in _decode_record(raw).values()):
            del records[other]
    for other in list(records):
        content = _encode(records)
        if len(content) <= HALF:
            return content
        if other == key:
            raise RecordTooLargeError(f"a record has room for {HALF} bytes")
        del records[other]
    return content
