"""The configuration as a person writes it. Start reading at `Config`.

The models hold what was written, checked; `compile.py` resolves what sites and routes inherit.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from bascule.config.account import Account
from bascule.config.auth import Auth
from bascule.config.base import Model
from bascule.config.cache import NO_CACHE, Cache, CacheStore
from bascule.config.challenge import NOBODY, Challenge
from bascule.config.crawlers import Crawlers
from bascule.config.defence import Defence, LimitsField
from bascule.config.egress import Dns, Outgoing
from bascule.config.forward import NEIGHBOURS, EgressPorts, Lists, Pac, Rule, Udp
from bascule.config.intercept import Intercept
from bascule.config.logins import NO_LOGINS, Logins
from bascule.config.observe import AccessLog, Admin, EventsLog
from bascule.config.overload import Arrivals, Shedding
from bascule.config.parents import Parent, Way
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
from bascule.config.privacy import Privacy
from bascule.config.quotas import Quota
from bascule.config.several import Networks
from bascule.config.tls import ListenTls, SiteTls
from bascule.config.types import AddressField, Affinity, Cidr, Count, Digits, Duration, FileField, Size, parse_network
from bascule.config.waf import WafConfig, WafExclusion
from bascule.config.waiting_room import WaitingRoom


class Listener(Model):
    """Where clients come in; a bare address is short for its `address`. Port 443 or ``https://`` means TLS."""

    short_forms: ClassVar = ({"type": ["string", "integer"]},)

    address: AddressField
    """``127.0.0.1:8080``, ``[::]:443``, ``:80`` (every IPv4 address) or ``unix:/run/web.sock``."""
    tls: ListenTls | None = None
    """TLS of this listener; ``{}`` for TLS with all defaults."""
    proxy_protocol: tuple[Cidr, ...] = ()
    """Networks whose connections must begin with a PROXY protocol header (v1 or v2)."""
    transparent: Literal["off", "redirect", "tproxy"] = "off"
    """For listeners of the forward proxy: connections come turned here by the firewall of this machine, by REDIRECT
    (nftables ``redirect``) or TPROXY, from clients that know of no proxy."""
    backlog: Annotated[int, Field(ge=1, le=65535)] = 4096
    """Connections the kernel keeps waiting to be accepted."""
    mode: Annotated[str, Field(pattern="^0?[0-7]{3}$"), Digits] = "660"
    """Permissions of a UNIX socket, octal; its owner is `user`, `group`."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if isinstance(data, int) and not isinstance(data, bool):
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


class Match(Model):
    """Further conditions of a route beside its path. All must hold."""

    methods: tuple[str, ...] = ()
    """Methods; all by default."""
    headers: dict[str, str] = Field(default_factory=dict)
    """From field name to a value, or to ``~`` and an RE2 pattern, or ``*`` for present."""
    query: dict[str, str] = Field(default_factory=dict)
    """From parameter of the query to the same."""


class Route(Pool):
    """What happens to the requests of a path. The keys of `Pool` may be given inline.

    Exactly one of `servers`, `discover`, `pool`, `redirect` and `respond` says who answers. A bare address, or a list
    of addresses, is short for `servers`.
    """

    short_forms: ClassVar = ({"type": "string"},)

    match: Match = Match()
    """Further conditions beside the path."""
    pool: str = ""
    """Name of a shared pool instead of inline `servers`."""
    redirect: Redirect | None = None
    """Answer with a redirect."""
    respond: Respond | None = None
    """Answer with a fixed text."""
    rewrite: Rewrite = Rewrite()
    """How the path changes on its way to the server."""
    headers: Headers | None = None
    """Header policy; changes add to those of the site."""
    cookies: CookieMap | None = None
    """Rewrites of `Set-Cookie`."""
    timeouts: Timeouts | None = None
    """Deadlines that differ from the site's."""
    limits: Limits | None = None
    """Limits that differ from the site's."""
    limit: LimitsField = ()
    """Rate limits of this route, beside those of its site and of all sites: ``50/s per client``, or a list."""
    challenge: Challenge | None = None
    """What clients have to pass here, where it differs from the site's."""
    waiting_room: WaitingRoom | None = None
    """Where visitors of this route wait, in place of the site's."""
    errors: ErrorPages | None = None
    """Error pages beside the site's."""
    maintenance: Maintenance | None = None
    """Maintenance mode of this route alone."""
    waf: WafConfig | None = None
    """The web application firewall, where it differs from the site's."""
    cache: Cache | None = None
    """What is kept of responses, where it differs from the site's: ``true``, or more about it."""
    upgrades: tuple[str, ...] = ("websocket",)
    """Protocols a client may upgrade to; ``*`` for any."""
    log: bool = True
    """Whether its requests are written to the access log."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if isinstance(data, str):
            return {"servers": [data]}
        return {"servers": data} if isinstance(data, list) else data


def _routes(data: Any) -> Any:
    """Give every path a list of routes: one route, or its short form, is a list of one."""
    if not isinstance(data, dict):
        return data
    return {path: routes if _is_routes(routes) else [routes] for path, routes in data.items()}


def _is_routes(data: Any) -> bool:
    """Tell a list of routes from a list of servers, which is short for one route."""
    if isinstance(data, tuple):
        return True
    if not isinstance(data, list) or not data:
        return False
    return all(isinstance(item, dict) and "address" not in item for item in data)


class Site(Model):
    """A host and its routes. The key is a host name, ``*.example.com`` or ``*`` for any other host.

    A bare address, or a list of addresses, is short for one route ``/`` to these servers.
    """

    short_forms: ClassVar = ({"type": "string"},)

    aliases: tuple[str, ...] = ()
    """Further hosts of the site."""
    routes: Annotated[
        dict[str, tuple[Route, ...]],
        BeforeValidator(_routes),
        Field(min_length=1),
    ]
    """From path to route. ``/api/`` is a prefix, ``=/exact`` one path, ``~pattern`` an RE2 pattern; the exact one
    wins, then patterns in their order, then the longest prefix. Routes of one path are tried in order."""
    tls: SiteTls | None = None
    """Certificates of the site."""
    headers: Headers | None = None
    """Header policy; changes add to the global ones."""
    cookies: CookieMap | None = None
    """Rewrites of `Set-Cookie`."""
    timeouts: Timeouts | None = None
    """Deadlines that differ from the global ones."""
    limits: Limits | None = None
    """Limits that differ from the global ones."""
    limit: LimitsField = ()
    """Rate limits of the site: its routes are counted together."""
    challenge: Challenge | None = None
    """What clients have to pass, where it differs from the global setting."""
    waiting_room: WaitingRoom | None = None
    """Where visitors wait when there are too many, all routes of the site taken together; none by default."""
    logins: Logins | None = None
    """The defence of logins, where it differs from the global setting."""
    path: PathPolicy = PathPolicy()
    """How the path is normalised."""
    errors: ErrorPages | None = None
    """Error pages beside the global ones."""
    maintenance: Maintenance | None = None
    """Maintenance mode of the site."""
    waf: WafConfig | None = None
    """The web application firewall, where it differs from the global setting."""
    cache: Cache | None = None
    """What is kept of responses, where it differs from the global setting: ``true``, or more about it."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"routes": {"/": data}} if isinstance(data, str | list) else data


