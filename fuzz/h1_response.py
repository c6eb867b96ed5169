"""Response heads: only HttpError 502 is raised, memory changes nothing, and no framing is ambiguous."""

from __future__ import annotations

from fuzz.drive import instrumented, run

with instrumented():
    from bascule.http.errors import HttpError
    from bascule.http.h1.head import ResponseParser
    from bascule.http.message import ResponseHead

_remembering = ResponseParser(watched=frozenset((b"server",)))


def _parse(parser: ResponseParser, data: bytes, method: bytes) -> ResponseHead | int:
    try:
        return parser.parse(data, method)
    except HttpError as error:
        return error.status


def one_input(data: bytes) -> None:
    """The first byte chooses the method."""
    method = b"HEAD" if data[:1] == b"H" and data[:4] != b"HTTP" else b"GET"
    end = data.find(b"\r\n\r\n")
    data = data[: end + 4] if end >= 0 else data + b"\r\n\r\n"
    known = _parse(_remembering, data, method)
    new = _parse(ResponseParser(watched=frozenset((b"server",))), data, method)
    if isinstance(new, int):
        assert known == new == 502
        return
    assert isinstance(known, ResponseHead)
    for name in ("status", "reason", "minor", "length", "announced", "chunked", "keep_alive", "fields"):
        assert getattr(known, name) == getattr(new, name), name
    assert 100 <= new.status <= 999
    assert not (new.chunked and new.length >= 0)
    assert b"\n" not in new.reason
    if new.length < 0 and not new.chunked:
        assert not new.keep_alive, "its end could not be told from the next response"
    if new.status in (204, 304) or new.status < 200:
        assert new.length == 0


def seeds() -> list[bytes]:
    """Responses of common servers."""
    return [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: x\r\nETag: y\r\nServer: z\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: a\r\nSet-Cookie: b\r\n",
        b"HTTP/1.0 301 Moved\r\nLocation: http://a/\r\nConnection: keep-alive\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nLast-Modified: x\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n",
    ]


if __name__ == "__main__":
    run("h1_response", one_input, seeds())
