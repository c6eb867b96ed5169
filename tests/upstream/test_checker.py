"""Active checks against real servers on loopback: good ones, and every way to be bad."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bascule.config.pools import Pool, Server
from bascule.upstream.checker import MAX_BODY, Checker, CheckFailedError
from bascule.upstream.health import Health
from bascule.upstream.members import Member
from tests.support.certs import Authority

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Origin:
    """A server that answers every request with `answer`, and keeps what it was sent."""

    def __init__(self, answer: bytes | None, close: bool = True) -> None:
        self.answer = answer
        self.close = close
        self.received: list[bytes] = []
        self.gone = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.received.append(await reader.readuntil(b"\r\n\r\n"))
            if self.answer is not None:
                writer.write(self.answer)
                await writer.drain()
            if self.answer is None or not self.close:
                await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.gone.set()
            writer.close()


@asynccontextmanager
async def listening(origin: Origin, context: ssl.SSLContext | None = None, path: str = "") -> AsyncIterator[str]:
    if path:
        server = await asyncio.start_unix_server(origin.serve, path)
    else:
        server = await asyncio.start_server(origin.serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"unix:{path}" if path else f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def checker(address: str, pool: dict[str, Any] | None = None, found_as: str = "", **check: Any) -> Checker:
    config = Pool.model_validate({**(pool or {}), "health": {"timeout": 30, **check}})
    assert config.health is not None
    return Checker(config, config.health, Member(Server.model_validate(address), 0, found_as))


def verdict(answer: bytes | None, close: bool = True, **check: Any) -> tuple[str, Origin]:
    """Check a server that answers so. Return why it failed (or nothing)."""

    async def run() -> tuple[str, Origin]:
        origin = Origin(answer, close)
        async with listening(origin) as address:
            try:
                await checker(address, **check).check()
                return "", origin
            except CheckFailedError as error:
                return str(error), origin
            finally:
                await asyncio.wait_for(origin.gone.wait(), 30)

    return asyncio.run(run())


def answer(status: str, body: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status.encode(), len(body), body)


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nheal\r\n3\r\nthy\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("reply", "check", "reason"),
    [
        (OK, {}, ""),
        (answer("204 No Content"), {}, ""),
        (answer("302 Found"), {}, ""),
        (answer("404 Not Found"), {}, "status 404"),
        (answer("500 Oh"), {}, "status 500"),
        (answer("500 Oh"), {"status": ["200", "500-502"]}, ""),
        (answer("201 Created"), {"status": ["200"]}, "status 201"),
        (b"HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n" + OK, {}, ""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 9, {}, "status 100"),
        (b"HTTP/1.0 200 OK\r\n\r\nhealthy", {"body": "healthy"}, ""),
        (answer("200 OK", b"all is healthy"), {"body": "healthy"}, ""),
        (answer("200 OK", b"all is ill"), {"body": "healthy"}, "the body is not as expected"),
        (answer("200 OK", b'{"db": "up", "n": 12}'), {"body": r'"db":\s*"up".*\d+'}, ""),
        (CHUNKED, {"body": "^healthy$"}, ""),
        (answer("200 OK", b"x" * MAX_BODY + b"healthy"), {"body": "healthy"}, "the body is not as expected"),
        (answer("200 OK"), {"body": "healthy"}, "the body is not as expected"),
        (b"", {}, "not a proper response: its head does not end"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", {}, "not a proper response: its head does not end"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", {}, "not a proper response: origin_protocol_error"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000 + b"\r\n\r\n", {}, "its head does not end"),
        (None, {"timeout": 0.05}, "no answer within 0.05 s"),
        (b"HTTP/1.1 200 OK\r\n", {"timeout": 0.05}, "no answer within 0.05 s"),
        (None, {"kind": "tcp"}, ""),
    ],
)
def test_answers(reply: bytes | None, check: dict[str, Any], reason: str) -> None:
    slow = "timeout" in check or check.get("kind") == "tcp"
    got, _ = verdict(reply, close=not slow, **check)
    assert reason in got
    assert bool(reason) == bool(got)


def test_a_body_that_never_ends_is_read_no_further_than_the_limit() -> None:
    async def run() -> None:
        sent = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            try:
                while sent < 64 << 20:
                    writer.write(b"x" * 65536)
                    await writer.drain()
                    sent += 65536
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(CheckFailedError, match="body"):
                await checker(f"127.0.0.1:{port}", body="healthy").check()
        assert sent < 32 << 20

    asyncio.run(run())


def test_the_request_is_what_was_asked_for() -> None:
    _, origin = verdict(OK, path="/healthz?deep=1", method="HEAD", host="shop.example", headers={"X-Check": "yes"})
    lines = origin.received[0].split(b"\r\n")
    assert lines[0] == b"HEAD /healthz?deep=1 HTTP/1.1"
    assert {b"host: shop.example", b"connection: close", b"x-check: yes"} <= set(lines)


def test_the_host_is_the_server_s_own_by_default() -> None:
    async def run() -> None:
        origin = Origin(OK)
        async with listening(origin) as address:
            await checker(address).check()
            await checker(address, found_as="app.example").check()
        port = address.rpartition(":")[2].encode()
        assert b"host: 127.0.0.1:%b\r\n" % port in origin.received[0]
        assert b"host: app.example:%b\r\n" % port in origin.received[1]

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_a_refused_connection(kind: str) -> None:
    async def run() -> None:
        async with listening(Origin(OK)) as address:
            pass
        with pytest.raises(CheckFailedError, match=r"refused|Connect call failed"):
            await checker(address, kind=kind).check()

    asyncio.run(run())


def test_a_unix_socket(tmp_path: Path) -> None:
    async def run() -> None:
        origin = Origin(OK)
        async with listening(origin, path=str(tmp_path / "app.sock")) as address:
            await checker(address).check()
        assert b"host: localhost\r\n" in origin.received[0]
        with pytest.raises(CheckFailedError, match=r"No such file|refused"):
            await checker(f"unix:{tmp_path}/absent.sock").check()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("version", "header"), [("v1", b"PROXY UNKNOWN\r\n"), ("v2", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0")]
)
def test_a_pool_with_the_proxy_protocol_is_checked_with_it(version: str, header: bytes) -> None:
    async def run() -> None:
        received: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            received.append(await reader.readexactly(len(header)))
            received.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(OK)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            await checker(f"127.0.0.1:{port}", {"proxy_protocol": version}).check()
        assert received[0] == header
        assert received[1].startswith(b"GET / ")

    asyncio.run(run())


def test_another_port() -> None:
    async def run() -> None:
        async with listening(Origin(OK)) as address:
            await checker("127.0.0.1:1", port=int(address.rpartition(":")[2])).check()

    asyncio.run(run())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.mark.parametrize(
    ("tls", "host", "reason"),
    [
        ({"ca": "AUTHORITY"}, "app.example", ""),
        ({"ca": "AUTHORITY", "server_name": "app.example"}, "", ""),
        ({"ca": "AUTHORITY"}, "other.example", "TLS: Hostname mismatch"),
        ({}, "app.example", "TLS: unable to get local issuer"),
        ({"verify": False}, "other.example", ""),
        ({"ca": "absent.pem"}, "app.example", "absent.pem"),
    ],
)
@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_tls_is_verified_as_requests_are(
    authority: Authority, tls: dict[str, Any], host: str, reason: str, kind: str
) -> None:
    pair = authority.issue("app.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    if tls.get("ca") == "AUTHORITY":
        tls = {**tls, "ca": authority.path}

    async def run() -> str:
        async with listening(Origin(OK), context) as address:
            try:
                await checker(f"https://{address}", {"tls": tls}, host, kind=kind).check()
            except CheckFailedError as error:
                return str(error)
        return ""

    got = asyncio.run(run())
    assert reason in got
    assert bool(reason) == bool(got)


@pytest.mark.parametrize(
    ("check", "complaint"),
    [
        ({"status": ["ok"]}, "health.status: 'ok' is not a status"),
        ({"status": ["399-200"]}, "health.status"),
        ({"status": ["20"]}, "health.status"),
        ({"body": "("}, "health.body"),
        ({"headers": {"x": "a\r\nb: c"}}, "line breaks"),
        ({"host": "a\nb"}, "line breaks"),
    ],
)
def test_a_check_that_makes_no_sense_is_refused(check: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        checker("127.0.0.1:80", **check)


@pytest.mark.parametrize(
    ("rise", "fall", "checks", "verdicts"),
    [
        (2, 3, "x", "x"),  # the first look decides
        (2, 3, "xoo", "xxo"),
        (2, 3, "oxxx", "ooox"),
        (2, 3, "oxxoxxx", "oooooox"),
        (2, 3, "xoxoo", "xxxxo"),
        (1, 1, "oxox", "oxox"),
        (3, 1, "oxooo", "oxxxo"),
    ],
)
def test_rise_and_fall(rise: int, fall: int, checks: str, verdicts: str) -> None:
    health = Health(rise, fall)
    changes = 0
    for check, expected in zip(checks, verdicts, strict=True):
        changes += health.record(check == "o")
        assert health.up == (expected == "o")
    assert changes == sum(a != b for a, b in zip("o" + verdicts, verdicts, strict=False))


def test_a_checker_leaves_no_connection_behind() -> None:
    """The hanging server sees the end of the connection once the check is over."""
    reason, origin = verdict(None, timeout=0.05)
    assert reason
    assert origin.gone.is_set()
