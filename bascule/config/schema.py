"""The configuration as a person writes it. Start reading at `Config`.

The models hold what was written, checked; `compile.py` resolves what sites and routes inherit.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from bascule.config.base import Model
from bascule.config.observe import AccessLog, Admin
from bascule.config.policies import (
    CookieMap,
    ErrorPages,
    Headers,
    Limits,
    Maintenance,
    PathPolicy,
    Redirect,
    Respond,
    Rewrite,
    Timeouts,
)
from bascule.config.pools import Pool
from bascule.config.types import AddressField, Cidr, Duration


class Certificate(Model):
    """A certificate chain and its private key, PEM files; watched, and swapped without a restart."""

    cert: str
    key: str


class ClientAuth(Model):
    """Client certificates (mTLS)."""

    ca: str
    mode: Literal["require", "optional"] = "require"
    subjects: tuple[str, ...] = ()
    """Common names or DNS names let in; all by default."""
    forward: bool = True
    """Tell the server who it is, in `X-Client-Cert-Subject` (a client's own field is dropped)."""


class SiteTls(Model):
    """TLS of a site."""

    certificates: tuple[Certificate, ...]
    client_auth: ClientAuth | None = None
    redirect: bool = True
    """Send plain-HTTP requests of this site to https, when there is a TLS listener."""
    hsts: Duration = 0.0
    """`Strict-Transport-Security` max-age; 0 sends none."""
    hsts_subdomains: bool = False

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if isinstance(data, dict) and "cert" in data and "certificates" not in data:
            data = dict(data)
            pair = {"cert": data.pop("cert"), "key": data.pop("key", "")}
            return {**data, "certificates": [pair]}
        return data


class ListenTls(Model):
    """TLS of a listener. Certificates come from the sites; these here serve clients without a known name."""

    certificates: tuple[Certificate, ...] = ()
    min_version: Literal["1.2", "1.3"] = "1.2"
    alpn: tuple[str, ...] = ("http/1.1",)
    ciphers: str = ""
    """OpenSSL cipher list for TLS 1.2; a modern forward-secret list by default."""
    session_tickets: bool = True


class Listener(Model):
    """Where clients come in; a bare address is short for its `address`. Port 443 or ``https://`` means TLS."""

    address: AddressField
    tls: ListenTls | None = None
    proxy_protocol: tuple[Cidr, ...] = ()
    """Networks whose connections must begin with a PROXY protocol header (v1 or v2)."""
    backlog: Annotated[int, Field(ge=1)] = 4096

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if isinstance(data, int):
            data = f":{data}"
        if isinstance(data, str):
            data = {"address": data}
        if isinstance(data, dict) and isinstance(data.get("address"), str):
            data = dict(data)
            text: str = data["address"]
            if text.startswith("http://"):
                data["address"] = text[7:]
            elif text.startswith("https://") or text.endswith(":443"):
                data["address"] = text.removeprefix("https://")
                data.setdefault("tls", {})
        return data


class WafConfig(Model):
    """The web application firewall of a site or route; a bare word is short for its `mode`."""

    mode: Literal["off", "detect", "block"] = "off"

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if data is False:  # YAML 1.1 habits: a bare `off`
            return {"mode": "off"}
        return {"mode": data} if isinstance(data, str) else data


class Match(Model):
    """Further conditions of a route beside its path. All must hold."""

    methods: tuple[str, ...] = ()
    headers: dict[str, str] = Field(default_factory=dict)
    """From field name to a value, or to ``~`` and an RE2 pattern, or ``*`` for present."""
    query: dict[str, str] = Field(default_factory=dict)


class Route(Pool):
    """What happens to the requests of a path. The keys of `Pool` may be given inline."""

    match: Match = Match()
    pool: str = ""
    """Name of a shared pool instead of inline `servers`."""
    redirect: Redirect | None = None
    respond: Respond | None = None
    rewrite: Rewrite = Rewrite()
    headers: Headers | None = None
    cookies: CookieMap | None = None
    timeouts: Timeouts | None = None
    limits: Limits | None = None
    errors: ErrorPages | None = None
    maintenance: Maintenance | None = None
    waf: WafConfig | None = None
    upgrades: tuple[str, ...] = ("websocket",)
    """Protocols a client may upgrade to; ``*`` for any."""
    log: bool = True

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if isinstance(data, str):
            return {"servers": [data]}
        if isinstance(data, list):
            return {"servers": data}
        if isinstance(data, dict) and isinstance(data.get("redirect"), str):
            return {**data, "redirect": {"to": data["redirect"]}}
        return data


class Site(Model):
    """A host and its routes. The key is a host name, ``*.example.com`` or ``*`` for any other host."""

    aliases: tuple[str, ...] = ()
    routes: dict[str, Route | tuple[Route, ...]]
    """From path to route. ``/api/`` is a prefix, ``=/exact`` one path, ``~pattern`` an RE2 pattern; the exact one
    wins, then patterns in their order, then the longest prefix. Routes of one path are tried in order."""
    tls: SiteTls | None = None
    headers: Headers | None = None
    cookies: CookieMap | None = None
    timeouts: Timeouts | None = None
    limits: Limits | None = None
    path: PathPolicy = PathPolicy()
    errors: ErrorPages | None = None
    maintenance: Maintenance | None = None
    waf: WafConfig | None = None


class Config(Model):
    """The whole configuration file."""

    listen: tuple[Listener, ...] = Field(min_length=1)
    sites: dict[str, Site] = Field(min_length=1)
    pools: dict[str, Pool] = Field(default_factory=dict)
    workers: Annotated[int, Field(ge=0, le=256)] = 0
    """Worker processes; 0 means one per core."""
    trusted_proxies: tuple[Cidr, ...] = ()
    """Hops whose `X-Forwarded-For` / `Forwarded` are believed, walked from right to left."""
    user: str = ""
    """Account to drop to after the sockets are open; with `group`."""
    group: str = ""
    run_dir: str = ""
    """Folder of the control socket and pid file; by default below $XDG_RUNTIME_DIR or /run."""
    cache_dir: str = ""
    watch: bool = False
    """Reload when the file, an include or a certificate changes."""
    stop_timeout: Duration = 30.0
    """How long a stop waits for requests in progress."""
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    headers: Headers = Headers()
    errors: ErrorPages = ErrorPages()
    waf: WafConfig = WafConfig()
    access_log: AccessLog = AccessLog()
    admin: Admin = Admin()

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("listen"), str | int):
            return {**data, "listen": [data["listen"]]}
        return data
