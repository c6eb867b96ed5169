"""Scalar types of the configuration: durations, sizes, shares, networks, addresses and origin URLs.

Each accepts what a person would write and holds what the program needs: seconds, bytes, a fraction,
an ``ip_network``, a parsed address. Errors say what would be right.
"""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

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
MAX_SIZE = 1 << 50
MAX_CORES = 8192
"""As many as a kernel for x86 can be built for (NR_CPUS)."""
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.IGNORECASE)

_PORT = re.compile(r"[0-9]{1,5}")
_HOST = re.compile(r"[A-Za-z0-9_.:%-]{0,255}")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MAX_DURATION = 3650 * 86400.0
"""Ten years: a longer time is a slip of the keyboard, and timers overflow."""


class Written(str):
    """Text of a configuration file that remembers the folder of the file, for the paths it may name."""

    __slots__ = ("folder",)
    folder: str

    @classmethod
    def at(cls, text: str, folder: str) -> Written:
        """Return the text as written in a file of `folder`."""
        written = cls(text)
        written.folder = folder
        return written


def parse_file(value: Any) -> str:
    """Return an absolute path; a relative one counts from the folder of the file it is written in."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a file name: write a path, in quotes if it is all digits")
    if "\0" in value or "\n" in value:
        raise ValueError("a file name holds no line break: give the path of the file, not what is in it")
    if not value:
        return ""
    folder = value.folder if isinstance(value, Written) else ""
    return os.path.abspath(os.path.join(folder, os.path.expanduser(value)))


def is_url(text: str) -> bool:
    """Tell whether a list is at a URL, and not in a file."""
    return text.startswith(("https://", "http://"))


def parse_place(value: Any) -> str:
    """Return the place of a list: a URL, or an absolute path. Raises ValueError."""
    return str(value) if isinstance(value, str) and is_url(value) else parse_file(value)


def parse_duration(value: Any) -> float:
    """Return seconds from a number of seconds or a string such as ``250ms``, ``10s``, ``1h30m``."""
    if isinstance(value, bool):
        raise ValueError("a duration is a number of seconds or a text such as 250ms, 10s, 5m, 1h30m")
    if isinstance(value, int | float):
        seconds = float(min(value, 2 * MAX_DURATION))  # a huge int does not fit a float
    else:
        text = str(value).strip().lower()
        parts = _DURATION.findall(text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            raise ValueError(f"{value!r} is not a duration: write 250ms, 10s, 5m, 1h30m or a number of seconds")
        seconds = sum(float(number) * _DURATION_UNITS[unit] for number, unit in parts)
    if seconds < 0:
        raise ValueError("a duration cannot be negative")
    if not seconds <= MAX_DURATION:  # also holds for NaN
        raise ValueError("a duration is at most 3650d (ten years)")
    return seconds


def _positive(seconds: float) -> float:
    if seconds <= 0:
        raise ValueError("this time cannot be 0: it would be over before it began; write 250ms, 10s or 5m")
    return seconds


def parse_size(value: Any) -> int:
    """Return bytes from a number of bytes or a string such as ``64KiB``, ``1MiB``, ``2g``."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        size = value
    else:
        size = _size_of_text(str(value).strip(), value)
    if size > MAX_SIZE:
        raise ValueError("a size is at most 1PiB")
    return size


def _size_of_text(text: str, value: Any) -> int:
    match = _SIZE.fullmatch(text) if len(text) < 32 else None
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
    if not separator or not _PORT.fullmatch(port) or int(port) > 65535:
        raise ValueError(f"{text!r} is not an address: write 127.0.0.1:8080, [::1]:8080 or unix:/run/app.sock")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: write an IPv6 address in brackets, [{host}]:{port}")
    if not _HOST.fullmatch(host):
        raise ValueError(f"{text!r} is not an address: {host!r} is neither a host name nor an IP address")
    return Address(host or "0.0.0.0", int(port))  # noqa: S104 - ":8080" means every address, as everywhere


def parse_name_server(value: Any) -> Address:
    """Return the address of a DNS server from ``10.0.0.2:53``; a name would have to be resolved first."""
    try:
        address = parse_address(value)
        ipaddress.ip_address(address.host)
    except ValueError:
        address = None
    if address is None or not address.port or str(value).startswith(":"):
        raise ValueError(f"{str(value)!r} is not the IP address and port of a DNS server: write 10.0.0.2:53")
    return address


