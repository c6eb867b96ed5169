"""Response heads: framing by status and method (RFC 9112 6.3), and what makes a server's answer a 502."""

from __future__ import annotations

import pytest

from bascule.http.errors import HttpError
from bascule.http.h1.head import ResponseParser
from bascule.http.message import NO_LENGTH
from bascule.telemetry import causes

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

FRAMED: list[tuple[bytes, bytes, dict[str, object]]] = [
    # 6.3, 1: no body whatever the fields say
    (b"GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n", {"length": 0, "keep_alive": True}),
    (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n", {"length": 0, "announced": 5}),
    (b"GET", b"HTTP/1.1 100 Continue\r\n", {"length": 0}),
    (b"GET", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n", {"length": 0}),
    (b"HEAD", OK + b"Content-Length: 5\r\n", {"length": 0, "announced": 5, "keep_alive": True}),
    (b"HEAD", OK + CHUNKED, {"length": 0, "chunked": False}),
    (b"HEAD", OK, {"length": 0, "announced": NO_LENGTH, "keep_alive": True}),
    # 6.3, 4: chunked
    (b"GET", OK + CHUNKED, {"length": NO_LENGTH, "chunked": True, "keep_alive": True}),
    (b"GET", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + CHUNKED, {"chunked": True, "keep_alive": False}),
    # 6.3, 6 and 8: length, or the end of the connection
    (b"GET", OK + b"Content-Length: 5\r\n", {"length": 5, "chunked": False, "keep_alive": True}),
    (b"GET", OK + b"content-length:5\r\nConnection: close\r\n", {"length": 5, "keep_alive": False}),
    (b"GET", OK, {"length": NO_LENGTH, "chunked": False, "keep_alive": False}),
    (b"GET", b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n", {"minor": 0, "keep_alive": False}),
    (b"GET", b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: Keep-Alive\r\n", {"keep_alive": True}),
    # 4: status line
    (b"GET", b"HTTP/1.1 200 \r\nContent-Length: 0\r\n", {"status": 200, "reason": b""}),
    (b"GET", b"HTTP/1.1 200\r\nContent-Length: 0\r\n", {"status": 200, "reason": b""}),
    (b"GET", b"HTTP/1.1 299 Sehr sch\xf6n\r\nContent-Length: 0\r\n", {"status": 299, "reason": b"Sehr sch\xf6n"}),
]


@pytest.mark.parametrize(("method", "data", "facts"), FRAMED)
def test_framing(method: bytes, data: bytes, facts: dict[str, object]) -> None:
    parser = ResponseParser()
    for _ in range(2):
        head = parser.parse(data + b"\r\n", method)
        assert {name: getattr(head, name) for name in facts} == facts


REFUSED = [
    b"HTTP/2 200 OK\r\n",
    b"HTTP/1.1 99 x\r\n",
    b"HTTP/1.1 2000 x\r\n",
    b"HTTP/1.1  200 OK\r\n",
    b"HTTP/1.1 200\tOK\r\n",
    b"ICY 200 OK\r\n",
    b"HTTP/1.1 200 O\x00K\r\n",
    OK + b"Content-Length: 5\r\nContent-Length: 5\r\n",
    OK + b"Content-Length: 5\r\ncontent-length: 6\r\n",
    OK + b"Content-Length: 5, 5\r\n",
    OK + b"Content-Length: -1\r\n",
    OK + b"Content-Length: 5\r\n" + CHUNKED,
    OK + b"Transfer-Encoding: gzip\r\n",
    OK + b"Transfer-Encoding: gzip, chunked\r\n",
    OK + b"A: b\r\n c\r\n",
    OK + b"A: b\nSet-Cookie: c\r\n",
    OK + b"A: b\rc\r\n",
    OK + b"A : b\r\n",
    OK + b"A: \0\r\n",
    OK + b"nonsense\r\n",
    OK + b"".join(b"X-%d: 1\r\n" % number for number in range(257)),
]


@pytest.mark.parametrize("data", REFUSED)
def test_faults_of_a_server_are_502(data: bytes) -> None:
    parser = ResponseParser()
    for _ in range(2):
        with pytest.raises(HttpError) as error:
            parser.parse(data + b"\r\n", b"GET")
        assert (error.value.status, error.value.cause) == (502, causes.ORIGIN_PROTOCOL_ERROR)
