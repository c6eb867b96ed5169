"""Field lines (RFC 9110 section 5, RFC 9112 section 5): strict parsing, once per distinct line.

Clients and servers repeat themselves: most lines of a message are byte-for-byte those of an earlier one.
`FieldParser` therefore remembers the result for a line in a bounded table, and a repeated line costs one
look-up. What a line means to the proxy is a small number beside it, its *kind*, so that the loop over a
head touches only the few fields that matter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import IntEnum

from bascule.http.errors import HttpError
from bascule.telemetry import causes

Field = tuple[bytes, bytes, int, bytes]
"""``(lower-case name, value, kind, line as it is forwarded)``."""

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""RFC 9110 5.6.2."""

_ALLOWED = frozenset((9, *range(32, 127), *range(128, 256)))
FAULTS = bytes(0x20 if byte in _ALLOWED else 0 for byte in range(256))
"""RFC 9110 5.5: a value is HTAB, SP, VCHAR, obs-text. As a translation table it turns every other byte into NUL, so
that ``0 in value.translate(FAULTS)`` finds one at C speed. CR, LF and NUL would split or truncate messages."""


class Kind(IntEnum):
    """What a field means to the proxy. `PLAIN` ones are just passed on."""

    PLAIN = 0
    WATCHED = 1  # some route of the plan sets, removes or hides it
    HOP = 2  # hop-by-hop (RFC 9110 7.6.1) with no further meaning here
    HOST = 3
    CONTENT_LENGTH = 4
    TRANSFER_ENCODING = 5
    CONNECTION = 6
    UPGRADE = 7
    EXPECT = 8
    FORWARDED = 9  # what earlier hops say of the client
    VIA = 10
    USER_AGENT = 11
    REFERER = 12
    TRAILER = 13
    LOCATION = 14  # names a place; may name an origin
    SET_COOKIE = 15
    DATE = 16
    UNSAFE_NAME = 17  # underscore: CGI-like servers confuse it with another field
    TE = 18
    RANGE = 19  # many ranges of one resource cost servers much (CVE-2011-3192)
    AUTHORIZATION = 20  # NTLM and Negotiate log in a connection, and not a request (RFC 4559 6)


REQUEST_KINDS: dict[bytes, int] = {
    b"host": Kind.HOST,
    b"content-length": Kind.CONTENT_LENGTH,
    b"transfer-encoding": Kind.TRANSFER_ENCODING,
    b"connection": Kind.CONNECTION,
    b"upgrade": Kind.UPGRADE,
    b"expect": Kind.EXPECT,
    b"te": Kind.TE,
    b"range": Kind.RANGE,
    b"trailer": Kind.TRAILER,
    b"keep-alive": Kind.HOP,
    b"proxy-connection": Kind.HOP,
    b"proxy-authorization": Kind.HOP,
    b"proxy-authenticate": Kind.HOP,
    b"proxy": Kind.HOP,  # no field at all, but HTTP_PROXY to CGI programs: httpoxy, CVE-2016-5385
    b"http2-settings": Kind.HOP,
    b"x-forwarded-for": Kind.FORWARDED,
    b"x-forwarded-proto": Kind.FORWARDED,
    b"x-forwarded-host": Kind.FORWARDED,
    b"x-forwarded-port": Kind.FORWARDED,
    b"x-forwarded-server": Kind.FORWARDED,
    b"x-real-ip": Kind.FORWARDED,
    b"forwarded": Kind.FORWARDED,
    b"via": Kind.VIA,
    b"user-agent": Kind.USER_AGENT,
    b"referer": Kind.REFERER,
    b"authorization": Kind.AUTHORIZATION,
}

RESPONSE_KINDS: dict[bytes, int] = {
    b"content-length": Kind.CONTENT_LENGTH,
    b"transfer-encoding": Kind.TRANSFER_ENCODING,
    b"connection": Kind.CONNECTION,
    b"upgrade": Kind.UPGRADE,
    b"trailer": Kind.TRAILER,
    b"keep-alive": Kind.HOP,
    b"proxy-connection": Kind.HOP,
    b"proxy-authenticate": Kind.HOP,
    b"proxy-authentication-info": Kind.HOP,
    b"alt-svc": Kind.HOP,  # names hosts and ports of the server's own (RFC 7838)
    b"location": Kind.LOCATION,
    b"content-location": Kind.LOCATION,
    b"refresh": Kind.LOCATION,
    b"link": Kind.LOCATION,
    b"access-control-allow-origin": Kind.LOCATION,
    b"sourcemap": Kind.LOCATION,
    b"x-sourcemap": Kind.LOCATION,
    b"x-pingback": Kind.LOCATION,
    b"report-to": Kind.LOCATION,
    b"reporting-endpoints": Kind.LOCATION,
    b"timing-allow-origin": Kind.LOCATION,
    b"content-security-policy": Kind.LOCATION,
    b"content-security-policy-report-only": Kind.LOCATION,
    b"set-cookie": Kind.SET_COOKIE,
    b"date": Kind.DATE,
    b"via": Kind.VIA,
}

