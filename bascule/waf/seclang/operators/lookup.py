"""Operators that ask elsewhere: @geoLookup, @rbl; and those that are refused."""

from __future__ import annotations

import re
from functools import partial
from ipaddress import ip_address
from typing import Any

import maxminddb

from .base import LoadContext, Match, NotSetUpError, OperatorError, OperatorFactory

_ZONE = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})+")
_LISTABLE = re.compile(r"[A-Za-z0-9._:-]{1,180}")
"""A domain name has at most 253 characters; the zone's come behind these."""


class GeoLookup:
    """@geoLookup: the address is in the database; `lookup` gives the fields of the GEO collection."""

    def __init__(self, argument: bytes, context: LoadContext) -> None:
        if context.geo_path is None:
            raise NotSetUpError("@geoLookup needs a database; name a MaxMind file with SecGeoLookupDb")
        try:
            self._reader = maxminddb.open_database(context.geo_path, maxminddb.MODE_MMAP)
        except (OSError, maxminddb.InvalidDatabaseError) as error:
            raise OperatorError(
                f"@geoLookup cannot open {context.geo_path} ({error}); SecGeoLookupDb must name a MaxMind DB"
            ) from error

    def lookup(self, value: bytes) -> dict[str, bytes] | None:
        """Return GEO's fields by upper-case name, or None for what is unknown or no address."""
        try:
            record: Any = self._reader.get(value.decode("ascii"))
        except ValueError:
            return None
        if not isinstance(record, dict):
            return None
        country, location = record.get("country") or {}, record.get("location") or {}
        regions, postal = record.get("subdivisions") or [{}], record.get("postal") or {}
        fields = {
            "COUNTRY_CODE": country.get("iso_code"),
            "COUNTRY_CODE3": country.get("iso_code"),  # MaxMind DB has only two letters; so says ModSecurity
            "COUNTRY_NAME": country.get("names", {}).get("en"),
            "COUNTRY_CONTINENT": (record.get("continent") or {}).get("code"),
            "REGION": regions[0].get("iso_code"),
            "CITY": (record.get("city") or {}).get("names", {}).get("en"),
            "POSTAL_CODE": postal.get("code"),
            "LATITUDE": location.get("latitude"),
            "LONGITUDE": location.get("longitude"),
        }
        return {name: str(field).encode() for name, field in fields.items() if field is not None}

    def evaluate(self, value: bytes) -> Match | None:
        """Match an address that the database knows."""
        return Match(value) if self.lookup(value) is not None else None


class Rbl:
    """@rbl: a DNS block list names the address, or the host name (RFC 5782 2.1, 2.4 and 2.2)."""

    def __init__(self, argument: bytes, context: LoadContext) -> None:
        self._zone = argument.strip().decode("ascii", "replace").strip(".")
        if not _ZONE.fullmatch(self._zone):
            raise OperatorError("@rbl needs a zone, like: @rbl zen.spamhaus.org")
        honey_pot = self._zone.endswith("httpbl.org")
        if honey_pot and not context.http_bl_key:
            raise NotSetUpError(f"@rbl {self._zone} needs a key; set SecHttpBlKey")
        self._key = f"{context.http_bl_key}." if honey_pot else ""
        self._look_up = context.resolver.look_up

    def evaluate(self, value: bytes) -> Match | None:
        """Match what the list names, as far as is known by now."""
        name = self.name(value)
        return Match(value, (value,)) if name is not None and self._look_up(name) is not None else None

    def name(self, value: bytes) -> str | None:
        """Return the name to look up for a value; None for what is neither address nor host name."""
        text = value.decode("ascii", "replace")
        if not _LISTABLE.fullmatch(text):
            return None
        try:
            reverse = ip_address(text).reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
        except ValueError:
            reverse = text.strip(".")
        return f"{self._key}{reverse}.{self._zone}"


_REFUSED = {
    "inspectfile": "runs programs, which no rule may; hold uploads to `waf.filters.uploads`, or act on the event",
    "fuzzyhash": "needs ssdeep, which Bascule does not carry; match the content with @pm or @rx",
    "gsblookup": "needs the retired Google Safe Browsing v1 database; use @rbl or @pmFromFile",
    "rsub": "changes data, and ModSecurity v3 never carried it out; rewrite bodies with a response filter",
    "validatehash": "belongs to SecHashEngine, which ModSecurity v3 never carried out; drop the rule",
}


def _refuse(name: str, reason: str, argument: bytes, context: LoadContext) -> Any:
    raise OperatorError(f"@{name} {reason}")


LOOKUP_OPERATORS: dict[str, OperatorFactory] = {
    "geolookup": GeoLookup,
    "rbl": Rbl,
    **{name: partial(_refuse, name, reason) for name, reason in _REFUSED.items()},
}
