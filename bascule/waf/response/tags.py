"""HTML as a stream of which only a few tags are looked at, to put something before them or in their places.

Comments, scripts, styles and text areas are left alone. Of an incomplete tag at most `MAX_TAG` bytes are kept back.
"""

from __future__ import annotations

import html
import re
from abc import ABC, abstractmethod
from typing import ClassVar

MAX_TAG = 8192
_ENDS = {b"!--": re.compile(rb"--!?>"), b"script": re.compile(rb"</script", re.IGNORECASE),
         b"style": re.compile(rb"</style", re.IGNORECASE), b"textarea": re.compile(rb"</textarea", re.IGNORECASE),
         b"title": re.compile(rb"</title", re.IGNORECASE)}  # fmt: skip
"""What ends content in which there are no tags (HTML 13.2.5)."""
MAX_BROKEN = 16
"""Tags without an end that are gone by in one piece: to see that it is none costs a look at all of the piece."""
ATTRIBUTE = re.compile(rb"""([^\s"'>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?""")
"""An attribute: its name, and its value in double quotes, in single quotes or in none."""


def tag_pattern(*names: bytes) -> re.Pattern[bytes]:
    """Return what finds tags of these names (`name`, and `rest` if their end is here), or what holds none (`skip`)."""
    return re.compile(
        rb"""<(?:(?P<skip>!--|script\b|style\b|textarea\b|title\b)|(?P<name>%b)"""
        rb"""(?=[\s/>])(?:(?P<rest>(?:[^>"']++|"[^"]*"|'[^']*')*+)>)?)""" % b"|".join(names),
        re.IGNORECASE,
    )


class TagStream(ABC):
    """One page on its way through. What `changed` returns for a tag stands in its place."""

    __slots__ = ("_end", "_kept")
    names: ClassVar[tuple[bytes, ...]]
    """The tags that are looked at."""
    pattern: ClassVar[re.Pattern[bytes]]
    """`tag_pattern` of them."""

    def __init__(self) -> None:
        self._kept = b""
        self._end: re.Pattern[bytes] | None = None
        """What ends the content without tags that is open."""

    @abstractmethod
    def changed(self, found: re.Match[bytes]) -> bytes | None:
        """Return what is to stand in the place of a tag (a match of `pattern`); None where it stays."""

    @property
    def holds(self) -> bool:
        """Whether something is kept back."""
        return bool(self._kept)

    def feed(self, data: bytes, last: bool = False) -> bytes:
        """Take a piece, return what may go out."""
        text = self._kept + data
        out: list[bytes] = []
        at = start = judged = broken = 0
        while True:
            if self._end is not None:
                found = self._end.search(text, at)
                if found is None:
                    at = max(at, len(text) - 12)
                    break
                at, self._end = found.end(), None
                judged = at
            tag = self.pattern.search(text, at)
            if tag is None or broken == MAX_BROKEN:
                at = self._unfinished(text, judged)
                break
            at = tag.end()
            if tag["skip"] is None and tag["rest"] is None:
                if not last and len(text) - tag.start() <= MAX_TAG:  # cut: what looks like a tag in it may be none
                    at = tag.start()
                    break
                broken += 1
                continue
            judged = at
            if tag["skip"] is not None:
                self._end = _ENDS[tag["skip"].lower()]
                if tag["skip"] == b"!--":
                    at -= 2  # `<!-->` is a whole comment
            elif (changed := self.changed(tag)) is not None:
                out += (text[start : tag.start()], changed)
                start = at
        cut = len(text) if last or len(text) - at > MAX_TAG else at
        self._kept = text[cut:]
        return b"".join((*out, text[start:cut]))

    def _unfinished(self, text: bytes, at: int) -> int:
        """Return up to where no tag can be that is not complete."""
        opened = text.find(b"<", max(at, len(text) - MAX_TAG))
        while opened >= 0:
            low = text[opened + 1 : opened + 10].lower()
            if any(low.startswith(name) or name.startswith(low) for name in (*_ENDS, *self.names)):
                return opened
            opened = text.find(b"<", opened + 1)
        return len(text)


class InsertingStream(TagStream):
    """A page into which something is put, before the tags of forms or the end of the body."""

    __slots__ = ()
    names = (b"form", b"/form", b"input", b"/body")
    pattern = tag_pattern(*names)

    @abstractmethod
    def before(self, name: bytes, rest: bytes) -> bytes | None:
        """Return what is to be put before a tag with these attributes; None where nothing is."""

    def changed(self, found: re.Match[bytes]) -> bytes | None:
        """See TagStream."""
        more = self.before(found["name"].lower(), found["rest"])
        return None if more is None else more + found[0]


def attributes(rest: bytes) -> dict[bytes, bytes]:
    """Return the attributes of a tag by lower-case name; of one given twice the first counts."""
    found = reversed(ATTRIBUTE.findall(rest))
    return {key.lower(): plain(a or b or c) for key, a, b, c in found}


def plain(value: bytes) -> bytes:
    """Return an attribute's value without character references, as the client will send it in UTF-8."""
    if b"&" not in value:
        return value
    return html.unescape(value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