_REMOVABLE = frozenset((Kind.PLAIN, Kind.USER_AGENT, Kind.REFERER, Kind.AUTHORIZATION))

_NEVER_REMEMBERED = frozenset(
    b"cookie set-cookie authorization proxy-authorization referer etag if-none-match last-modified x-request-id "
    b"traceparent".split()
)
"""Fields that vary per request or hold secrets: they would only push the others out."""

_LINES_KEPT = 4096
_LONGEST_KEPT = 256


class FieldParser:
    """Parses field lines of one direction. `watched` are names that routes act on."""

    __slots__ = ("_kinds", "_lines", "_names", "get")

    def __init__(self, kinds: dict[bytes, int], watched: Iterable[bytes] = ()) -> None:
        self._kinds = {name: int(kind) for name, kind in kinds.items()}
        # What is only passed on, and logged perhaps, can be taken out; what frames a message keeps its meaning.
        self._kinds.update((name, int(Kind.WATCHED)) for name in watched if kinds.get(name, Kind.PLAIN) in _REMOVABLE)
        self._lines: dict[bytes, Field] = {}
        self._names: dict[bytes, tuple[bytes, int, bytes, bool]] = {}
        self.get: Callable[[bytes], Field | None] = self._lines.get
        """The remembered field of a line, if any; call `parse` otherwise."""

    def parse(self, line: bytes) -> Field:
        """Return the field of a line without its CRLF.

        Raises HttpError(400): obs-fold, space before the colon, a name that is no token, a control character.
        """
        raw, colon, value = line.partition(b":")
        name, kind, prefix, varies = (colon and self._names.get(raw)) or self._name(line, raw, colon)
        if 0 in value.translate(FAULTS):
            raise fault_of_value(value)
        value = value.strip(b" \t")
        field = (name, value, kind, b"%b%b\r\n" % (prefix, value))
        if not varies and len(line) <= _LONGEST_KEPT and colon:
            if len(self._lines) >= _LINES_KEPT:
                self._lines.clear()
            self._lines[line] = field
        return field

    def _name(self, line: bytes, raw: bytes, colon: bytes) -> tuple[bytes, int, bytes, bool]:
        """Check a field name not seen before: its lower-case form, kind, serialised form, and whether it varies."""
        if not colon or not TOKEN.fullmatch(raw):
            raise _fault_of_name(line, raw, colon)
        name = raw.lower()
        kind = self._kinds.get(name, 0)
        if not kind and b"_" in name:
            kind = int(Kind.UNSAFE_NAME)
        known = (name, kind, name + b": ", name in _NEVER_REMEMBERED)
        if len(raw) <= _LONGEST_KEPT:
            if len(self._names) >= _LINES_KEPT:
                self._names.clear()
            self._names[raw] = known
        return known

    def lines(self, lines: list[bytes]) -> list[Field]:
        """Return the fields of lines without CRLF. Raises as `parse` does."""
        get = self.get
        parse = self.parse
        return [get(line) or parse(line) for line in lines]


def _fault_of_name(line: bytes, raw: bytes, colon: bytes) -> HttpError:
    if line[:1] in (b" ", b"\t"):
        return HttpError(400, causes.OBS_FOLD)
    if b"\n" in line:
        return HttpError(400, causes.BARE_LF)
    if not colon:
        return HttpError(400, causes.BAD_FIELD_NAME, "no colon")
    return HttpError(400, causes.BAD_FIELD_NAME, "space before colon" if raw[-1:] in (b" ", b"\t") else "no token")


def fault_of_value(value: bytes) -> HttpError:
    """Return what is wrong with a value in which `FAULTS` finds a fault."""
    if b"\n" in value:
        return HttpError(400, causes.BARE_LF)
    return HttpError(400, causes.BARE_CR if b"\r" in value else causes.BAD_FIELD_VALUE)


def list_tokens(value: bytes) -> list[bytes]:
    """Return the lower-case members of a comma-separated list (RFC 9110 5.6.1), empty ones left out."""
    return [token for part in value.lower().split(b",") if (token := part.strip(b" \t"))]
