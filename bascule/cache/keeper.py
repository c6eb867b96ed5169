"""What the keeper does for the store: it brings files and index together at the start, tells its numbers, and purges.

A purge is seen by all workers at once, for they ask the index, which lies in memory that all share.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from bascule.cache.entry import Meta, Record
from bascule.cache.folder import Folder
from bascule.cache.keys import uri_of
from bascule.cache.store import primary_text

_TURN = 64
"""Files that are looked at before others get their turn."""


class PurgeError(ValueError):
    """What is to be purged cannot be understood; the text says what would be."""


class CacheKeeper:
    """`labels` are the names of the routes that store responses. Raises OSError where the folder cannot be used."""

    def __init__(self, path: Path, size: int, labels: Iterable[str]) -> None:
        self._folder = Folder(path, size)
        self._labels = tuple(labels)
        self._sweeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._sweeping = asyncio.get_running_loop().create_task(self._sweep())

    async def stop(self) -> None:
        """End."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._sweeping
        self._folder.close()

    async def _sweep(self) -> None:
        for _ in self._folder.sweep():
            await asyncio.sleep(0)

    def counts(self) -> dict[str, int]:
        """Return the numbers of the store; see `Index.counts`."""
        return self._folder.index.counts()

    def purge_url(self, url: str) -> int:
        """Remove the responses of a URL, whichever route they came by. Return of how many routes. Raises PurgeError."""
        folder, uri = self._folder, normal_url(url)
        return sum(folder.remove(folder.index.key(primary_text(uri, label))) for label in self._labels)

    async def purge_prefix(self, prefix: str) -> int:
        """Remove the responses of all URLs that begin so. Return how many. Raises PurgeError."""
        beginning = normal_url(prefix)
        return await self._purge(lambda record: record.uri.startswith(beginning))

    async def purge_tag(self, tag: str) -> int:
        """Remove all responses that carry a tag. Return how many."""
        wanted = tag.encode("utf-8", "replace")
        return await self._purge(lambda record: isinstance(record, Meta) and wanted in record.tags)

    async def purge_all(self) -> int:
        """Remove all responses. Return how many."""
        return await self._purge(lambda record: True)

    async def _purge(self, concerns: Callable[[Record], bool]) -> int:
        """Remove what is concerned; what is on its way now is not stored, for it was asked for before."""
        folder, count = self._folder, 0
        folder.index.begin_epoch()
        for number, key in enumerate(folder.index.all_keys()):
            record = folder.record(key)
            if record is not None and concerns(record):
                folder.remove(key)
                count += isinstance(record, Meta)
            if number % _TURN == 0:
                await asyncio.sleep(0)
        return count


def normal_url(text: str) -> bytes:
    """Return a URL, or the beginning of one, as responses are known by. Raises PurgeError."""
    try:
        parts = urlsplit(text)
        port = parts.port or 0
    except ValueError:
        raise PurgeError(f"{text!r} is not a URL such as https://example.com/page") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not text.isascii():
        raise PurgeError(f"{text!r} is not a URL such as https://example.com/page")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    query = f"?{parts.query}" if parts.query else ""
    return uri_of(parts.scheme.encode(), host.encode(), port, (parts.path or "/").encode(), query.encode())
