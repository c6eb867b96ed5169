"""Responses as files of a folder: one file a response, named by its key, put in place whole by a rename.

A file is a fixed start, the content, and the record (`entry.py`) that is complete only when the content is. The start
has lengths and checksums, so that what was cut short or changed is found out and dropped.
"""

from __future__ import annotations

import itertools
import os
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from bascule.cache.body import Body, File, Room, write_all
from bascule.cache.entry import Record, decode, encode
from bascule.cache.index import ChangedError, Index, Since

_START = struct.Struct("<4sIIIQ")  # magic, length and CRC of the record, CRC and length of the content
_MAGIC = b"BSC2"
_RECORD_ROOM = 1 << 18
"""Bytes of the longest record: a head of a server may be as long (upstream/connection.py)."""
_READ = 16384
"""Bytes that are read at first: most responses whole."""
KEPT_IN_MEMORY = 1 << 18
"""Content up to this size is held in memory while it comes, and loaded whole."""
_BLOCK = 4096
"""What a file takes is a multiple of that, be it a page of memory or a block of a disk."""
_SHARE_ON_ITS_WAY = 4
"""A quarter of the store's size is what responses that are on their way to a worker may take beside it."""
_UNNAMED = ".new-"
_LONGEST = 3600.0
"""Seconds after which nothing is written to a file any more that has no name yet."""
_numbers = itertools.count()

Loaded = tuple[Record, Body]


