"""Active checks: connect to a server, ask it for a page if so configured, and judge the answer."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass

import re2

from bascule.config.pools import HealthCheck, Pool
from bascule.http.errors import HttpError
from bascule.http.fields import RESPONSE_KINDS, FieldParser
from bascule.http.h1.body import Body, ChunkedBody, LengthBody, UntilClose
from bascule.http.h1.head import HEAD_END, ResponseParser
from bascule.http.message import NO_LENGTH, ResponseHead
from bascule.http.proxy_protocol import encode_v1, encode_v2
from bascule.tls.client import loaded_context, reason_of
from bascule.upstream.members import Member
from bascule.upstream.server import authority

MAX_BODY = 65536
_MAX_HEAD = 65536
_MAX_INTERIM = 8
"""1xx responses before the final one (RFC 9110, 15.2)."""


class CheckFailedError(Exception):
    """The server did not pass; the text says why."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a good answer is like."""

    statuses: frozenset[int]
    body: re2._Regexp | None

    @classmethod
    def of(cls, check: HealthCheck) -> Expectation:
        """Read it from the configuration. Raises ValueError for a status or pattern that is none."""
        statuses: set[int] = set()
        for text in check.status:
            first, _, last = text.partition("-")
            if (
                not first.isdigit()
                or not (last or first).isdigit()
                or not 100 <= int(first) <= int(last or first) <= 599
            ):
                raise ValueError(f"health.status: {text!r} is not a status or range such as 200 or 200-399")
            statuses.update(range(int(first), int(last or first) + 1))
        try:
            body = re2.compile(check.body.encode()) if check.body else None
        except re2.error as error:
            raise ValueError(f"health.body: {check.body!r} is not an RE2 pattern: {error}") from None
        return cls(frozenset(statuses), body)


def _check_request(check: HealthCheck, host: bytes) -> bytes:
    fields = {
        "host": check.host or host.decode(),
        "user-agent": "bascule-check",
        "accept": "*/*",
        "connection": "close",
    }
    fields.update({name.lower(): value for name, value in check.headers.items()})
    lines = [f"{check.method} {check.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("health: host, path and headers cannot contain line breaks")
    return "\r\n".join(lines).encode() + HEAD_END


class Checker:
    """Checks one member of a pool. Raises ValueError when the check's configuration makes no sense."""

    def __init__(self, pool: Pool, check: HealthCheck, member: Member) -> None:
        origin = member.server.address
        self._check = check
        self._expected = Expectation.of(check)
        self._tls = pool.tls if origin.scheme == "https" else None
        self._address = origin.address
        host = member.host or origin.address.host
        self._server_name = pool.tls.server_name or host or "localhost"
        self._request = _check_request(check, authority(host, origin))
        self._preface = {"off": b"", "v1": encode_v1(None, None), "v2": encode_v2(None, None)}[pool.proxy_protocol]

    async def check(self) -> None:
        """Check once. Raises CheckFailedError."""
        try:
            async with asyncio.timeout(self._check.timeout):
                await self._run()
        except TimeoutError:
            raise CheckFailedError(f"no answer within {self._check.timeout:g} s") from None
        except ssl.SSLError as error:
            raise CheckFailedError(f"TLS: {reason_of(error)}") from None
        except HttpError as error:
            raise CheckFailedError(f"not a proper response: {error.cause}") from None
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            raise CheckFailedError("not a proper response: its head does not end") from None
        except OSError as error:
            raise CheckFailedError(error.strerror or str(error)) from None
        except ValueError as error:  # a certificate file, or a host name that is none
            raise CheckFailedError(str(error)) from None

    async def _run(self) -> None:
        reader, writer = await self._connect()
        try:
            if self._check.kind == "http":
                writer.write(self._request)
                await self._judge(reader)
        finally:
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = self._address
        if address.path:
            path = "\0" + address.path[1:] if address.path.startswith("@") else address.path
            reader, writer = await asyncio.open_unix_connection(path, limit=_MAX_HEAD)
        else:
            port = self._check.port or address.port
            reader, writer = await asyncio.open_connection(address.host, port, limit=_MAX_HEAD)
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self._preface:  # goes before the TLS handshake (PROXY protocol specification, section 2)
                writer.write(self._preface)
            if self._tls:
                await writer.start_tls(loaded_context(self._tls), server_hostname=self._server_name)
        except BaseException:
            writer.transport.abort()
            raise
        return reader, writer

    async def _judge(self, reader: asyncio.StreamReader) -> None:
        parser = ResponseParser()
        for _ in range(_MAX_INTERIM):
            raw = await reader.readuntil(HEAD_END)
            head = parser.parse(raw, self._check.method.encode())
            if head.status >= 200 or head.status == 101:
                break
        if head.status not in self._expected.statuses:
            raise CheckFailedError(f"status {head.status}")
        if self._expected.body and not self._expected.body.search(await read_body(reader, head)):
            raise CheckFailedError("the body is not as expected")


async def read_body(reader: asyncio.StreamReader, head: ResponseHead) -> bytes:
    """Return at most the first `MAX_BODY` bytes of the body."""
    body: Body
    if head.chunked:
        body = ChunkedBody(FieldParser(RESPONSE_KINDS))
    elif head.length == NO_LENGTH:
        body = UntilClose()
    else:
        body = LengthBody(head.length)
    content, rest = body.feed(b"")
    while rest is None and len(content) < MAX_BODY:
        data = await reader.read(MAX_BODY)
        if not data:
            break
        more, rest = body.feed(data)
        content += more
    return content[:MAX_BODY]
