"""What Bascule says itself: error pages by Accept, custom ones, interception, maintenance; each with a reference."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import ask, connect, request
from tests.support.origins import Origin, always, answer
from tests.support.program import wait_for

FOLDER = tempfile.TemporaryDirectory(prefix="b-")
FLAG = Path(FOLDER.name, "maintenance")


@pytest.fixture(scope="module", autouse=True)
def _folder() -> Any:
    yield
    FOLDER.cleanup()


def config(origin: Origin) -> dict[str, Any]:
    page = Path(FOLDER.name, "page.html")
    page.parent.mkdir(exist_ok=True)
    page.write_text("<title>{status} {reason}</title> tell {contact} about {ref}")
    to = origin.address
    return {
        "access_log": {"path": "-"},
        "errors": {"contact": "help@site.test"},
        "sites": {
            "site.test": to,
            "pages.test": {
                "errors": {"pages": {"404": str(page), "5xx": str(page)}, "intercept": [404, 500, 503]},
                "routes": {"/": to, "/x/": {"servers": [to], "match": {"methods": ["PURGE"]}}},
            },
            "closed.test": {"maintenance": {"retry_after": 60, "allow": ["127.0.0.9"]}, "routes": {"/": to}},
            "flag.test": {"maintenance": {"file": str(FLAG)}, "routes": {"/": to}},
            "route.test": {"routes": {"/": to, "/closed/": {"servers": [to], "maintenance": True}}},
            "gone.test": {"routes": {"/": {"servers": ["127.0.0.1:1"], "retries": {"attempts": 0}}}},
        },
    }


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("application/json", "json"),
        ("text/plain", "text/plain"),
        ("*/*", "text/plain"),
        ("", "text/plain"),
    ],
)
def test_error_pages(port: int, accept: str, kind: str) -> None:
    response = ask(port, host="gone.test", Accept=accept)
    assert response.status == 502
    assert kind in (response["content-type"] or "")
    assert re.fullmatch("[a-z0-9]{16}", response["x-bascule-ref"] or "")
    assert (response["x-bascule-ref"] or "").encode() in response.body
    assert response["cache-control"] == "no-store"
    assert b"help@site.test" in response.body
    assert b"127.0.0.1" not in response.raw + response.body
    if kind == "json":
        assert response.json()["status"] == 502


def test_an_error_has_no_body_for_head(port: int) -> None:
    with connect(port) as wire:
        wire.send(request("/", "HEAD", "gone.test"))
        assert wire.response("HEAD").status == 502
        wire.send(request("/", "GET", "gone.test"))  # the connection is in step
        assert wire.response().status == 502


def test_references_lead_to_the_log(port: int, bascule: Any) -> None:
    refs = {ask(port, "/find/me", host="gone.test")["x-bascule-ref"] for _ in range(5)}
    assert len(refs) == 5
    wait_for(lambda: refs <= {line["ref"] for line in bascule.logged()}, "the references in the log")
    line = next(line for line in bascule.logged() if line["ref"] in refs)
    assert (line["target"], line["status"], line["cause"]) == ("/find/me", 502, "connect_failed")


def test_own_pages_and_interception(origin: Origin, port: int) -> None:
    origin.handler = always(answer(b"stack trace", "500 Internal Server Error", "X-Secret: 1"))
    response = ask(port, host="pages.test")
    assert response.status == 500
    assert b"<title>500 Internal Server Error</title> tell help@site.test about " in response.body
    assert (response["x-bascule-ref"] or "").encode() in response.body
    assert response["x-secret"] is None
    assert b"stack trace" in ask(port).body  # another site
    origin.handler = always(answer(b"as it is", "403 Forbidden"))
    assert ask(port, host="pages.test").body == b"as it is"


def test_interception_of_an_answer_that_has_only_begun(origin: Origin, port: int) -> None:
    origin.handler = always(b"HTTP/1.1 500 x\r\nContent-Length: 1000000\r\n\r\nstack trace")
    with connect(port) as wire:
        for _ in range(2):
            wire.send(request(host="pages.test", Accept="application/json"))
            assert wire.response().json()["status"] == 500
    origin.handler = always(answer(b"", "404 Not Found"))
    with connect(port) as wire:
        wire.send(request("/", "HEAD", "pages.test"))
        assert wire.response("HEAD").status == 404


def test_maintenance(origin: Origin, port: int) -> None:
    response = ask(port, host="closed.test")
    assert (response.status, response["retry-after"]) == (503, "60")
    with connect(port, "127.0.0.9") as wire:
        wire.send(request(host="closed.test"))
        assert wire.response().status == 200
    assert ask(port, "/closed/x", host="route.test").status == 503
    assert ask(port, "/open", host="route.test").status == 200


def test_maintenance_by_a_file(origin: Origin, port: int) -> None:
    for _ in range(2):
        assert ask(port, host="flag.test").status == 200
        FLAG.touch()
        assert ask(port, host="flag.test").status == 503
        FLAG.unlink()
    assert ask(port, host="flag.test").status == 200


def test_unknown_places(port: int) -> None:
    assert ask(port, host="unknown.test").status == 421
