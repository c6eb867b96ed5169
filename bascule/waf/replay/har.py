"""HTTP Archive (HAR 1.2) files, as browsers' developer tools save them: read entry by entry, never whole."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from bascule.waf.replay.records import MAX_RECORD, Recorded, ReplayError, complete

_TOKENS = re.compile(rb'["\\{}\[\]]')
_STRING = re.compile(rb'["\\]')
_ENTRIES = re.compile(rb'"entries"\s*:\s*\[')
_KEPT = 64
"""Bytes kept of what was searched for the list of entries: its name may be cut between two chunks."""


class _Field(msgspec.Struct):
    name: str
    value: str = ""


class _Post(msgspec.Struct):
    text: str = ""
    params: list[_Field] = []
    encoding: str = ""


class _Request(msgspec.Struct):
    method: str
    url: str
    headers: list[_Field] = []
    http_version: str = msgspec.field(default="", name="httpVersion")
    post: _Post | None = msgspec.field(default=None, name="postData")


class _Response(msgspec.Struct):
    status: int = 0


class _Entry(msgspec.Struct):
    request: _Request
    response: _Response = msgspec.field(default_factory=_Response)


def read_har(chunks: Iterable[bytes]) -> Iterator[Recorded]:
    """Yield the requests of a HAR file in their order. Raises ReplayError with the number of the entry."""
    items = ArrayItems()
    number = 0
    for chunk in chunks:
        for item in items.feed(chunk):
            number += 1
            yield _recorded(item, number)
        if items.held > MAX_RECORD:
            raise ReplayError(number + 1, f"the entry is longer than {MAX_RECORD >> 20} MiB")
    if not items.complete:
        raise ReplayError(number + 1, "the file ends inside its list of entries, or has none: not a whole HAR")


class ArrayItems:
    """Cuts the objects out of the first list called ``entries``, without reading what is in them."""

    def __init__(self) -> None:
        self._buffer = b""
        self._begun = False
        self._start = -1
        self._at = 0
        self._depth = 0
        self._in_string = False
        self.complete = False

    @property
    def held(self) -> int:
        """Bytes of an unfinished entry."""
        return len(self._buffer)

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take bytes and yield the objects that are complete with them."""
        if self.complete:
            return
        self._buffer += chunk
        if not self._begun:
            found = _ENTRIES.search(self._buffer)
            if found is None:
                self._buffer = self._buffer[-_KEPT:]
                return
            self._begun, self._at = True, found.end()
        yield from self._items()
        self._forget()

    def _items(self) -> Iterator[bytes]:
        buffer = self._buffer
        while found := (_STRING if self._in_string else _TOKENS).search(buffer, self._at):
            token, self._at = found[0], found.end()
            if token == b"\\":
                if self._at >= len(buffer):
                    self._at -= 1  # what is escaped comes with the next chunk
                    return
                self._at += 1
            elif token == b'"':
                self._in_string = not self._in_string
            elif token in b"{[":
                if self._depth == 0:
                    self._start = found.start()
                self._depth += 1
            elif self._depth == 0:
                self.complete = True
                return
            else:
                self._depth -= 1
                if self._depth == 0:
                    yield buffer[self._start : self._at]
                    self._start = -1
        self._at = len(buffer)

    def _forget(self) -> None:
        """Drop what was read, but an entry that has only begun."""
        keep = self._start if self._start >= 0 else self._at
        self._buffer, self._at = self._buffer[keep:], self._at - keep
        self._start = 0 if self._start >= 0 else -1


def _recorded(item: bytes, number: int) -> Recorded:
    try:
        entry = msgspec.json.decode(item, type=_Entry)
        request = entry.request
        url = urlsplit(request.url)
        body = _body(request.post)
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError) as error:
        raise ReplayError(number, f"not a HAR entry: {error}") from None
    target = quote(url.path or "/", safe="%/:=&?~#+!$,;'@()*[]|{}\"<>^`\\") + (f"?{url.query}" if url.query else "")
    return complete(
        Recorded(
            request.method.encode("latin-1", "replace"),
            target.encode("utf-8", "replace"),
            [
                (field.name.lower().encode("latin-1", "replace"), field.value.encode("utf-8", "replace"))
                for field in request.headers
                if not field.name.startswith(":")  # HTTP/2's pseudo-header fields
            ],
            body,
            version=b"1.0" if request.http_version.upper() == "HTTP/1.0" else b"1.1",
            place=number,
            status=entry.response.status,
        ),
        url.netloc.rpartition("@")[2].encode("utf-8", "replace"),
    )


def _body(post: _Post | None) -> bytes:
    if post is None:
        return b""
    if post.encoding == "base64":
        return base64.b64decode(post.text)
    if post.text:
        return post.text.encode("utf-8", "replace")
    return urlencode([(field.name, field.value) for field in post.params]).encode()
