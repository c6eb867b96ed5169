"""What the first bytes of a response say that it is, whatever its server calls it; and a response held until they came.

Signatures are those of the formats' own documents, as file(1) has them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from bascule.http.coding import CodingError, decode
from bascule.http.fields import list_tokens
from bascule.http.message import ResponseHead

if TYPE_CHECKING:
    from bascule.forward.exchange import ForwardExchange

ENOUGH: Final = 512
"""Bytes that tell every kind: the mark of tar is the last of them to come, at 257."""
LEAST: Final = 16
"""Bytes that are awaited however slowly they come: those of all marks at the beginning."""
PATIENCE: Final = 0.5
"""Seconds that a response is held for more than `LEAST`."""
_SIGNATURES: Final[tuple[tuple[bytes, str], ...]] = (
    (b"MZ", "program"),  # Windows
    (b"\x7fELF", "program"),
    (b"\xfe\xed\xfa\xce", "program"),  # Mach-O, both sizes and orders of bytes
    (b"\xfe\xed\xfa\xcf", "program"),
    (b"\xce\xfa\xed\xfe", "program"),
    (b"\xcf\xfa\xed\xfe", "program"),
    (b"\xca\xfe\xba\xbe", "program"),  # Mach-O for several machines, and Java
    (b"dex\n", "program"),  # Android
    (b"L\0\0\0\x01\x14\x02\0", "program"),  # Windows shortcut
    (b"#!", "script"),
    (b"PK\x03\x04", "archive"),
    (b"PK\x05\x06", "archive"),
    (b"Rar!\x1a\x07", "archive"),
    (b"7z\xbc\xaf\x27\x1c", "archive"),
    (b"\x1f\x8b", "archive"),
    (b"BZh", "archive"),
    (b"\xfd7zXZ\0", "archive"),
    (b"\x28\xb5\x2f\xfd", "archive"),
    (b"MSCF", "archive"),  # cabinet
    (b"!<arch>\n", "archive"),  # Debian package
    (b"\xed\xab\xee\xdb", "archive"),  # RPM
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "office"),  # Office before 2007, and Windows Installer
    (b"{\\rtf", "office"),
    (rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$", "test-virus"),  # EICAR
)
PARTS: Final = frozenset((b"range", b"if-range"))
"""Fields by which a client would get a content without its beginning."""
_TAR: Final = slice(257, 262)
_OFFICE: Final = (b"[Content_Types].xml", b"_rels/", b"docProps/", b"mimetype")
"""What OOXML and OpenDocument files begin with, as the first name in their ZIP."""
_JAVA: Final = (b"META-INF/", b"AndroidManifest.xml", b"classes.dex")


def kind_of(start: bytes) -> str:
    """Return the kind of a content (see `Condition.content`) by its first bytes; empty if it is none of them."""
    for mark, kind in _SIGNATURES:
        if start.startswith(mark):
            return _of_zip(start) if mark == b"PK\x03\x04" else kind
    return "archive" if start[_TAR] == b"ustar" else ""


def _of_zip(start: bytes) -> str:
    """Tell documents and programs, which are ZIP files as well, by the first name in them (APPNOTE 4.3.7)."""
    name = start[30 : 30 + int.from_bytes(start[26:28], "little")]
    return "office" if name.startswith(_OFFICE) else "program" if name.startswith(_JAVA) else "archive"


def plain_start(head: ResponseHead, content: bytes) -> bytes:
    """Return what content begins with once it is decoded.

    What cannot be decoded is looked at as it comes: clients do the same with a coding that they do not know.
    """
    codings = [coding for value in head.values(b"content-encoding") for coding in list_tokens(value)]
    if not codings:
        return content[:ENOUGH]
    try:
        return decode(content, codings, ENOUGH)
    except CodingError:
        return content[:ENOUGH]


class HeldStart:
    """A response that is held until its first bytes tell what it is."""

    __slots__ = ("_content", "_exchange", "_head", "_timer")

    def __init__(self, exchange: ForwardExchange, head: ResponseHead, content: bytes) -> None:
        self._exchange = exchange
        self._head = head
        self._content = content
        self._timer: asyncio.TimerHandle | None = exchange.app.loop.call_later(PATIENCE, self._waited)

    def take(self, content: bytes, complete: bool) -> None:
        """Take more; the response goes on as soon as there is enough."""
        self._content += content
        if complete or len(self._content) >= (ENOUGH if self._timer is not None else LEAST):
            self._let_go(complete)

    def _waited(self) -> None:
        self._timer = None
        if len(self._content) >= LEAST:
            self._let_go(False)

    def _let_go(self, complete: bool) -> None:
        self.cancel()
        self._exchange.held_start = None
        self._exchange.judge_response(self._head, self._content, complete)

    def cancel(self) -> None:
        """Wait no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
