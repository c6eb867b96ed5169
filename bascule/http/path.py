"""The normal form of a request path: the one that decides the route, that the WAF sees and the server gets.

RFC 3986 6.2.2 normalisation (percent-encoding and dot segments) plus the policy of the site for what
servers disagree about: encoded slashes, backslashes, double slashes, path parameters. Two readers of one
path are the root of most access-rule bypasses (CVE-2021-41773, CVE-2021-43798, Tomcat's ``..;``).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from bascule.config.policies import PathPolicy
from bascule.http.errors import HttpError
from bascule.telemetry import causes

_SAFE = rb"A-Za-z0-9_~!$&'()*+,:=@\[\]\-"
_NORMAL = re.compile(rb"(?:/[%b][%b.]*+)*+/?" % (_SAFE, _SAFE))
"""Paths in normal form already, as nearly all are: no byte that needs a look, no ``//`` and no ``/.``."""
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_ESCAPE = re.compile(rb"%(..?)?", re.DOTALL)
_HEX = re.compile(rb"[0-9A-Fa-f]{2}")
_TO_ENCODE = re.compile(rb"[^\x21\x23-\x3b\x3d\x3f-\x5d\x5f\x61-\x7a\x7e]")
"""Bytes that a path may not hold raw (RFC 3986 3.3), found after escapes were judged."""
_PARAMETER = re.compile(rb";[^/]*")
_EMPTY_SEGMENT = re.compile(rb"/(?:;[^/]*)?(?=/)")
"""Also one that holds nothing but a parameter: a server that strips parameters (Tomcat) merges the slashes then."""


class Path(NamedTuple):
    """A path in normal form: `wire` goes to the server, `route` (no parameters) decides.

    `decoded` is what a server that decodes kept slashes makes of it; empty if there are none. A path whose two
    readings take different routes is not to be served (`SiteRuntime.route_of`).
    """

    wire: bytes
    route: bytes
    decoded: bytes = b""


DEFAULT_POLICY = PathPolicy()
is_normal = _NORMAL.fullmatch
"""Whether a path is in normal form as it is; ``normalise`` then returns it twice."""


def normalise(path: bytes, policy: PathPolicy = DEFAULT_POLICY) -> Path:
    """Return the normal form of a path (no query). Idempotent.

    Raises HttpError(400): bad escape, encoded NUL or control character, a climb above the root, and what
    the policy refuses.
    """
    if is_normal(path):
        return Path(path, path)
    if path == b"*":
        return Path(path, path)
    wire = _escapes(path, policy)
    if b"\\" in wire:
        if policy.backslash == "reject":
            raise HttpError(400, causes.BAD_PATH, "backslash")
        wire = wire.replace(b"\\", b"/" if policy.backslash == "slash" else b"%5C")
    if b";" in wire:
        if policy.parameters == "reject":
            raise HttpError(400, causes.BAD_PATH, "parameter")
        if policy.parameters == "strip":
            wire = _PARAMETER.sub(b"", wire)
    if policy.double_slash != "keep" and _EMPTY_SEGMENT.search(wire):
        if policy.double_slash == "reject":
            raise HttpError(400, causes.BAD_PATH, "double slash")
        wire = _EMPTY_SEGMENT.sub(b"", wire)
    wire = _dots(wire, policy)
    route = _PARAMETER.sub(b"", wire) if b";" in wire else wire
    return Path(wire, route, _decoded(route) if b"%2F" in route or b"%5C" in route else b"")


def _decoded(route: bytes) -> bytes:
    """Return the path as one reads it who takes encoded slashes for separators, merged.

    Raises HttpError(400) where that reading has dot segments: it climbs, which data in a path has no need to.
    """
    decoded = route.replace(b"%2F", b"/").replace(b"%5C", b"/")
    if any(segment in (b".", b"..") for segment in decoded.split(b"/")):
        raise HttpError(400, causes.BAD_PATH, "dot segment beside an encoded slash")
    return _EMPTY_SEGMENT.sub(b"", decoded)


def _escapes(path: bytes, policy: PathPolicy) -> bytes:
    """Decode what need not be encoded, write the other escapes in upper case, encode what may not be raw."""

    def one(match: re.Match[bytes]) -> bytes:
        digits = match.group(1) or b""
        if not _HEX.fullmatch(digits):
            raise HttpError(400, causes.BAD_PATH, "percent escape")
        byte = int(digits, 16)
        if byte < 0x20 or byte == 0x7F:
            raise HttpError(400, causes.BAD_PATH, "encoded control character")
        if byte in _UNRESERVED:
            return bytes((byte,))
        if byte in b"/\\":
            if policy.encoded_slash == "reject":
                raise HttpError(400, causes.BAD_PATH, "encoded slash")
            if policy.encoded_slash == "decode":
                return bytes((byte,))
        return b"%" + digits.upper()

    if b"%" in path:
        path = _ESCAPE.sub(one, path)
    return _TO_ENCODE.sub(_encode, path)


def _encode(match: re.Match[bytes]) -> bytes:
    byte = match.group()[0]
    if byte < 0x20 or byte == 0x7F:
        raise HttpError(400, causes.BAD_PATH, "control character")
    return b"%%%02X" % byte


def _dots(path: bytes, policy: PathPolicy) -> bytes:
    """Resolve dot segments (RFC 3986 5.2.4), also those that hide behind a parameter (``/..;/``)."""
    if b"/." not in path:
        return path
    kept: list[bytes] = []
    segments = path.split(b"/")
    last = len(segments) - 1
    for index, segment in enumerate(segments):
        name = segment.partition(b";")[0]
        if name not in (b".", b".."):
            kept.append(segment)
            continue
        if policy.dot_segments == "reject":
            raise HttpError(400, causes.BAD_PATH, "dot segment")
        if name == b"..":
            if len(kept) <= 1:
                raise HttpError(400, causes.BAD_PATH, "above the root")
            kept.pop()
        if index == last:
            kept.append(b"")
    return b"/".join(kept) or b"/"
