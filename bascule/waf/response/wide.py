"""Responses in UTF-16 and UTF-32: shown in UTF-8 to what changes responses, and written back as they came.

Both are streams. What keeps the number of characters keeps the length. Code units that stand for nothing become U+FFFD,
as browsers show them; a piece of one at the very end stays as it is.
"""

from __future__ import annotations

import codecs

from bascule.waf.logic.charsets import LOOK, declared_codec, wide_codec

_SOON = 8
"""Bytes that tell a wide text from all others by its mark or its looks."""
_UTF_8 = codecs.getincrementaldecoder("utf-8")


class Wide:
    """The encoding of one response, told by how it begins. `codec` is empty for all but UTF-16 and UTF-32."""

    __slots__ = ("_decoder", "_kind", "_rest", "_start", "_written", "codec", "told")

    def __init__(self, content_type: bytes) -> None:
        self._kind = content_type
        self._start = b""
        self._rest = b""
        self._decoder: codecs.IncrementalDecoder | None = None
        self._written = _UTF_8("replace")
        self.codec = ""
        self.told = False
        """Whether it is known what it is."""

    def units(self, text: bytes) -> int:
        """Return how many code units a text in UTF-8 has in the response's encoding."""
        return len(text.decode("utf-8", "replace").encode(self.codec)) // (4 if self.codec[:6] == "utf-32" else 2)

    def read(self, data: bytes, end: bool, wait: bool = True) -> bytes:
        """Take a piece, return what is here of it in UTF-8. At the beginning a few bytes are waited for."""
        if not self.told:
            self._start += data
            if wait and not end and self._may_be_either():
                return b""
            data, self._start = self._start, b""
            self.told = True
            self.codec = wide_codec(self._kind, data)
            if self.codec:
                self._decoder = codecs.getincrementaldecoder(self.codec)("replace")
        if self._decoder is None:
            return data
        text = self._decoder.decode(data)
        if end:
            self._rest = self._decoder.getstate()[0]
        return text.encode()

    def _may_be_either(self) -> bool:
        start = self._start
        if len(start) < 2:
            return True
        if len(start) < _SOON and (b"\0" in start[:4] or start[0] >= 0xFE):
            return True
        return len(start) < LOOK and declared_codec(self._kind)[:6] in ("utf-16", "utf-32")

    def write(self, text: bytes, end: bool) -> bytes:
        """Return a piece of UTF-8 in the response's encoding."""
        if not self.codec:
            return text
        data = self._written.decode(text).encode(self.codec)
        return data + self._rest if end else data

    @property
    def holds(self) -> bool:
        """Whether bytes are waited for."""
        return bool(self._start)
