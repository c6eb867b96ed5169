"""Decoys in pages: a field that people do not see and leave empty, and links that nobody follows but programs.

Neither can be seen, reached by the tab key or heard: ``aria-hidden``, ``tabindex="-1"``, and off the screen by a style;
where the policy of a page allows no such style, ``hidden`` holds. Honest crawlers stay away by ``nofollow`` and
robots.txt.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

from bascule.config.response import Decoys as DecoysConfig
from bascule.waf.response.tags import InsertingStream, attributes

_AWAY = b'aria-hidden="true" hidden style="display:block;position:absolute;left:-9999px;top:auto;overflow:hidden"'
_FIELD = (
    b'<div %b><label>Leave this field empty<input type="text" name="%b" value="" tabindex="-1" autocomplete="off">'
    b"</label></div>"
)
_LINK = b'<a href="%b" rel="nofollow" tabindex="-1" %b>Archive</a>'


class Decoys:
    """The decoys of one route."""

    def __init__(self, config: DecoysConfig) -> None:
        self.field = config.field.encode()
        """Name of the field; empty for none."""
        self.links = frozenset(path.encode() for path in config.links)
        """Paths that only decoys lead to."""
        self.markup = _FIELD % (_AWAY, self.field) if self.field else b""
        self.trail = b"".join(_LINK % (html.escape(path).encode(), _AWAY) for path in config.links)

    def filled(self, pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Return what a request has in the field; empty where a person left it so."""
        return next((value for name, value in pairs if name == self.field and value), b"") if self.field else b""

    def stream(self) -> DecoyStream:
        """Begin a page."""
        return DecoyStream(self)


class DecoyStream(InsertingStream):
    """One page on its way through: forms that are posted to this site get the field, the end of the page the links."""

    __slots__ = ("_decoys", "_posts")

    def __init__(self, decoys: Decoys) -> None:
        super().__init__()
        self._decoys = decoys
        self._posts = False

    def before(self, name: bytes, rest: bytes) -> bytes | None:
        """See InsertingStream."""
        if name == b"form":
            found = attributes(rest)
            own = not found.get(b"action", b"").strip().lower().startswith((b"http:", b"https:", b"//"))
            self._posts = own and found.get(b"method", b"").strip().lower() == b"post"
        elif name == b"/form" and self._posts:
            self._posts = False
            return self._decoys.markup
        elif name == b"/body":
            return self._decoys.trail
        return None
