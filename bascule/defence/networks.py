"""A set of networks with a fast answer to: which of them is this address in?"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

_KEPT = 8192
"""Addresses whose answer is remembered, 1.2 MiB; then all are forgotten at once. A program has several such maps, and a
flood of addresses fills them all."""


class NetworkMap:
    """From networks to words about them. A look-up tries each prefix length that occurs, the longest first."""

    __slots__ = ("_known", "_tables")

    def __init__(self, entries: Iterable[tuple[str, str]]) -> None:
        tables: dict[tuple[int, int], dict[int, str]] = {}
        for text, word in entries:
            network = ip_network(text)
            shift = network.max_prefixlen - network.prefixlen
            tables.setdefault((network.version, shift), {})[int(network.network_address) >> shift] = word
        self._tables = sorted(tables.items(), key=lambda item: item[0][1])
        self._known: dict[bytes, str] = {}

    def __bool__(self) -> bool:
        return bool(self._tables)

    def find(self, address: bytes) -> str:
        """Return the word of the narrowest network a textual address is in; empty if it is in none."""
        if not self._tables:
            return ""
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            known = self._known[address] = self._find(address)
        return known

    def _find(self, address: bytes) -> str:
        try:
            number = ip_address(address.decode("ascii"))
        except ValueError:  # a UNIX socket
            return ""
        value, version = int(number), number.version
        for (family, shift), table in self._tables:
            if family == version and (word := table.get(value >> shift)):
                return word
        return ""
