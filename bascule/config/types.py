"""Scalar types of the configuration: durations, sizes, shares, networks, addresses and origin URLs.

Each accepts what a person would write and holds what the program needs: seconds, bytes, a fraction,
an ``ip_network``, a parsed address. Errors say what would be right.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SIZE_UNITS = {
    "": 1,
    "b": 1,
    "k": 1024,
    "kib": 1024,
    "m": 1024**2,
    "mib": 1024**2,
    "g": 1024**3,
    "gib": 1024**3,
}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.IGNORECASE)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_duration(value: Any) -> float:
    """Return seconds from a number of seconds or a string such as ``250ms``, ``10s``, ``1h30m``."""
    if isinstance(value, bool):
        raise ValueError("a duration is a number of seconds or a text such as 250ms, 10s, 5m, 1h30m")
    if isinstance(value, int | float):
        seconds = float(value)
    else:
        text = str(value).strip().lower()
        parts = _DURATION.findall(text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            raise ValueError(f"{value!r} is not a duration: write 250ms, 10s, 5m, 1h30m or a number of seconds")
        seconds = sum(float(number) * _DURATION_UNITS[unit] for number, unit in parts)
    if seconds < 0:
        raise ValueError("a duration cannot be negative")
    return seconds


def parse_size(value: Any) -> int:
    """Return bytes from a number of bytes or a string such as ``64KiB``, ``1MiB``, ``2g``."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(str(value).strip())
    unit = match.group(2).lower() if match else None
    if match is None or unit not in _SIZE_UNITS:
        raise ValueError(f"{value!r} is not a size: write 65536, 64KiB, 1MiB or 2GiB")
    return int(float(match.group(1)) * _SIZE_UNITS[unit])


def parse_share(value: Any) -> float:
    """Return a fraction from ``20%`` or ``0.2``."""
    text = str(value).strip()
    try:
        share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        raise ValueError(f"{value!r} is not a share: write 20% or 0.2") from None
    if not 0 <= share <= 1:
        raise ValueError(f"{value!r} is not a share: it lies between 0% and 100%")
    return share


def parse_network(value: Any) -> Network:
    """Return a network from an address or a CIDR block."""
    if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return value
    try:
        return ipaddress.ip_network(str(value).strip(), strict=False)
    except ValueError:
        raise ValueError(f"{value!r} is not an address or CIDR block such as 10.0.0.0/8 or 2001:db8::/32") from None


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen or connect: a TCP host and port, or a UNIX socket path (then port is 0)."""

    host: str
    port: int
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_address(value: Any) -> Address:
    """Return an address from ``127.0.0.1:8080``, ``[::1]:8080``, ``:8080`` or ``unix:/run/x.sock``."""
    if isinstance(value, Address):
        return value
    text = str(value).strip()
    if text.startswith("unix:"):
        path = text[5:].removeprefix("//")
        if not path.startswith(("/", "@")):
            raise ValueError(f"{text!r}: a UNIX socket is written unix:/absolute/path")
        return Address("", 0, path)
    host, separator, port = text.rpartition(":")
    if not separator or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is not an address: write 127.0.0.1:8080, [::1]:8080 or unix:/run/app.sock")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: write an IPv6 address in brackets, [{host}]:{port}")
    return Address(host or "0.0.0.0", int(port))  # noqa: S104 - ":8080" means every address, as everywhere


@dataclass(frozen=True, slots=True)
class Origin:
    """A server behind the bridge: scheme ``http`` or ``https`` and its address."""

    scheme: str
    address: Address

    def __str__(self) -> str:
        return f"{self.scheme}://{self.address}"


def parse_origin(value: Any) -> Origin:
    """Return an origin: ``10.0.0.1:8000``, ``http://host[:80]``, ``https://host[:443]``, ``unix:/path``."""
    if isinstance(value, Origin):
        return value
    text = str(value).strip()
    scheme, separator, _ = text.partition("://")
    if not separator:
        return Origin("http", parse_address(text))
    if scheme not in ("http", "https"):
        raise ValueError(f"{text!r}: an origin is http:// or https://, not {scheme}://")
    parts = urlsplit(text)
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        raise ValueError(f"{text!r}: an origin is a scheme, a host and a port; put a path into the route's rewrite")
    if not parts.hostname:
        raise ValueError(f"{text!r}: the host is missing, as in {scheme}://127.0.0.1:9001")
    try:
        port = parts.port
    except ValueError:
        raise ValueError(f"{text!r}: the port is a number up to 65535") from None
    return Origin(scheme, Address(parts.hostname, (443 if scheme == "https" else 80) if port is None else port))


def _text(pattern_hint: str) -> WithJsonSchema:
    return WithJsonSchema({"type": ["string", "number"], "description": pattern_hint})


Duration = Annotated[float, BeforeValidator(parse_duration), _text("seconds, or 250ms, 10s, 5m, 1h30m")]
Size = Annotated[int, BeforeValidator(parse_size), _text("bytes, or 64KiB, 1MiB, 2GiB")]
Share = Annotated[float, BeforeValidator(parse_share), _text("20% or 0.2")]
Cidr = Annotated[
    Network, BeforeValidator(parse_network), WithJsonSchema({"type": "string", "description": "10.0.0.0/8"})
]
AddressField = Annotated[
    Address,
    BeforeValidator(parse_address),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "description": "127.0.0.1:8080, [::1]:8080 or unix:/run/app.sock"}),
]
OriginField = Annotated[
    Origin,
    BeforeValidator(parse_origin),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "description": "10.0.0.1:8000, https://host:8443 or unix:/run/app.sock"}),
]
