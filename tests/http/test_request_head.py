"""Request heads: what is accepted, how it is framed, and what is refused with which status."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bascule.http.errors import HttpError
from bascule.http.h1.head import RequestParser, without_empty_lines
from bascule.http.message import NO_LENGTH, RequestHead
from bascule.telemetry import causes

HOST = b"Host: a.test\r\n"


def parse(data: bytes, **options: int) -> RequestHead:
    return RequestParser(**options).parse(data + b"\r\n")


def get(fields: bytes = HOST, line: bytes = b"GET / HTTP/1.1") -> bytes:
    return line + b"\r\n" + fields


REFUSED: list[tuple[str, bytes, int, str]] = [
    # RFC 9112 3: request-line = method SP request-target SP HTTP-version
    ("3: two spaces", get(line=b"GET  / HTTP/1.1"), 400, causes.BAD_REQUEST_LINE),
    ("3: tab for space", get(line=b"GET\t/\tHTTP/1.1"), 400, causes.BAD_REQUEST_LINE),
    ("3: space after the version", get(line=b"GET / HTTP/1.1 "), 400, causes.BAD_REQUEST_LINE),
    ("3: space before the method", get(line=b" GET / HTTP/1.1"), 400, causes.BAD_REQUEST_LINE),
    ("3: space in the target", get(line=b"GET /a b HTTP/1.1"), 400, causes.BAD_REQUEST_LINE),
    ("3: no version (HTTP/0.9)", get(line=b"GET /"), 400, causes.BAD_REQUEST_LINE),
    ("3: empty line", get(line=b""), 400, causes.BAD_REQUEST_LINE),
    ("3: not HTTP", get(line=b"SSH-2.0-OpenSSH"), 400, causes.BAD_REQUEST_LINE),
    ("2.2: bare LF ends the line", b"GET / HTTP/1.1\nHost: a.test\r\n", 400, causes.BAD_REQUEST_LINE),
    ("2.2: bare CR in the line", get(line=b"GET /\r HTTP/1.1"), 400, causes.BAD_TARGET),
    # RFC 9112 2.3, RFC 9110 15.6.6
    ("2.3: major version 2", get(line=b"PRI * HTTP/2.0"), 505, causes.BAD_VERSION),
    ("2.3: minor version 2", get(line=b"GET / HTTP/1.2"), 505, causes.BAD_VERSION),
    ("2.3: lower case", get(line=b"GET / http/1.1"), 400, causes.BAD_REQUEST_LINE),
    ("2.3: leading zero", get(line=b"GET / HTTP/01.1"), 400, causes.BAD_REQUEST_LINE),
    ("2.3: more digits", get(line=b"GET / HTTP/1.10"), 400, causes.BAD_REQUEST_LINE),
    ("2.3: other protocol", get(line=b"GET / ICAP/1.0"), 400, causes.BAD_REQUEST_LINE),
    # RFC 9110 9.1: method = token
    ("3.1: method is no token", get(line=b"GE(T / HTTP/1.1"), 400, causes.BAD_METHOD),
    ("3.1: empty method", get(line=b" / HTTP/1.1"), 400, causes.BAD_METHOD),
    ("3.1: NUL in the method", get(line=b"G\0T / HTTP/1.1"), 400, causes.BAD_METHOD),
    # RFC 9112 3.2
    ("3.2: empty target", get(line=b"GET  HTTP/1.1"), 400, causes.BAD_TARGET),
    ("3.2: fragment", get(line=b"GET /a#b HTTP/1.1"), 400, causes.BAD_TARGET),
    ("3.2: NUL", get(line=b"GET /\0 HTTP/1.1"), 400, causes.BAD_TARGET),
    ("3.2: DEL", get(line=b"GET /\x7f HTTP/1.1"), 400, causes.BAD_TARGET),
    ("3.2: vertical tab", get(line=b"GET /\x0b HTTP/1.1"), 400, causes.BAD_TARGET),
    ("3.2: relative", get(line=b"GET a HTTP/1.1"), 400, causes.BAD_TARGET),
    ("3.2.2: other scheme", get(line=b"GET ftp://a.test/ HTTP/1.1"), 400, causes.BAD_TARGET),
    ("3.2.2: no authority", get(line=b"GET http:///x HTTP/1.1"), 400, causes.BAD_TARGET),
    ("3.2.2: user information", get(line=b"GET http://u@a.test/ HTTP/1.1"), 400, causes.BAD_HOST),
    ("2.3: HTTP/0.9 has no version", get(line=b"GET / HTTP/0.9"), 400, causes.BAD_VERSION),
    ("3.2.3: CONNECT without a port", get(line=b"CONNECT a.test HTTP/1.1"), 400, causes.BAD_TARGET),
    ("3.2.3: CONNECT", get(line=b"CONNECT a.test:443 HTTP/1.1"), 405, causes.BAD_METHOD),
    ("3.2.3: authority without CONNECT", get(line=b"GET a.test:443 HTTP/1.1"), 400, causes.BAD_TARGET),
    ("3.2.4: asterisk without OPTIONS", get(line=b"GET * HTTP/1.1"), 400, causes.BAD_TARGET),
    # RFC 9112 3.2: Host
    ("3.2: no Host", get(b""), 400, causes.BAD_HOST),
    ("3.2: Host twice", get(HOST + b"Host: b.test\r\n"), 400, causes.BAD_HOST),
    ("3.2: the same Host twice", get(HOST + HOST), 400, causes.BAD_HOST),
    ("3.2: Host twice, other case", get(HOST + b"HOST: a.test\r\n"), 400, causes.BAD_HOST),
    ("3.2: Host twice in HTTP/1.0", get(HOST + HOST, b"GET / HTTP/1.0"), 400, causes.BAD_HOST),
    ("3.2: Host with a path", get(b"Host: a.test/x\r\n"), 400, causes.BAD_HOST),
    ("3.2: Host with user information", get(b"Host: u@a.test\r\n"), 400, causes.BAD_HOST),
    ("3.2: Host with a space", get(b"Host: a test\r\n"), 400, causes.BAD_HOST),
    ("3.2: Host list", get(b"Host: a.test, b.test\r\n"), 400, causes.BAD_HOST),
    ("3.2: port is no number", get(b"Host: a.test:80a\r\n"), 400, causes.BAD_HOST),
    ("3.2: port too large", get(b"Host: a.test:65536\r\n"), 400, causes.BAD_HOST),
    ("3.2: open bracket", get(b"Host: [::1\r\n"), 400, causes.BAD_HOST),
    # RFC 9112 5
    ("5.1: space before the colon", get(HOST + b"A : b\r\n"), 400, causes.BAD_FIELD_NAME),
    ("5.1: tab before the colon", get(HOST + b"A\t: b\r\n"), 400, causes.BAD_FIELD_NAME),
    ("5.1: hidden length", get(HOST + b"Content-Length : 5\r\n"), 400, causes.BAD_FIELD_NAME),
    ("5: no colon", get(HOST + b"abc\r\n"), 400, causes.BAD_FIELD_NAME),
    ("5: empty name", get(HOST + b": b\r\n"), 400, causes.BAD_FIELD_NAME),
    ("5: name is no token", get(HOST + b"A(b: c\r\n"), 400, causes.BAD_FIELD_NAME),
    ("5: NUL in the name", get(HOST + b"A\0: c\r\n"), 400, causes.BAD_FIELD_NAME),
    ("5: high byte in the name", get(HOST + b"A\xe9: c\r\n"), 400, causes.BAD_FIELD_NAME),
    ("5.2: obs-fold", get(HOST + b"A: b\r\n c\r\n"), 400, causes.OBS_FOLD),
    ("5.2: obs-fold by tab", get(HOST + b"A: b\r\n\tc\r\n"), 400, causes.OBS_FOLD),
    ("2.2: space before the first field", get(b" " + HOST), 400, causes.OBS_FOLD),
    ("5.5: NUL", get(HOST + b"A: b\0c\r\n"), 400, causes.BAD_FIELD_VALUE),
    ("5.5: DEL", get(HOST + b"A: b\x7f\r\n"), 400, causes.BAD_FIELD_VALUE),
    ("5.5: escape", get(HOST + b"A: \x1b[0m\r\n"), 400, causes.BAD_FIELD_VALUE),
    ("5.5: bare CR", get(HOST + b"A: b\rc\r\n"), 400, causes.BARE_CR),
    ("5.5: bare LF", get(HOST + b"A: b\nEvil: c\r\n"), 400, causes.BARE_LF),
    ("5.5: bare LF before a field that is cut out", get(HOST + b"A: b\nCookie: c\r\n"), 400, causes.BARE_LF),
    ("5.5: bare LF in one", get(HOST + b"Cookie: c\nEvil: d\r\n"), 400, causes.BARE_LF),
    ("5.5: bare CR in one", get(HOST + b"Cookie: c\rEvil: d\r\n"), 400, causes.BARE_CR),
    ("5.5: bare CR at its end", get(HOST + b"Cookie: c\r\r\nA: b\r\n"), 400, causes.BARE_CR),
    ("5.5: bare LF before it, bare CR at its end", get(HOST + b"A: b\nCookie: c\r\r\n"), 400, causes.BARE_CR),
    ("5.5: LF in the name", get(HOST + b"A\nb: c\r\n"), 400, causes.BARE_LF),
    # RFC 9112 6.1
    ("6.1: length and chunked", get(HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400,
     causes.LENGTH_WITH_TRANSFER_ENCODING),
    ("6.1: chunked and length", get(HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400,
     causes.LENGTH_WITH_TRANSFER_ENCODING),
    ("6.1: lower-case length and chunked", get(HOST + b"content-length: 0\r\ntransfer-encoding: chunked\r\n"), 400,
     causes.LENGTH_WITH_TRANSFER_ENCODING),
    ("6.1: unknown coding", get(HOST + b"Transfer-Encoding: gzip\r\n"), 501, causes.UNKNOWN_TRANSFER_CODING),
    ("6.1: identity", get(HOST + b"Transfer-Encoding: identity\r\n"), 501, causes.UNKNOWN_TRANSFER_CODING),
    ("6.1: xchunked", get(HOST + b"Transfer-Encoding: xchunked\r\n"), 501, causes.UNKNOWN_TRANSFER_CODING),
    *((f"6.1: {value!r}", get(HOST + b"Transfer-Encoding: " + value + b"\r\n"), 400, causes.BAD_TRANSFER_ENCODING)
      for value in (b"", b"gzip, chunked", b"chunked, gzip", b"chunked, chunked", b"chunked,", b",chunked",
                    b"chunked;q=1", b'"chunked"', b"\\chunked", b"x\tchunked")),
    ("6.1: twice", get(HOST + b"Transfer-Encoding: chunked\r\n" * 2), 400, causes.BAD_TRANSFER_ENCODING),
    ("6.1: in HTTP/1.0", get(HOST + b"Transfer-Encoding: chunked\r\n", b"POST / HTTP/1.0"), 400,
     causes.BAD_TRANSFER_ENCODING),
    ("6.1: vertical tab", get(HOST + b"Transfer-Encoding: \x0bchunked\r\n"), 400, causes.BAD_FIELD_VALUE),
    # RFC 9110 8.6: Content-Length = 1*DIGIT
    *((f"8.6: {value!r}", get(HOST + b"Content-Length: " + value + b"\r\n"), 400, causes.BAD_CONTENT_LENGTH)
      for value in (b"", b"+5", b"-5", b"5 5", b"5,5", b"5, 5", b"0x5", b"5a", b"1_0", b"5.0", b"\xb2", b"9" * 19)),
    ("8.6: two that differ", get(HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n"), 400, causes.BAD_CONTENT_LENGTH),
    ("8.6: two that agree", get(HOST + b"Content-Length: 5\r\nContent-Length: 5\r\n"), 400, causes.BAD_CONTENT_LENGTH),
    ("8.6: two in different case", get(HOST + b"Content-Length: 5\r\ncontent-length: 6\r\n"), 400,
     causes.BAD_CONTENT_LENGTH),
    # RFC 9110 10.1.1
    ("10.1.1: other expectation", get(HOST + b"Expect: 200-ok\r\n"), 417, causes.BAD_EXPECT),
]  # fmt: skip


@pytest.mark.parametrize(("data", "status", "cause"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_readers_could_understand_differently_is_refused(data: bytes, status: int, cause: str) -> None:
    parser = RequestParser()
    for _ in range(2):  # what was remembered of the first time changes nothing
        with pytest.raises(HttpError) as error:
            parser.parse(data + b"\r\n")
        assert (error.value.status, error.value.cause) == (status, cause)


ACCEPTED: list[tuple[bytes, dict[str, object]]] = [
    (get(), {"method": b"GET", "target": b"/", "minor": 1, "host": b"a.test", "port": 0, "keep_alive": True}),
    (get(line=b"GET / HTTP/1.0"), {"minor": 0, "keep_alive": False}),
    (get(b"", b"GET / HTTP/1.0"), {"authority": b"", "host": b""}),
    (get(HOST + b"Connection: Keep-Alive\r\n", b"GET / HTTP/1.0"), {"keep_alive": True}),
    (get(HOST + b"Connection: close\r\n"), {"keep_alive": False}),
    (get(HOST + b"Connection: x, CLOSE\r\n"), {"keep_alive": False}),
    (get(HOST + b"Connection: keep-alive\r\nConnection: close\r\n"), {"keep_alive": False}),
    (get(line=b"purge /x HTTP/1.1"), {"method": b"purge"}),
    (get(line=b"GET /a?b=%00;c=[]|\\\xff HTTP/1.1"), {"target": b"/a?b=%00;c=[]|\\\xff"}),
    (get(line=b"OPTIONS * HTTP/1.1"), {"target": b"*"}),
    (get(line=b"GET http://B.test:81/x?y HTTP/1.1"), {"host": b"b.test", "port": 81, "target": b"/x?y"}),
    (get(line=b"GET HTTPS://b.test HTTP/1.1"), {"host": b"b.test", "target": b"/"}),
    (get(line=b"GET http://b.test?y HTTP/1.1"), {"target": b"/?y"}),
    (get(b"host:A.Test.\r\n"), {"host": b"a.test", "authority": b"A.Test."}),
    (get(b"Host: [::1]:8080\r\n"), {"host": b"[::1]", "port": 8080}),
    (get(b"Host: a.test:\r\n"), {"host": b"a.test", "port": 0}),
    (get(b"Host: \t a.test \t\r\n"), {"authority": b"a.test"}),
    (get(HOST + b"Content-Length: 0\r\n"), {"length": 0, "chunked": False}),
    (get(HOST + b"Content-Length: 00012\r\n"), {"length": 12}),
    (get(HOST + b"content-length:\t7 \r\n"), {"length": 7}),
    (get(HOST + b"Transfer-Encoding: Chunked\r\n"), {"length": NO_LENGTH, "chunked": True}),
    (get(HOST + b"Expect: 100-Continue\r\n"), {"expect": True}),
    (get(HOST + b"Expect: 100-continue\r\n", b"PUT / HTTP/1.0"), {"expect": False}),
    (get(HOST + b"A: b\tc \xe9\r\nB:\r\n"), {}),
]


@pytest.mark.parametrize(("data", "facts"), ACCEPTED)
def test_what_is_plain_is_accepted(data: bytes, facts: dict[str, object]) -> None:
    head = parse(data)
    assert {name: getattr(head, name) for name in facts} == facts


def test_fields_keep_their_order_and_values() -> None:
    head = parse(get(HOST + b"A: 1\r\nCookie: x\r\nb:  2 \r\nA: 3\r\nCookie: y\r\nReferer: r\r\n"))
    assert head.values(b"a") == [b"1", b"3"]
    assert head.values(b"cookie") == [b"x", b"y"]  # RFC 9110 5.3: their order is of importance
    assert head.value(b"b") == b"2"
    assert head.value(b"none") == b""
    assert head.referer == b"r"
    assert {field[0] for field in head.fields} == {b"host", b"a", b"b", b"cookie", b"referer"}


def test_the_number_of_fields_is_limited() -> None:
    parse(get(HOST + b"".join(b"X-%d: 1\r\n" % number for number in range(127))))
    for number in (128, 500):
        with pytest.raises(HttpError) as error:
            parse(get(HOST + b"".join(b"X-%d: 1\r\n" % n for n in range(number))))
        assert (error.value.status, error.value.cause) == (431, causes.TOO_MANY_FIELDS)


@pytest.mark.parametrize(
    "extra", ["", "Cookie: a=b\r\n", "Referer: /\r\n", "Cookie: a=b\r\nReferer: /\r\nContent-Length: 1\r\n"]
)
def test_the_fields_that_vary_count_like_the_others(extra: str) -> None:
    def head(more: int) -> bytes:
        lines = "".join(f"x{number}: y\r\n" for number in range(15 - extra.count("\n") + more))
        return f"POST / HTTP/1.1\r\nHost: a\r\n{extra}{lines}\r\n".encode()

    assert len(RequestParser(16).parse(head(0)).fields) == 16
    with pytest.raises(HttpError, match="too_many_fields"):
        RequestParser(16).parse(head(1))


def test_the_length_of_the_target_is_limited() -> None:
    parse(get(line=b"GET /" + b"a" * 99 + b" HTTP/1.1"), max_target=100)
    with pytest.raises(HttpError) as error:
        parse(get(line=b"GET /" + b"a" * 100 + b" HTTP/1.1"), max_target=100)
    assert (error.value.status, error.value.cause) == (414, causes.TARGET_TOO_LONG)


def test_a_name_that_is_known_needs_its_colon_all_the_same() -> None:
    parser = RequestParser()
    parser.parse(get(HOST + b"X-Known: 1\r\n\r\n"))
    with pytest.raises(HttpError) as error:
        parser.parse(get(HOST + b"X-Known\r\n\r\n"))
    assert error.value.cause == causes.BAD_FIELD_NAME


@given(
    st.lists(
        st.sampled_from(
            [b"\r\n", b"\r\n", b"\r", b"\n", b" ", b"A: b", b"Cookie: c", b"Referer: d", b"Content-Length: 5", b"\0"]
        ),
        max_size=9,
    )
)
@example([b"A: b", b"\n", b"Cookie: c", b"\r", b"\r\n"])
def test_cutting_fields_out_changes_nothing(pieces: list[bytes]) -> None:
    def read(parser: RequestParser) -> list[tuple[bytes, bytes]] | None:
        try:
            head = parser.parse(b"POST / HTTP/1.1\r\n" + HOST + b"".join(pieces) + b"\r\n\r\n")
        except HttpError:
            return None
        return sorted((name, value) for name, value, *_ in head.fields)

    whole = RequestParser(watched=frozenset((b"cookie", b"referer", b"content-length")))
    assert read(RequestParser()) == read(whole)


def test_no_error_text_repeats_what_the_client_sent() -> None:
    for _, data, _, _ in REFUSED:
        with pytest.raises(HttpError) as error:
            parse(data)
        assert "Evil" not in str(error.value)


def test_a_field_full_of_connection_options_costs_no_more_than_it_is_long() -> None:
    data = get(HOST + b"Connection: " + b"a," * 30_000 + b"\r\n")
    begun = time.process_time()
    assert len(parse(data).block.options) == 30_000
    assert time.process_time() - begun < 0.2  # it was 0.6 where the list was copied for each


@pytest.mark.parametrize(
    ("data", "left"),
    [
        (b"\r\nGET", b"GET"),
        (b"\r\n\r\n\r\n", b""),
        (b"\r\n\r", b"\r"),
        (b"\r\n\n\rGET", b"\r\n\n\rGET"),
        (b"\r\n\r\r\nGET", b"\r\n\r\r\nGET"),
        (b"GET\r\n", b"GET\r\n"),
    ],
)
def test_empty_lines_before_a_request(data: bytes, left: bytes) -> None:
    assert without_empty_lines(data) == left


def test_empty_lines_without_end_cost_no_more_than_they_are_long() -> None:
    begun = time.process_time()
    assert without_empty_lines(b"\r\n" * (1 << 20)) == b""
    assert time.process_time() - begun < 2  # it would be minutes where each was cut off by itself
