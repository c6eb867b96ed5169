"""What machines share: the Valkey or Redis server through which limits, bans and attacks hold for all of them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from bascule.config.base import Model
from bascule.config.types import AddressField, FileField, PositiveDuration


class Sharing(Model):
    """A Valkey (or Redis, from 5) server that several machines share. A bare address is short for `server`."""

    short_forms: ClassVar = ({"type": "string"},)

    server: AddressField
    """Where it is: ``10.0.0.5:6379`` or ``unix:/run/valkey.sock``."""
    user: str = ""
    """Name to log in with, where there are users (ACL)."""
    password: str = ""
    """Password: ``${env:VALKEY_PASSWORD}``."""
    database: Annotated[int, Field(ge=0, le=1023)] = 0
    """Number of the database."""
    tls: bool = False
    """Speak TLS, and verify the server's certificate and name."""
    ca: FileField = ""
    """File with the authority of its certificate; by default those of the system."""
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,32}$")] = "bascule"
    """What the names of all keys begin with: machines that share have the same."""
    interval: Annotated[PositiveDuration, Field(ge=0.01, le=5.0)] = 0.05
    """How often a worker tells what it counted and hears what others did."""
    timeout: Annotated[PositiveDuration, Field(ge=0.05, le=10.0)] = 1.0
    """How long an answer may take until the server counts as away."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"server": data} if isinstance(data, str) else data
