"""A DNS server on loopback that answers from a table, for as long as a test runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class DnsServer(asyncio.DatagramProtocol):
    """`zone` maps (name, type) to (ttl, records); `broken` holds types answered with SERVFAIL."""

    def __init__(self) -> None:
        self.zone: dict[tuple[str, str], tuple[int, list[str]]] = {}
        self.broken: set[str] = set()
        self.queries: list[tuple[str, str]] = []
        self.address = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        host, port = transport.get_extra_info("sockname")
        self.address = f"{host}:{port}"

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.queries.append((name, kind))
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        if kind in self.broken:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif not any(known == name for known, _ in self.zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        else:
            self._answer(response, name, kind)
        self._transport.sendto(response.to_wire(), addr)

    def _answer(self, response: dns.message.Message, name: str, kind: str) -> None:
        alias = self.zone.get((name, "CNAME"))
        if alias:
            response.answer.append(dns.rrset.from_text_list(name + ".", alias[0], "IN", "CNAME", alias[1]))
            name = alias[1][0].removesuffix(".")
        found = self.zone.get((name, kind))
        if found:
            response.answer.append(dns.rrset.from_text_list(name + ".", found[0], "IN", kind, found[1]))


@asynccontextmanager
async def dns_server() -> AsyncIterator[DnsServer]:
    """Serve on a free port."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(DnsServer, local_addr=("127.0.0.1", 0))
    assert server.address  # or the system's resolver would be asked
    try:
        yield server
    finally:
        transport.close()
