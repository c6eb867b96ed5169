"""HTTP/1.1 requests as text, as they stand on the wire or were copied from a tool: one or several in a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bascule.waf.replay.records import MAX_RECORD, Pairs, Recorded, ReplayError, complete

_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) +(\S.*?) +HTTP/(\d(?:\.\d)?)\r?")
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[^\n]*\n")


def read_raw(chunks: Iterable[bytes]) -> Iterator[Recorded]:
    """Yield the requests of a file. Raises ReplayError with the line.

    A body is as long as Content-Length or the chunks say; without either it goes on to the next request line that
    stands after an empty line, or to the end of the file. Lines may end with LF alone.
    """
    data = _whole(chunks)
    at, line = 0, 1
    while True:
        while (end := data.find(b"\n", at)) >= 0 and not data[at:end].strip():
            at, line = end + 1, line + 1
        if not data[at:].strip():
            return
        begin = at
        request, at = _one(data, at, line)
        yield request
        line += data.count(b"\n", begin, at)


def _whole(chunks: Iterable[bytes]) -> bytes:
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size > MAX_RECORD:
            raise ReplayError(1, f"the file is longer than {MAX_RECORD >> 20} MiB; split it")
    return b"".join(parts)


def _one(data: bytes, at: int, line: int) -> tuple[Recorded, int]:
    """Return the request that begins at `at`, and where it ends."""
    end = _line_end(data, at)
    first = _REQUEST_LINE.fullmatch(data[at:end].rstrip(b"\n"))
    if first is None:
        shown = data[at:end].strip()[:60].decode("utf-8", "backslashreplace")
        raise ReplayError(line, f"not a request line such as `GET /path HTTP/1.1`: {shown!r}")
    method, target, version = first.groups()
    headers, at = _fields(data, end, line + 1)
    host = b""
    if absolute := _ABSOLUTE.match(target):
        host, target = absolute[1], target[absolute.end() :] or b"/"
    body, at = _body(data, at, headers, line)
    request = Recorded(method, target, headers, body, version=version, place=line)
    return complete(request, host), at


def _fields(data: bytes, at: int, line: int) -> tuple[Pairs, int]:
    headers: Pairs = []
    while at < len(data):
        end = _line_end(data, at)
        text = data[at:end].rstrip(b"\r\n")
        at = end
        if not text:
            break
        name, colon, value = text.partition(b":")
        if not colon or not name:
            raise ReplayError(
                line + len(headers), f"not a header field: {text[:60].decode('utf-8', 'backslashreplace')!r}"
            )
        headers.append((name.strip().lower(), value.strip(b" \t")))
    return headers, at


def _body(data: bytes, at: int, headers: Pairs, line: int) -> tuple[bytes, int]:
    """Return the body that begins at `at`, and where it ends."""
    fields = dict(headers)
    if fields.get(b"transfer-encoding", b"").lower().endswith(b"chunked"):
        return _chunked(data, at, line)
    length = fields.get(b"content-length", b"")
    if length.isdigit():
        end = at + int(length)
        if end > len(data):
            raise ReplayError(line, f"the body has {len(data) - at} bytes, its Content-Length says {int(length)}")
        return data[at:end], end
    if _REQUEST_LINE.fullmatch(data[at : _line_end(data, at)].rstrip(b"\n")):
        return b"", at
    end = at
    while (end := data.find(b"\n", end)) >= 0:
        end += 1
        if not data[_line_start(data, end - 1) : end].strip() and _REQUEST_LINE.fullmatch(
            data[end : _line_end(data, end)].rstrip(b"\n")
        ):
            return data[at:end].strip(b"\r\n"), end
    return data[at:].strip(b"\r\n"), len(data)


def _chunked(data: bytes, at: int, line: int) -> tuple[bytes, int]:
    parts: list[bytes] = []
    while size := _CHUNK_SIZE.match(data, at):
        start, length = size.end(), int(size[1], 16)
        at = start + length
        if at > len(data):
            break
        parts.append(data[start:at])
        at += 2 if data[at : at + 2] == b"\r\n" else 1
        if length == 0:
            return b"".join(parts), min(at, len(data))
    raise ReplayError(line, "the chunked body is not complete")


def _line_end(data: bytes, at: int) -> int:
    return data.find(b"\n", at) + 1 or len(data)


def _line_start(data: bytes, at: int) -> int:
    return data.rfind(b"\n", 0, at) + 1
