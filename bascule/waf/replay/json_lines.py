"""Recordings of one JSON object a line: requests, Bascule's access log and events, ModSecurity's audit log."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from bascule.telemetry.eventformats import from_modsecurity
from bascule.waf.replay.records import MAX_RECORD, Pairs, Recorded, ReplayError, complete

_decode = msgspec.json.Decoder().decode
_LOGGED = (("host", b"host"), ("user_agent", b"user-agent"), ("referer", b"referer"))
"""Keys of the access log that are fields of the request."""


def read_lines(chunks: Iterable[bytes]) -> Iterator[Recorded]:
    """Yield the requests of JSON lines; blank lines are skipped. Raises ReplayError."""
    for number, line in enumerate(split_lines(chunks), 1):
        if line.strip() and (request := from_json(line, number)) is not None:
            yield request


def split_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines without their end. Raises ReplayError for one longer than `MAX_RECORD`."""
    rest, count = b"", 0
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n") if b"\n" in chunk else (rest + chunk,)
        count += len(lines)
        if len(rest) > MAX_RECORD:
            raise ReplayError(count + 1, f"the line is longer than {MAX_RECORD >> 20} MiB")
        yield from lines
    if rest:
        yield rest


def from_json(line: bytes, number: int) -> Recorded | None:
    """Return the request that one line tells of; None where a log tells of a connection that brought none, or none
    that could be read. Raises ReplayError."""
    try:
        found = _decode(line)
        if isinstance(found, dict) and "transaction" in found:
            found = from_modsecurity(found)
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ReplayError(number, f"not a JSON record: {error}") from None
    if not isinstance(found, dict):
        raise ReplayError(number, "not a JSON object")
    if found.get("method") == "-" and "status" in found:
        return None
    method, target = (_text(found, key, number) for key in ("method", "target"))
    body = _body(found, number)
    headers, logged = _headers(found, number)
    lacks = ["headers"] if logged else []
    if not body and (found.get("body_bytes") or (logged and found.get("bytes_in") and method not in ("GET", "HEAD"))):
        lacks.append("body")
    request = Recorded(
        method.encode("latin-1", "replace"),
        target.encode("utf-8", "surrogateescape"),
        headers,
        body,
        version=b"1.0" if str(found.get("version", "")).endswith("1.0") else b"1.1",
        client=str(found.get("client") or "127.0.0.1").encode(),
        place=number,
        lacks=tuple(lacks),
        status=status if isinstance(status := found.get("status"), int) else 0,
    )
    return complete(request, str(found.get("host") or "localhost").encode("utf-8", "replace"))


def _text(found: dict[str, Any], key: str, number: int) -> str:
    value = found.get(key)
    if not isinstance(value, str) or not value:
        raise ReplayError(number, f'there is no {key!r}; a line needs at least "method" and "target"')
    return value


def _body(found: dict[str, Any], number: int) -> bytes:
    body = found.get("body")
    if isinstance(encoded := found.get("body_base64"), str):
        try:
            return base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise ReplayError(number, f"body_base64: {error}") from None
    if body is None:
        return b""
    if not isinstance(body, str):
        raise ReplayError(number, 'the "body" is not text; for bytes there is "body_base64"')
    return body.encode("utf-8", "surrogateescape")


def _headers(found: dict[str, Any], number: int) -> tuple[Pairs, bool]:
    """Return the header fields, and whether the line has only those an access log keeps."""
    headers = found.get("headers")
    if headers is None:
        pairs = [(name, found[key]) for key, name in _LOGGED if isinstance(found.get(key), str) and found[key]]
        return [(name, value.encode("utf-8", "surrogateescape")) for name, value in pairs], "status" in found
    items = list(headers.items()) if isinstance(headers, dict) else headers
    try:
        return [
            (name.lower().encode("latin-1", "replace"), value.encode("utf-8", "surrogateescape"))
            for name, value in items
            if not name.startswith(":")
        ], False
    except (TypeError, ValueError, AttributeError):
        raise ReplayError(number, 'the "headers" are neither an object nor a list of [name, value]') from None
