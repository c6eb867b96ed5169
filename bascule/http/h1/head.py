"""HTTP/1.1 heads (RFC 9112 sections 2, 3, 4, 6): bytes without the final CRLF CRLF in, framed heads out.

The defaults of DESIGN 7 live here: whatever two readers could understand differently is refused, because
request smuggling is just that difference (RFC 9112 11.2).
"""

from __future__ import annotations

import re

from bascule.http.errors import HttpError
from bascule.http.fields import REQUEST_KINDS, RESPONSE_KINDS, TOKEN, Field, FieldParser, Kind, list_tokens
from bascule.http.host import split_authority
from bascule.http.message import NO_LENGTH, RequestHead, ResponseHead
from bascule.telemetry import causes

HEAD_END = b"\r\n\r\n"

_VERSIONS = {b"HTTP/1.1": 1, b"HTTP/1.0": 0}
_METHODS = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT"))
_TARGET_FAULTS = bytes(0x20 if c > 0x20 and c not in (0x23, 0x7F) else 0 for c in range(256))
"""Visible ASCII but ``#``, and raw high bytes (sent by sloppy clients; the path normal form encodes them)."""
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([\t \x21-\x7e\x80-\xff]*))?")
_DIGITS = re.compile(rb"[0-9]{1,18}")

_CONTENT_LENGTH = int(Kind.CONTENT_LENGTH)
_TRANSFER_ENCODING = int(Kind.TRANSFER_ENCODING)
_CONNECTION = int(Kind.CONNECTION)
_HOST = int(Kind.HOST)
_UPGRADE = int(Kind.UPGRADE)
_EXPECT = int(Kind.EXPECT)
_USER_AGENT = int(Kind.USER_AGENT)
_REFERER = int(Kind.REFERER)


class RequestParser:
    """Parses request heads under the limits of a listener or site."""

    __slots__ = ("_fields", "max_fields", "max_target")

    def __init__(self, max_fields: int = 128, max_target: int = 16384, watched: frozenset[bytes] = frozenset()) -> None:
        self._fields = FieldParser(REQUEST_KINDS, watched)
        self.max_fields = max_fields
        self.max_target = max_target

    def parse(self, data: bytes) -> RequestHead:
        """Return the head in `data` (without the closing empty line).

        Raises HttpError: 400 for anything ambiguous or malformed, 414, 417, 431, 501 or 505 as RFC 9110 names them.
        """
        lines = data.split(b"\r\n")
        if len(lines) - 1 > self.max_fields:
            raise HttpError(431, causes.TOO_MANY_FIELDS)
        head = self._request_line(lines[0])
        get = self._fields.get
        parse = self._fields.parse
        del lines[0]
        head.fields = fields = [get(line) or parse(line) for line in lines]
        head.specials = [field for field in fields if field[2]]
        self._frame(head)
        return head

    def _request_line(self, line: bytes) -> RequestHead:
        parts = line.split(b" ")
        if len(parts) != 3:
            raise HttpError(400, causes.BAD_REQUEST_LINE)
        method, target, version = parts
        minor = _VERSIONS.get(version)
        if minor is None:
            raise _version_error(version)
        if method not in _METHODS and not TOKEN.fullmatch(method):
            raise HttpError(400, causes.BAD_METHOD)
        if not target or 0 in target.translate(_TARGET_FAULTS):
            raise HttpError(400, causes.BAD_TARGET)
        if len(target) > self.max_target:
            raise HttpError(414, causes.TARGET_TOO_LONG)
        return RequestHead(method, target, minor)

    def _frame(self, head: RequestHead) -> None:
        hosts = 0
        for field in head.specials:
            kind = field[2]
            if kind == _HOST:
                hosts += 1
                head.authority = field[1]
            elif kind == _USER_AGENT:
                head.user_agent = field[1]
            elif kind == _REFERER:
                head.referer = field[1]
            elif kind == _CONNECTION:
                _connection(head, field[1])
            elif kind == _CONTENT_LENGTH:
                _content_length(head, field)
            elif kind == _TRANSFER_ENCODING:
                _transfer_encoding(head, field)
            elif kind == _UPGRADE:
                head.upgrade = field[1]
            elif kind == _EXPECT:
                if field[1].lower() != b"100-continue":
                    raise HttpError(417, causes.BAD_EXPECT)
                head.expect = head.minor == 1
        if head.chunked:
            if head.length != NO_LENGTH:
                raise HttpError(400, causes.LENGTH_WITH_TRANSFER_ENCODING)
            if not head.minor:
                raise HttpError(400, causes.BAD_TRANSFER_ENCODING, "HTTP/1.0 has none")
        if hosts > 1 or (not hosts and head.minor):
            raise HttpError(400, causes.BAD_HOST, "repeated" if hosts else "missing")
        if head.target[0] != 0x2F:
            _other_form(head)
        head.host, head.port = split_authority(head.authority)


