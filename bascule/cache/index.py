"""The index of a store: a table in a file that every process of the machine maps.

It counts bytes, chooses what has to go, and has a number for each key that grows with every change, by which workers
notice that what they hold at hand is no longer true. A key is a keyed hash; it lies in one of the eight places of its
set. What goes is found by a hand that goes round the table (CLOCK with two-bit counters, as in S3-FIFO's main queue):
what was asked for since it last came by gets another round for each time, up to three.

Readers take no lock. Writers take a file lock, which dies with its holder.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MAGIC = 0x42534349_00000001  # "BSCI", version 1
_HEADER = 64  # words
_MARK, _SLOTS, USED, ENTRIES, _HAND, EPOCH, STORED, EVICTED, DROPPED, _LIMIT, _SECRET = range(11)
"""Words of the header: bytes and entries held, changes to all of it, entries ever stored, pushed out, found broken."""
_SECRET_WORDS = 4
_CHANGES = 1 << 16
"""Numbers of changes; keys that share one only cost each other a look at the file."""
_CLAIMS = 1 << 12
"""Places for what workers ask for just now; keys that share one are not told of."""
WAYS = 8
_AVERAGE = 8192
"""Bytes of content that a place in the table is reckoned for."""
MIN_PLACES, MAX_PLACES = 1 << 12, 1 << 21
_MOST_MARKS = 3
_PATIENCE = 1 << 16
"""Places that the hand passes at once for the sake of what was asked for, some milliseconds; then the next one goes."""


Since = tuple[int, int, int]
"""What was the case when a response was asked for: a key, the number of changes to it, and the epoch."""


class ChangedError(Exception):
    """What is to be stored was asked for before something changed."""


def places_for(limit: int) -> int:
    """Return how many entries a store of `limit` bytes may have."""
    wanted = max(MIN_PLACES, min(MAX_PLACES, limit // _AVERAGE))
    return 1 << (wanted - 1).bit_length()


def _claim_of(key: int) -> int:
    return (key >> 8 & (_CLAIMS - 1)) * 2


def _open(path: Path, size: int) -> tuple[int, bytes]:
    """Open the file, or put a new one in its place where it has another size: others may still map the old one.

    Returns its descriptor and the secret.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    secret = _secret_of(fd)
    if os.fstat(fd).st_size == size:
        return fd, secret
    os.close(fd)
    name = path.with_name(f".index-{os.getpid()}")
    fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    os.ftruncate(fd, size)
    os.rename(name, path)
    return fd, secret


def _secret_of(fd: int) -> bytes:
    """Return the secret of an index, also of another size: by it the files are known. A new one where there is none."""
    header = os.pread(fd, _HEADER * 8, 0)
    if header[:8] == _MAGIC.to_bytes(8, sys.byteorder):
        return header[_SECRET * 8 : (_SECRET + _SECRET_WORDS) * 8]
    return secrets.token_bytes(_SECRET_WORDS * 8)


