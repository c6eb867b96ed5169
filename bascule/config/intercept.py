"""Interception of TLS, as a person writes it: whose tunnels are opened, whose never are."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bascule.config.base import Model
from bascule.config.forward import Condition
from bascule.config.types import Count, FileField, PositiveDuration


class InterceptRule(Model):
    """Has one of `bump` and `splice`. The first that holds decides about a tunnel that begins with TLS."""

    bump: Condition | None = None
    """Open it: Bascule ends the TLS of both sides, and sees what is said."""
    splice: Condition | None = None
    """Pass it on unopened."""
    name: str = ""
    """What the rule is called in logs and explanations; by default its number."""

    @property
    def action(self) -> Literal["bump", "splice"]:
        """What it does."""
        return "bump" if self.bump is not None else "splice"

    @property
    def condition(self) -> Condition:
        """When it holds."""
        return self.bump or self.splice or Condition()

    @model_validator(mode="after")
    def _one_action(self) -> InterceptRule:
        if (self.bump is None) == (self.splice is None):
            raise ValueError("a rule has one of `bump` and `splice`, as in - splice: {category: banking}")
        return self


class Pinning(Model):
    """Clients that do not take the certificates of interception, because they know those of the server by heart."""

    attempts: Count = 3
    """Handshakes that one client ends for one host, until its tunnels there are passed on unopened; 0 for never."""
    within: PositiveDuration = 600.0
    """Time in which these handshakes fall."""
    for_: Annotated[PositiveDuration, Field(alias="for")] = 86400.0
    """How long they are passed on then."""


class Intercept(Model):
    """Interception of TLS by an authority of its own, whose certificate the clients have to trust."""

    certificate: FileField
    """Certificate of the authority, as `bascule ca init` makes it."""
    key: FileField
    """Its private key; nobody else may read it."""
    rules: tuple[InterceptRule, ...] = ()
    """Which tunnels are opened. The first rule that holds decides."""
    default: Literal["bump", "splice"] = "splice"
    """What is done where no rule holds."""
    opaque: Literal["pass", "refuse"] = "pass"
    """What becomes of tunnels that do not begin with TLS."""
    pinning: Pinning = Pinning()
    """When clients are let go that do not take the certificates."""
    cache: Annotated[int, Field(ge=1, le=65536)] = 512
    """Certificates that a worker keeps ready."""
    page: bool = True
    """Serve the certificate of the authority at /ca of the proxy, with words on how to install it."""
