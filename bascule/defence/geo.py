"""Country, network operator and kind of an address, from databases in MaxMind's format."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import maxminddb

from bascule.config.defence import Geo

_KEPT = 16384
"""Addresses whose answer is remembered; then all are forgotten at once."""


KINDS = {
    "is_tor_exit_node": "tor",
    "is_public_proxy": "proxy",
    "is_residential_proxy": "residential-proxy",
    "is_anonymous_vpn": "vpn",
    "is_hosting_provider": "hosting",
    "is_anonymous": "anonymous",
}
"""From the fields of an Anonymous-IP database to the kinds of `config.access`."""
_NO_KINDS: frozenset[str] = frozenset()


class GeoError(ValueError):
    """A database cannot be used; the text says why."""


class Database:
    """One file. Raises GeoError if it cannot be read, or holds something else than `kinds` say."""

    __slots__ = ("_known", "_path", "_reader")

    def __init__(self, file: str, kinds: tuple[str, ...], path: tuple[str, ...]) -> None:
        try:
            self._reader = maxminddb.open_database(file, maxminddb.MODE_MMAP)
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
            raise GeoError(f"the database {file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
        kind = self._reader.metadata().database_type
        if not any(word in kind for word in kinds):
            raise GeoError(f"{file} is a {kind} database, and one of {' or '.join(kinds)} is needed")
        self._path = path
        self._known: dict[bytes, bytes] = {}

    def find(self, address: bytes) -> bytes:
        """Return what the database says of a textual address; empty if it does not know it."""
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            known = self._known[address] = self._look_up(address)
        return known

    def record(self, address: bytes) -> Any:
        """Return all that the database has of a textual address; None if it does not know it."""
        try:
            return self._reader.get(ip_address(address.decode("ascii")))
        except (ValueError, maxminddb.InvalidDatabaseError):  # a UNIX socket; IPv6 in an IPv4 database
            return None

    def _look_up(self, address: bytes) -> bytes:
        found = self.record(address)
        for step in self._path:
            found = found.get(step) if isinstance(found, dict) else None
        return b"" if found is None else str(found).encode()

    def close(self) -> None:
        """Let go of the file."""
        self._reader.close()


def countries(file: str) -> Database:
    """Open a database of countries; answers are ISO 3166 codes such as ``SE``. Raises GeoError."""
    return Database(file, ("Country", "City", "Enterprise"), ("country", "iso_code"))


def operators(file: str) -> Database:
    """Open a database of autonomous systems; answers are their numbers, as text. Raises GeoError."""
    return Database(file, ("ASN", "ISP", "Enterprise"), ("autonomous_system_number",))


class Geography:
    """All that is known of addresses, from those of the databases that there are. Raises GeoError."""

    def __init__(self, geo: Geo) -> None:
        self.countries = countries(geo.country) if geo.country else None
        self.operators = operators(geo.asn) if geo.asn else None
        self._anonymous = Database(geo.anonymous, ("Anonymous",), ()) if geo.anonymous else None

    def country(self, address: bytes) -> str:
        """Return the country of a textual address (ISO 3166), or empty."""
        return self.countries.find(address).decode() if self.countries is not None else ""

    def operator(self, address: bytes) -> bytes:
        """Return the number of its network operator, as text, or empty."""
        return self.operators.find(address) if self.operators is not None else b""

    def kinds(self, address: bytes) -> frozenset[str]:
        """Return what kinds of address it is."""
        found = self._anonymous.record(address) if self._anonymous is not None else None
        return frozenset(kind for name, kind in KINDS.items() if found.get(name)) if found else _NO_KINDS
