"""HTTP/1.1 heads (RFC 9112 sections 2, 3, 4, 6): bytes up to the closing empty line in, framed heads out.

Here and in block.py, whatever two readers could understand differently is refused, because request smuggling is just
that difference (RFC 9112 11.2).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from bascule.http.errors import HttpError
from bascule.http.fields import REQUEST_KINDS, RESPONSE_KINDS, TOKEN, Field, FieldParser, Kind
from bascule.http.h1.block import LONGEST_BLOCK, NO_LENGTH, Block, BlockTable, content_length, make_cuts
from bascule.http.host import split_authority
from bascule.http.message import RequestHead, ResponseHead
from bascule.telemetry import causes

HEAD_END = b"\r\n\r\n"

_VERSIONS = {b"HTTP/1.1": 1, b"HTTP/1.0": 0}
_METHODS = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT"))
_TARGET_FAULTS = bytes(0x20 if c > 0x20 and c not in (0x23, 0x7F) else 0 for c in range(256))
"""Visible ASCII but ``#``, and raw high bytes (sent by sloppy clients; the path normal form encodes them)."""
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_AUTHORITY = re.compile(rb"(?:[^/?#@\[\]:]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([\t \x21-\x7e\x80-\xff]*))?")

_REQUEST_CUTS = (b"Cookie", b"Referer")
_BODY_CUTS = (b"Content-Length", *_REQUEST_CUTS)
_BODILESS = frozenset((b"GET", b"HEAD"))
"""Methods whose requests hardly ever have a body: a length that one announces all the same stays in the block."""
_RESPONSE_CUTS = (b"Content-Length", b"ETag", b"Last-Modified")
_RECENT = 64
"""Whole response heads remembered: their Date makes them old within a second."""
_CONTENT_LENGTH = int(Kind.CONTENT_LENGTH)
_REFERER = int(Kind.REFERER)


OtherForm = Callable[[RequestHead], None]
"""Reads the target of a head that does not begin with a slash. Raises HttpError."""


class RequestParser:
    """Parses request heads under the limits of a listener. `watched` are names that routes act on.

    `other_form` reads targets that do not begin with a slash; `reverse_form` if none is given.
    """

    __slots__ = ("_body_cuts", "_cuts", "_look_up", "_max_fields", "_max_target", "_other_form", "fields")

    def __init__(
        self,
        max_fields: int = 128,
        max_target: int = 16384,
        watched: frozenset[bytes] = frozenset(),
        other_form: OtherForm | None = None,
    ) -> None:
        self._other_form = other_form or reverse_form
        self.fields = FieldParser(REQUEST_KINDS, watched)
        self._look_up = BlockTable(self._block).look_up
        self._body_cuts = make_cuts(_BODY_CUTS, REQUEST_KINDS, watched)
        self._cuts = dict.fromkeys(_METHODS, self._body_cuts)
        self._cuts.update(dict.fromkeys(_BODILESS, make_cuts(_REQUEST_CUTS, REQUEST_KINDS, watched)))
        self._max_fields = max_fields
        self._max_target = max_target

    def parse(self, data: bytes) -> RequestHead:
        """Return the head in `data`, which ends with the closing empty line.

        Raises HttpError: 400 for anything ambiguous or malformed, 414, 417, 431, 501 or 505 as RFC 9110 names them.
        """
        try:
            method, target, rest = data.split(b" ", 2)
        except ValueError:
            raise self._line_fault(data) from None
        if 0 in target.translate(_TARGET_FAULTS) or not target or len(target) > self._max_target:
            raise self._line_fault(data)
        cuts = self._cuts.get(method)
        if cuts is None:
            if not TOKEN.fullmatch(method):
                raise self._line_fault(data)
            cuts = self._body_cuts
        block, varying, passed = self._look_up(rest, cuts)
        head = RequestHead(method, target, block, varying, passed)
        if varying:
            if len(block.fields) + len(varying) > self._max_fields:
                raise HttpError(431, causes.TOO_MANY_FIELDS)
            if varying[0][2] == _CONTENT_LENGTH:  # the first of the cuts
                _set_length(head, varying[0])
            if varying[-1][2] == _REFERER:  # the last of them
                head.referer = varying[-1][1]
        if target[0] != 0x2F:
            self._other_form(head)
        return head

    def _line_fault(self, data: bytes) -> HttpError:
        """Return what is wrong with a request line, if only the version that comes after it."""
        parts = data[: data.find(b"\r\n")].split(b" ")
        if len(parts) != 3:
            return HttpError(400, causes.BAD_REQUEST_LINE)
        method, target, version = parts
        if version not in _VERSIONS:
            return _version_fault(version)
        if method not in _METHODS and not TOKEN.fullmatch(method):
            return HttpError(400, causes.BAD_METHOD)
        if len(target) > self._max_target:
            return HttpError(414, causes.TARGET_TOO_LONG)
        return HttpError(400, causes.BAD_TARGET)

    def _block(self, data: bytes) -> Block:
        """Parse what follows the target: version and fields. A block of the table is one that passed here."""
        version, *lines = data.split(b"\r\n")
        minor = _VERSIONS.get(version)
        if minor is None:
            raise _version_fault(version)
        del lines[-2:]
        if len(lines) > self._max_fields:
            raise HttpError(431, causes.TOO_MANY_FIELDS)
        block = Block(self.fields.lines(lines), minor)
        if block.chunked:
            if block.length != NO_LENGTH:
                raise HttpError(400, causes.LENGTH_WITH_TRANSFER_ENCODING)
            if not minor:
                raise HttpError(400, causes.BAD_TRANSFER_ENCODING, "HTTP/1.0 has none")
        if block.hosts != 1 and (minor or block.hosts):
            raise HttpError(400, causes.BAD_HOST, "repeated" if block.hosts else "missing")
        if minor and not block.authority:
            raise HttpError(400, causes.BAD_HOST, "empty")  # RFC 9110 4.2.1
        block.host, block.port = split_authority(block.authority)
        return block


