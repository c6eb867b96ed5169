"""Pages compared with copies known to be good: a defaced one is told, and may be replaced by its copy.

A copy is a file: one line of JSON (`Copy`), then the content. `bascule pages keep` writes them; they are read once,
when the firewall is loaded.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import msgspec

from bascule.config.grammar import compile_pattern
from bascule.config.response import PageWatch
from bascule.state.files import write_whole

CHANGED = 720_001
MAX_BYTES = 512 * 1024
"""Largest page: what the firewall holds of a response."""


class Copy(msgspec.Struct, frozen=True):
    """What is known of a copy beside its content."""

    path: str
    content_type: str
    kept: str
    """When it was made, ISO 8601."""


class Page(NamedTuple):
    """A page as it should be."""

    digest: bytes
    content_type: bytes
    content: bytes


class PageError(ValueError):
    """A copy that is missing or cannot be read; says which, and the remedy."""


def file_of(watch: PageWatch, path: str) -> Path:
    """Return the file of a page's copy."""
    return Path(watch.copies) / (hashlib.sha256(path.encode()).hexdigest()[:32] + ".page")


def write(watch: PageWatch, copy: Copy, content: bytes) -> None:
    """Write a page's copy, whole or not at all. Raises OSError."""
    file = file_of(watch, copy.path)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, msgspec.json.encode(copy) + b"\n" + content, 0o644)


class Pages:
    """The pages of one route that are watched, by their path."""

    def __init__(self, watch: PageWatch) -> None:
        """Raises PageError where a copy is missing."""
        self._ignore = [compile_pattern(pattern) for pattern in watch.ignore]
        self.restore = watch.restore
        self.by_path = {path.encode(): self._read(watch, path) for path in watch.paths}

    def _read(self, watch: PageWatch, path: str) -> Page:
        file = file_of(watch, path)
        try:
            line, _, content = file.read_bytes().partition(b"\n")
            copy = msgspec.json.decode(line, type=Copy)
        except FileNotFoundError:
            raise PageError(
                f"there is no copy of {path} in {watch.copies}: make it with `bascule pages keep`"
            ) from None
        except (OSError, msgspec.DecodeError) as error:
            raise PageError(f"the copy of {path}, {file}, cannot be read: {error}") from None
        return Page(self.digest(content), copy.content_type.encode("latin-1", "replace"), content)

    def digest(self, content: bytes) -> bytes:
        """Return what identifies a page's content, without what may differ."""
        for pattern in self._ignore:
            content = pattern.sub(b"", content)
        return hashlib.sha256(content).digest()
