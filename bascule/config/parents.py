"""Parents of the forward proxy: other proxies through which requests leave, and which request takes which way."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from bascule.config.forward import Condition, Words
from bascule.config.pools import Pool

DIRECT = "direct"
"""The way without a parent."""
_SOCKS = ("socks5://", "socks5h://")


class Parent(Pool):
    """A proxy beyond this one, or several that stand in for each other; the keys of `Pool` balance and check them.

    A bare address (``http://``, ``https://`` or ``socks5://``), or a list of them, is short for `servers`.
    """

    short_forms: ClassVar = ({"type": "string"}, {"type": "array", "items": {"type": "string"}})

    protocol: Literal["http", "socks5"] = "http"
    """What it speaks; ``socks5://`` before its addresses says the same."""
    user: Annotated[str, Field(max_length=255)] = ""
    """Name by which Bascule logs in there."""
    password: Annotated[str, Field(max_length=255, repr=False)] = ""
    """Password that goes with it; it is sent to this parent only."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if isinstance(data, str):
            data = {"servers": [data]}
        elif isinstance(data, list):
            data = {"servers": data}
        servers = data.get("servers") if isinstance(data, dict) else None
        if isinstance(servers, str | dict):
            servers = [servers]
        if not isinstance(servers, list):
            return data
        told = [_without_scheme(server) for server in servers]
        spoken = {scheme for _, scheme in told}
        if len(spoken) > 1:
            raise ValueError("the servers of a parent speak one protocol; make another parent of the socks5:// ones")
        return {**data, "servers": [server for server, _ in told], **({"protocol": "socks5"} if True in spoken else {})}

    @model_validator(mode="after")
    def _login(self) -> Parent:
        if self.password and not self.user:
            raise ValueError("`password` is given without `user`")
        return self


def _without_scheme(server: Any) -> tuple[Any, bool]:
    """Return a server without ``socks5://``, and whether that stood there."""
    address = server.get("address") if isinstance(server, dict) else server
    for scheme in _SOCKS:
        if isinstance(address, str) and address.startswith(scheme):
            address = address.removeprefix(scheme)
            return ({**server, "address": address} if isinstance(server, dict) else address), True
    return server, False


class Way(Condition):
    """Which requests leave by which way: the first whose conditions hold counts; what none is about goes direct.

    What is not known without resolving a name does not hold here: `ip` and `country` are those of addresses.
    """

    through: Words
    """Names of `parents`, or ``direct``; a further one is gone where no server of the one before can be reached."""
