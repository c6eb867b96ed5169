"""An arena of shared memory: named arrays of numbers that processes forked later all see.

Layout: a header page with the length of the directory, the directory (append-only), then the segments. The directory
lies in the shared memory itself, so a segment may be made before or after a fork and is the same one everywhere.
Making a segment takes a file lock, which dies with its holder; reading and writing numbers takes none. An aligned
8-byte load or store is atomic on the machines CPython runs on; a writer owns its slots.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct

_ALIGN = 64  # a cache line: two segments never share one
_DIRECTORY_SHARE = 8  # an eighth of the arena holds the directory
_HEADER_SIZE = 16  # two u64: where the directory ends, where the segments end
_ENTRY = struct.Struct("=QQcH")  # offset, count, kind, length of the name that follows
MIN_SIZE = 1 << 16


class ArenaFullError(MemoryError):
    """No room is left for a segment; the text says how much was asked and how much there is."""


class Arena:
    """`size` bytes of anonymous shared memory; pages cost nothing until they are written to.

    Raises ValueError for a size below `MIN_SIZE`.
    """

    def __init__(self, size: int) -> None:
        if size < MIN_SIZE:
            raise ValueError(f"an arena has at least {MIN_SIZE} bytes, not {size}")
        self.size = size
        self._lock_fd = os.memfd_create("bascule-arena-lock", os.MFD_CLOEXEC)
        self._memory = mmap.mmap(-1, size, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
        self._view = memoryview(self._memory)
        self._segments_start = _aligned(size // _DIRECTORY_SHARE)
        self._known: dict[str, memoryview] = {}
        self._read_up_to = _HEADER_SIZE
        self._ends = self._view[:_HEADER_SIZE].cast("Q")
        self._ends[0], self._ends[1] = _HEADER_SIZE, self._segments_start

    def u64(self, name: str, count: int) -> memoryview:
        """Return `count` unsigned 64-bit integers, zero at first; the same ones for the same name.

        Raises ArenaFullError, and ValueError where the name stands for a segment of another kind or length.
        """
        return self._segment(name, "Q", count)

    def f64(self, name: str, count: int) -> memoryview:
        """Return `count` doubles, zero at first; otherwise like `u64`."""
        return self._segment(name, "d", count)

    def names(self) -> list[str]:
        """Return the names of all segments, also of those other processes made."""
        self._read_directory()
        return list(self._known)

    def free(self) -> int:
        """Return the bytes left for segments."""
        return self.size - int(self._ends[1])

    def close(self) -> None:
        """Let go in this process; others keep it. Segments still held keep the memory, but no new ones can be had."""
        os.close(self._lock_fd)
        for view in (self._ends, *self._known.values(), self._view):
            view.release()
        self._memory.close()

    def _segment(self, name: str, kind: str, count: int) -> memoryview:
        if count < 1:
            raise ValueError(f"segment {name!r}: the count is at least 1, not {count}")
        found = self._known.get(name)
        if found is None:
            fcntl.lockf(self._lock_fd, fcntl.LOCK_EX)
            try:
                self._read_directory()
                found = self._known.get(name)
                if found is None:
                    self._append(name, kind, count)
                    self._read_directory()
                    found = self._known[name]
            finally:
                fcntl.lockf(self._lock_fd, fcntl.LOCK_UN)
        if found.format != kind or len(found) != count:
            raise ValueError(
                f"segment {name!r} holds {len(found)} of {found.format!r}, but {count} of {kind!r} were asked for"
            )
        return found

    def _append(self, name: str, kind: str, count: int) -> None:
        directory_end, segments_end = self._ends
        text = name.encode()
        entry_end = directory_end + _ENTRY.size + len(text)
        if entry_end > self._segments_start:
            raise ArenaFullError(f"no room for the name of segment {name!r}: {len(self._known)} segments are in use")
        end = segments_end + _aligned(count * 8)
        if end > self.size:
            raise ArenaFullError(
                f"no room for segment {name!r}: {count * 8} bytes asked, {self.size - segments_end} of {self.size} left"
            )
        _ENTRY.pack_into(self._memory, directory_end, segments_end, count, kind.encode(), len(text))
        self._memory[directory_end + _ENTRY.size : entry_end] = text
        # In this order, so that a process killed in between leaves no half entry behind, only unused room.
        self._ends[1] = end
        self._ends[0] = entry_end

    def _read_directory(self) -> None:
        end = self._ends[0]
        while self._read_up_to < end:
            offset, count, kind, length = _ENTRY.unpack_from(self._memory, self._read_up_to)
            start = self._read_up_to + _ENTRY.size
            name = bytes(self._memory[start : start + length]).decode()
            self._known[name] = self._view[offset : offset + count * 8].cast(kind.decode())
            self._read_up_to = start + length


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGN) * _ALIGN
