"""Whatever is sent: the server, read by h11, gets just the requests that h11 reads in what the client sent."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import h11
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.clients import EndedError, Message, Wire, connect
from tests.support.origins import Origin, answer

Request = tuple[str, str, str]
"""Method, target and body."""


def config(origin: Origin) -> dict[str, Any]:
    return {"sites": {"*": {"routes": {"/": {"servers": [origin.address], "retries": {"attempts": 0}}}}}}


class Reader:
    """Reads requests by h11 alone."""

    def __init__(self) -> None:
        self._connection = h11.Connection(h11.SERVER)
        self._head: h11.Request | None = None
        self._body = b""

    def feed(self, data: bytes) -> None:
        self._connection.receive_data(data)

    def next(self) -> Request | None:
        """The next request; None while it is not there whole. Raises h11.RemoteProtocolError."""
        while True:
            event = self._connection.next_event()
            if isinstance(event, h11.Request):
                self._head, self._body = event, b""
            elif isinstance(event, h11.Data):
                self._body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                assert self._head is not None
                return self._head.method.decode(), self._head.target.decode("latin-1"), self._body.decode("latin-1")
            else:
                return None

    def answered(self) -> None:
        """Go on to the next request."""
        self._connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
        self._connection.send(h11.EndOfMessage())
        if self._connection.states == {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
            self._connection.start_next_cycle()

    @property
    def left(self) -> bytes:
        return self._connection.trailing_data[0]


def strictly(wire: Wire, message: Message) -> bool:
    """Read a request by h11 alone, and answer with what it understood."""
    reader = Reader()
    reader.feed(message.raw + wire.buffer)
    wire.buffer = b""
    while (found := reader.next()) is None:
        data = wire.sock.recv(65536)
        if not data:
            raise EndedError(b"")
        reader.feed(data)
    assert reader.left == b"", "more than one request"
    wire.send(answer(json.dumps(found).encode()))
    return True


LINES = [b"GET /%d HTTP/1.1", b"POST /%d?a=b HTTP/1.1", b"PUT http://a.test/%d HTTP/1.1", b"POST /%d HTTP/1.0"]
FIELDS = [
    b"X: y", b"Connection: keep-alive", b"Connection: x, content-length", b"Expect: 100-continue", b"Cookie: a=b",
    b"Content-Length: 3", b"content-length: 3", b"Content-Length: 0", b"Content-Length:3 ", b"Content-Length: 03",
    b"Content-Length: +3", b"Transfer-Encoding: chunked", b"transfer-encoding: Chunked", b"Transfer-Encoding: x",
    b"Transfer-Encoding : chunked", b"X: y\n", b" folded", b"TE: trailers", b"Trailer: a", b"Upgrade: h2c",
    b"Connection: Transfer-Encoding",
]  # fmt: skip
BODIES = [
    b"",
    b"abc",
    b"3\r\nabc\r\n0\r\n\r\n",
    b"3;x\r\nabc\r\n0\r\na: b\r\n\r\n",
    b"0\r\n\r\n",
    b"3\nabc\n0\n\n",
    b"GET /x HTTP/1.1\r\n\r\n",
]
STRICTER = (
    "no request line received",  # RFC 9112 2.2 lets a server ignore an empty line before a request
    "Got data when expecting EOF",  # RFC 9112 9.3 lets HTTP/1.0 connections persist
)
"""Where h11 refuses what is allowed."""
PARTS = st.tuples(st.sampled_from(LINES), st.lists(st.sampled_from(FIELDS), max_size=4), st.sampled_from(BODIES))


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(parts=st.lists(PARTS, min_size=1, max_size=3), cut=st.integers(0, 200))
def test_the_server_gets_what_the_client_sent(
    origin: Origin, port: int, parts: list[tuple[bytes, list[bytes], bytes]], cut: int
) -> None:
    origin.handler = strictly
    data = b""
    for number, (line, fields, body) in enumerate(parts):
        data += b"\r\n".join([line % number, b"Host: a.test", *fields, b"", b""]) + body
    oracle = Reader()
    oracle.feed(data)
    for found in answers(port, data, cut):
        try:
            sent = oracle.next()
        except h11.RemoteProtocolError as error:
            if str(error) in STRICTER:
                return
            raise
        assert sent is not None, "the server got a request that the client did not send"
        method, target, body = sent
        assert found == [method, target.removeprefix("http://a.test"), body]
        oracle.answered()


def answers(port: int, data: bytes, cut: int) -> list[Any]:
    """Send in two pieces; return what the servers understood, up to the first refusal or the end."""
    found = []
    with connect(port) as wire:
        with contextlib.suppress(OSError):  # it was refused already
            wire.send(data[:cut])
            wire.send(data[cut:])
            wire.end()
        while True:
            try:
                response = wire.response()
            except (EndedError, ConnectionError):
                return found
            if response.status != 200:
                return found
            found.append(response.json())


@pytest.mark.parametrize("body", [b"3\r\nabc\r\n0\r\n\r\n", b"3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n"])
def test_the_oracle_sees_good_requests(origin: Origin, port: int, body: bytes) -> None:
    origin.handler = strictly
    data = b"POST /1 HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    assert answers(port, data * 2, 50) == [["POST", "/1", "abc"]] * 2