class Folder:
    """The files of a store. Raises OSError where the folder cannot be used."""

    def __init__(self, path: Path, limit: int) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = path
        self.index = Index(path / "index", limit)
        self.most = limit // 8
        """Bytes of the largest response."""
        self._known: set[int] = set()
        self._room = Room(limit // _SHARE_ON_ITS_WAY)

    def load(self, key: int) -> Loaded | None:
        """Return what is stored under a key, None where there is nothing. What is broken is dropped."""
        try:
            fd = os.open(self._place(key), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        file = File(fd)
        try:
            return _read(file)
        except (OSError, ValueError):
            self.index.broken()
            self.remove(key)
            return None

    def move_out(self, body: Body, announced: int = -1) -> None:
        """Let content that is on its way go on in a file of its own, if there can be one (`body.error`).

        `announced` are the bytes that it will have in all, where that is known: then they have room.
        """
        try:
            body.move_to(self._new_file(), _START.size, announced)
        except OSError as error:
            body.give_up(error)

    def save(self, key: int, record: Record, body: Body, since: Since | None = None) -> bool:
        """Store a response whose content is whole, unless something changed `since`. Return whether it was.

        Raises OSError; then nothing is stored under the key.
        """
        if body.error is not None:
            raise body.error
        data = encode(record)
        if len(data) > _RECORD_ROOM:
            raise OSError("the head is too long to be stored")
        start = _START.pack(_MAGIC, len(data), crc32(data), body.crc, body.size)
        try:
            crowded_out = self.index.add(key, _room_of(len(start) + body.size + len(data)), since)
        except ChangedError:
            return False
        for gone in crowded_out:
            self._unlink(gone)
        try:
            file = body.file
            if file is None or not file.unnamed:
                file = self._new_file()
                body.copy_to(file.fd, len(start))
            write_all(file.fd, data, len(start) + body.size)
            write_all(file.fd, start, 0)
            self._make_room_for(key)
            os.rename(file.unnamed, self._place(key))
            file.named()
            self.index.changed(key)  # who looked before the rename holds what was there
            if self.index.place_of(key) < 0:  # pushed out again before it was in place
                self._unlink(key)
        except OSError:
            self.remove(key)
            raise
        return True

    def remove(self, key: int) -> bool:
        """Remove what is stored under a key. Return whether anything was."""
        found = self._unlink(key)
        self.index.remove(key)
        if self._unlink(key):  # another process put it in place just now
            self.index.changed(key)
            found = True
        return found

    def record(self, key: int) -> Record | None:
        """Return the record of what is stored under a key, None where there is nothing whole."""
        with suppress(OSError, ValueError):
            file = File(os.open(self._place(key), os.O_RDONLY | os.O_CLOEXEC))
            return decode(_read_record(file, os.pread(file.fd, _READ, 0))[0])
        return None

    def sweep(self) -> Iterator[None]:
        """Bring files and index together, step by step: after a crash, or where another limit made the index anew."""
        self.index.recount()
        for entry in list(os.scandir(self.path)):
            if entry.name.startswith(_UNNAMED) and _is_left(entry):
                with suppress(OSError):
                    os.unlink(entry.path)
            elif entry.is_dir() and len(entry.name) == 2:
                self._sweep_part(entry.path, entry.name)
                yield

    def _sweep_part(self, folder: str, prefix: str) -> None:
        for entry in list(os.scandir(folder)):
            try:
                key = int(prefix + entry.name, 16)
            except ValueError:
                continue
            with suppress(OSError):
                if self.index.place_of(key) < 0:
                    for gone in self.index.add(key, _room_of(entry.stat().st_size)):
                        self._unlink(gone)

    def close(self) -> None:
        """Let go of it; the files stay."""
        self.index.close()

    def _place(self, key: int) -> str:
        name = f"{key:016x}"
        return f"{self.path}/{name[:2]}/{name[2:]}"

    def _make_room_for(self, key: int) -> None:
        part = key >> 56
        if part not in self._known:
            os.makedirs(f"{self.path}/{part:02x}", mode=0o700, exist_ok=True)
            self._known.add(part)

    def _new_file(self) -> File:
        """Return a file that has no name as a response yet. Raises OSError."""
        path = f"{self.path}/{_UNNAMED}{os.getpid()}-{next(_numbers)}"
        return File(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), path, self._room)

    def _unlink(self, key: int) -> bool:
        try:
            os.unlink(self._place(key))
        except OSError:
            return False
        return True


def _room_of(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _read(file: File) -> Loaded:
    """Return record and content of a file. Raises OSError and ValueError for what is broken."""
    data = os.pread(file.fd, _READ, 0)
    record, crc, size = _read_record(file, data)
    if size > KEPT_IN_MEMORY:
        return decode(record), Body.stored(file, _START.size, size, crc)
    body = Body(_piece(file, data, _START.size, size), complete=True)
    if body.crc != crc:
        raise ValueError("the content is broken")
    return decode(record), body


def _read_record(file: File, data: bytes) -> tuple[bytes, int, int]:
    """Return the record of a file that begins with `data`, checksum and length of its content. Raises as `_read`."""
    if len(data) < _START.size:
        raise ValueError("cut short")
    magic, length, record_crc, crc, size = _START.unpack_from(data)
    end = _START.size + size
    if magic != _MAGIC or length > _RECORD_ROOM or os.fstat(file.fd).st_size != end + length:
        raise ValueError("not a whole response")
    record = _piece(file, data, end, length)
    if crc32(record) != record_crc:
        raise ValueError("the record is broken")
    return record, crc, size


def _piece(file: File, begun: bytes, offset: int, size: int) -> bytes:
    """Return a piece of a file, whose beginning was read. Raises OSError and ValueError."""
    end = offset + size
    if end <= len(begun):
        return begun[offset:end]
    piece = os.pread(file.fd, size, offset)
    if len(piece) != size:
        raise ValueError("cut short")
    return piece


def _is_left(entry: os.DirEntry[str]) -> bool:
    """Whether a file without a name is left over: its process is gone, or would have been done long ago."""
    pid = entry.name.removeprefix(_UNNAMED).partition("-")[0]
    try:
        return not os.path.exists(f"/proc/{pid}") or entry.stat().st_mtime < time.time() - _LONGEST
    except OSError:
        return False
