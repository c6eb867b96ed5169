"""Whether a new password is weak, or known from breaches.

The list of Have I Been Pwned is looked up on this machine: SHA-1 hashes in upper-case hexadecimal with how often each
was seen, as its range interface and its downloader write them. Nothing of a password leaves the machine, nothing of it
is kept, and no more of the list than a line is in memory. It is read, not mapped: what is mapped and then cut short by
somebody who writes over it kills who looks (SIGBUS).
"""

from __future__ import annotations

import hashlib
import os
import weakref
from itertools import pairwise
from typing import Final

PASSWORD_WORD = "x-bascule-password"  # noqa: S105 - a name
"""What a server is told of a new password, and nobody but Bascule may tell."""
PREFIX: Final = 5
"""Hexadecimal digits of a prefix: there is a range for each (k-anonymity, Pwned Passwords API v3)."""
RANGE_MAX: Final = 1 << 20
"""Bytes of a range that are read; the largest of 2024 has about 100 KiB."""
_HASH: Final = 40
_LINE_MAX: Final = 64
"""Bytes of a line: a hash, a colon, a count, the end of the line."""


class BreachedError(OSError):
    """A list cannot be used; the text says why."""


class Breached:
    """A list of passwords known from breaches: a file, or a folder of ranges. Raises BreachedError."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._folder = os.path.isdir(path)
        self._file = -1
        if self._folder:
            if not os.path.isfile(self._range(b"0" * PREFIX)):
                raise BreachedError(f"{path} has no file 00000.txt, so it is no folder of ranges")
            return
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            weakref.finalize(self, os.close, self._file)
            os.posix_fadvise(self._file, 0, 0, os.POSIX_FADV_RANDOM)
            size = os.fstat(self._file).st_size
        except OSError as error:
            raise BreachedError(f"{path} cannot be read: {error.strerror}") from None
        for at in (0, size // 2):
            if not _is_line(self._line(at)[1]):
                raise BreachedError(f"{path} has other lines than HASH:COUNT with an SHA-1 in upper case")

    def count(self, password: bytes) -> int:
        """Return how often a password was seen in breaches; 0 for never. It may have to wait for the disk."""
        digest = hashlib.sha1(password, usedforsecurity=False).hexdigest().upper().encode()
        return self._in_folder(digest) if self._folder else self._in_file(digest)

    def _range(self, prefix: bytes) -> str:
        return os.path.join(self._path, f"{prefix.decode()}.txt")

    def _in_folder(self, digest: bytes) -> int:
        try:
            with open(self._range(digest[:PREFIX]), "rb") as stream:
                content = b"\n" + stream.read(RANGE_MAX)
        except FileNotFoundError:
            return 0
        at = content.find(b"\n" + digest[PREFIX:] + b":")
        return _count(content[at + 1 : at + _LINE_MAX].split(b"\n")[0]) if at >= 0 else 0

    def _in_file(self, digest: bytes) -> int:
        """Search by halves: each step looks at one line."""
        low, high = 0, os.fstat(self._file).st_size
        while low < high:
            start, line = self._line((low + high) // 2)
            if start < 0:
                return 0
            found = line[:_HASH]
            if found == digest:
                return _count(line)
            if found < digest:
                low = start + len(line) + 1
            else:
                high = start
        return 0

    def _line(self, at: int) -> tuple[int, bytes]:
        """Return where the line begins that holds a byte (-1: there is no such byte), and the line without its end."""
        first = max(0, at - _LINE_MAX)
        around = os.pread(self._file, at + _LINE_MAX - first, first)
        if len(around) <= at - first:
            return -1, b""
        begin = around.rfind(b"\n", 0, at - first) + 1
        end = around.find(b"\n", at - first)
        return first + begin, around[begin : end if end >= 0 else len(around)]


def _is_line(line: bytes) -> bool:
    digest, colon, count = line.rstrip(b"\r").partition(b":")
    known = len(digest) == _HASH and not digest.translate(None, b"0123456789ABCDEF")
    return known and bool(colon) and count.isdigit()


def _count(line: bytes) -> int:
    number = line.rpartition(b":")[2].strip()
    return int(number) if number.isdigit() else 0


def weakness(password: bytes, accounts: tuple[bytes, ...], length: int) -> str:
    """Return why a password is weak whatever lists say (NIST SP 800-63B 5.1.1.2); empty if it is not."""
    text = password.decode("utf-8", "replace")
    if len(text) < length:
        return f"shorter than {length} characters"
    lower = text.lower()
    for account in accounts:
        name = account.decode("utf-8", "replace").lower()
        if name and lower in (name, name.partition("@")[0], name[::-1]):
            return "the account's own name"
    if len(set(lower)) <= 2:
        return "hardly two different characters"
    steps = {ord(after) - ord(before) for before, after in pairwise(lower)}
    if steps in ({1}, {-1}):
        return "characters in a row"
    return ""
