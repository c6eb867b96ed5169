from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.telemetry.eventformats import to_modsecurity
from bascule.waf.replay import har, json_lines, raw, records
from bascule.waf.replay.reader import kind_of, read
from bascule.waf.replay.records import Recorded, ReplayError


def one(text: bytes | str, kind: str = "") -> Recorded:
    (found,) = read([text.encode() if isinstance(text, str) else text], kind)
    return found


def entry(**request: Any) -> dict[str, Any]:
    return {"startedDateTime": "2026-01-01T00:00:00Z", "request": request, "response": {"content": {"text": '}]\\"'}}}


def archive(*entries: dict[str, Any]) -> bytes:
    pages = [{"id": "page_1", "title": 'has "entries"'}]
    return json.dumps({"log": {"version": "1.2", "pages": pages, "entries": entries, "x": [1]}}).encode()


LOGIN = entry(
    method="POST",
    url="https://user@shop.example:8443/a%20b?q=1&x=%27#frag",
    httpVersion="h2",
    headers=[{"name": ":authority", "value": "x"}, {"name": "Content-Type", "value": "text/plain"}],
    postData={"mimeType": "text/plain", "text": 'häl"lo}'},
)


def test_har() -> None:
    requests = list(read([archive(LOGIN, entry(method="GET", url="http://a.example"))]))
    assert [request.place for request in requests] == [1, 2]
    first, second = requests
    assert (first.method, first.target, first.version) == (b"POST", b"/a%20b?q=1&x=%27", b"1.1")
    assert dict(first.headers) == {
        b"host": b"shop.example:8443",
        b"content-type": b"text/plain",
        b"content-length": b"8",
    }
    assert first.body == 'häl"lo}'.encode()
    assert (second.target, second.headers) == (b"/", [(b"host", b"a.example")])


def test_har_bodies() -> None:
    coded = entry(method="POST", url="/", postData={"text": base64.b64encode(b"\xff\0").decode(), "encoding": "base64"})
    form = entry(method="POST", url="/", postData={"params": [{"name": "a b", "value": "1&2"}, {"name": "c"}]})
    assert [request.body for request in read([archive(coded, form)])] == [b"\xff\0", b"a+b=1%262&c="]


@given(st.integers(1, 400), st.lists(st.text('{}[]"\\ab:,', max_size=30), max_size=5))
def test_har_in_pieces_is_the_same(size: int, texts: list[str]) -> None:
    data = archive(*(entry(method="POST", url="/", postData={"text": text}) for text in texts))
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert [request.body.decode() for request in har.read_har(pieces)] == texts


@pytest.mark.parametrize(
    ("data", "place", "reason"),
    [
        (archive(LOGIN)[:-200], 1, "not a whole HAR"),
        (b'{"log": {"version": "1.2"}}', 1, "not a whole HAR"),
        (archive(LOGIN, {"request": {"method": "GET"}}), 2, "not a HAR entry.*url"),
        (archive({"request": {"method": 1, "url": "/"}}), 1, r"not a HAR entry.*\$\.request\.method"),
        (archive(entry(method="GET", url="http://[x/")), 1, "not a HAR entry"),
    ],
)
def test_har_faults_name_the_entry(data: bytes, place: int, reason: str) -> None:
    with pytest.raises(ReplayError, match=reason) as caught:
        list(read([data]))
    assert caught.value.place == place


def test_har_entry_of_any_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(har, "MAX_RECORD", 1000)
    many = archive(*[LOGIN] * 50)
    assert len(list(read(many[at : at + 100] for at in range(0, len(many), 100)))) == 50
    endless = archive(entry(method="POST", url="/", postData={"text": "x" * 5000}))
    with pytest.raises(ReplayError, match="longer than"):
        list(read(endless[at : at + 100] for at in range(0, len(endless), 100)))


def test_json_lines() -> None:
    request = one('\n{"method":"PUT","target":"/a?b=\\u00e9","headers":{"Host":"h","X-A":"1"},"body":"\\u00e9"}\n')
    assert request.place == 2
    assert request.target == "/a?b=é".encode()
    assert request.headers == [(b"host", b"h"), (b"x-a", b"1"), (b"content-length", b"2")]
    assert request.body == "é".encode()
    pairs = one('{"method":"GET","target":"/","headers":[["A","1"],["a","2"]],"body":null}')
    assert pairs.headers == [(b"host", b"localhost"), (b"a", b"1"), (b"a", b"2")]
    assert one('{"method":"POST","target":"/","body_base64":"/wA="}').body == b"\xff\0"


@pytest.mark.parametrize(("target", "status"), [("", 0), ("-", 400)])
def test_lines_of_an_access_log_that_tell_of_no_request_are_passed_over(target: str, status: int) -> None:
    """Such as a handshake that failed, and what was no HTTP."""
    line = {"client": "192.0.2.7", "method": "-", "host": "", "target": target, "status": status, "cause": "x"}
    real = {**line, "method": "GET", "target": "/a", "status": 200}
    assert [found.place for found in read([f"{json.dumps(line)}\n{json.dumps(real)}\n".encode()])] == [2]


def test_access_log_line() -> None:
    line = {"time": "2026", "client": "192.0.2.7", "port": 5, "method": "POST", "host": "shop.example",
            "target": "/a?q=1", "version": "HTTP/1.1", "status": 200, "bytes_in": 900, "user_agent": "Mozilla/5.0",
            "referer": ""}  # fmt: skip
    request = one(json.dumps(line))
    assert request.client == b"192.0.2.7"
    assert dict(request.headers) == {b"host": b"shop.example", b"user-agent": b"Mozilla/5.0", b"accept": b"*/*"}
    assert request.lacks == ("headers", "body")
    assert one(json.dumps({**line, "method": "GET"})).lacks == ("headers",)


