"""Which site and route answer, how the path changes, and what Bascule answers by itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.clients import ask, connect, request
from tests.support.origins import Origin
from tests.support.program import Bascule


def config(origin: Origin) -> dict[str, Any]:
    to = {"servers": [origin.address]}

    def name(name: str, **more: Any) -> dict[str, Any]:
        return {**to, "headers": {"request": {"set": {"X-Route": name}}}, **more}

    return {
        "sites": {
            "a.test": {"aliases": ["alias.test"], "routes": {"/": name("a")}},
            "*.b.test": {"routes": {"/": name("wild b")}},
            "*.deep.b.test": {"routes": {"/": name("wild deep b")}},
            "exact.b.test": {"routes": {"/": name("exact b")}},
            "xn--bcher-kva.test": {"routes": {"/": name("idn")}},
            "paths.test": {
                "routes": {
                    "/": name("root"),
                    "/api/": name("api"),
                    "/api/v2": name("v2"),
                    "=/api": name("exact"),
                    r"~^/u/\d+$": name("pattern"),
                    r"~\.php$": name("php"),
                    "/m": [
                        name("get and header", match={"methods": ["GET"], "headers": {"X-A": "1"}}),
                        name("post", match={"methods": ["post"]}),
                        name("query", match={"query": {"q": "~^x+$", "present": "*"}}),
                        name("rest"),
                    ],
                    "/n": name("only delete", match={"methods": ["DELETE"]}),
                }
            },
            "none.test": {"routes": {"/only": name("only")}},
            "rewrite.test": {
                "routes": {
                    "/strip/": name("s", rewrite={"strip_prefix": "/strip"}),
                    "/add/": name("a", rewrite={"add_prefix": "/inner"}),
                    "/both/": name("b", rewrite={"strip_prefix": "/both/", "add_prefix": "/x/"}),
                    "/re/": name("r", rewrite={"pattern": r"^/re/(\w+)/(\w+)", "replacement": r"/\2/\1"}),
                }
            },
            "redirect.test": {
                "routes": {
                    "/": {"redirect": "https://new.test{uri}"},
                    "/see": {"redirect": {"to": "/other?from={path}", "status": 303}},
                    "/host": {"redirect": {"to": "https://www.{host}{path}{query}", "status": 301}},
                    "/fixed": {"respond": {"status": 410, "body": "gone {here}\n"}},
                    "/empty": {"respond": {"status": 204}},
                    "/json": {"respond": {"body": '{"ä": 1}', "content_type": "application/json"}},
                }
            },
            "policy.test": {
                "path": {"double_slash": "keep", "parameters": "reject"},
                "routes": {"/": name("policy")},
            },
            "strict.test": {
                "path": {"dot_segments": "reject", "double_slash": "reject", "encoded_slash": "reject"},
                "routes": {"/": name("s")},
            },
        }
    }


def route(port: int, target: str = "/", method: str = "GET", host: str = "paths.test", **fields: str) -> str:
    response = ask(port, target, method, host, **fields)
    return dict(response.json()["fields"])["x-route"] if response.status == 200 else str(response.status)


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("a.test", "a"),
        ("A.Test:8080", "a"),
        ("a.test.", "a"),
        ("alias.test", "a"),
        ("x.b.test", "wild b"),
        ("y.x.b.test", "wild b"),
        ("x.deep.b.test", "wild deep b"),
        ("exact.b.test", "exact b"),
        ("xn--bcher-kva.test", "idn"),
        ("b.test", "421"),
        ("unknown.test", "421"),
        ("[::1]", "421"),
    ],
)
def test_hosts(port: int, host: str, found: str) -> None:
    assert route(port, host=host) == found


def test_a_default_host(origin: Origin) -> None:

    with Bascule({"sites": {"a.test": {"routes": {"/": {"respond": {"body": "a"}}}}, "*": origin.address}}) as bascule:
        assert ask(bascule.port, host="a.test").body == b"a"
        assert ask(bascule.port, host="unknown.test").status == 200
        with connect(bascule.port) as wire:
            wire.send(b"GET / HTTP/1.0\r\n\r\n")
            assert wire.response().status == 200


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("/", "root"),
        ("/x?/api/", "root"),
        ("/api/", "api"),
        ("/api/x", "api"),
        ("/api", "exact"),
        ("/api?x", "exact"),
        ("/apix", "root"),
        ("/api/v2", "v2"),
        ("/api/v2/x", "v2"),
        ("/api/v2x", "api"),
        ("/u/12", "pattern"),
        ("/u/12/", "root"),
        ("/api/x.php", "php"),
        # an encoded slash is data, unless who decodes it would ask for what another route answers for
        ("/x%2fy", "root"),
        ("/api/x%2Fy", "api"),
        ("/api%2fx", "400"),
        ("/%5capi/x", "400"),
        ("/api/v2%2fx", "400"),
        # the normal form decides
        ("/x/../api/", "api"),
        ("//api//v2", "v2"),
        ("/%61pi/x", "api"),
        ("/api;a=b/x", "api"),
        ("/;a/api/x", "api"),
        ("/api/%2e%2e/u/1", "pattern"),
    ],
)
def test_paths(port: int, target: str, found: str) -> None:
    assert route(port, target) == found


def test_further_conditions(port: int) -> None:
    assert route(port, "/m", X_A="1") == "get and header"
    assert route(port, "/m", X_A="2") == "rest"
    assert route(port, "/m", "POST", body=b"") == "post"
    assert route(port, "/m?present&q=xx") == "query"
    assert route(port, "/m?present=&q=x%78") == "query"
    assert route(port, "/m?q=xx") == "rest"
    assert route(port, "/n", "DELETE") == "only delete"
    assert route(port, "/n") == "root"
    assert route(port, "/", host="none.test") == "404"
    assert route(port, "/only/x", host="none.test") == "only"


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        ("/strip/a?b", "/a?b"),
        ("/strip", "/"),
        ("/add/a", "/inner/add/a"),
        ("/both/a", "/x/a"),
        ("/re/one/two/three?q", "/two/one/three?q"),
        ("/strip/%2541?%zz", "/%2541?%zz"),
    ],
)
def test_rewrites(port: int, target: str, sent: str) -> None:
    assert ask(port, target, host="rewrite.test").json()["start"][1] == sent


def test_redirects(port: int) -> None:
    def where(target: str) -> tuple[int, str | None]:
        response = ask(port, target, host="redirect.test")
        return response.status, response["location"]

    assert where("/a/../b?c=d") == (308, "https://new.test/b?c=d")
    assert where("/see/x?y") == (303, "/other?from=/see/x")
    assert where("/host/x?y") == (301, "https://www.redirect.test/host/x?y")
    assert where("/host/x") == (301, "https://www.redirect.test/host/x")
    assert where("//evil.test/") == (308, "https://new.test/evil.test/")


def test_fixed_answers(port: int) -> None:
    with connect(port) as wire:
        for method in ("GET", "HEAD", "GET"):
            wire.send(request("/fixed", method, "redirect.test"))
            response = wire.response(method)
            assert (response.status, response["content-length"]) == (410, "12")
            assert response.body == (b"" if method == "HEAD" else b"gone {here}\n")
        wire.send(request("/empty", host="redirect.test") + request("/json", host="redirect.test"))
        assert (response := wire.response()).status == 204
        assert response["content-length"] is None
        assert wire.response().json() == {"ä": 1}


def test_an_answer_with_a_body_in_the_request(port: int) -> None:
    with connect(port) as wire:
        wire.send(request("/fixed", "POST", "redirect.test", body=b"x" * 100_000))
        assert wire.response().status == 410


@pytest.mark.parametrize(
    ("host", "target", "found"),
    [
        ("a.test", "/a%2fb", "/a%2Fb"),
        ("a.test", "/a%2f..%2fb", "400"),
        ("a.test", "/..", "400"),
        ("a.test", "/%00", "400"),
        ("a.test", "/a\\b", "400"),
        ("a.test", "/%", "400"),
        ("policy.test", "/a%2fb//c", "/a%2Fb//c"),
        ("policy.test", "/a;b", "400"),
        ("strict.test", "/a/../b", "400"),
        ("strict.test", "/a//b", "400"),
        ("strict.test", "/a%2fb", "400"),
        ("a.test", "/caf%c3%a9/%7e?%2f..//", "/caf%C3%A9/~?%2f..//"),
        ("a.test", "*", "400"),
    ],
)
def test_path_policies(port: int, host: str, target: str, found: str) -> None:
    response = ask(port, target, host=host)
    assert (response.json()["start"][1] if response.status == 200 else str(response.status)) == found


def test_options_asterisk(port: int) -> None:
    assert ask(port, "*", "OPTIONS", "a.test").json()["start"] == ["OPTIONS", "*", "HTTP/1.1"]


def test_connect_is_not_served(port: int) -> None:
    with connect(port) as wire:
        wire.send(b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n")
        response = wire.response()
        assert response.status == 405
        assert "GET" in (response["allow"] or "")


@pytest.mark.parametrize(
    ("method", "hops", "status", "passed"),
    [
        ("OPTIONS", "3", 200, "2"),
        ("OPTIONS", "1", 200, "0"),
        ("OPTIONS", "99999999999999999999", 200, "254"),
        ("TRACE", "2", 200, "1"),
        ("GET", "0", 200, "0"),  # means nothing to other methods
        ("OPTIONS", "x", 400, None),
        ("OPTIONS", "-1", 400, None),
        ("TRACE", "0", 405, None),
    ],
)
def test_max_forwards_counts_down(port: int, method: str, hops: str, status: int, passed: str | None) -> None:
    response = ask(port, "/", method, "a.test", **{"Max-Forwards": hops})
    assert response.status == status
    if passed is not None:
        assert dict(response.json()["fields"])["max-forwards"] == passed


def test_options_that_may_go_no_further_ends_here(port: int) -> None:
    response = ask(port, "*", "OPTIONS", "a.test", **{"Max-Forwards": "0"})
    assert (response.status, response.body) == (200, b"")
    assert "OPTIONS" in (response["allow"] or "")
