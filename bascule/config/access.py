"""Who is let in at all: rules by network, country, network operator, kind of address, and time of the week."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bascule.config.base import Model
from bascule.config.several import Countries, Listed, Networks
from bascule.config.when import WhenField

Kind = Literal["tor", "proxy", "residential-proxy", "vpn", "hosting", "anonymous"]
Operator = Annotated[int, Field(ge=1, le=4_294_967_295)]


class Visitors(Model):
    """A set of clients. All that is stated has to hold, each for one of its values."""

    network: Networks = ()
    """Networks."""
    country: Countries = ()
    """Countries (ISO 3166); needs `defence.geo.country`."""
    asn: Annotated[tuple[Operator, ...], Listed()] = ()
    """Numbers of network operators; needs `defence.geo.asn`."""
    kind: Annotated[tuple[Kind, ...], Listed()] = ()
    """Kinds of addresses: exits of Tor, open and residential proxies, VPNs, data centres, or any of these
    (``anonymous``); needs `defence.geo.anonymous`."""
    when: WhenField | None = None
    """Times of the week: ``Mon-Fri 08:00-16:00``, in `defence.timezone`."""


class AccessRule(Model):
    """One rule: either `deny` or `allow`."""

    deny: Visitors | None = None
    """Who is kept out."""
    allow: Visitors | None = None
    """Who is let past the rules that follow; bans and limits still hold."""
    mode: Literal["block", "detect"] = "block"
    """``detect`` only records whom `deny` would keep out."""
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{0,64}$")] = ""
    """Its name in metrics and events; by default its number."""

    @model_validator(mode="after")
    def _one_of_both(self) -> AccessRule:
        if (self.deny is None) == (self.allow is None):
            raise ValueError("a rule has either `deny` or `allow`")
        return self

    @property
    def visitors(self) -> Visitors:
        """Whom it is about."""
        found = self.deny or self.allow
        assert found is not None
        return found
