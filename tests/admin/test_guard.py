from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bascule.admin.guard import Guard
from tests.admin.support import Running, running
from tests.telemetry.support import make_plan

TOKEN = "s3cret-token-of-decent-length-0123456789"
BEARER = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def with_token(tmp_path: Path) -> Iterator[Running]:
    with running(make_plan(admin={"listen": "127.0.0.1:0", "token": TOKEN}), tmp_path) as found:
        yield found


@pytest.fixture
def without_token(tmp_path: Path) -> Iterator[Running]:
    with running(make_plan(admin={"listen": "127.0.0.1:0"}), tmp_path) as found:
        yield found


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/healthz", {}, 200),
        ("GET", "/readyz", {}, 200),
        ("GET", "/healthz", {"host": "evil.example"}, 421),
        ("GET", "/status", {}, 401),
        ("GET", "/metrics", {}, 401),
        ("GET", "/nowhere", {}, 401),
        ("POST", "/reload", {}, 401),
        ("POST", "/healthz", {}, 401),
        ("GET", "/status", {"authorization": "Bearer wrong"}, 401),
        ("GET", "/status", {"authorization": "Bearer "}, 401),
        ("GET", "/status", {"authorization": f"Basic {TOKEN}"}, 401),
        ("GET", "/status", {"authorization": f"Bearer {TOKEN}x"}, 401),
        ("GET", "/status", BEARER, 200),
        ("GET", "/status", {"authorization": f"bearer  {TOKEN}"}, 200),
        ("GET", "/metrics", {**BEARER, "host": "bascule.internal.example"}, 200),
        ("POST", "/reload", BEARER, 200),
    ],
)
def test_with_a_token(with_token: Running, method: str, path: str, headers: dict[str, str], status: int) -> None:
    got, answer, _ = with_token.ask(method, path, headers, tcp=True)
    assert got == status
    if status == 401:
        assert answer["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/healthz", {}, 200),
        ("GET", "/status", {}, 200),
        ("GET", "/status", {"host": "localhost:1234"}, 200),
        ("GET", "/status", {"host": "[::1]:1234"}, 200),
        ("GET", "/status", {"host": "10.1.2.3"}, 200),
        ("GET", "/status", {"host": "rebound.evil.example"}, 421),
        ("GET", "/status", {"host": "127.0.0.1.evil.example"}, 421),
        ("GET", "/status", {"host": "[::1"}, 421),
        ("GET", "/status", {"host": ""}, 421),
        ("GET", "/status", {"origin": "https://evil.example"}, 403),
        ("POST", "/reload", {}, 403),
        ("POST", "/reload", {"authorization": "Bearer "}, 403),
        ("POST", "/maintenance/shop.example/on", {"origin": "null"}, 403),
    ],
)
def test_without_a_token(without_token: Running, method: str, path: str, headers: dict[str, str], status: int) -> None:
    assert without_token.ask(method, path, headers, tcp=True)[0] == status


def test_without_a_token_the_unix_socket_changes_things(without_token: Running) -> None:
    assert without_token.json("POST", "/reload")[0] == 200


@pytest.mark.parametrize(
    ("client", "status"), [(("127.9.9.9", 1), None), (("::1", 1), None), (("192.0.2.1", 1), 403), (None, 403)]
)
def test_without_a_token_only_this_machine_reads(client: tuple[str, int] | None, status: int | None) -> None:
    async def app(*_: object) -> None:
        raise AssertionError

    scope = {"type": "http", "method": "GET", "path": "/status", "headers": [(b"host", b"127.0.0.1")], "client": client}
    refusal = Guard(app, "")._refuse(scope)
    assert (refusal and refusal.status_code) == status
