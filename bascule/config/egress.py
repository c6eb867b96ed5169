"""How the forward proxy reaches the web: by which resolver, and from which addresses."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from bascule.config.base import Model
from bascule.config.forward import Words
from bascule.config.types import FileField, PositiveDuration

_PORTS = {"https": 443, "tls": 853}


class DnsServer(Model):
    """A resolver that is asked over TLS; its URL is short for it."""

    short_forms: ClassVar = ({"type": "string"},)

    url: str
    """``https://9.9.9.9/dns-query`` (RFC 8484, over HTTP/1.1) or ``tls://dns.quad9.net`` (RFC 7858)."""
    address: str = ""
    """IP address at which it is reached, where the URL has a name: that would have to be looked up elsewhere."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"url": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _whole(self) -> DnsServer:
        parts = urlsplit(self.url)
        try:
            port = parts.port
        except ValueError:
            port = 0
        if parts.scheme not in _PORTS or not parts.hostname or port == 0 or parts.username or parts.fragment:
            raise ValueError(f"{self.url!r} is not a resolver such as https://9.9.9.9/dns-query or tls://9.9.9.9")
        if parts.scheme == "tls" and (parts.path.strip("/") or parts.query):
            raise ValueError(f"{self.url!r}: tls:// has no path")
        try:
            ipaddress.ip_address(self.address or parts.hostname)
        except ValueError:
            raise ValueError(
                f"{self.address or parts.hostname!r} is not an IP address: give that of the resolver as `address`"
            ) from None
        return self

    @property
    def is_http(self) -> bool:
        """Whether it is asked over HTTP."""
        return self.url.startswith("https:")

    @property
    def host(self) -> str:
        """Its name, or its address: what its certificate has to prove."""
        return urlsplit(self.url).hostname or ""

    @property
    def place(self) -> tuple[str, int]:
        """Address and port to connect to."""
        parts = urlsplit(self.url)
        return self.address or self.host, parts.port or _PORTS[parts.scheme]

    @property
    def target(self) -> str:
        """Path and query of the URL."""
        parts = urlsplit(self.url)
        return (parts.path or "/dns-query") + (f"?{parts.query}" if parts.query else "")


class Dns(Model):
    """Who resolves the names of destinations, encrypted. There is no way back to the system's resolver."""

    short_forms: ClassVar = ({"type": "string"}, {"type": "array", "items": {"type": "string"}})

    servers: Annotated[tuple[DnsServer, ...], Field(min_length=1)]
    """Asked in this order until one answers."""
    ca: FileField = ""
    """File of trusted authorities; the system's by default."""
    timeout: PositiveDuration = 3.0
    """Longest time to wait for each of them."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if isinstance(data, str):
            data = [data]
        if isinstance(data, list):
            data = {"servers": data}
        if isinstance(data, dict) and isinstance(data.get("servers"), str | dict):
            data = {**data, "servers": [data["servers"]]}
        return data


class Outgoing(Model):
    """The addresses of this machine that destinations see; an address or a list is short for `addresses`."""

    short_forms: ClassVar = ({"type": "string"}, {"type": "array", "items": {"type": "string"}})

    addresses: Annotated[Words, Field(min_length=1)]
    """Addresses to connect from. Destinations of a family that none of them has are not reached."""
    rotate: Literal["user", "destination", "connection"] = "user"
    """Who keeps to one of them: a user (or an address, where no user is known), a destination, or nobody."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"addresses": data} if isinstance(data, str | list) else data

    @model_validator(mode="after")
    def _are_addresses(self) -> Outgoing:
        for text in self.addresses:
            try:
                ipaddress.ip_address(text)
            except ValueError:
                raise ValueError(f"{text!r} is not an IP address of this machine") from None
        return self
