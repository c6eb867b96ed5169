"""Origin hiding: no byte that a client gets names a server behind the bridge; and cookies speak of the public site."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from bascule.config.policies import CookieMap
from bascule.proxy.rewrite import compile_cookies
from tests.support.clients import Message, Wire, connect, request
from tests.support.origins import Origin, always, answer, resets, silent
from tests.support.program import Bascule


def config(origin: Origin) -> dict[str, Any]:
    to = {"servers": [origin.address], "retries": {"attempts": 0}}
    named = {"servers": [f"localhost:{origin.port}"]}
    return {
        "sites": {
            "site.test": {
                "routes": {"/": to, "/app/": {**to, "rewrite": {"strip_prefix": "/app", "add_prefix": "/in"}}}
            },
            "short.test": {"timeouts": {"response": 0.5}, "routes": {"/": {**to, "outliers": {"consecutive": 0}}}},
            "named.test": {"headers": {"host": "origin"}, "routes": {"/": named}},
            "cookie.test": {
                "cookies": {
                    "domain": {"inner.test": "cookie.test", "drop.test": ""},
                    "path": {"/in/": "/app/", "/in/deep/": "/deep/"},
                    "secure": True,
                    "http_only": True,
                    "same_site": "Lax",
                },
                "routes": {"/": to},
            },
        },
    }


def get(port: int, target: str = "/", host: str = "site.test", **fields: str) -> Message:
    with connect(port) as wire:
        wire.send(request(target, host=host, Connection="close", **fields))
        response = wire.response()
        assert wire.at_end()
        return response


def place(
    origin: Origin, port: int, value: str, name: str = "Location", target: str = "/", host: str = "site.test"
) -> Any:
    origin.handler = always(answer(b"", "302 Found", f"{name}: {value}"))
    return get(port, target, host)[name.lower()]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("http://{origin}/x?y#z", "http://site.test/x?y#z"),
        ("HTTPS://{origin}", "http://site.test"),
        ("//{origin}/x", "http://site.test/x"),
        ("http://user@{origin}/x", "http://site.test/x"),
        ("/x", "/x"),
        ("x", "x"),
        ("?x", "?x"),
        ("https://elsewhere.test/x", "https://elsewhere.test/x"),
        ("https://site.test/x", "https://site.test/x"),
    ],
)
@pytest.mark.parametrize("name", ["Location", "Content-Location"])
def test_places(origin: Origin, port: int, name: str, said: str, told: str) -> None:
    assert place(origin, port, said.format(origin=origin.address), name) == told


def test_places_below_a_rewritten_path(origin: Origin, port: int) -> None:
    assert place(origin, port, f"http://{origin.address}/in/x", target="/app/") == "http://site.test/app/x"
    assert place(origin, port, "/in/x?y", target="/app/") == "/app/x?y"
    assert place(origin, port, "/in", target="/app/") == "/app/"


def test_places_of_a_server_that_is_known_by_name(origin: Origin, port: int) -> None:
    assert place(origin, port, f"http://localhost:{origin.port}/x", host="named.test") == "http://named.test/x"


def test_refresh(origin: Origin, port: int) -> None:
    assert place(origin, port, f"5; url=http://{origin.address}/x", "Refresh") == "5; url=http://site.test/x"
    assert place(origin, port, f"0;URL='http://{origin.address}/x'", "Refresh") == "0;URL='http://site.test/x'"
    assert place(origin, port, "5", "Refresh") == "5"


def test_links_and_grants(origin: Origin, port: int) -> None:
    said = f'<http://{origin.address}/in/a>; rel=next, <https://else.test/b>; rel="x", </in/c>'
    told = '<http://site.test/app/a>; rel=next, <https://else.test/b>; rel="x", </app/c>'
    assert place(origin, port, said, "Link", "/app/") == told
    grant = "Access-Control-Allow-Origin"
    assert place(origin, port, f"http://{origin.address}", grant, "/app/") == "http://site.test"
    assert place(origin, port, "https://else.test", grant) == "https://else.test"
    assert place(origin, port, "*", grant) == "*"


@pytest.mark.parametrize(
    ("name", "said", "told"),
    [
        ("SourceMap", "http://{origin}/in/m", "http://site.test/app/m"),
        ("X-Pingback", "http://{origin}/in/rpc", "http://site.test/app/rpc"),
        ("Report-To", '{{"endpoints":[{{"url":"http://{origin}/in/r"}}]}}',
         '{{"endpoints":[{{"url":"http://site.test/app/r"}}]}}'),
        ("Reporting-Endpoints", 'a="https://{origin}/r", b="//else.test/x"',
         'a="http://site.test/app/r", b="//else.test/x"'),
        ("Content-Security-Policy", "default-src 'self' {origin} WSS://{origin}; img-src https://else.test 1{origin}",
         "default-src 'self' site.test ws://site.test; img-src https://else.test 1{origin}"),
        ("Content-Security-Policy-Report-Only", "img-src https://else.test", "img-src https://else.test"),
        ("Timing-Allow-Origin", "http://{origin}, https://else.test", "http://site.test, https://else.test"),
    ],
)  # fmt: skip
def test_places_in_text(origin: Origin, port: int, name: str, said: str, told: str) -> None:
    said, told = said.format(origin=origin.address), told.format(origin=origin.address)
    assert place(origin, port, said, name, "/app/") == told


def test_early_hints_keep_their_links(origin: Origin, port: int) -> None:
    origin.handler = always(f"HTTP/1.1 103 Early Hints\r\nLink: <//{origin.address}/a.css>\r\n\r\n".encode() + answer())
    with connect(port) as wire:
        wire.send(request("/", host="site.test"))
        early = wire.head()
        assert (early.status, early["link"]) == (103, "<http://site.test/a.css>")
        assert wire.response().status == 200


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("a=1; Domain={host}; Path=/", "a=1; Path=/"),
        ("a=1; DOMAIN=.{host}", "a=1"),
        ("a=1; Domain=site.test", "a=1; Domain=site.test"),
        ("a=domain; Domain=other.test", "a=domain; Domain=other.test"),
    ],
)
def test_a_cookie_names_no_server(origin: Origin, port: int, said: str, told: str) -> None:
    said = said.format(host=origin.address.partition(":")[0])
    origin.handler = always(answer(b"", "200 OK", f"Set-Cookie: {said}"))
    assert get(port)["set-cookie"] == told


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("/app", "/"),
        ("/app/", "/"),
        ("/app/x", "/x"),
        ("/apple", "/apple"),
        ("/in/x", "/out/x"),
        ("/bare/x", "/x"),
        ("/bare", "/"),
        ("/", "/"),
    ],
)
def test_cookie_paths_are_mapped_by_whole_segments(said: str, told: str) -> None:
    map_cookie = compile_cookies(CookieMap(path={"/app": "/", "/in/": "/out/", "/bare": ""}))
    assert map_cookie is not None
    assert map_cookie(f"a=1; Path={said}".encode()) == f"a=1; Path={told}".encode()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("a=1; Domain=inner.test; Path=/in/x", "a=1; Domain=cookie.test; Path=/app/x; Secure; HttpOnly; SameSite=Lax"),
        ("a=1; domain=.Inner.test", "a=1; Domain=cookie.test; Secure; HttpOnly; SameSite=Lax"),
        ("a=1; Domain=drop.test; path=/in/deep/y", "a=1; Path=/deep/y; Secure; HttpOnly; SameSite=Lax"),
        ("a=1; SECURE; httponly; SameSite=None", "a=1; SECURE; httponly; SameSite=Lax"),
        ("a=\"x=y\"; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Domain=other.test",
         'a="x=y"; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Domain=other.test; Secure; HttpOnly; SameSite=Lax'),
    ],
)  # fmt: skip
def test_cookies(origin: Origin, port: int, said: str, told: str) -> None:
    origin.handler = always(answer(b"", "200 OK", f"Set-Cookie: {said}", f"Set-Cookie: b=2; {said[5:]}"))
    response = get(port, host="cookie.test")
    assert response.values("set-cookie")[0] == told
    assert len(response.values("set-cookie")) == 2
    origin.handler = always(answer(b"", "200 OK", f"Set-Cookie: {said}"))
    assert get(port)["set-cookie"] == said


def partial(wire: Wire, message: Message) -> bool:
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Le")
    return False


def telling(origin: Origin) -> list[Callable[[Wire, Message], bool | None]]:
    """Everything that a server could do to be named."""
    where = f"http://{origin.address}/"
    names = ("Location", "Content-Location", "Refresh", "Server", "X-Powered-By", "Via", "Alt-Svc", "X-Generator",
             "Access-Control-Allow-Origin", "X-Backend-Server", "X-Served-By", "Server-Timing", "SourceMap",
             "Report-To", "Reporting-Endpoints", "Content-Security-Policy", "Timing-Allow-Origin", "X-Pingback")  # fmt: skip
    fields = [f"{name}: {'0; url=' if name == 'Refresh' else ''}{where}" for name in names]
    fields += [f"Link: <{where}>; rel=next", f"Set-Cookie: a=1; Domain={origin.address.partition(':')[0]}"]
    trailer = "".join(f"{field}\r\n" for field in fields).encode()
    chunked = "\r\n".join(["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", *fields, "", ""]).encode()
    early = "\r\n".join(["HTTP/1.1 103 Early Hints", *fields, "", ""]).encode()
    return [
        always(answer(b"", f"200 {origin.address}", *fields)),
        always(answer(b"", "301 Moved Permanently", *fields)),
        always(chunked + b"1\r\nx\r\n0\r\n" + trailer + b"\r\n"),
        always(early + answer()),
        always(f"HTTP/1.1 999 {origin.address}\x00\r\n\r\n".encode()),
        partial,
        resets,
        silent,
    ]


def test_no_answer_names_a_server(origin: Origin, port: int) -> None:
    needles = (origin.address.encode(), str(origin.port).encode())
    for handler, accept in itertools.product(telling(origin), ("text/html", "application/json", "*/*")):
        origin.handler = handler
        with connect(port) as wire:
            wire.send(request("/x", host="short.test", Accept=accept, Connection="close"))
            data = wire.rest()
        assert data.startswith(b"HTTP/1.1 ")
        for needle in needles:
            assert needle not in data


def test_no_answer_names_a_server_that_is_gone() -> None:

    gone = Origin()
    gone.kill()
    to = {"servers": [gone.address], "retries": {"attempts": 0}, "outliers": {"consecutive": 1, "panic": 0}}
    with Bascule({"sites": {"*": {"routes": {"/": to}}}}) as bascule:
        for _ in range(4):
            with connect(bascule.port) as wire:
                wire.send(request(Connection="close"))
                data = wire.rest()
            assert data[9:12] in (b"502", b"503")
            assert str(gone.port).encode() not in data
