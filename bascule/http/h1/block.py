"""Header blocks: what a head says but for its target, worked out once per distinct block.

A client sends the same block with nearly every request, and a server with nearly every response, but for a few
fields that vary: `Cookie`, `Referer`, `Content-Length`, `ETag`... Those are cut out first; what is left is looked up
in a bounded table, and a block seen before costs one look-up instead of a walk over its lines. The parse is a pure
function of the block's bytes, so remembering it changes no result. (`Date` stays in: it changes once a second.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bascule.http.errors import HttpError
from bascule.http.fields import FAULTS, Field, Kind, fault_of_value, list_tokens
from bascule.telemetry import causes

ROOM = 2 << 20
"""Bytes of blocks that a generation of the table holds: thousands of browsers' ones."""
LONGEST_BLOCK = 4096
"""Longer blocks are rare and not worth the room."""
ROUTES_KEPT = 4
"""Routes whose lines a block remembers: a block of a few KiB may not grow with the configuration."""

NO_LENGTH = -1

_LF = 0x0A
_CONTENT_LENGTH = int(Kind.CONTENT_LENGTH)
_TRANSFER_ENCODING = int(Kind.TRANSFER_ENCODING)
_CONNECTION = int(Kind.CONNECTION)
_HOST = int(Kind.HOST)
_UPGRADE = int(Kind.UPGRADE)
_EXPECT = int(Kind.EXPECT)
_USER_AGENT = int(Kind.USER_AGENT)
_WATCHED = int(Kind.WATCHED)
_REFERER = int(Kind.REFERER)
_DATE = int(Kind.DATE)
_FORWARDED = int(Kind.FORWARDED)
_AUTHORIZATION = int(Kind.AUTHORIZATION)

PASSED = frozenset((0, _USER_AGENT, _REFERER, _DATE, _AUTHORIZATION))
"""Kinds whose lines go to the server as they are."""
_BINDING = (b"ntlm", b"negotiate")
_ASK = frozenset(
    int(kind)
    for kind in (
        *(Kind.WATCHED, Kind.UNSAFE_NAME, Kind.TE, Kind.TRAILER, Kind.EXPECT, Kind.UPGRADE, Kind.VIA, Kind.RANGE),
        *(Kind.SET_COOKIE, Kind.LOCATION),
    )
)
"""Kinds that need a decision per message."""


class Block:
    """What the first line and the fields of a head say; its target and the varying fields are not of it."""

    __slots__ = (
        "asks",
        "authority",
        "binds",
        "by_route",
        "chunked",
        "cleared",
        "closes",
        "expect",
        "fields",
        "forwarded",
        "has_date",
        "host",
        "hosts",
        "keep_alive",
        "keeps",
        "length",
        "minor",
        "notes",
        "options",
        "plain",
        "port",
        "reason",
        "referer",
        "status",
        "upgrade",
        "user_agent",
    )

    def __init__(self, fields: list[Field], minor: int = 1) -> None:
        """Raises HttpError(400, 417, 501) for what framing cannot accept."""
        self.minor = minor
        """0 or 1: HTTP/1.0 or HTTP/1.1."""
        self.status = 0
        self.reason = b""
        self.fields = fields
        self.plain = b"".join([field[3] for field in fields if field[2] in PASSED])
        """The lines that are passed on whatever the route, serialised."""
        self.asks = [field for field in fields if field[2] in _ASK]
        """Fields that need a decision per message."""
        self.by_route: dict[int, bytes] = {}
        """The lines that a route lets through, where they depend on nothing but this block. See `remember`."""
        self.cleared: object = None
        """Who has inspected these fields last, found nothing to object to, and need not look again."""
        self.notes: dict[object, Any] = {}
        """What others worked out from this block alone, by who they are: a few of them. See `note`."""
        self.authority = b""
        """The Host field's value; host and port are its parts."""
        self.host = b""
        self.port = 0
        self.hosts = 0
        self.length = NO_LENGTH
        self.chunked = False
        self.closes = False
        self.keeps = False
        self.options: tuple[bytes, ...] = ()
        """Connection options other than close and keep-alive."""
        self.upgrade = b""
        self.expect = False
        self.user_agent = b""
        self.referer = b""
        self.has_date = False
        self.binds = False
        """Whether it logs in the connection to a server: that must not carry anybody else's requests afterwards."""
        self.forwarded = False
        """Whether an earlier hop says who the client is."""
        for field in fields:
            if field[2]:
                self._special(field)
        self.keep_alive = not self.closes and (minor == 1 or self.keeps)

    def with_fields(self, fields: list[Field]) -> Block:
        """Return a copy that has other values in the fields that are passed on; what they say of framing stays.

        Where they are the same it is this one, with all that is known of it.
        """
        if fields == self.fields:
            return self
        block = Block([], self.minor)
        block.fields = fields
        block.plain = b"".join([field[3] for field in fields if field[2] in PASSED])
        block.asks = [field for field in fields if field[2] in _ASK]
        block.status, block.reason = self.status, self.reason
        block.authority, block.host, block.port, block.hosts = self.authority, self.host, self.port, self.hosts
        block.length, block.chunked = self.length, self.chunked
        block.closes, block.keeps, block.keep_alive = self.closes, self.keeps, self.keep_alive
        block.options, block.upgrade, block.expect = self.options, self.upgrade, self.expect
        block.user_agent, block.referer, block.has_date = self.user_agent, self.referer, self.has_date
        block.binds, block.forwarded = self.binds, self.forwarded
        return block

    def remember(self, route: int, lines: bytes) -> bytes:
        """Keep the lines that a route lets through, for a few routes; return them."""
        if len(self.by_route) >= ROUTES_KEPT:
            self.by_route.clear()
        self.by_route[route] = lines
        return lines

    def note(self, who: object, what: Any) -> None:
        """Keep what somebody worked out from this block."""
        if len(self.notes) >= ROUTES_KEPT:
            self.notes.clear()
        self.notes[who] = what

    def _special(self, field: Field) -> None:
        kind = field[2]
        value = field[1]
        if kind == _HOST:
            self.hosts += 1
            self.authority = value
        elif kind == _USER_AGENT or (kind == _WATCHED and field[0] == b"user-agent"):
            self.user_agent = value
        elif kind == _REFERER or (kind == _WATCHED and field[0] == b"referer"):
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
        elif kind == _FORWARDED:
            self.forwarded = True
        elif kind == _AUTHORIZATION or (kind == _WATCHED and field[0] == b"authorization"):
            self.binds = self.binds or value.lower().startswith(_BINDING)

    def _connection(self, value: bytes) -> None:
        options = []
        for token in list_tokens(value):
            if token == b"close":
                self.closes = True
            elif token == b"keep-alive":
                self.keeps = True
            else:
                options.append(token)
        self.options += tuple(options)

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