class Index:
    """See the module. Raises OSError."""

    def __init__(self, path: Path, limit: int) -> None:
        places = places_for(limit)
        size = (_HEADER + _CHANGES + 2 * _CLAIMS + 2 * places) * 8 + places
        self._fd, secret = _open(path, size)
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX)
            self.fresh = False
            """Whether it was made anew, and knows nothing of the files that may be there."""
            self._memory = mmap.mmap(self._fd, size)
            view = memoryview(self._memory)
            self._words = view[: _HEADER * 8].cast("Q")
            start = _HEADER * 8
            self.changes = view[start : start + _CHANGES * 8].cast("Q")
            start += _CHANGES * 8
            self._claims = view[start : start + 2 * _CLAIMS * 8].cast("Q")
            start += 2 * _CLAIMS * 8
            self._keys = view[start : start + places * 8].cast("Q")
            self._sizes = view[start + places * 8 : start + places * 16].cast("Q")
            self._marks = view[start + places * 16 :]
            self._begin(places, limit, secret)
        except BaseException:
            os.close(self._fd)
            raise
        fcntl.lockf(self._fd, fcntl.LOCK_UN)
        self._mask = places - WAYS
        self.limit = limit
        self._secret = bytes(self._words[_SECRET : _SECRET + _SECRET_WORDS].cast("B"))

    def _begin(self, places: int, limit: int, secret: bytes) -> None:
        words = self._words
        if words[_MARK] != _MAGIC or words[_SLOTS] != places:
            self.fresh = True
            self._memory[:] = bytes(len(self._memory))
            words[_SLOTS] = places
            words[_SECRET : _SECRET + _SECRET_WORDS].cast("B")[:] = secret
            words[_MARK] = _MAGIC
        words[_LIMIT] = limit

    def key(self, text: bytes) -> int:
        """Return the key of a text: nobody who does not know the secret of the store finds two texts of one key."""
        digest = hashlib.blake2b(text, digest_size=8, key=self._secret).digest()
        return int.from_bytes(digest, "little") or 1

    def change_of(self, key: int) -> int:
        """Return the number of changes to `key`."""
        return int(self.changes[key & (_CHANGES - 1)])

    def changed(self, key: int) -> None:
        """Let every worker notice that what is stored under `key` is no longer what it was."""
        with self._lock():
            self.changes[key & (_CHANGES - 1)] += 1

    @property
    def epoch(self) -> int:
        """How often much of it was purged at a time."""
        return int(self._words[EPOCH])

    def begin_epoch(self) -> None:
        """Let nothing be stored that was asked for before now."""
        with self._lock():
            self._words[EPOCH] += 1

    def add(self, key: int, size: int, since: Since | None = None) -> list[int]:
        """Take up an entry of `size` bytes, or another size of one; return the keys that have to make room for it.

        Raises ChangedError where something changed `since` then, of which nothing else would tell: a purge of what
        was not there yet.
        """
        with self._lock():
            if since is not None and since != (since[0], self.change_of(since[0]), self.epoch):
                raise ChangedError
            place, gone = self._place(key)
            words = self._words
            if self._keys[place] == key:
                words[USED] -= self._sizes[place]
            else:
                words[ENTRIES] += 1
            self._keys[place], self._sizes[place], self._marks[place] = key, size, 1
            words[USED] += size
            words[STORED] += 1
            self.changes[key & (_CHANGES - 1)] += 1
            while words[USED] > self.limit and (victim := self._sweep(place)) is not None:
                gone.append(victim)
            words[EVICTED] += len(gone)
        return gone

    def remove(self, key: int) -> None:
        """Forget an entry, which may not be there; its change is noticed all the same."""
        with self._lock():
            place = self.place_of(key)
            if place >= 0:
                self._drop(place)
            self.changes[key & (_CHANGES - 1)] += 1

    def recount(self) -> None:
        """Add up anew what is held: a process that was killed within a change left the sums wrong.

        Claims end, too: after a boot the clock of those that a power cut left is ahead, perhaps by weeks.
        """
        with self._lock():
            self._words[USED] = sum(self._sizes.tolist())
            self._words[ENTRIES] = len(self.all_keys())
        self._claims[:] = memoryview(bytes(self._claims.nbytes)).cast("Q")

    def broken(self) -> None:
        """Count an entry that was found broken."""
        with self._lock():
            self._words[DROPPED] += 1

    def place_of(self, key: int) -> int:
        """Return the place of a key, or -1."""
        first = (key >> 16) & self._mask
        keys = self._keys[first : first + WAYS].tolist()
        return first + keys.index(key) if key in keys else -1

    def touch(self, place: int, key: int) -> None:
        """Note that the entry at a place was asked for."""
        if place >= 0 and self._keys[place] == key and (marks := self._marks[place]) < _MOST_MARKS:
            self._marks[place] = marks + 1

    # Each claim is a key, and the end of its time in milliseconds of the monotonic clock. Nobody takes a lock for it:
    # where two claim at once, both ask.

    def claim(self, key: int, now: float, until: float) -> bool:
        """Say that this process asks a server for what is to be stored under a key. Return whether there was room."""
        at = _claim_of(key)
        if self._claims[at] not in (0, key) and self._claims[at + 1] > now * 1000:
            return False
        self._claims[at], self._claims[at + 1] = key, int(until * 1000)
        return True

    def release(self, key: int) -> None:
        """Say that it asks no more."""
        at = _claim_of(key)
        if self._claims[at] == key:
            self._claims[at] = 0

    def is_claimed(self, key: int, now: float) -> bool:
        """Tell whether a process asks for it."""
        at = _claim_of(key)
        return self._claims[at] == key and self._claims[at + 1] > now * 1000

    def all_keys(self) -> list[int]:
        """Return the keys of all entries."""
        return [key for key in self._keys.tolist() if key]

    def counts(self) -> dict[str, int]:
        """Return what an operator may want to know."""
        words = self._words
        return {
            "entries": words[ENTRIES],
            "bytes": words[USED],
            "limit": self.limit,
            "stored": words[STORED],
            "evicted": words[EVICTED],
            "broken": words[DROPPED],
        }

    def close(self) -> None:
        """Let go of it."""
        for view in (self._words, self.changes, self._claims, self._keys, self._sizes, self._marks):
            view.release()
        os.close(self._fd)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        fcntl.lockf(self._fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN)

    def _place(self, key: int) -> tuple[int, list[int]]:
        """Return the place of a key; a new one may push out the least asked for of its set, which is returned too."""
        first = (key >> 16) & self._mask
        keys = self._keys[first : first + WAYS].tolist()
        for wanted in (key, 0):
            if wanted in keys:
                return first + keys.index(wanted), []
        marks = bytes(self._marks[first : first + WAYS])
        place = first + marks.index(min(marks))
        victim = int(self._keys[place])
        self._drop(place)
        return place, [victim]

    def _sweep(self, spared: int) -> int | None:
        """Let the hand go on to what has to go next; None where there is nothing but the spared place."""
        words, keys, marks = self._words, self._keys, self._marks
        places, hand = len(keys), words[_HAND]
        for step in range(places * (_MOST_MARKS + 1)):
            hand = (hand + 1) % places
            if not (key := keys[hand]) or hand == spared:
                continue
            if marks[hand] and step < _PATIENCE:
                marks[hand] -= 1
                continue
            words[_HAND] = hand
            self._drop(hand)
            return int(key)
        return None

    def _drop(self, place: int) -> None:
        words = self._words
        self.changes[self._keys[place] & (_CHANGES - 1)] += 1
        words[USED] -= min(words[USED], self._sizes[place])
        words[ENTRIES] -= 1
        self._keys[place] = self._sizes[place] = self._marks[place] = 0
