"""Header blocks: what the fields of a head say, worked out once per distinct block.

A client sends the same block with nearly every request, and a server with nearly every response, but for a few
fields that vary: `Cookie`, `Referer`, `Content-Length`, `Date`, `ETag`... Those are cut out first (`Cutter`); what is
left is looked up in a bounded table, and a block seen before costs one look-up instead of a walk over its lines.
The parse is a pure function of the block's bytes, so remembering it changes no result.
"""

from __future__ import annotations

from bascule.http.errors import HttpError
from bascule.http.fields import Field, FieldParser, Kind, list_tokens
from bascule.telemetry import causes

BLOCKS_KEPT = 512
LONGEST_BLOCK = 4096
"""Longer blocks are rare and not worth the memory: the table stays below 4 MiB."""

NO_LENGTH = -1

_CONTENT_LENGTH = int(Kind.CONTENT_LENGTH)
_TRANSFER_ENCODING = int(Kind.TRANSFER_ENCODING)
_CONNECTION = int(Kind.CONNECTION)
_HOST = int(Kind.HOST)
_UPGRADE = int(Kind.UPGRADE)
_EXPECT = int(Kind.EXPECT)
_USER_AGENT = int(Kind.USER_AGENT)
_REFERER = int(Kind.REFERER)
_VIA = int(Kind.VIA)
_DATE = int(Kind.DATE)

PASSED = frozenset((0, _USER_AGENT, _REFERER))
"""Kinds whose lines go to the server as they are."""
_ASK = frozenset(
    int(kind)
    for kind in (
        *(Kind.WATCHED, Kind.UNSAFE_NAME, Kind.TE, Kind.TRAILER, Kind.EXPECT, Kind.UPGRADE, Kind.VIA),
        *(Kind.SET_COOKIE, Kind.LOCATION),
    )
)
"""Kinds that need a decision per message."""


class Block:
    """What the fields of a header block say, varying ones excepted."""

    __slots__ = (
        "asks",
        "authority",
        "by_route",
        "chunked",
        "closes",
        "expect",
        "fields",
        "forwarded",
        "has_date",
        "hosts",
        "keeps",
        "length",
        "options",
        "plain",
        "referer",
        "upgrade",
        "user_agent",
    )

    def __init__(self, fields: list[Field]) -> None:
        """Raises HttpError(400, 417, 501) for what framing cannot accept."""
        self.fields = fields
        self.plain = b"".join([field[3] for field in fields if field[2] in PASSED])
        """The lines that are passed on whatever the route, serialised."""
        self.asks = [field for field in fields if field[2] in _ASK]
        """Fields that need a decision per message."""
        self.by_route: dict[int, bytes] = {}
        """`plain` with what a route lets through of `asks`, for routes that decide without looking at the request."""
        self.authority = b""
        self.hosts = 0
        self.length = NO_LENGTH
        self.chunked = False
        self.closes = False
        self.keeps = False
        self.options: list[bytes] = []
        """Connection options other than close and keep-alive."""
        self.upgrade = b""
        self.expect = False
        self.user_agent = b""
        self.referer = b""
        self.has_date = False
        self.forwarded = False
        """Whether an earlier hop says who the client is."""
        for field in fields:
            if field[2]:
                self._special(field)

    def _special(self, field: Field) -> None:
        kind = field[2]
        value = field[1]
        if kind == _HOST:
            self.hosts += 1
            self.authority = value
        elif kind == _USER_AGENT:
            self.user_agent = value
        elif kind == _REFERER:
            self.referer = value
        elif kind == _CONNECTION:
            self._connection(value)
        elif kind == _CONTENT_LENGTH:
            if self.length != NO_LENGTH:
                raise HttpError(400, causes.BAD_CONTENT_LENGTH, "repeated")
            self.length = content_length(value)
        elif kind == _TRANSFER_ENCODING:
            self._transfer_encoding(value)
        elif kind == _UPGRADE:
            self.upgrade = value
        elif kind == _EXPECT:
            if value.lower() != b"100-continue":
                raise HttpError(417, causes.BAD_EXPECT)
            self.expect = True
        elif kind == _DATE:
            self.has_date = True
        elif kind == Kind.FORWARDED:
            self.forwarded = True

    def _connection(self, value: bytes) -> None:
        for token in list_tokens(value):
            if token == b"close":
                self.closes = True
            elif token == b"keep-alive":
                self.keeps = True
            else:
                self.options.append(token)

    def _transfer_encoding(self, value: bytes) -> None:
        if self.chunked:
            raise HttpError(400, causes.BAD_TRANSFER_ENCODING, "repeated")
        if value.lower() != b"chunked":
            tokens = list_tokens(value)
            if tokens and b"chunked" not in tokens and not any(c in value for c in b'\t"\\;='):
                raise HttpError(501, causes.UNKNOWN_TRANSFER_CODING)
            raise HttpError(400, causes.BAD_TRANSFER_ENCODING)
        self.chunked = True


def content_length(value: bytes) -> int:
    """Return the number in a Content-Length value. Raises HttpError(400)."""
    if not value.isdigit() or len(value) > 18:
        raise HttpError(400, causes.BAD_CONTENT_LENGTH)
    return int(value)


class BlockTable:
    """Blocks by their bytes. `watched` fields are never cut: some route decides about them."""

    __slots__ = ("_blocks", "_cuts", "_fields", "_max_fields")

    def __init__(
        self, fields: FieldParser, cuts: tuple[bytes, ...], watched: frozenset[bytes], max_fields: int
    ) -> None:
        self._fields = fields
        self._blocks: dict[bytes, Block] = {}
        self._max_fields = max_fields
        self._cuts = [b"\r\n%b: " % name for name in cuts if name.lower() not in watched]

    def look_up(self, data: bytes, status: int) -> tuple[Block, list[Field]]:
        """Return the block of `data`, and the fields cut out of it.

        `data` begins with the CRLF before the first field line and ends with that of the last.
        Raises HttpError: `status` for too many fields, otherwise as Block and FieldParser do.
        """
        varying: list[Field] = []
        fields = self._fields
        for pattern in self._cuts:
            at = data.find(pattern)
            if at >= 0:
                end = data.find(b"\r\n", at + 2)
                line = data[at + 2 : end]
                varying.append(fields.get(line) or fields.parse(line))
                data = data[:at] + data[end:]
        block = self._blocks.get(data)
        return block if block is not None else self._parse(data, status), varying

    def _parse(self, data: bytes, status: int) -> Block:
        lines = data[2:].split(b"\r\n")
        del lines[-1]
        if len(lines) > self._max_fields:
            raise HttpError(status, causes.TOO_MANY_FIELDS)
        block = Block(self._fields.lines(lines))
        if len(data) <= LONGEST_BLOCK:
            if len(self._blocks) >= BLOCKS_KEPT:
                self._blocks.clear()
            self._blocks[data] = block
        return block