Cut = tuple[bytes, bytes, int, bytes]
"""A varying field: what precedes its value in a head, then lower-case name, kind, and what precedes it when forwarded.
A plain tuple: a NamedTuple takes five times as long to unpack."""


def make_cuts(names: tuple[bytes, ...], kinds: dict[bytes, int], watched: frozenset[bytes]) -> tuple[Cut, ...]:
    """Return the cuts for fields in their usual spelling, but for `watched` ones: those are for the block to say."""
    lower = [name.lower() for name in names]
    return tuple(
        (b"\n%b: " % name, low, int(kinds.get(low, 0)), low + b": ")
        for name, low in zip(names, lower, strict=True)
        if low not in watched
    )


class BlockTable:
    """Blocks by their bytes; `parse` makes the block of a head without its varying fields, or raises HttpError.

    Two generations are kept: when the young one is full the old one goes, so that what is in use stays and what is
    not is forgotten.
    """

    __slots__ = ("_old", "_parse", "_room", "_young")

    def __init__(self, parse: Callable[[bytes], Block]) -> None:
        self._parse = parse
        self._young: dict[bytes, Block] = {}
        self._old: dict[bytes, Block] = {}
        self._room = ROOM

    def look_up(self, head: bytes, cuts: tuple[Cut, ...]) -> tuple[Block, list[Field], bytes]:
        """Return the block of `head`, the fields cut out of it, and their lines but Content-Length's. Raises HttpError.

        A head ends with its closing empty line; that of a request begins at the version. A field is cut out from the LF
        before it to the CR at its end, so that what is left fits together; where the LF stands alone it does not, and
        the block is refused.
        """
        varying: list[Field] = []
        passed = b""
        for pattern, name, kind, prefix in cuts:
            before, found, after = head.rpartition(pattern)  # from the end: that is where they mostly are
            if found:
                value, _, after = after.partition(b"\r")
                if after[0] != _LF:
                    raise fault_of_value(value + b"\r")
                head = before + after
                value = value.strip(b" \t")
                line = prefix + value + b"\r\n"
                varying.append((name, value, kind, line))
                if kind != _CONTENT_LENGTH:  # whoever takes that up sees to its digits
                    if 0 in value.translate(FAULTS):
                        raise fault_of_value(value)
                    passed += line
        return self._young.get(head) or self._older(head), varying, passed

    def _new(self, head: bytes) -> Block:
        """Parse a block seen for the first time."""
        if not head.endswith(b"\r\n\r\n"):
            raise HttpError(400, causes.BARE_LF)  # before a field cut out that was the last
        return self._parse(head)

    def _older(self, head: bytes) -> Block:
        """Return a block that is not of the young generation, and is from now on."""
        block = self._old.get(head) or self._new(head)
        if len(head) <= LONGEST_BLOCK:
            self._room -= len(head)
            if self._room < 0:
                self._old, self._young, self._room = self._young, {}, ROOM
            self._young[head] = block
        return block
