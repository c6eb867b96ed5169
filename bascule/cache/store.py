"""The store as a worker sees it: the folder that all share, and what it keeps at hand of that.

What a worker holds is true as long as the index counts no change of its key; a purge is therefore in force in all
workers the moment it is counted.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from bascule.cache import keys
from bascule.cache.body import Body
from bascule.cache.entry import Marker, Meta
from bascule.cache.folder import Folder
from bascule.cache.hot import Entry, Hot
from bascule.cache.index import Since
from bascule.http.h1.head import ResponseParser
from bascule.http.message import RequestHead, ResponseHead

_TOUCH = 1.0
"""Seconds between two times that a worker tells the index of an entry that it is asked for."""


@dataclass(slots=True)
class Look:
    """What was found for a request, and what has to be the same still when its response is stored."""

    uri: bytes
    label: str
    primary: int
    key: int
    """Under which its response is, or would be; of a URI not known yet, or that does not vary, the primary one."""
    marker: Marker | None
    entry: Entry | None
    change: int
    epoch: int


class Store:
    """Raises OSError where the folder cannot be used. `hot` is in bytes."""

    def __init__(self, folder: Folder, hot: int, parser: ResponseParser) -> None:
        self.folder = folder
        self._index = folder.index
        self._hot = Hot(hot)
        self._parser = parser

    @property
    def most(self) -> int:
        """Bytes of the largest response."""
        return self.folder.most

    def look(self, uri: bytes, label: str, head: RequestHead, now: float) -> Look:
        """Look for a response that matches a request (RFC 9111 4); `now` is monotonic."""
        index = self._index
        primary = key = index.key(primary_text(uri, label))
        change, epoch = index.change_of(primary), index.epoch
        item = self._get(key, uri, now)
        marker = None
        if isinstance(item, Marker):
            marker, said = item, keys.variant(head, item.names)
            key = index.key(variant_text(uri, label, item, said))
            item = self._get(key, uri, now)
            if isinstance(item, Entry) and item.meta.variant != said:
                item = None
        entry = item if isinstance(item, Entry) else None
        return Look(uri, label, primary, key, marker, entry, change, epoch)

    def _get(self, key: int, uri: bytes, now: float) -> Entry | Marker | None:
        change = self._index.change_of(key)
        held = self._hot.get(key)
        if held is not None and held.change == change:
            held.used = True
            if now - held.touched > _TOUCH:
                held.touched = now
                self._index.touch(held.place, key)
            return held.item
        loaded = self.folder.load(key)
        if loaded is None:
            self._hot.drop(key)
            return None
        record, body = loaded
        if record.uri != uri:
            return None
        item = record if isinstance(record, Marker) else Entry(key, record, body, self._parser)
        place = self._index.place_of(key)
        self._index.touch(place, key)
        self._hot.put(key, item, change, place)
        return item

    def entry(self, meta: Meta, body: Body) -> Entry:
        """Return an entry as it would be loaded."""
        return Entry(0, meta, body, self._parser)

    def names_for(self, look: Look, head: ResponseHead, forced: tuple[bytes, ...]) -> tuple[bytes, ...] | None:
        """Return by what responses of a URI vary, now that this one came; None where that is too much.

        What one response varies by, all of its URI are kept by: that can only part what could have been shared.
        """
        own = keys.varies_by(head)
        if own is None:
            return None
        names = own | set(forced) | set(look.marker.names if look.marker is not None else ())
        return tuple(sorted(names)) if len(names) <= keys.MOST_NAMES else None

    def save(self, look: Look, names: tuple[bytes, ...], meta: Meta, body: Body) -> bool:
        """Store a response to the request of `look`, unless its URI was changed or purged since. Return whether it was.

        Raises OSError.
        """
        since: Since | None = (look.primary, look.change, look.epoch)
        if not names:
            return self.folder.save(look.primary, meta, body, since) and self._still(look, look.primary)
        marker = look.marker
        if marker is None or marker.names != names:
            marker = Marker(look.uri, names, secrets.token_bytes(8))
            if not self.folder.save(look.primary, marker, Body(complete=True), since):
                return False
            since = None  # a purge from now on removes the marker, without which nothing finds the variant
        key = self._index.key(variant_text(look.uri, look.label, marker, meta.variant))
        return self.folder.save(key, meta, body, since) and self._still(look, key)

    def _still(self, look: Look, key: int) -> bool:
        """Take back what was stored while a purge began."""
        if self._index.epoch == look.epoch:
            return True
        self.folder.remove(key)
        return False

    def remove(self, uri: bytes, label: str) -> bool:
        """Remove all responses of a URI (RFC 9111 4.4). Return whether there were any."""
        return self.folder.remove(self._index.key(primary_text(uri, label)))

    def drop(self, look: Look) -> None:
        """Remove the one response that was found."""
        self.folder.remove(look.key)

    def close(self) -> None:
        """Let go of it."""
        self.folder.close()


def primary_text(uri: bytes, label: str) -> bytes:
    """Return what the key of a URI is made of: routes that share a URI do not share responses."""
    return b"%b\n%b" % (label.encode(), uri)


def variant_text(uri: bytes, label: str, marker: Marker, said: bytes) -> bytes:
    """Return what the key of a variant is made of."""
    return b"%b\n%b\n%b" % (primary_text(uri, label), marker.nonce, said)
