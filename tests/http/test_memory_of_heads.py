"""What the tables remember changes no result: a parser that has seen thousands of heads says what a new one says."""

from __future__ import annotations

import random

import h11
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.http.errors import HttpError
from bascule.http.h1.head import RequestParser, ResponseParser

LINES = [
    b"Host: a.test", b"host: b.test", b"Host:a.test", b"User-Agent: Mozilla/5.0", b"Accept: */*", b"Accept: a",
    b"Cookie: a=1", b"Cookie: b=2", b"cookie: c=3", b"Cookie:  d=4 ", b"Cookie: bad\0", b"Referer: http://a.test/",
    b"Referer: /x", b"Content-Length: 5", b"Content-Length: 6", b"content-length: 5", b"Content-Length: x",
    b"Content-Length:5", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"Connection: close",
    b"Connection: keep-alive, x", b"X: 1", b"X: 2", b"X: a b", b"x_y: 1", b"Via: 1.1 a", b"Expect: 100-continue",
    b"Expect: x", b"Upgrade: websocket", b"X-Forwarded-For: 1.2.3.4", b"Bad Name: 1", b" folded", b"Date: today",
    b"ETag: 1", b"Etag: 2", b"Last-Modified: x", b"Server: s", b"Set-Cookie: a", b"Location: /", b"TE: trailers",
]  # fmt: skip
REQUEST_LINES = [b"GET / HTTP/1.1", b"POST /x?y HTTP/1.1", b"GET / HTTP/1.0", b"OPTIONS * HTTP/1.1", b"G ET / HTTP/1.1"]
STATUS_LINES = [b"HTTP/1.1 200 OK", b"HTTP/1.1 304 Not Modified", b"HTTP/1.0 200 OK", b"HTTP/1.1 204 x", b"HTTP/1.1 2"]
BODIES = st.lists(st.sampled_from(LINES), max_size=8)
WATCHED = frozenset((b"server", b"cookie"))

old_requests, old_responses = RequestParser(watched=WATCHED), ResponseParser(watched=WATCHED)
plain_requests, plain_responses = RequestParser(), ResponseParser()


def head_of(first: bytes, lines: list[bytes]) -> bytes:
    return b"\r\n".join((first, *lines, b"", b""))


def facts(parse: object, *arguments: bytes) -> object:
    """All that a head says; or the error."""
    try:
        head = parse(*arguments)  # type: ignore[operator]
    except HttpError as error:
        return error.status, error.cause
    return told_by(head, "block"), told_by(head.block, "by_route"), head.fields


def told_by(thing: object, *but: str) -> dict[str, object]:
    """All attributes, but for some."""
    every = {name: getattr(thing, name) for name in dir(thing) if not name.startswith("_") and name not in but}
    return {name: value for name, value in every.items() if not callable(value)}


@settings(max_examples=400)
@given(st.sampled_from(REQUEST_LINES), BODIES, st.booleans())
def test_a_remembered_request_is_the_request(line: bytes, lines: list[bytes], watched: bool) -> None:
    data = head_of(line, lines)
    names = WATCHED if watched else frozenset()
    fresh = facts(RequestParser(watched=names).parse, data)
    parser = old_requests if watched else plain_requests
    assert facts(parser.parse, data) == fresh
    assert facts(parser.parse, data) == fresh


@settings(max_examples=400)
@given(st.sampled_from(STATUS_LINES), BODIES, st.booleans(), st.sampled_from([b"GET", b"HEAD"]))
def test_a_remembered_response_is_the_response(line: bytes, lines: list[bytes], watched: bool, method: bytes) -> None:
    data = head_of(line, lines)
    fresh = facts(ResponseParser(watched=WATCHED if watched else frozenset()).parse, data, method)
    parser = old_responses if watched else plain_responses
    assert facts(parser.parse, data, method) == fresh
    assert facts(parser.parse, data, method) == fresh


def test_tables_forget_and_still_say_the_same() -> None:
    draw = random.Random(7)
    parser = RequestParser()
    kept = head_of(b"GET / HTTP/1.1", [b"Host: a.test", b"X: 1", b"Cookie: a=1"])
    fresh = facts(RequestParser().parse, kept)
    for number in range(9000):  # more than any table holds
        lines = [b"Host: h%d.test" % number, b"X-%d: %s" % (number, b"y" * 600), *draw.sample(LINES[3:5], 1)]
        data = head_of(b"GET / HTTP/1.1", lines)
        if number % 100 == 0:
            assert facts(parser.parse, data) == facts(RequestParser().parse, data)
            assert facts(parser.parse, kept) == fresh
        else:
            parser.parse(data)


def test_whole_responses_are_remembered_for_a_while_but_not_for_head() -> None:
    parser = ResponseParser()
    data = head_of(b"HTTP/1.1 200 OK", [b"Content-Length: 5"])
    head = parser.parse(data, b"GET")
    assert parser.parse(data, b"POST") is head
    assert (parser.parse(data, b"HEAD").length, head.length) == (0, 5)
    for number in range(1000):
        parser.parse(head_of(b"HTTP/1.1 200 OK", [b"Content-Length: %d" % number]), b"GET")
    assert parser.parse(data, b"GET") is not head


def h11_reads(data: bytes) -> tuple[bytes, bytes, list[tuple[bytes, bytes]], bytes]:
    """Method, target, fields and body as h11 understands one request."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(data)
    event = server.next_event()
    assert isinstance(event, h11.Request), event
    body = b""
    while isinstance(part := server.next_event(), h11.Data):
        body += bytes(part.data)
    assert isinstance(part, h11.EndOfMessage), part
    return event.method, event.target, list(event.headers), body


@settings(max_examples=400)
@given(st.sampled_from(REQUEST_LINES), BODIES)
def test_h11_reads_an_accepted_head_as_bascule_does(line: bytes, lines: list[bytes]) -> None:
    data = head_of(line, lines)
    try:
        head = RequestParser().parse(data)
    except HttpError:
        return
    body = b"5\r\nhello\r\n0\r\n\r\n" if head.chunked else b"hello!"[: max(head.length, 0)]
    method, target, fields, read = h11_reads(data + body)
    assert (method, target) == (head.method, head.target)
    assert read == (b"hello" if head.chunked else body)
    assert sorted(fields) == sorted((field[0], field[1]) for field in head.fields)


def test_notes_on_a_block_do_not_outlive_a_change_of_its_fields() -> None:
    block = RequestParser().parse(b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n\r\n").block
    block.note("rules", "harmless")
    changed = block.with_fields(
        [(b"x-a", b"2", 0, b"x-a: 2\r\n") if field[0] == b"x-a" else field for field in block.fields]
    )
    assert changed.notes == {}
    assert block.with_fields(list(block.fields)).notes == {"rules": "harmless"}
