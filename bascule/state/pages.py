"""Pages of shared memory: which of them exist, and giving them back to the kernel."""

from __future__ import annotations

import ctypes
import mmap
from typing import cast

_libc = ctypes.CDLL(None, use_errno=True)


class Pages:
    """The pages of memory from `sets.shared_memory`."""

    __slots__ = ("_memory", "count")

    def __init__(self, view: memoryview) -> None:
        self._memory = cast("mmap.mmap", view.obj)
        self.count = -(-len(self._memory) // mmap.PAGESIZE)

    def present(self) -> bytes:
        """Return a byte for each page, odd where the page is in memory (mincore(2)). Touches none of them, as a look at
        its content would. Raises OSError."""
        vector = ctypes.create_string_buffer(self.count)
        start = ctypes.c_char.from_buffer(self._memory)
        if _libc.mincore(ctypes.byref(start), ctypes.c_size_t(len(self._memory)), vector):
            raise OSError(ctypes.get_errno(), "mincore failed")
        return vector.raw

    def discard(self, page: int) -> None:
        """Take a page from all processes: it is full of zeros from then on (madvise(2), MADV_REMOVE). Raises OSError
        where the kernel cannot."""
        self._memory.madvise(mmap.MADV_REMOVE, page * mmap.PAGESIZE, mmap.PAGESIZE)
