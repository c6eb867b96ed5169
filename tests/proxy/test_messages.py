"""Messages from client to server and back: framing, persistence, interim responses, HTTP/1.0 (RFC 9110, RFC 9112)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.clients import Message, Wire, ask, connect, request, reset
from tests.support.origins import Origin, always, answer


def config(origin: Origin) -> dict[str, Any]:
    return {"sites": {"*": origin.address}}


def test_connections_persist_on_both_sides(origin: Origin, port: int) -> None:
    before = origin.connections
    with connect(port) as wire:
        for number in range(5):
            wire.send(request(f"/{number}"))
            response = wire.response()
            assert response.json()["start"] == ["GET", f"/{number}", "HTTP/1.1"]
            assert response["connection"] is None
    assert origin.connections <= before + 1


def test_pipelined_requests_are_answered_in_order(origin: Origin, port: int) -> None:
    with connect(port) as wire:
        wire.send(b"".join(request(f"/{number}", "POST", body=b"%d" % number) for number in range(20)))
        for number in range(20):
            told = wire.response().json()
            assert (told["start"][1], told["body"]) == (f"/{number}", str(number))


def test_a_deep_pipeline_is_served_whole(origin: Origin, port: int) -> None:
    origin.handler = always(answer(b"x"))
    with connect(port) as wire:
        wire.send(request() * 1000)
        for _ in range(1000):
            assert wire.response().body == b"x"


def test_pipelined_requests_are_answered_to_who_said_all_it_has_to_say(origin: Origin, port: int) -> None:
    with connect(port) as wire:
        wire.send(request("/1") + request("/2") + request("/3"))
        wire.end()
        assert [wire.response().json()["start"][1] for _ in range(3)] == ["/1", "/2", "/3"]
        assert wire.at_end()


@pytest.mark.parametrize("rest", [b"GET /2 HT", request("/2", "POST", Content_Length="3"), b"\r\n"])
def test_a_pipeline_that_ends_inside_a_request_ends_the_connection(origin: Origin, port: int, rest: bytes) -> None:
    with connect(port) as wire:
        wire.send(request("/1") + rest)
        wire.end()
        assert wire.response().json()["start"][1] == "/1"
        assert wire.at_end()


def test_a_request_may_come_byte_by_byte(origin: Origin, port: int) -> None:
    with connect(port) as wire:
        for byte in b"\r\n" + request("/slow", "POST", body=b"abc"):
            wire.send(bytes((byte,)))
        assert wire.response().json()["body"] == "abc"


def test_bodies_with_a_length(origin: Origin, port: int) -> None:
    body = bytes(range(256)) * 1000
    response = ask(port, "/", "POST", body=body)
    assert response.json()["body"] == body.decode("latin-1")
    assert dict(response.json()["fields"])["content-length"] == "256000"
    assert dict(ask(port, "/", "POST", body=b"").json()["fields"])["content-length"] == "0"


def test_chunked_requests_with_trailers(origin: Origin, port: int) -> None:
    with connect(port) as wire:
        wire.send(
            b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: CHUNKED\r\nTrailer: Digest\r\nTE: trailers\r\n"
            b"\r\n5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nDigest: abc\r\nX-Real-IP: 6.6.6.6\r\n\r\n"
        )
        told = wire.response().json()
    fields = dict(told["fields"])
    assert told["body"] == "hello world"
    assert told["trailers"] == [["digest", "abc"]]
    assert fields["transfer-encoding"] == "chunked"
    assert "content-length" not in fields
    assert fields["trailer"] == "Digest"
    assert (fields["te"], fields["connection"]) == ("trailers", "te")


def chunks(*parts: bytes, trailers: bytes = b"") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n" + trailers + b"\r\n"


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Digest\r\n\r\n"


@pytest.mark.parametrize("pieces", [1, 3, 1000])
def test_chunked_responses_with_trailers(origin: Origin, port: int, pieces: int) -> None:
    body = chunks(b"hello", b" ", b"world", trailers=b"Digest: abc\r\nServer: nginx\r\nLocation: http://origin/\r\n")
    data = CHUNKED + body

    def handle(wire: Wire, message: Message) -> bool:
        size = max(1, len(data) // pieces)
        for start in range(0, len(data), size):
            wire.send(data[start : start + size])
        return True

    origin.handler = handle
    with connect(port) as wire:
        for _ in range(2):
            wire.send(request())
            response = wire.response()
            assert response.body == b"hello world"
            assert response.trailers == [("digest", "abc")]


def test_a_response_that_ends_with_its_connection_is_chunked_on(origin: Origin, port: int) -> None:
    def handle(wire: Wire, message: Message) -> bool:
        wire.send(b"HTTP/1.0 200 OK\r\n\r\nall there is")
        return False

    origin.handler = handle
    with connect(port) as wire:
        for _ in range(2):
            wire.send(request())
            response = wire.response()
            assert response["transfer-encoding"] == "chunked"
            assert response.body == b"all there is"


@pytest.mark.parametrize(
    "begun",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", CHUNKED + b"4\r\nhalf\r\n"],
    ids=["length", "chunked"],
)
def test_a_response_that_breaks_off_is_not_passed_on_as_whole(origin: Origin, port: int, begun: bytes) -> None:
    def handle(wire: Wire, message: Message) -> bool:
        wire.send(begun)
        return False

    origin.handler = handle
    with connect(port) as wire:
        wire.send(request())
        assert wire.head().status == 200
        try:
            rest = wire.rest()
        except ConnectionResetError:
            rest = wire.buffer
        assert not rest.endswith(b"0\r\n\r\n")
        assert len(rest) < 10


@pytest.mark.parametrize("framing", ["Content-Length: 11", "Transfer-Encoding: chunked", "X-Nothing: 1"])
def test_head(origin: Origin, port: int, framing: str) -> None:
    def handle(wire: Wire, message: Message) -> bool:
        wire.send(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode())
        return True

    origin.handler = handle
    with connect(port) as wire:
        for _ in range(2):
            wire.send(request(method="HEAD"))
            response = wire.response("HEAD")
            assert response.status == 200
            assert response["content-length"] == ("11" if "11" in framing else None)
        assert not wire.buffer


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body(origin: Origin, port: int, status: int) -> None:
    def handle(wire: Wire, message: Message) -> bool:
        wire.send(f"HTTP/1.1 {status} x\r\nContent-Length: 7\r\nETag: x\r\n\r\n".encode())
        return True

    origin.handler = handle
    with connect(port) as wire:
        for _ in range(2):
            wire.send(request())
            response = wire.response()
            assert (response.status, response["etag"]) == (status, "x")
            assert response["content-length"] == (None if status == 204 else "7")
        assert not wire.buffer


def interim(wire: Wire, message: Message) -> bool:
    wire.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nServer: x\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + answer())
    return True


def test_interim_responses_are_passed_on(origin: Origin, port: int) -> None:
    origin.handler = interim
    with connect(port) as wire:
        wire.send(request())
        first, second = wire.head(), wire.head()
        assert (first.status, first["link"], first["server"]) == (103, "</a>", None)
        assert second.status == 102
        assert wire.response().body == b"hello"


def test_interim_responses_are_withheld_from_http_1_0(origin: Origin, port: int) -> None:
    origin.handler = interim
    with connect(port) as wire:
        wire.send(request(version="HTTP/1.0"))
        assert wire.head().status == 200


def test_expect_continue(origin: Origin, port: int) -> None:
    def handle(wire: Wire, message: Message) -> bool:
        assert message["expect"] == "100-continue"
        wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        wire.read_body(message)
        wire.send(answer(message.body))
        return True

    origin.handler = handle
    with connect(port) as wire:
        for number in (b"1", b"2"):
            wire.send(request("/", "PUT", body=number, Expect="100-continue")[:-1])
            assert wire.head().status == 100
            wire.send(number)
            assert wire.response().body == number


@pytest.mark.parametrize("status", ["413 Content Too Large", "417 Expectation Failed"])
def test_expect_continue_refused(origin: Origin, port: int, status: str) -> None:
    def handle(wire: Wire, message: Message) -> bool:
        wire.send(answer(b"no", status))
        return False

    origin.handler = handle
    with connect(port) as wire:
        wire.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
        response = wire.response()
        assert (response.status, response.body, response["connection"]) == (int(status[:3]), b"no", "close")
        assert wire.at_end()


def test_an_early_answer_reaches_a_client_that_goes_on_sending(origin: Origin, port: int) -> None:
    def handle(wire: Wire, message: Message) -> bool:
        wire.send(answer(b"enough", "413 Content Too Large"))
        return False

    origin.handler = handle
    with connect(port) as wire:
        wire.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
        for _ in range(4):
            wire.send(b"x" * 100_000)
        assert wire.response().body == b"enough"


def test_http_1_0_closes_unless_asked(origin: Origin, port: int) -> None:
    with connect(port) as wire:
        wire.send(request(version="HTTP/1.0"))
        response = wire.response()
        assert (response.start[0], response["connection"]) == ("HTTP/1.1", "close")
        assert response.json()["start"][2] == "HTTP/1.1"
        assert wire.at_end()
    with connect(port) as wire:
        for _ in range(3):
            wire.send(request(version="HTTP/1.0", Connection="keep-alive"))
            assert wire.response()["connection"] == "keep-alive"


def test_http_1_0_gets_no_chunks(origin: Origin, port: int) -> None:
    origin.handler = always(CHUNKED + chunks(b"hello", b" world", trailers=b"Digest: abc\r\n"))
    with connect(port) as wire:
        wire.send(request(version="HTTP/1.0", Connection="keep-alive"))
        response = wire.response()
        assert (response["transfer-encoding"], response["trailer"]) == (None, None)
        assert response.body == b"hello world"
        assert wire.at_end()


def test_http_1_0_without_host(origin: Origin, port: int) -> None:
    with connect(port) as wire:
        wire.send(b"GET / HTTP/1.0\r\n\r\n")
        fields = dict(wire.response().json()["fields"])
        assert fields["host"] == origin.address  # RFC 9112 3.2: there must be one, and it must be a host


def test_close_is_kept(origin: Origin, port: int) -> None:
    with connect(port) as wire:
        wire.send(request(Connection="close"))
        response = wire.response()
        assert response["connection"] == "close"
        assert "connection" not in dict(response.json()["fields"])
        assert wire.at_end()


def test_a_server_that_closes_costs_the_client_no_connection(origin: Origin, port: int) -> None:
    def handle(wire: Wire, message: Message) -> bool:
        wire.send(answer(b"x", "200 OK", "Connection: close"))
        return False

    origin.handler = handle
    with connect(port) as wire:
        for _ in range(5):
            wire.send(request())
            response = wire.response()
            assert (response.body, response["connection"]) == (b"x", None)


def test_bytes_that_no_request_asked_for_reach_nobody(origin: Origin, port: int) -> None:
    origin.handler = always(answer(b"mine") + answer(b"poison"))
    with connect(port) as wire:
        for _ in range(5):
            wire.send(request())
            assert wire.response().body == b"mine"


@pytest.mark.parametrize(
    "response",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\nSet-Cookie: c\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000,
    ],
)
def test_a_response_that_cannot_be_understood_is_a_502(origin: Origin, port: int, response: bytes) -> None:
    origin.handler = always(response)
    found = ask(port, method="POST", body=b"")
    assert found.status == 502
    assert found["x-bascule-ref"]
    assert b"nonsense" not in found.raw + found.body


def test_a_client_that_goes_away_leaves_nothing_behind(origin: Origin, port: int) -> None:
    for _ in range(3):
        with connect(port) as wire:
            wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
            reset(wire.sock)
    assert ask(port).status == 200


SMUGGLED = [
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\nHost: a\n\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: y\nZ: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n X: y\r\n\r\n",
    b"\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
]


@pytest.mark.parametrize("data", SMUGGLED)
def test_what_could_be_smuggled_is_refused_and_the_connection_closed(origin: Origin, port: int, data: bytes) -> None:
    with connect(port) as wire:
        wire.send(data + request("/smuggled"))
        response = wire.response()
        assert response.status in (400, 501)
        assert response["connection"] == "close"
        assert response["x-bascule-ref"]
        assert wire.at_end()
    assert "/smuggled" not in [message.start[1] for message in origin.seen]
