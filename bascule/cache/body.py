"""The content of a response, whole or still growing, in memory or in a file."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from zlib import crc32

_PIECE = 1 << 18
"""Bytes that are copied at a time."""


class Room:
    """Bytes that the files may take together which have no name yet: no index counts these."""

    __slots__ = ("left",)

    def __init__(self, size: int) -> None:
        self.left = size


class File:
    """An open file, closed with its last user; one that has yet no name as a response goes with it."""

    __slots__ = ("_room", "_taken", "fd", "unnamed")

    def __init__(self, fd: int, unnamed: str = "", room: Room | None = None) -> None:
        self.fd = fd
        self.unnamed = unnamed
        """Its path, as long as it is not put in place."""
        self._room = room
        self._taken = 0

    def reserve(self, size: int) -> None:
        """Have room for `size` bytes in all. Raises OSError where others take it."""
        if self._room is not None and (more := size - self._taken) > 0:
            if more > self._room.left:
                raise OSError(errno.ENOSPC, "too much is on its way at once")
            self._room.left -= more
            self._taken = size

    def named(self) -> None:
        """It was put in place: from now on the index counts it."""
        self.unnamed = ""
        self._give_back()

    def _give_back(self) -> None:
        if self._room is not None:
            self._room.left += self._taken
            self._room = None

    def __del__(self) -> None:
        os.close(self.fd)
        self._give_back()
        if self.unnamed:
            with suppress(OSError):
                os.unlink(self.unnamed)


class Body:
    """Content that is read by its offsets. `complete` says whether all of it is here; `size` is what is."""

    __slots__ = ("_in_file", "_memory", "_start", "complete", "crc", "error", "file", "size")

    def __init__(self, content: bytes = b"", complete: bool = False) -> None:
        self._memory: bytes | bytearray = content if complete else bytearray(content)
        self.file: File | None = None
        """Where it is, unless that is memory."""
        self._start = 0
        self._in_file = 0
        """Bytes that the file took before it took no more; what came after them is in memory."""
        self.error: OSError | None = None
        """Why the file takes no more: this content cannot be stored."""
        self.size = len(content)
        self.crc = crc32(content)
        """CRC-32 of what is here; of a stored one, what it was when it was stored."""
        self.complete = complete

    @classmethod
    def stored(cls, file: File, start: int, size: int, crc: int) -> Body:
        """Return content that begins at an offset of a file."""
        body = cls(complete=True)
        body.file, body._start, body.size, body.crc = file, start, size, crc
        return body

    def append(self, content: bytes) -> None:
        """Add what came; where the file takes no more, to memory."""
        if self.file is None or self.error is not None:
            self._memory += content
        else:
            try:
                self.file.reserve(self.size + len(content))
                write_all(self.file.fd, content, self._start + self.size)
            except OSError as error:
                self.give_up(error)
                self._in_file, self._memory = self.size, bytearray(content)
        self.size += len(content)
        self.crc = crc32(content, self.crc)

    def move_to(self, file: File, start: int, announced: int) -> None:
        """Go on in a file, from an offset on; `announced` bytes are to come in all. Raises OSError."""
        file.reserve(max(announced, self.size))
        write_all(file.fd, self._memory, start)
        self.file, self._start, self._memory = file, start, b""

    def give_up(self, error: OSError) -> None:
        """Note why there is no file for it, or for the rest of it."""
        self.error = error.with_traceback(None)  # whose frames hold this body, and so its file, for ever

    def read(self, offset: int, most: int) -> bytes:
        """Return up to `most` bytes from `offset` on. Raises OSError."""
        if self.file is None:
            if not offset and len(self._memory) <= most and type(self._memory) is bytes:
                return self._memory
            return bytes(self._memory[offset : offset + most])
        wanted = min(most, self.size - offset)
        here = wanted if self.error is None else max(0, min(wanted, self._in_file - offset))
        content = os.pread(self.file.fd, here, self._start + offset) if here else b""
        if here < wanted:
            begin = offset + here - self._in_file
            content += self._memory[begin : begin + wanted - here]
        return content

    def settle(self) -> None:
        """All of it is here."""
        self.complete = True
        if self.file is None:
            self._memory = bytes(self._memory)

    def copy_to(self, fd: int, offset: int) -> None:
        """Write all of it to another file. Raises OSError."""
        if self.file is None:
            write_all(fd, self._memory, offset)
            return
        done = 0
        while done < self.size:
            try:
                copied = os.copy_file_range(self.file.fd, fd, self.size - done, self._start + done, offset + done)
            except OSError:  # not between these files: by way of memory
                copied = 0
            if not copied:
                content = self.read(done, _PIECE)
                write_all(fd, content, offset + done)
                copied = len(content)
            done += copied


def write_all(fd: int, content: bytes | bytearray, offset: int) -> None:
    """Write content at an offset. Raises OSError."""
    with memoryview(content) as view:  # let go of whatever happens: an error that is kept would hold the view
        done = 0
        while done < len(view):
            done += os.pwrite(fd, view[done:], offset + done)
