"""Operators that ask elsewhere: @geoLookup, @rbl, @inspectFile; and those that are refused."""

from __future__ import annotations

import re
from collections import OrderedDict
from functools import partial
from typing import Any

import maxminddb

from .base import LoadContext, Match, NotSetUpError, OperatorError, OperatorFactory

RBL_CACHE_SIZE = 10_000  # names; about 2 MiB
RBL_CACHE_SECONDS = 300.0
_IPV4 = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})")


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
    """@rbl: a DNS block list names the address (RFC 5782). Answers are kept for five minutes."""

    def __init__(self, argument: bytes, context: LoadContext) -> None:
        self._zone = argument.strip().decode("ascii", "replace").strip(".")
        if context.resolver is None:
            raise NotSetUpError("@rbl needs DNS; turn the resolver on for this site, or drop the rule")
        if not self._zone:
            raise OperatorError("@rbl needs a zone, like: @rbl zen.spamhaus.org")
        self._key = context.http_bl_key
        if self._zone.endswith("httpbl.org") and not self._key:
            raise NotSetUpError("@rbl dnsbl.httpbl.org needs a key; set SecHttpBlKey")
        self._resolve = context.resolver
        self._clock = context.clock
        self._cache: OrderedDict[str, tuple[float, bool]] = OrderedDict()

    def evaluate(self, value: bytes) -> Match | None:
        """Match what the list names."""
        name = self._name(value)
        return Match(value, (value,)) if name is not None and self._listed(name) else None

    def _name(self, value: bytes) -> str | None:
        text = value.decode("ascii", "replace")
        if (address := _IPV4.fullmatch(text)) is not None:
            text = ".".join(reversed(address.groups()))
            if self._zone.endswith("httpbl.org"):
                text = f"{self._key}.{text}"
        elif len(text) > 200 or not re.fullmatch(r"[A-Za-z0-9._-]+", text):
            return None
        return f"{text}.{self._zone}"

    def _listed(self, name: str) -> bool:
        now = self._clock()
        cached = self._cache.get(name)
        if cached is not None and cached[0] > now:
            return cached[1]
        listed = self._resolve(name) is not None
        self._cache[name] = (now + RBL_CACHE_SECONDS, listed)
        self._cache.move_to_end(name)
        if len(self._cache) > RBL_CACHE_SIZE:
            self._cache.popitem(last=False)
        return listed


class InspectFile:
    """@inspectFile: a script's opinion on an uploaded file. Off unless the operator of the site allows it."""

    def __init__(self, argument: bytes, context: LoadContext) -> None:
        if not context.allow_inspect_file or context.inspect_file is None:
            raise OperatorError(
                "@inspectFile runs programs and is refused; allow it in the configuration or drop the rule"
            )
        self._inspect = context.inspect_file
        self._script = context.base_dir / argument.strip().decode("utf-8", "replace")

    def evaluate(self, value: bytes) -> Match | None:
        """Run the script on the file that the value names."""
        return Match(value) if self._inspect(self._script, value) else None


_REFUSED = {
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
    "inspectfile": InspectFile,
    **{name: partial(_refuse, name, reason) for name, reason in _REFUSED.items()},
}
