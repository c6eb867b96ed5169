"""Checks of uploaded files: name, extension, size, number, and whether the content is what it says."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import TYPE_CHECKING

import re2

from bascule.config.filters import Uploads
from bascule.waf.bodies.multipart import NUL_IN_HEAD, Part

if TYPE_CHECKING:
    from bascule.waf.filters.head import Found
    from bascule.waf.request import RequestView
    from bascule.waf.transaction import Transaction

OVERHEAD = 64 * 1024
"""Bytes of a multipart body that its boundaries, heads and fields may take beside the files."""
SEARCHED = 64 * 1024
"""Bytes of a picture in which PHP is looked for."""
_CONTROLS = bytes((*range(32), 127))
_SCRIPT = re2.compile(
    rb"(?i)\.(?:php[0-9]?|phtml|pht|phar)(?:$|[\x00;:/\\. ])"  # Apache runs shell.php.jpg where AddHandler says so
    rb"|\.(?:aspx?|ashx|asmx|ascx|asa|cer|jspx?|jspf|jsw|jsv|cfml?|cfc|cgi|shtml)(?:$|[\x00;:/\\ ]|\.+$)"
    rb"|(?:^|[/\\])(?:\.htaccess|\.user\.ini|web\.config)[. ]*$"
)
_PICTURES = frozenset((b"jpg", b"jpeg", b"png", b"gif", b"webp", b"bmp", b"ico"))
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OLE = (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",)
MAGIC: dict[bytes, tuple[bytes, ...]] = {
    b"jpg": (b"\xff\xd8\xff",), b"jpeg": (b"\xff\xd8\xff",), b"png": (b"\x89PNG\r\n\x1a\n",),
    b"gif": (b"GIF87a", b"GIF89a"), b"webp": (b"RIFF",), b"bmp": (b"BM",), b"ico": (b"\0\0\1\0",),
    b"tif": (b"II*\0", b"MM\0*"), b"tiff": (b"II*\0", b"MM\0*"), b"pdf": (b"%PDF-",),
    b"zip": _ZIP, b"docx": _ZIP, b"xlsx": _ZIP, b"pptx": _ZIP, b"odt": _ZIP, b"ods": _ZIP, b"odp": _ZIP, b"jar": _ZIP,
    b"doc": _OLE, b"xls": _OLE, b"ppt": _OLE, b"gz": (b"\x1f\x8b",), b"7z": (b"7z\xbc\xaf\x27\x1c",),
}  # fmt: skip
"""First bytes of files by their extension."""
_PROGRAMS = (b"MZ", b"\x7fELF", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"#!/")


class UploadCheck:
    """What one firewall asks of uploads."""

    def __init__(self, uploads: Uploads, is_on: Container[str]) -> None:
        self._allow = frozenset(extension.encode() for extension in uploads.allow)
        self._deny = frozenset(extension.encode() for extension in uploads.deny)
        self._max_size, self._max_files = uploads.max_size, uploads.max_files
        self._match = uploads.match_content
        self._scripts, self._programs = "upload-script" in is_on, "upload-program" in is_on
        self._names, self._hidden = "upload-name" in is_on, "upload-hidden-script" in is_on
        self.needed = uploads != Uploads() or self._scripts or self._programs or self._names or self._hidden

    def head(self, t: RequestView) -> Found | None:
        """Judge an upload by its announced length, before any of it is here."""
        length = t.header(b"content-length") or b""
        if self._max_size and length.isdigit() and int(length) > self._max_size * max(self._max_files, 1) + OVERHEAD:
            return 706_004, b"FILES", b"%b bytes" % length
        return None

    def body(self, t: Transaction) -> list[Found]:
        """Judge the files of a body, or what is here of them."""
        files, count = t.parts.files, t.parts.files_count
        broken: list[Found] = []
        if self._max_files and count > self._max_files:
            broken.append((706_005, b"FILES", b"%d files" % count))
        if self._names and t.parts.error.endswith(NUL_IN_HEAD):
            broken.append((706_007, b"FILES", b"NUL in the head of a part"))
        for part in files:
            name = b"FILES:" + part.name
            broken += [(rule, name, part.filename) for rule in self._file(part)]
        return broken

    def _file(self, part: Part) -> Iterator[int]:
        name, content = part.filename, part.content
        extension = name.rstrip(b" .").rpartition(b".")[2].lower() if b"." in name else b""
        if self._names and len(name.translate(None, _CONTROLS)) != len(name):
            yield 706_007
        if self._scripts and _SCRIPT.search(name) is not None:
            yield 706_001
        if (self._allow and extension not in self._allow) or extension in self._deny:
            yield 706_003
        if self._max_size and part.size > self._max_size:
            yield 706_004
        if not content or part.offset:
            return
        if self._programs and content.startswith(_PROGRAMS):
            yield 706_002
        if self._match and (starts := MAGIC.get(extension)) and not content.startswith(starts):
            yield 706_006
        if self._hidden and extension in _PICTURES and b"<?php" in content[:SEARCHED].lower():
            yield 706_008
