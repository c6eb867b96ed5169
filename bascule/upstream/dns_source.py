"""Members from DNS: A and AAAA records of ``name:port`` (RFC 1035, 3596), or SRV records (RFC 2782)."""

from __future__ import annotations

import asyncio

import dns.asyncresolver
import dns.exception
import dns.resolver
from dns.rdatatype import AAAA, SRV, A, RdataType

from bascule.config.pools import Discovery, Server
from bascule.config.types import Address, Origin, parse_address
from bascule.lists.resolver import resolver_at
from bascule.upstream.board import MAX_DISCOVERED
from bascule.upstream.discovery import DiscoveryError, Found, FoundServer

LIFETIME = 5.0
"""Seconds for one look-up with its retries."""
_MAX_WEIGHT = 1000
_MAX_TARGETS = 64
"""Targets of an SRV answer that are looked up."""
_ABSENT = (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer)


class DnsSource:
    """Asks the configured resolver, or the system's. Raises ValueError for a name that cannot be asked for."""

    def __init__(self, config: Discovery) -> None:
        self._config = config
        self._service = config.dns.startswith("_")
        if self._service:
            self._name, self._port = config.dns, 0
        else:
            try:
                address = parse_address(config.dns)
            except ValueError:
                address = Address("", 0)
            if not address.port or not config.dns.rpartition(":")[0]:
                raise ValueError(f"discover.dns: {config.dns!r} is not name:port or _service._proto.name")
            self._name, self._port = address.host, address.port
        self._resolver: dns.asyncresolver.Resolver | None = None

    async def read(self) -> Found:
        """Look the name up. Raises DiscoveryError."""
        try:
            if self._service:
                servers, ttl = await self._services()
            else:
                addresses, ttl = await self._addresses(self._name)
                servers = [FoundServer(self._server(address, self._port), self._name) for address in addresses]
        except dns.exception.DNSException as error:
            raise DiscoveryError(f"{self._config.dns}: {error}") from None
        except OSError as error:
            raise DiscoveryError(f"{self._config.dns}: {error.strerror or error}") from None
        return Found(tuple(servers[:MAX_DISCOVERED]), min(self._config.max_ttl, max(self._config.min_ttl, ttl)))

    def _server(self, address: str, port: int, weight: int = 1, backup: bool = False) -> Server:
        return Server(address=Origin(self._config.scheme, Address(address, port)), weight=weight, backup=backup)

    async def _addresses(self, name: str) -> tuple[list[str], float]:
        """Return the addresses of a name, and their TTL. One family that fails does not spoil the other."""
        answers = await asyncio.gather(self._ask(name, A), self._ask(name, AAAA), return_exceptions=True)
        good = [answer for answer in answers if not isinstance(answer, BaseException)]
        if not good:
            # That a family is absent says less than that a server could not be asked.
            problems = [answer for answer in answers if isinstance(answer, BaseException)]
            raise min(problems, key=lambda problem: isinstance(problem, _ABSENT))
        addresses = sorted({record.address for answer in good for record in answer})
        return addresses, min(_ttl(answer) for answer in good)

    async def _services(self) -> tuple[list[FoundServer], float]:
        """Return the targets of the SRV records: the lowest priority is the primary tier, the others back it up."""
        answer = await self._ask(self._name, SRV)
        records = [record for record in answer if str(record.target) != "."]
        if not records:
            raise DiscoveryError(f"{self._config.dns}: the service is declared not to be available")
        records.sort(key=lambda record: (record.priority, -record.weight, str(record.target), record.port))
        del records[_MAX_TARGETS:]
        names = sorted({record.target.to_text(omit_final_dot=True) for record in records})
        looked_up = await asyncio.gather(*(self._addresses(name) for name in names), return_exceptions=True)
        found = dict(zip(names, looked_up, strict=True))
        heaviest = max(record.weight for record in records)
        scale = min(1.0, _MAX_WEIGHT / heaviest) if heaviest else 1.0
        servers: list[FoundServer] = []
        ttl = _ttl(answer)
        for record in records:
            name = record.target.to_text(omit_final_dot=True)
            result = found[name]
            if isinstance(result, BaseException):
                continue
            ttl = min(ttl, result[1])
            weight = max(1, round(record.weight * scale))
            backup = record.priority > records[0].priority
            servers += [FoundServer(self._server(address, record.port, weight, backup), name) for address in result[0]]
        if not servers:
            raise next(result for result in looked_up if isinstance(result, BaseException))
        return servers, ttl

    async def _ask(self, name: str, kind: RdataType) -> dns.resolver.Answer:
        self._resolver = self._resolver or resolver_at(self._config.resolver)
        return await self._resolver.resolve(name, kind, lifetime=LIFETIME, search=True)


def _ttl(answer: dns.resolver.Answer) -> float:
    """Return the least TTL on the way from the name to the records, aliases included."""
    return float(answer.chaining_result.minimum_ttl)
