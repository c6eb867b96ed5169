"""@ipMatch, @ipMatchF and @ipMatchFromFile: addresses and networks."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network

from .base import LoadContext, Match, OperatorError, OperatorFactory

_SEPARATOR = re.compile(rb"[,\s]+")


class IpMatch:
    """The value is an address within one of the networks. One set look-up per prefix length in use."""

    __slots__ = ("_tables",)

    def __init__(self, argument: bytes, context: LoadContext) -> None:
        self._tables = _compile([text for text in _SEPARATOR.split(argument) if text], "ipMatch")

    def evaluate(self, value: bytes) -> Match | None:
        """Match an address; what is no address matches nothing."""
        if len(value) > 64:
            return None
        try:
            address = ip_address(value.decode("ascii"))
        except ValueError:
            return None
        number = int(address)
        for shift, networks in self._tables.get(address.version, ()):
            if number >> shift in networks:
                return Match(value)
        return None


class IpMatchFromFile(IpMatch):
    """One address or network a line; `#` begins a comment."""

    __slots__ = ()

    def __init__(self, argument: bytes, context: LoadContext) -> None:
        content = context.file(argument.strip().decode("utf-8", "replace"), "ipMatchFromFile")
        lines = [line.partition(b"#")[0].strip() for line in content.splitlines()]
        self._tables = _compile([line for line in lines if line], "ipMatchFromFile")


def _compile(texts: list[bytes], operator: str) -> dict[int, list[tuple[int, frozenset[int]]]]:
    """Group networks by IP version and prefix length: (bits to shift away, what must remain)."""
    groups: dict[tuple[int, int], set[int]] = {}
    for text in texts:
        try:
            network = ip_network(text.decode("ascii"), strict=False)
        except ValueError as error:
            raise OperatorError(
                f"@{operator}: {text.decode('latin-1')!r} is no IP address or network;"
                " write it like 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32"
            ) from error
        shift = network.max_prefixlen - network.prefixlen
        groups.setdefault((network.version, shift), set()).add(int(network.network_address) >> shift)
    tables: dict[int, list[tuple[int, frozenset[int]]]] = {}
    for (version, shift), numbers in sorted(groups.items()):
        tables.setdefault(version, []).append((shift, frozenset(numbers)))
    return tables


IP_OPERATORS: dict[str, OperatorFactory] = {
    "ipmatch": IpMatch,
    "ipmatchf": IpMatchFromFile,
    "ipmatchfromfile": IpMatchFromFile,
}
