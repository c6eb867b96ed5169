"""What clients see of the cache, through the whole program: with one worker, so that what came last is there at once."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.clients import Message, Wire, ask, connect, request
from tests.support.origins import Handler, Origin, answer, resets
from tests.support.program import Bascule, wait_for

LARGE = 3_000_000


def config(origin: Origin) -> dict[str, Any]:
    return {
        "sites": {
            "site.test": {
                "cache": {"collapse": "30s", "key": {"ignore": ["utm_*"]}, "bypass": {"cookies": ["session*"]}},
                "routes": {
                    "/": origin.address,
                    "/plain/": {"servers": [origin.address], "cache": False},
                    "/themed/": {"servers": [origin.address], "cache": {"key": {"cookies": ["theme"]}}},
                },
            },
            "other.test": origin.address,
        },
        "cache_store": {"size": "32MiB"},
        "access_log": {"path": "-"},
    }


@pytest.fixture(scope="module")
def bascule() -> Iterator[tuple[Bascule, Origin]]:
    with Origin() as origin, Bascule(config(origin)) as program:
        yield program, origin


@pytest.fixture
def origin(bascule: tuple[Bascule, Origin]) -> Origin:
    bascule[1].seen.clear()
    return bascule[1]


@pytest.fixture
def port(bascule: tuple[Bascule, Origin], origin: Origin) -> int:
    return bascule[0].port


def counted(*fields: str, status: str = "200 OK", body: bytes | None = None) -> Handler:
    """Answer with the number of the request."""
    numbers = iter(range(1, 1000))

    def handle(wire: Wire, message: Message) -> bool:
        wire.read_body(message)
        content = b"answer %d" % next(numbers) if body is None else body
        wire.send(answer(b"", status, *fields) if message.start[0] == "HEAD" else answer(content, status, *fields))
        return True

    return handle


def test_a_fresh_response_is_reused_and_says_so(port: int, origin: Origin) -> None:
    origin.handler = counted("Cache-Control: max-age=60", "Surrogate-Key: a")
    first, second = ask(port, "/reused"), ask(port, "/reused")
    assert (first.body, second.body) == (b"answer 1", b"answer 1")
    assert len(origin.seen) == 1
    assert first["cache-status"] == "Bascule; fwd=miss"
    assert first["age"] is None
    assert second["cache-status"] == f"Bascule; hit; ttl={60 - int(second['age'] or 0)}"
    assert first["surrogate-key"] is second["surrogate-key"] is None
    own = {"age", "cache-status"}
    assert sorted(f for f in first.fields if f[0] not in own) == sorted(f for f in second.fields if f[0] not in own)


def test_content_is_sent_once(port: int, origin: Origin) -> None:
    origin.handler = counted("Cache-Control: max-age=60", body=b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    with connect(port) as wire:
        for path in ("/once", "/once-more"):
            wire.send(request(path))
            assert wire.response().raw.startswith(b"HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\n")
        wire.send(request("/once", Connection="close") + request("/ahead"))
        assert wire.response().body.startswith(b"HTTP/1.1")
        assert wire.rest() == b""


def test_what_one_client_is_given_is_not_kept_for_another(port: int, origin: Origin) -> None:
    for number, fields in enumerate((
        ("Cache-Control: max-age=60", "Set-Cookie: id=1"), ("Cache-Control: private, max-age=60",),
        ("Cache-Control: no-store",), ("Cache-Control: max-age=60", "Vary: *"),
    )):  # fmt: skip
        origin.handler = counted(*fields)
        assert [ask(port, f"/own{number}").body for _ in range(2)] == [b"answer 1", b"answer 2"], fields


def test_credentials_share_only_what_is_public(port: int, origin: Origin) -> None:
    origin.handler = counted("Cache-Control: max-age=60")
    assert ask(port, "/secret", Authorization="Basic eA==").body == b"answer 1"
    assert ask(port, "/secret").body == b"answer 2"
    assert ask(port, "/secret").body == b"answer 2"
    assert ask(port, "/secret", Authorization="Basic eA==").body == b"answer 3"
    origin.handler = counted("Cache-Control: max-age=60, public")
    assert ask(port, "/public", Authorization="Basic eA==").body == b"answer 1"
    assert ask(port, "/public").body == ask(port, "/public", Authorization="Basic eQ==").body == b"answer 1"


def test_responses_vary_by_what_the_server_says(port: int, origin: Origin) -> None:
    origin.handler = counted("Cache-Control: max-age=60", "Vary: Accept-Language")
    said = [ask(port, "/vary", Accept_Language=text).body for text in ("de, en", "fr", "en,  de", "fr;q=1", "es")]
    assert said == [b"answer 1", b"answer 2", b"answer 1", b"answer 2", b"answer 3"]


def test_the_key_is_what_the_operator_says(port: int, origin: Origin) -> None:
    origin.handler = counted("Cache-Control: max-age=60")
    assert ask(port, "/key?a=1&utm_source=x").body == ask(port, "/key?utm_medium=y&a=1").body == b"answer 1"
    assert ask(port, "/key?a=2").body == b"answer 2"
    assert ask(port, "/key?a=1", Cookie="session1=a").body == b"answer 3"
    assert ask(port, "/key?a=1").body == b"answer 1"
    assert ask(port, "/themed/", Cookie="theme=dark; x=1").body == b"answer 4"
    assert ask(port, "/themed/", Cookie="x=2;theme=dark").body == b"answer 4"
    assert ask(port, "/themed/").body == b"answer 5"
    assert ask(port, "/key?a=1&utm_source=x;a=2").body == b"answer 6"  # for some servers that is a=2


@pytest.mark.parametrize(
    "field", ["X-Original-URL", "X-Forwarded-SSL", "X-HTTP-Method-Override", "X-Forwarded-Scheme", "X-Host"]
)
def test_a_field_that_is_no_part_of_the_key_poisons_nothing(port: int, origin: Origin, field: str) -> None:
    origin.handler = counted("Cache-Control: max-age=60")
    path = f"/poison-{field}"
    with connect(port) as wire:
        wire.send(f"GET {path} HTTP/1.1\r\nHost: site.test\r\n{field}: evil\r\n\r\n".encode())
        assert wire.response().body == b"answer 1"
    assert ask(port, path).body == b"answer 2"
    with connect(port) as wire:  # a GET whose body the server may read
        wire.send(request("/fat" + path, body=b"q=evil"))
        assert wire.response().body == b"answer 3"
    assert ask(port, "/fat" + path).body == b"answer 4"


@pytest.mark.parametrize("held", [{"limits": {"request_buffer": "64KiB"}}, {"waf": {"mode": "block"}}])
def test_a_body_that_was_awaited_goes_past_the_cache(held: dict[str, Any]) -> None:
    """What asks for the cache has no body: the server would take what comes next on the connection for it."""
    with Origin() as origin:
        origin.handler = counted("Cache-Control: max-age=60")
        site = {"cache": True, "routes": {"/": origin.address}, **held}
        with Bascule({"sites": {"site.test": site}}) as program, connect(program.port) as wire:
            for number in (1, 2):
                wire.send(request("/fat", body=b"q=evil"))
                assert wire.response().body == b"answer %d" % number
            assert [message.body for message in origin.seen] == [b"q=evil"] * 2
            assert ask(program.port, "/fat").body == b"answer 3"


def test_a_page_under_the_name_of_a_picture_is_not_kept(port: int, origin: Origin) -> None:
    origin.handler = counted("Cache-Control: max-age=60", "Content-Type: text/html")
    assert [ask(port, "/account/x.css").body for _ in range(2)] == [b"answer 1", b"answer 2"]
    origin.handler = counted("Cache-Control: max-age=60", "Content-Type: text/css")
    assert [ask(port, "/style/x.css").body for _ in range(2)] == [b"answer 1", b"answer 1"]


def test_conditions_are_answered_from_the_store(port: int, origin: Origin) -> None:
    origin.handler = counted("Cache-Control: max-age=60", 'ETag: "v1"', "Content-Type: text/plain")
    assert ask(port, "/tag", If_None_Match='"v1"').status == 304  # the client has it, and now so do we
    assert "if-none-match" not in dict(origin.seen[0].fields)
    found = ask(port, "/tag", If_None_Match='W/"v1", "v0"')
    assert (found.status, found["etag"], found["content-type"], found["content-length"]) == (304, '"v1"', None, None)
    assert ask(port, "/tag", If_None_Match='"v2"').body == b"answer 1"
    assert len(origin.seen) == 1


def test_parts_are_cut_from_what_is_stored(port: int, origin: Origin) -> None:
    origin.handler = counted("Cache-Control: max-age=60", 'ETag: "v"', body=b"0123456789")
    assert ask(port, "/part").body == b"0123456789"
    for asked, status, content_range, body in (
        ("bytes=2-4", 206, "bytes 2-4/10", b"234"), ("bytes=7-", 206, "bytes 7-9/10", b"789"),
        ("bytes=-2", 206, "bytes 8-9/10", b"89"), ("bytes=5-99", 206, "bytes 5-9/10", b"56789"),
        ("bytes=10-", 416, "bytes */10", b""), ("bytes=1-2,4-5", 200, None, b"0123456789"),
        ("bytes=4-2", 200, None, b"0123456789"), ("lines=1-2", 200, None, b"0123456789"),
    ):  # fmt: skip
        found = ask(port, "/part", Range=asked)
        assert (found.status, found["content-range"], found.body) == (status, content_range, body), asked
    assert ask(port, "/part", Range="bytes=0-0", If_Range='"v"').status == 206
    assert ask(port, "/part", Range="bytes=0-0", If_Range='"w"').status == 200
    assert ask(port, "/part", "HEAD")["content-length"] == "10"
    assert len(origin.seen) == 1


def test_a_part_that_is_not_stored_goes_to_the_server(port: int, origin: Origin) -> None:
    origin.handler = counted("Cache-Control: max-age=60", "Content-Range: bytes 0-1/9", status="206 Partial Content")
    assert [ask(port, "/partial", Range="bytes=0-1").body for _ in range(2)] == [b"answer 1", b"answer 2"]


def test_a_range_of_all_does_not_double_requests_whose_answer_is_not_remembered(port: int, origin: Origin) -> None:
    origin.handler = counted("Cache-Control: max-age=60", body=b"secret")
    assert ask(port, "/known-range", Range="bytes=0-", Authorization="Basic eA==").status == 200
    assert origin.seen[0]["range"] == "bytes=0-"
    origin.handler = counted(status="500 Internal Server Error")
    assert ask(port, "/failing-range", Range="bytes=0-").status == 500
    assert len(origin.seen) == 2


def test_a_range_of_all_there_is_is_asked_for_and_stored_as_a_whole(port: int, origin: Origin) -> None:
    body = bytes(range(256)) * (LARGE // 256)
    origin.handler = counted("Cache-Control: max-age=60", 'ETag: "v"', body=body)
    size = len(body)
    first = ask(port, "/film", Range="bytes=0-")
    assert (first.status, first["content-range"], first.body) == (206, f"bytes 0-{size - 1}/{size}", body)
    assert first["cache-status"] == "Bascule; fwd=miss"
    assert origin.seen[0]["range"] is None
    later = ask(port, "/film", Range="bytes=1000000-1999999")
    assert (later.status, later.body) == (206, body[1_000_000:2_000_000])
    assert ask(port, "/film").body == body
    assert len(origin.seen) == 1
    assert ask(port, "/film-of-another-edition", Range="bytes=0-", If_Range='"w"').status == 200


@pytest.mark.parametrize(
    "fields", [("Cache-Control: private",), ("Cache-Control: max-age=60", "Transfer-Encoding: chunked")]
)
def test_a_range_of_what_is_not_stored_is_the_servers_to_cut(
    port: int, origin: Origin, fields: tuple[str, ...]
) -> None:
    def handle(wire: Wire, message: Message) -> bool:
        if message["range"]:
            wire.send(answer(b"part", "206 Partial Content", "Content-Range: bytes 0-3/4", *fields[:1]))
        elif "chunked" in fields[-1]:
            wire.send(f"HTTP/1.1 200 OK\r\n{fields[0]}\r\n{fields[1]}\r\n\r\n4\r\npart\r\n0\r\n\r\n".encode())
        else:
            wire.send(answer(b"part", "200 OK", *fields))
        return True

    origin.handler = handle
    for _ in range(2):
        found = ask(port, f"/cut-by-the-server/{len(fields)}", Range="bytes=0-")
        assert (found.status, found["content-range"], found.body) == (206, "bytes 0-3/4", b"part")


def test_a_range_of_what_has_no_length_yet_keeps_it_from_nobody(port: int, origin: Origin) -> None:
    asked, begun = threading.Event(), threading.Event()

    def handle(wire: Wire, message: Message) -> bool:
        if message["range"]:
            asked.set()
            wire.send(answer(b"all", "206 Partial Content", "Content-Range: bytes 0-2/3", "Cache-Control: max-age=60"))
            return True
        wire.send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n")
        begun.wait(10)
        wire.send(b"3\r\nall\r\n0\r\n\r\n")
        return True

    origin.handler = handle
    assert ask(port, "/no-length", Range="bytes=0-").status == 206
    assert asked.is_set()
    begun.set()
    assert [ask(port, "/no-length").body for _ in range(3)] == [b"all"] * 3
    assert [message["range"] for message in origin.seen] == [None, "bytes=0-"]


def test_a_stale_response_is_validated(port: int, origin: Origin) -> None:
    def handle(wire: Wire, message: Message) -> bool:
        if message["if-none-match"] == '"v"':
            wire.send(b'HTTP/1.1 304 Not Modified\r\nETag: "v"\r\nCache-Control: max-age=60\r\nX-New: 1\r\n\r\n')
        else:
            wire.send(answer(b"whole", "200 OK", 'ETag: "v"', "Cache-Control: no-cache", "X-Old: 1"))
        return True

    origin.handler = handle
    assert ask(port, "/validated").body == b"whole"
    second, third = ask(port, "/validated"), ask(port, "/validated")
    assert second.body == third.body == b"whole"
    assert (second["x-new"], second["x-old"], second["cache-control"]) == ("1", "1", "max-age=60")
    assert second["cache-status"] == "Bascule; fwd=stale; fwd-status=304"
    assert third["x-new"] == "1"
    assert str(third["cache-status"]).startswith("Bascule; hit")
    assert len(origin.seen) == 2


def test_unsafe_requests_make_the_store_forget(port: int, origin: Origin) -> None:
    origin.handler = counted("Cache-Control: max-age=60")
    assert [ask(port, path).body for path in ("/a", "/b", "/c")] == [b"answer 1", b"answer 2", b"answer 3"]
    origin.handler = counted("Location: /b", "Content-Location: http://other.test/c", status="201 Created")
    ask(port, "/a", "POST", body=b"x")
    origin.handler = counted("Cache-Control: max-age=60")
    assert [ask(port, path).body for path in ("/a", "/b", "/c")] == [b"answer 1", b"answer 2", b"answer 3"]
    origin.handler = counted(status="500 Internal Server Error")
    ask(port, "/a", "POST", body=b"x")
    assert ask(port, "/a").body == b"answer 1"  # a failed one changed nothing


def test_where_there_is_no_cache_nothing_is_kept(port: int, origin: Origin) -> None:
    origin.handler = counted("Cache-Control: max-age=60")
    assert [ask(port, "/plain/x").body for _ in range(2)] == [b"answer 1", b"answer 2"]
    found = ask(port, "/x", host="other.test")
    assert (found.body, found["cache-status"]) == (b"answer 3", None)


def test_stale_is_used_while_a_new_one_is_fetched(port: int, origin: Origin) -> None:
    origin.handler = counted("Cache-Control: max-age=0, stale-while-revalidate=60")
    assert ask(port, "/swr").body == b"answer 1"
    gate = threading.Event()
    origin.handler = gated(gate, "Cache-Control: max-age=60", body=b"new one")
    for _ in range(3):
        found = ask(port, "/swr")
        assert (found.body, found["cache-status"]) == (b"answer 1", "Bascule; hit; ttl=0")
    gate.set()
    wait_for(lambda: ask(port, "/swr").body == b"new one", "the new one to be used")
    assert len(origin.seen) == 2


def test_stale_is_better_than_an_error(port: int, origin: Origin) -> None:
    fields = ("Cache-Control: max-age=0, stale-if-error=60",)
    origin.handler = counted(*fields)
    assert ask(port, "/sie").body == b"answer 1"
    for failing in (resets, counted(status="503 Service Unavailable")):
        origin.handler = failing
        found = ask(port, "/sie")
        assert (found.status, found.body) == (200, b"answer 1")
        assert str(found["cache-status"]).startswith("Bascule; hit; fwd=stale")
    origin.handler = counted("Cache-Control: max-age=0, must-revalidate", 'ETag: "x"')
    assert ask(port, "/strict").status == 200
    origin.handler = resets
    assert ask(port, "/strict").status == 502


def gated(gate: threading.Event, *fields: str, body: bytes = b"", chunked: bool = False) -> Handler:
    """Send the head and half of the content at once, the other half once the gate opens."""

    def handle(wire: Wire, message: Message) -> bool:
        half = len(body) // 2
        if chunked:
            wire.send("\r\n".join(["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", *fields, "", ""]).encode())
            wire.send(b"%x\r\n%b\r\n" % (half, body[:half]))
            gate.wait(20)
            wire.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body) - half, body[half:]))
        else:
            start = answer(body, "200 OK", *fields)
            wire.send(start[:-half])
            gate.wait(20)
            wire.send(start[-half:])
        return True

    return handle


@pytest.mark.parametrize("chunked", [False, True])
def test_a_hundred_clients_are_one_request(port: int, origin: Origin, chunked: bool) -> None:
    gate, body, path = threading.Event(), b"y" * 100_000, f"/hundred-{chunked}"
    origin.handler = gated(gate, "Cache-Control: max-age=60", body=body, chunked=chunked)
    wires = [connect(port) for _ in range(100)]
    with contextlib.ExitStack() as stack:
        for wire in wires:
            stack.enter_context(wire)
        wires[0].send(request(path))
        head = wires[0].head()
        for wire in wires[1:]:
            wire.send(request(path))
        if not chunked:
            assert wires[50].head()["cache-status"] in ("Bascule; fwd=miss; collapsed", "Bascule; fwd=miss")
            assert wires[50].exactly(50_000) == body[:50_000]  # followers get what there is
        gate.set()
        assert wires[0].read_body(head).body == body
        if not chunked:
            assert wires[50].exactly(50_000) == body[50_000:]
        for number, wire in enumerate(wires[1:], 1):
            if chunked or number != 50:
                assert wire.response().body == body
            assert not wire.buffer
            wire.end()
            assert wire.at_end()
    assert len(origin.seen) == 1


def test_the_rest_asks_for_itself_where_it_cannot_be_shared(port: int, origin: Origin) -> None:
    gate = threading.Event()

    def handle(wire: Wire, message: Message) -> bool:
        gate.wait(20)
        wire.send(answer(b"mine", "200 OK", "Cache-Control: private"))
        return True

    origin.handler = handle
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, port, "/unshared") for _ in range(8)]
        wait_for(lambda: origin.seen, "the first request")
        gate.set()
        assert [found.result().body for found in asked] == [b"mine"] * 8
    assert len(origin.seen) == 8


def test_the_first_client_may_go(port: int, origin: Origin) -> None:
    gate, body = threading.Event(), b"z" * 60_000
    origin.handler = gated(gate, "Cache-Control: max-age=60", body=body)
    with connect(port) as first, connect(port) as second:
        first.send(request("/leaver"))
        first.head()
        second.send(request("/leaver"))
        head = second.head()
        first.sock.close()
        gate.set()
        assert second.read_body(head).body == body
    assert ask(port, "/leaver").body == body
    assert len(origin.seen) == 1


def test_a_slow_client_holds_up_nobody(port: int, origin: Origin) -> None:
    body = bytes(range(256)) * (LARGE // 256)
    origin.handler = counted("Cache-Control: max-age=60", body=body)
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", port))
        slow.sendall(request("/slow"))
        assert slow.recv(10)
        assert ask(port, "/slow").body == body  # while the first one reads nothing
        wire = Wire(slow)
        wire.buffer = b"HTTP/1.1 2"
        assert wire.response().body[-1000:] == body[-1000:]
    assert ask(port, "/slow", Range="bytes=1000000-1999999").body == body[1_000_000:2_000_000]
    assert ask(port, "/slow").body == body
    assert len(origin.seen) == 1


@pytest.mark.parametrize("chunked", [False, True])
def test_what_is_too_large_is_passed_on_whole(port: int, origin: Origin, chunked: bool) -> None:
    gate, body = threading.Event(), b"0123456789" * 600_000  # more than an eighth of the store
    gate.set()
    origin.handler = gated(gate, "Cache-Control: max-age=60", body=body, chunked=chunked)
    for number in (1, 2):
        assert ask(port, f"/huge-{chunked}").body == body
        assert len(origin.seen) == number


def test_a_client_that_leaves_what_is_too_large_leaves_nothing_behind(port: int, origin: Origin) -> None:
    ended, body = threading.Event(), b"0123456789" * 1_000_000

    def handle(wire: Wire, message: Message) -> bool:
        wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nCache-Control: max-age=60\r\n\r\n")
        try:
            for _ in range(20):
                wire.send(b"%x\r\n%b\r\n" % (len(body), body))
        finally:
            ended.set()
        return True

    origin.handler = handle
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", port))
        slow.sendall(request("/left"))
        assert slow.recv(100_000)
        assert not ended.wait(0.2)  # it is slowed down, not stored
    assert ended.wait(20)


def test_what_varies_by_what_bascule_says_is_not_shared(port: int, origin: Origin) -> None:
    origin.handler = counted("Cache-Control: max-age=60", "Vary: X-Forwarded-For")
    assert [ask(port, "/by-address").body for _ in range(2)] == [b"answer 1", b"answer 2"]


def test_half_a_response_is_not_kept(port: int, origin: Origin) -> None:
    def cut(wire: Wire, message: Message) -> bool:
        wire.send(answer(b"x" * 1000, "200 OK", "Cache-Control: max-age=60")[:-500])
        return False

    origin.handler = cut
    with connect(port) as wire:
        wire.send(request("/cut"))
        assert len(wire.rest()) < 1000
    origin.handler = counted("Cache-Control: max-age=60")
    assert ask(port, "/cut").body == b"answer 1"


def test_the_log_tells_what_the_cache_did(bascule: tuple[Bascule, Origin], port: int, origin: Origin) -> None:
    origin.handler = counted("Cache-Control: max-age=60")
    for _ in range(2):
        ask(port, "/logged")
    wait_for(lambda: sum('"/logged"' in line for line in _log(bascule[0])) == 2, "the lines")
    assert ['"cache":"miss"' in line for line in _log(bascule[0]) if '"/logged"' in line] == [True, False]
    assert ['"cache":"hit"' in line for line in _log(bascule[0]) if '"/logged"' in line] == [False, True]


def _log(program: Bascule) -> list[str]:
    return (program.folder / "stdout").read_text().splitlines()


def test_heuristics_want_no_cookie(port: int, origin: Origin) -> None:
    old = "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT"
    origin.handler = counted(old)
    assert ask(port, "/guessed", Cookie="a=b").body == b"answer 1"
    assert ask(port, "/guessed").body == b"answer 2"
    assert ask(port, "/guessed", Cookie="a=b").body == b"answer 2"