class Forward(Model):
    """The forward proxy: HTTP, CONNECT, SOCKS 4, 4a and 5 on one port, for clients on their way out."""

    listen: Annotated[tuple[Listener, ...], Field(min_length=1)]
    """Where clients come in: one listener or a list."""
    clients: Networks = tuple(parse_network(text) for text in NEIGHBOURS)
    """Networks that may use the proxy; by default this machine and private networks."""
    protocols: Annotated[tuple[Literal["http", "socks4", "socks5"], ...], Field(min_length=1)] = (
        "http",
        "socks4",
        "socks5",
    )
    """What is spoken on the port; the first byte tells them apart."""
    allow_private: bool = False
    """Let clients reach loopback, private, link-local, metadata and other reserved addresses."""
    ports: EgressPorts = EgressPorts()
    """Ports that may be reached."""
    udp: Udp | None = None
    """Relay datagrams of SOCKS 5 clients; `{}` for the defaults. Off by default."""
    auth: Auth | None = None
    """Who asks; by default nobody is asked."""
    categories: dict[str, Lists] = Field(default_factory=dict)
    """From category to its lists: files of domains, hosts files, AdBlock rules, UT1 folders, or URLs of such files."""
    refresh: Annotated[Duration, Field(ge=60.0)] = 86400.0
    """How often lists at a URL are looked at."""
    country_database: FileField = ""
    """MaxMind database (MMDB) that knows the countries of addresses."""
    timezone: str = ""
    """Time zone of `when`, such as ``Europe/Berlin``; by default that of the machine."""
    rules: tuple[Rule, ...] = ()
    """What may be reached. The first rule that holds decides."""
    default: Literal["allow", "deny"] = "allow"
    """What is done where no rule holds."""
    dns: Dns | None = None
    """Resolvers that are asked over TLS; the system's by default."""
    outgoing: Outgoing | None = None
    """Addresses of this machine from which destinations are reached; as the system chooses by default."""
    parents: dict[str, Parent] = Field(default_factory=dict)
    """From name to another proxy through which requests may leave."""
    ways: tuple[Way, ...] = ()
    """What leaves through which parent. The first that holds counts."""
    mismatch: Literal["refuse", "resolve"] = "refuse"
    """In transparent mode, what becomes of a request for a name that does not lead to the address called: it is
    refused, or goes to where the name does lead."""
    authorities: FileField = ""
    """File of further authorities that servers of https URLs are verified by, beside the system's."""
    intercept: Intercept | None = None
    """Open TLS tunnels to see what is inside, by an authority that clients have to trust. Off by default."""
    limit: LimitsField = ()
    """Rate limits of all its clients: ``50/s per client``, or a list. Those of users are `quotas`."""
    quotas: dict[str, Quota] = Field(default_factory=dict)
    """From name to what may be used: bandwidth, bytes and time a day, requests, connections."""
    quota_file: FileField = ""
    """File in which used budgets outlive the program, in a folder that `user` may write; by default
    ``kept/quotas.json`` in `run_dir`, which a restart of the machine empties."""
    safe_search: bool = False
    """Let Google, Bing and DuckDuckGo show filtered results only, inside tunnels too."""
    youtube: Literal["off", "moderate", "strict"] = "off"
    """Restricted mode of YouTube."""
    privacy: Privacy = Privacy()
    """What requests tell of the client: ``off``, ``standard`` or ``strict``, or more about it."""
    pac: Pac | None = None
    """Serve a proxy auto-configuration script; `{}` for one by which all goes through the proxy."""
    keep_alive: Count = 256
    """Idle connections to servers that a worker keeps."""
    headers: Headers | None = None
    """Header policy of requests and responses of plain HTTP, beside what `privacy` does."""
    timeouts: Timeouts | None = None
    """Deadlines that differ from the global ones; `response_idle` is that of tunnels."""
    limits: Limits | None = None
    """Limits that differ from the global ones."""
    errors: ErrorPages | None = None
    """Error pages beside the global ones; `contact` is whom to ask for access."""
    waf: WafConfig | None = None
    """The web application firewall for plain HTTP; off unless stated here."""
    cache: Cache | None = None
    """What is kept of the responses of plain HTTP; nothing unless stated here."""
    log: bool = True
    """Whether requests are written to the access log."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return _single(data, "listen")


class Config(Model):
    """The whole configuration file. Top-level keys that begin with ``x-`` are left alone: a place for anchors."""

    include: tuple[str, ...] = ()
    """Files (or patterns such as ``sites/*.yaml``) that are read as part of this one, relative to it. They may hold
    every key; `sites` and `pools` are put together, and nothing may be said twice. A pattern that matches nothing is
    told as a warning."""
    listen: Annotated[tuple[Listener, ...], Field(min_length=1)] = ()
    """Where clients of the sites come in: one listener or a list. Needed unless there is only `forward`."""
    sites: Annotated[dict[str, Site], Field(min_length=1)] = Field(default_factory=dict)
    """From host to site. Needed unless there is only `forward`."""
    forward: Forward | None = None
    """The forward proxy: for clients on their way out."""
    pools: dict[str, Pool] = Field(default_factory=dict)
    """From name to pool, for routes to share."""
    workers: Annotated[int, Field(ge=0, le=256)] = 0
    """Worker processes; 0 means one per core."""
    affinity: Affinity = "auto"
    """Which core each worker stays on: ``auto`` gives each its own where there are as many workers as cores that the
    program may use, and at least two; ``off`` leaves it to the kernel; a list of core numbers, such as ``[2, 3]``, is
    gone through in turn."""
    trusted_proxies: tuple[Cidr, ...] = ()
    """Hops whose `X-Forwarded-For` / `Forwarded` are believed, walked from right to left."""
    trusted_field: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    """The field these hops write. The other one is not read: a client could have sent it past them."""
    user: str = ""
    """Account to drop to after the sockets are open; with `group`."""
    group: str = ""
    """Group to drop to; by default the user's own."""
    run_dir: FileField = ""
    """Folder of the control socket and pid file; by default below $XDG_RUNTIME_DIR or /run."""
    cache_dir: FileField = ""
    """Folder of compiled rules; by default below $XDG_CACHE_HOME or /var/cache."""
    watch: bool = False
    """Reload when the file, an include or a certificate changes."""
    renew_beyond: Size = 4 << 20
    """When a crowd has been gone for a minute and a worker keeps more memory of it than this, new processes take over,
    as in a reload of the same configuration; 0 leaves them as they are."""
    stop_timeout: Duration = 30.0
    """How long a stop waits for requests in progress."""
    timeouts: Timeouts = Timeouts()
    """Deadlines of all sites."""
    limits: Limits = Limits()
    """Limits of all sites."""
    limit: LimitsField = ()
    """Rate limits of the whole: all sites are counted together, before a route is looked for."""
    challenge: Challenge = NOBODY
    """What clients have to pass before they are served; nothing by default."""
    defence: Defence = Defence()
    """Who is kept out, and who never is."""
    logins: Logins = NO_LOGINS
    """The defence of logins: brute force, stuffing, spraying, weak passwords; off by default."""
    arrivals: Arrivals = Arrivals()
    """How fast new connections may come; without limits by default."""
    shedding: Shedding = Shedding()
    """Whose requests are refused first when there is too much to do; off by default."""
    account: Account = Account()
    """An account of each client, of what honest clients seldom do; off by default."""
    crawlers: Crawlers = Crawlers()
    """Programs that say that they are crawlers; off by default."""
    headers: Headers = Headers()
    """Header policy of all sites."""
    errors: ErrorPages = ErrorPages()
    """Error pages of all sites."""
    waf: WafConfig = WafConfig()
    """The web application firewall of all sites."""
    cache: Cache = NO_CACHE
    """What is kept of the responses of all sites; nothing by default."""
    cache_store: CacheStore = CacheStore()
    """Where they are kept."""
    exclusions: dict[str, tuple[WafExclusion, ...]] = Field(default_factory=dict)
    """From site to exceptions of the firewall, beside those at the site: for a file of their own that is included, as
    `bascule feedback` writes it."""
    access_log: AccessLog = AccessLog()
    """The access log."""
    events: EventsLog = EventsLog()
    """The event log of the firewall."""
    admin: Admin = Admin()
    """The operators' listener."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return _single(data, "listen", "include")


def _single(data: Any, *keys: str) -> Any:
    """Make a list of one of the values that need not be in a list."""
    if isinstance(data, dict):
        return {**data, **{key: [data[key]] for key in keys if isinstance(data.get(key), str | int | dict)}}
    return data
