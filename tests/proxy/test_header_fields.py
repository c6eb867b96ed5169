"""Header fields on their way: hop-by-hop ones, what the server is told of the client, what the client may not see."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.clients import Message, Wire, ask, connect, request
from tests.support.origins import Origin, always, answer


def config(origin: Origin) -> dict[str, Any]:
    to = origin.address
    changed = {
        "request": {"remove": ["X-Internal", "cookie"], "set": {"X-Who": "{client_address} {host} {path}"}},
        "response": {"set": {"X-Frame-Options": "DENY", "X-Id": "{request_id}"}, "add": {"X-More": "1"}},
        "server": "bridge",
    }
    return {
        "trusted_proxies": ["127.0.0.3"],
        "sites": {
            "plain.test": to,
            "changed.test": {"headers": changed, "routes": {"/": to}},
            "forwarded.test": {"headers": {"forwarded": "forwarded", "via": False}, "routes": {"/": to}},
            "both.test": {"headers": {"forwarded": "both"}, "routes": {"/": to}},
            "off.test": {"headers": {"forwarded": "off", "hide": []}, "routes": {"/": to}},
            "origin-host.test": {"headers": {"host": "origin"}, "routes": {"/": to}},
            "fixed-host.test": {"headers": {"host": "inside.test"}, "routes": {"/": to}},
            "reject.test": {"path": {"underscore_headers": "reject"}, "routes": {"/": to}},
            "keep.test": {"path": {"underscore_headers": "keep"}, "routes": {"/": to}},
        },
    }


def fields(port: int, host: str = "plain.test", source: str = "", **more: str) -> dict[str, str]:
    """What the server got, several fields of a name joined by ``|``."""
    with connect(port, source) as wire:
        wire.send(request(host=host, **more))
        found: dict[str, str] = {}
        for name, value in wire.response().json()["fields"]:
            found[name] = f"{found[name]}|{value}" if name in found else value
        return found


def test_what_a_server_is_told(origin: Origin, port: int) -> None:
    assert fields(port, X_Real_IP="6.6.6.6", X_Forwarded_For="6.6.6.6", Forwarded="for=6.6.6.6", Accept="a") == {
        "host": "plain.test",
        "accept": "a",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
        "x-forwarded-host": "plain.test",
        "via": "1.1 bascule",
    }


def test_a_trusted_hop_is_believed(origin: Origin, port: int) -> None:
    told = fields(port, source="127.0.0.3", X_Forwarded_For="6.6.6.6, 192.0.2.1", X_Forwarded_Proto="https")
    assert told["x-forwarded-for"].startswith("192.0.2.1, 127.0.0.3")
    assert told["x-forwarded-proto"] == "https"
    assert "6.6.6.6" not in str(told)


def test_forms_of_forwarding(origin: Origin, port: int) -> None:
    told = fields(port, "forwarded.test")
    assert told["forwarded"] == "for=127.0.0.1;host=forwarded.test;proto=http"
    assert not {"x-forwarded-for", "via"} & set(told)
    told = fields(port, "both.test", Via="1.0 other")
    assert {"forwarded", "x-forwarded-for"} <= set(told)
    assert told["via"] == "1.0 other|1.1 bascule"
    assert set(fields(port, "off.test", X_Forwarded_For="1.1.1.1")) == {"host", "via"}


def test_hosts(origin: Origin, port: int) -> None:
    assert fields(port, "plain.test")["host"] == "plain.test"
    assert fields(port, "origin-host.test")["host"] == origin.address
    assert fields(port, "fixed-host.test")["host"] == "inside.test"
    with connect(port) as wire:
        wire.send(b"GET http://plain.test/abs?q HTTP/1.1\r\nHost: ignored.test\r\n\r\n")
        told = wire.response().json()
        assert (told["start"][1], dict(told["fields"])["host"]) == ("/abs?q", "plain.test")


HOP_BY_HOP = {
    "Keep-Alive": "1", "Proxy-Connection": "1", "Proxy-Authorization": "1", "TE": "gzip", "Upgrade": "foo",
    "HTTP2-Settings": "1", "Trailer": "X",
}  # fmt: skip


@pytest.mark.parametrize("name", HOP_BY_HOP)
def test_hop_by_hop_fields_go_no_further(origin: Origin, port: int, name: str) -> None:
    told = fields(port, **{name: HOP_BY_HOP[name]}, X="1")
    assert name.lower() not in told
    assert told["x"] == "1"


def test_fields_that_connection_names_go_no_further(origin: Origin, port: int) -> None:
    named = "close, X-A, x-who, referer, ETag, Cookie, Host, x-forwarded-for"
    told = fields(port, Connection=named, X_A="1", X_B="2", X_Who="3", Referer="4", Cookie="5")
    assert not {"connection", "x-a", "x-who", "referer"} & set(told)
    assert told["x-b"] == "2"
    assert told["cookie"] == "5"  # RFC 9110 7.6.1: what is for all recipients is not to be named
    assert told["x-forwarded-for"] == "127.0.0.1"


def test_fields_that_a_server_names_go_no_further(origin: Origin, port: int) -> None:
    named = (
        "Connection: X-A, ETag, X-Frame-Options",
        "X-A: 1",
        "ETag: 2",
        "X-Frame-Options: 3",
        "Keep-Alive: 4",
        "X-B: 5",
    )
    origin.handler = always(answer(b"", "200 OK", *named))
    response = ask(port, host="plain.test")
    assert not {"x-a", "etag", "x-frame-options", "keep-alive", "connection"} & {name for name, _ in response.fields}
    assert response["x-b"] == "5"


def test_changes(origin: Origin, port: int) -> None:
    origin.handler = lambda wire, message: _both(wire, message)
    sent = {"X-Internal": "1", "X-Who": "forged", "Cookie": "a=b"}
    response = ask(port, "/a/../b?c", host="changed.test", **sent)
    told = dict(response.json())
    assert told["x-who"] == "127.0.0.1 changed.test /b"
    assert not {"x-internal", "cookie"} & set(told)
    assert response["x-frame-options"] == "DENY"
    assert response.values("x-more") == ["0", "1"]
    assert response["server"] == "bridge"
    assert response["x-id"]
    assert response["x-id"] != ask(port, host="changed.test")["x-id"]


def _both(wire: Wire, message: Message) -> bool:
    body = json.dumps(message.fields).encode()
    wire.send(answer(body, "200 OK", "X-Frame-Options: ALLOW", "X-More: 0", "Server: nginx", "X-Id: forged"))
    return True


def test_what_runs_behind_the_bridge_is_hidden(origin: Origin, port: int) -> None:
    telling = ["Server: nginx/1.2", "X-Powered-By: PHP", "X-AspNet-Version: 4", "Via: 1.1 inner", 'Alt-Svc: h3=":9443"']
    origin.handler = always(answer(b"", "200 Peachy", *telling, "X-Good: 1"))
    response = ask(port, host="plain.test")
    assert response.start[2] == "OK"
    assert {name for name, _ in response.fields} == {"x-good", "content-length", "date", "via"}
    assert response["via"] == "1.1 bascule"
    assert ask(port, host="off.test")["server"] == "nginx/1.2"


def test_a_date_is_there_once(origin: Origin, port: int) -> None:
    assert ask(port, host="plain.test")["date"]
    origin.handler = always(answer(b"", "200 OK", "Date: Thu, 01 Jan 1970 00:00:00 GMT"))
    assert ask(port, host="plain.test")["date"] == "Thu, 01 Jan 1970 00:00:00 GMT"


def test_underscores(origin: Origin, port: int) -> None:
    def told(host: str) -> Message:
        with connect(port) as wire:
            wire.send(f"GET / HTTP/1.1\r\nHost: {host}\r\nX_Forwarded_For: 6.6.6.6\r\n\r\n".encode())
            return wire.response()

    assert "x_forwarded_for" not in dict(told("plain.test").json()["fields"])
    assert dict(told("keep.test").json()["fields"])["x_forwarded_for"] == "6.6.6.6"
    assert told("reject.test").status == 400


def test_values_pass_unchanged(origin: Origin, port: int) -> None:
    value = "caf\xe9 \t {}[]\"\\'<>%00=;,"
    assert fields(port, X=value)["x"] == value
    origin.handler = always(answer(b"", "200 OK", f"X: {value}", "Set-Cookie: a", "Set-Cookie: b"))
    response = ask(port, host="plain.test")
    assert response["x"] == value
    assert response.values("set-cookie") == ["a", "b"]