class ResponseParser:
    """Parses response heads of servers. `watched` are names that routes act on."""

    __slots__ = ("_cuts", "_look_up", "_max_fields", "_recent", "fields")

    def __init__(self, max_fields: int = 256, watched: frozenset[bytes] = frozenset()) -> None:
        self.fields = FieldParser(RESPONSE_KINDS, watched)
        self._look_up = BlockTable(self._block).look_up
        self._cuts = make_cuts(_RESPONSE_CUTS, RESPONSE_KINDS, watched)
        self._max_fields = max_fields
        self._recent: dict[bytes, ResponseHead] = {}
        """Whole heads that answered other methods than HEAD: what is asked for often is answered alike for a second."""

    def parse(self, data: bytes, method: bytes) -> ResponseHead:
        """Return the head in `data` (see RequestParser), framed for the request method it answers (RFC 9112 6.3).

        `length` is 0 where no body can follow. A head may be that of many responses: it is for reading only.
        Raises HttpError(502).
        """
        recent = self._recent.get(data)
        if recent is not None and method != b"HEAD":
            return recent
        try:
            block, varying, passed = self._look_up(data, self._cuts)
            head = ResponseHead(block, varying, passed)
            if varying and varying[0][2] == _CONTENT_LENGTH:  # the first of the cuts
                _set_length(head, varying[0])
                head.announced = head.length
        except HttpError as error:
            if error.status == 502:
                raise
            raise HttpError(502, causes.ORIGIN_PROTOCOL_ERROR, error.cause) from None
        status = head.status
        if method != b"HEAD" and len(data) <= LONGEST_BLOCK:
            if len(self._recent) >= _RECENT:
                self._recent.clear()
            self._recent[data] = head
        if method == b"HEAD" or status == 304 or status == 204 or status < 200:
            head.chunked = False
            head.length = 0
        elif head.length == NO_LENGTH and not head.chunked:
            head.keep_alive = False  # delimited by the end of the connection
        return head

    def _block(self, data: bytes) -> Block:
        """Parse a status line and the fields."""
        line, *lines = data.split(b"\r\n")
        match = _STATUS_LINE.fullmatch(line)
        if match is None:
            raise HttpError(502, causes.ORIGIN_PROTOCOL_ERROR, "status line")
        del lines[-2:]
        if len(lines) > self._max_fields:
            raise HttpError(502, causes.ORIGIN_PROTOCOL_ERROR, causes.TOO_MANY_FIELDS)
        block = Block(self.fields.lines(lines), int(match.group(1)))
        block.status = int(match.group(2))
        block.reason = match.group(3) or b""
        if block.chunked and block.length != NO_LENGTH:
            raise HttpError(502, causes.ORIGIN_PROTOCOL_ERROR, causes.LENGTH_WITH_TRANSFER_ENCODING)
        if block.chunked and not block.minor:
            block.keep_alive = False  # RFC 9112 6.1: the framing may be faulty
        return block


def without_empty_lines(data: bytes) -> bytes:
    """Leave out what RFC 9112 2.2 lets a server ignore before a request: in one cut, as there may be very many."""
    size = (len(data) - len(data.lstrip(b"\r\n"))) & ~1
    return data[size:] if data[:size] == b"\r\n" * (size // 2) else data


def _set_length(head: RequestHead | ResponseHead, field: Field) -> None:
    """Take up a Content-Length that was cut out of the block."""
    if head.chunked:
        raise HttpError(400, causes.LENGTH_WITH_TRANSFER_ENCODING)
    if head.length != NO_LENGTH:
        raise HttpError(400, causes.BAD_CONTENT_LENGTH, "repeated")
    value = field[1]
    head.length = int(value) if value.isdigit() and len(value) < 16 else content_length(value)


def reverse_form(head: RequestHead) -> None:
    """Read targets in absolute-form (RFC 9112 3.2.2) and asterisk-form (3.2.4) as a reverse proxy does."""
    if head.target == b"*":
        if head.method != b"OPTIONS":
            raise HttpError(400, causes.BAD_TARGET)
        return
    head.line_target = head.target
    match = _ABSOLUTE.fullmatch(head.target)
    if match is None or not match.group(1):
        if head.method == b"CONNECT" and _AUTHORITY.fullmatch(head.target):  # RFC 9112 3.2.3
            raise HttpError(405, causes.BAD_METHOD)
        raise HttpError(400, causes.BAD_TARGET)
    head.authority = match.group(1)
    head.host, head.port = split_authority(head.authority)
    rest = match.group(2)
    head.target = rest if rest[:1] == b"/" else b"/" + rest


def _version_fault(version: bytes) -> HttpError:
    if re.fullmatch(rb"HTTP/0\.[0-9]", version):  # a request line that has a version is none of HTTP/0.9
        return HttpError(400, causes.BAD_VERSION)
    if re.fullmatch(rb"HTTP/[0-9]\.[0-9]", version):
        return HttpError(505, causes.BAD_VERSION)
    return HttpError(400, causes.BAD_REQUEST_LINE)
