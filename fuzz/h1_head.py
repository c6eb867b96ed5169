"""Request heads: only HttpError is raised, memory changes nothing, and h11 understands the same."""

from __future__ import annotations

from fuzz.drive import instrumented, run

with instrumented():
    from bascule.http.errors import HttpError
    from bascule.http.fields import FAULTS
    from bascule.http.h1.head import RequestParser
    from bascule.http.message import RequestHead

import h11

_remembering = RequestParser()


def _parse(parser: RequestParser, data: bytes) -> RequestHead | tuple[int, str]:
    try:
        return parser.parse(data)
    except HttpError as error:
        return error.status, error.cause


def one_input(data: bytes) -> None:
    """See the module."""
    end = data.find(b"\r\n\r\n")
    data = data[: end + 4] if end >= 0 else data + b"\r\n\r\n"
    known, new = _parse(_remembering, data), _parse(RequestParser(), data)
    if isinstance(new, tuple):
        assert known == new, (known, new)
        return
    assert isinstance(known, RequestHead)
    for fact in ("method", "target", "minor", "authority", "host", "port", "length", "chunked", "keep_alive", "fields"):
        assert getattr(known, fact) == getattr(new, fact), fact
    assert not (new.chunked and new.length >= 0)
    assert b" " not in new.target
    assert b"\n" not in new.target
    for name, value, _, line in new.fields:
        assert line == b"%b: %b\r\n" % (name, value)
        assert 0 not in value.translate(FAULTS)
    _compare(new, data)


def _compare(head: RequestHead, data: bytes) -> None:
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    try:
        server.receive_data(data)
        event = server.next_event()
    except h11.RemoteProtocolError:
        return  # h11 is stricter about a few things that do not matter to framing, such as bytes above 0x7f
    assert isinstance(event, h11.Request), event
    assert event.method == head.method
    fields = [(field[0], field[1]) for field in head.fields]
    assert sorted(map(_lower, event.headers)) == sorted(map(_lower, fields))
    assert bytes(event.target).endswith(head.target if event.target[:1] in (b"/", b"*") else b"")


def _lower(pair: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """What h11 tells in lower case."""
    name, value = pair
    return name, value.lower() if name in (b"transfer-encoding", b"expect") else value


def seeds() -> list[bytes]:
    """Requests as browsers, tools and attackers send them."""
    host = b"Host: a.test\r\n"
    return [
        b"GET / HTTP/1.1\r\n" + host,
        b"POST /x?y HTTP/1.1\r\n" + host + b"Content-Length: 5\r\nCookie: a=b\r\nReferer: http://a.test/\r\n",
        b"POST / HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\nTE: trailers\r\nExpect: 100-continue\r\n",
        b"GET http://a.test:80/ HTTP/1.0\r\n" + host + b"Connection: keep-alive, upgrade\r\nUpgrade: websocket\r\n",
        b"OPTIONS * HTTP/1.1\r\n" + host + b"X_Y: 1\r\nA : b\r\n folded\r\n",
        b"POST / HTTP/1.1\r\n"
        + host
        + b"Content-Length: 5\r\nContent-Length: 6\r\nTransfer-Encoding: gzip, chunked\r\n",
    ]


if __name__ == "__main__":
    run("h1_head", one_input, seeds())