@dataclass(frozen=True, slots=True)
class Origin:
    """A server behind the bridge: scheme ``http`` or ``https`` and its address."""

    scheme: str
    address: Address

    def __str__(self) -> str:
        return str(self.address) if self.address.path else f"{self.scheme}://{self.address}"


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
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a URL such as {scheme}://127.0.0.1:9001") from None
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        raise ValueError(f"{text!r}: an origin is a scheme, a host and a port; put a path into the route's rewrite")
    if not parts.hostname or not _HOST.fullmatch(parts.hostname):
        raise ValueError(f"{text!r}: the host is missing, as in {scheme}://127.0.0.1:9001")
    try:
        port = parts.port
    except ValueError:
        raise ValueError(f"{text!r}: the port is a number up to 65535") from None
    return Origin(scheme, Address(parts.hostname, (443 if scheme == "https" else 80) if port is None else port))


def parse_log_target(value: Any) -> str:
    """Return ``-``, ``off``, ``syslog:``, ``syslog:host:port`` or the absolute path of a file."""
    if value is False or value == "off":  # YAML 1.1 habits: a bare `off`
        return "off"
    if value == "-":
        return "-"
    if isinstance(value, str) and value.startswith("syslog:"):
        if value != "syslog:":
            parse_address(value.removeprefix("syslog:"))
        return str(value)
    return parse_file(value)


def parse_affinity(value: Any) -> str | tuple[int, ...]:
    """Return ``auto``, ``off``, or core numbers."""
    if value is False or value == "off":
        return "off"
    if value == "auto":
        return "auto"
    cores = value if isinstance(value, list | tuple) else [value]
    if not cores or not all(type(core) is int and 0 <= core < MAX_CORES for core in cores):
        raise ValueError(f"{value!r} is no affinity: write auto, off, or core numbers such as [0, 1]")
    return tuple(cores)


def number_as_text(value: Any) -> Any:
    """Return a whole number as text; anything else as it is."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _schema(title: str, *types: str, **more: Any) -> WithJsonSchema:
    """The JSON Schema of a scalar; its title is what the reference calls the type."""
    return WithJsonSchema({"title": title, "type": list(types) if len(types) > 1 else types[0], **more})


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    _schema("duration", "string", "number", examples=["250ms", "10s", "5m", "1h30m"]),
]
PositiveDuration = Annotated[Duration, AfterValidator(_positive)]
Size = Annotated[
    int, BeforeValidator(parse_size), _schema("size", "string", "integer", examples=["64KiB", "1MiB", "2GiB"])
]
Share = Annotated[float, BeforeValidator(parse_share), _schema("share", "string", "number", examples=["20%", 0.2])]
Cidr = Annotated[Network, BeforeValidator(parse_network), _schema("network", "string", examples=["10.0.0.0/8"])]
FileField = Annotated[str, BeforeValidator(parse_file), _schema("file", "string")]
PlaceField = Annotated[str, BeforeValidator(parse_place), _schema("file or URL", "string")]
Digits = BeforeValidator(number_as_text)
"""For texts that are often all digits, which YAML reads as numbers."""
Affinity = Annotated[
    Literal["auto", "off"] | tuple[int, ...],
    BeforeValidator(parse_affinity),
    _schema("affinity", "string", "integer", "array", examples=["auto", "off", [0, 1]]),
]
LogTarget = Annotated[str, BeforeValidator(parse_log_target)]
Digits = BeforeValidator(lambda value: str(value) if type(value) in (int, float) else value)
"""Text that is a number to YAML unless it stands in quotes."""
TlsVersion = Annotated[
    Literal["1.2", "1.3"],
    Digits,
    WithJsonSchema({"enum": ["1.2", "1.3", 1.2, 1.3]}),
]
Count = Annotated[int, Field(ge=0)]
AddressField = Annotated[
    Address,
    BeforeValidator(parse_address),
    PlainSerializer(str),
    _schema("address", "string", examples=["127.0.0.1:8080", "[::1]:8080", ":8080", "unix:/run/app.sock"]),
]
NameServerField = Annotated[
    Address,
    BeforeValidator(parse_name_server),
    PlainSerializer(str),
    _schema("name server", "string", examples=["10.0.0.2:53", "[2001:db8::53]:53"]),
]
OriginField = Annotated[
    Origin,
    BeforeValidator(parse_origin),
    PlainSerializer(str),
    _schema("origin", "string", examples=["10.0.0.1:8000", "https://host:8443", "unix:/run/app.sock"]),
]
