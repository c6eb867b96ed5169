"""Names to addresses by resolvers that are asked over TLS: DNS over HTTPS (RFC 8484) and over TLS (RFC 7858).

Nothing here ever asks the system. What must not leave the machine does not: ``localhost`` is answered here (RFC 6761
6.3), and names without a dot, ``.local`` (RFC 6762 22.1) and ``.onion`` (RFC 7686 2) have no address.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, Final

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from bascule.config.egress import Dns, DnsServer
from bascule.http.errors import HttpError
from bascule.http.h1.head import HEAD_END, ResponseParser
from bascule.upstream.checker import read_body

PAD: Final = 128
"""Bytes of which queries are a multiple, so that their length tells little (RFC 8467 4.1)."""
MOST_LINKS: Final = 16
"""Queries under way at a time, each on a connection of its own."""
IDLE: Final = 10.0
"""Seconds that an idle connection is used again: servers end them not much later."""
LEAST_TTL, MOST_TTL = 5.0, 300.0
"""Bounds on the time an answer is used again, in seconds."""
NONE_TTL: Final = 10.0
"""Seconds for which it is believed that there is no address."""
_LOCAL: Final = frozenset(("localhost",))
_NEVER: Final = frozenset(("local", "onion"))

Answer = tuple[list[str], float]
"""Addresses, and the seconds for which they hold."""
_FAILURES = (OSError, ssl.SSLError, EOFError, asyncio.LimitOverrunError, dns.exception.DNSException, HttpError)


class DnsError(OSError):
    """No server gave an answer."""


class EncryptedDns:
    """Asks the servers of a configuration. `clock` gives monotonic seconds."""

    def __init__(self, config: Dns, clock: Callable[[], float]) -> None:
        context = ssl.create_default_context(cafile=config.ca or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._servers = [_Server(server, context, clock) for server in config.servers]
        self._timeout = config.timeout
        self._kinds = [dns.rdatatype.A, *([dns.rdatatype.AAAA] if _reaches_ipv6() else [])]

    async def addresses(self, host: str) -> Answer:
        """Return the addresses of a lower-case name, none if there is none. Raises DnsError where nobody says."""
        top = host.rpartition(".")[2]
        if top in _LOCAL:
            return ["127.0.0.1", "::1"], MOST_TTL
        if "." not in host or top in _NEVER:
            return [], MOST_TTL
        try:
            name = dns.name.from_text(host)
        except dns.exception.DNSException:
            return [], MOST_TTL
        answers = await asyncio.gather(*(self._ask(name, kind) for kind in self._kinds), return_exceptions=True)
        found = [answer for answer in answers if not isinstance(answer, BaseException)]
        if not found or (len(found) < len(answers) and not any(addresses for addresses, _ in found)):
            raise DnsError(f"nobody says where {host} is")
        return [address for addresses, _ in found for address in addresses], min(ttl for _, ttl in found)

    async def _ask(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Answer:
        query = dns.message.make_query(name, kind, use_edns=0, pad=PAD)
        for server in self._servers:
            try:
                async with asyncio.timeout(self._timeout):
                    answer = await server.ask(query)
                if answer.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                    return _addresses(answer, kind)
            except (TimeoutError, *_FAILURES):
                continue
        raise DnsError(str(name))

    def close(self) -> None:
        """Let go of the connections."""
        for server in self._servers:
            server.close()


def _addresses(answer: dns.message.Message, kind: dns.rdatatype.RdataType) -> Answer:
    """Return what an answer says of the name asked for, through its aliases. Raises DNSException."""
    if not isinstance(answer, dns.message.QueryMessage):
        raise DnsError("not an answer to a query")
    result = answer.resolve_chaining()
    found = [] if result.answer is None else [rdata.address for rdata in result.answer if rdata.rdtype == kind]
    if not found:
        return [], NONE_TTL
    return found, min(MOST_TTL, max(LEAST_TTL, float(result.minimum_ttl)))


def _reaches_ipv6() -> bool:
    """Tell whether this machine has a way to IPv6 addresses; nothing is sent."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("2001:db8::1", 53))
        except OSError:
            return False
    return True


class _Server:
    """One server, and the connections to it that wait for the next question."""

    def __init__(self, config: DnsServer, context: ssl.SSLContext, clock: Callable[[], float]) -> None:
        self._config = config
        self._context = context
        self._clock = clock
        self._idle: list[tuple[float, _Link]] = []
        self._links = asyncio.Semaphore(MOST_LINKS)
        self._exchange: Callable[[_Link, bytes], Coroutine[Any, Any, bytes]] = (
            self._over_http if config.is_http else _over_tls
        )

    async def ask(self, query: dns.message.Message) -> dns.message.Message:
        """Return the answer to a query. Raises OSError, EOFError, HttpError and DNSException."""
        wire = query.to_wire(max_size=65535)
        if self._config.is_http:
            wire = b"\0\0" + wire[2:]  # RFC 8484 4.1: no id, so that caches see one question
        async with self._links:
            raw = await self._ask(wire)
        answer = dns.message.from_wire(raw)
        if answer.id != int.from_bytes(wire[:2], "big") or answer.question != query.question:
            raise DnsError("an answer to another question")
        return answer

    async def _ask(self, wire: bytes) -> bytes:
        link = self._kept()
        if link is not None:
            with contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError):  # it may have been ended meanwhile
                return await self._on(link, wire)
        reader, writer = await asyncio.open_connection(
            *self._config.place, ssl=self._context, server_hostname=self._config.host
        )
        return await self._on(_Link(reader, writer), wire)

    def _kept(self) -> _Link | None:
        while self._idle:
            since, link = self._idle.pop()
            if self._clock() - since <= IDLE and not link.reader.at_eof():
                return link
            link.close()
        return None

    async def _on(self, link: _Link, wire: bytes) -> bytes:
        try:
            answer = await self._exchange(link, wire)
        except BaseException:
            link.close()
            raise
        if link.keep:
            self._idle.append((self._clock(), link))
        else:
            link.close()
        return answer

    async def _over_http(self, link: _Link, wire: bytes) -> bytes:
        """RFC 8484 4.1: a POST."""
        config = self._config
        host = f"[{config.host}]" if ":" in config.host else config.host
        link.writer.write(
            f"POST {config.target} HTTP/1.1\r\nhost: {host}\r\naccept: application/dns-message\r\n"
            f"content-type: application/dns-message\r\ncontent-length: {len(wire)}\r\n\r\n".encode()
            + wire
        )
        raw = await link.reader.readuntil(HEAD_END)
        head = ResponseParser().parse(raw, b"POST")
        body = await read_body(link.reader, head)
        if head.status != 200:
            raise HttpError(head.status, "resolver")
        link.keep = head.keep_alive
        return body

    def close(self) -> None:
        """Let go of the connections."""
        idle, self._idle = self._idle, []
        for _, link in idle:
            link.close()


class _Link:
    """A connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.keep = True

    def close(self) -> None:
        """End it at once."""
        self.writer.transport.abort()


async def _over_tls(link: _Link, wire: bytes) -> bytes:
    """RFC 7858 3.3: as over TCP, each message behind its length."""
    link.writer.write(len(wire).to_bytes(2, "big") + wire)
    length = int.from_bytes(await link.reader.readexactly(2), "big")
    return await link.reader.readexactly(length)