def test_events_of_bascule_and_of_modsecurity() -> None:
    event = {"reference": "r", "time": "2026-11-23T23:02:15.000Z", "client": "192.0.2.7", "method": "POST",
             "target": "/x", "host": "shop.example", "status": 403, "mode": "On", "verdict": None, "rules": [],
             "scores": {}, "notes": [], "engine_us": 1, "version": "1.1", "body_bytes": 12,
             "headers": [["host", "shop.example"], ["content-length", "12"]]}  # fmt: skip
    line = json.dumps(event).encode()
    for text in (line, to_modsecurity(line)):
        request = one(text)
        assert (request.method, request.target, request.client) == (b"POST", b"/x", b"192.0.2.7")
        assert dict(request.headers) == {b"host": b"shop.example", b"content-length": b"12"}
    assert one(line).lacks == ("body",)
    audit = json.loads(to_modsecurity(line))
    audit["transaction"]["request"]["body"] = "a=1"
    assert one(json.dumps(audit)).body == b"a=1"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not a JSON record"),
        ('{"target":"/"}', "no 'method'"),
        ('{"method":"GET","target":5}', "no 'target'"),
        ('{"method":"GET","target":"/","headers":7}', "headers"),
        ('{"method":"GET","target":"/","headers":[["a"]]}', "headers"),
        ('{"method":"GET","target":"/","headers":[["a",1]]}', "headers"),
        ('{"method":"GET","target":"/","body":{}}', "body_base64"),
        ('{"method":"GET","target":"/","body_base64":"%"}', "body_base64"),
        ('{"transaction":{}}', "not a JSON record"),
        ('{"transaction":{"request":{"method":"GET","uri":"/","headers":[]}}}', "not a JSON record"),
        ("[1]", "not a JSON object"),
    ],
)
def test_json_faults_name_the_line(text: str, reason: str) -> None:
    with pytest.raises(ReplayError, match=reason) as caught:
        list(json_lines.read_lines([b'{"method":"GET","target":"/"}\n', text.encode()]))
    assert caught.value.place == 2


def test_a_line_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "MAX_RECORD", 1000)
    with pytest.raises(ReplayError, match="longer than"):
        list(json_lines.read_lines([b'{"method":"'] + [b"x" * 100] * 50))


RAW = (
    "\r\nPOST http://shop.example/a?b=1 HTTP/1.1\r\nContent-Length: 4\r\nX-A:  v \r\n\r\na\r\nb"
    "\r\nGET /two HTTP/1.0\r\nHost: x\r\n\r\n"
    "POST /three HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;e=1\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    "POST /four HTTP/1.1\r\nHost: x\r\n\r\nfree text\r\nof two lines\r\n\r\nGET /five HTTP/1.1\r\nHost: y\r\n\r\n"
)


@pytest.mark.parametrize("convert", [lambda text: text, lambda text: text.replace("\r\n", "\n")])
def test_raw_requests(convert: Callable[[str], str]) -> None:
    text = convert(RAW).replace("Length: 4", "Length: 4" if "\r" in convert(RAW) else "Length: 3")
    requests = list(read([text.encode()]))
    assert [request.target for request in requests] == [b"/a?b=1", b"/two", b"/three", b"/four", b"/five"]
    assert [request.body for request in requests] == [
        convert("a\r\nb").encode(), b"", b"abcde", convert("free text\r\nof two lines").encode(), b"",
    ]  # fmt: skip
    assert [request.version for request in requests] == [b"1.1", b"1.0", b"1.1", b"1.1", b"1.1"]
    assert requests[0].headers == [
        (b"host", b"shop.example"), (b"content-length", requests[0].headers[1][1]), (b"x-a", b"v"),
    ]  # fmt: skip
    lines = text.splitlines()
    assert [lines[request.place - 1].split()[1][-4:] for request in requests] == [
        "?b=1",
        "/two",
        "hree",
        "four",
        "five",
    ]


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("hello\n", 1, "not a request line.*hello"),
        ("\n\nGET / HTTP/1.1\nno colon\n\n", 4, "not a header field"),
        ("POST / HTTP/1.1\nContent-Length: 10\n\nabc", 1, "has 3 bytes, its Content-Length says 10"),
        ("POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n5\nabc", 1, "chunked body is not complete"),
        ("GET / HTTP/1.1\nHost: a\n\n\nbody\n\n\nGET /2 HTTP/1.1\nx\n", 9, "not a header field"),
    ],
)
def test_raw_faults_name_the_line(text: str, place: int, reason: str) -> None:
    with pytest.raises(ReplayError, match=reason) as caught:
        list(read([text.encode()]))
    assert caught.value.place == place


def test_raw_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "MAX_RECORD", 1000)
    with pytest.raises(ReplayError, match="longer than"):
        list(raw.read_raw([b"x" * 600, b"x" * 600]))


@given(st.binary(max_size=300))
def test_no_bytes_make_a_reader_fail_otherwise(data: bytes) -> None:
    for kind in ("", "har", "json", "raw"):
        with contextlib.suppress(ReplayError):
            assert all(request.method and request.place for request in read([data], kind))


def test_kinds() -> None:
    assert kind_of(b'\xef\xbb\xbf{ "log" : {') == "har"
    assert kind_of(b'{"logs":') == "json"
    assert kind_of(b" \n{") == "json"
    assert kind_of(b"GET / HTTP/1.1") == "raw"
    assert records.MAX_RECORD >= 1 << 20