class ResponseParser:
    """Parses response heads of servers."""

    __slots__ = ("_fields", "_status_lines", "max_fields")

    def __init__(self, max_fields: int = 256, watched: frozenset[bytes] = frozenset()) -> None:
        self._fields = FieldParser(RESPONSE_KINDS, watched)
        self._status_lines: dict[bytes, tuple[int, bytes, int]] = {}
        self.max_fields = max_fields

    def parse(self, data: bytes, method: bytes) -> ResponseHead:
        """Return the head in `data`, framed for the request method it answers (RFC 9112 6.3).

        `length` is 0 where no body can follow. Raises HttpError(502, "origin_...").
        """
        lines = data.split(b"\r\n")
        if len(lines) - 1 > self.max_fields:
            raise HttpError(502, causes.ORIGIN_HEADER_TOO_LARGE)
        status_line = self._status_lines.get(lines[0]) or self._status_line(lines[0])
        head = ResponseHead(*status_line)
        get = self._fields.get
        parse = self._fields.parse
        del lines[0]
        try:
            head.fields = fields = [get(line) or parse(line) for line in lines]
            head.specials = [field for field in fields if field[2]]
            self._frame(head, method)
        except HttpError as error:
            raise HttpError(502, causes.ORIGIN_PROTOCOL_ERROR, error.cause) from None
        return head

    def _status_line(self, line: bytes) -> tuple[int, bytes, int]:
        match = _STATUS_LINE.fullmatch(line)
        if match is None:
            raise HttpError(502, causes.ORIGIN_PROTOCOL_ERROR, "status line")
        parsed = (int(match.group(2)), match.group(3) or b"", int(match.group(1)))
        if len(self._status_lines) < 256:
            self._status_lines[line] = parsed
        return parsed

    def _frame(self, head: ResponseHead, method: bytes) -> None:
        for field in head.specials:
            kind = field[2]
            if kind == _CONTENT_LENGTH:
                _content_length(head, field)
            elif kind == _TRANSFER_ENCODING:
                _transfer_encoding(head, field)
            elif kind == _CONNECTION:
                _connection(head, field[1])
            elif kind == _UPGRADE:
                head.upgrade = field[1]
        status = head.status
        if head.chunked and head.length != NO_LENGTH:
            raise HttpError(502, causes.LENGTH_WITH_TRANSFER_ENCODING)
        if method == b"HEAD" or status == 304 or status == 204 or status < 200:
            head.chunked = False
            head.length = 0
        elif head.length == NO_LENGTH and not head.chunked:
            head.keep_alive = False  # delimited by the end of the connection


def _content_length(head: RequestHead | ResponseHead, field: Field) -> None:
    if head.length != NO_LENGTH:
        raise HttpError(400, causes.BAD_CONTENT_LENGTH, "repeated")
    if not _DIGITS.fullmatch(field[1]):
        raise HttpError(400, causes.BAD_CONTENT_LENGTH)
    head.length = int(field[1])


def _transfer_encoding(head: RequestHead | ResponseHead, field: Field) -> None:
    if head.chunked:
        raise HttpError(400, causes.BAD_TRANSFER_ENCODING, "repeated")
    if field[1].lower() != b"chunked":
        tokens = list_tokens(field[1])
        known = all(TOKEN.fullmatch(token) for token in tokens) and b"chunked" not in tokens
        if tokens and known:
            raise HttpError(501, causes.UNKNOWN_TRANSFER_CODING)
        raise HttpError(400, causes.BAD_TRANSFER_ENCODING)
    head.chunked = True


def _connection(head: RequestHead | ResponseHead, value: bytes) -> None:
    if value == b"keep-alive":
        head.keep_alive = head.keep_alive or not head.minor
        return
    for token in list_tokens(value):
        if token == b"close":
            head.keep_alive = False
        elif token == b"keep-alive":
            head.keep_alive = head.keep_alive or not head.minor
        elif isinstance(head, RequestHead):
            head.connection = [*head.connection, token]


def _other_form(head: RequestHead) -> None:
    """Handle absolute-form (RFC 9112 3.2.2) and asterisk-form (3.2.4) targets."""
    if head.target == b"*":
        if head.method != b"OPTIONS":
            raise HttpError(400, causes.BAD_TARGET)
        return
    match = _ABSOLUTE.fullmatch(head.target)
    if match is None or not match.group(1):
        if head.method == b"CONNECT":
            raise HttpError(405, causes.METHOD_NOT_ALLOWED)
        raise HttpError(400, causes.BAD_TARGET)
    head.authority = match.group(1)
    rest = match.group(2)
    head.target = rest if rest[:1] == b"/" else b"/" + rest


def _version_error(version: bytes) -> HttpError:
    if re.fullmatch(rb"HTTP/[0-9]\.[0-9]", version):
        return HttpError(505, causes.BAD_VERSION)
    return HttpError(400, causes.BAD_REQUEST_LINE)
