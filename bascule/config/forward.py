"""Parts of the forward proxy as a person writes them: rules, users, ports. The whole is `schema.Forward`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from bascule.config.base import Model
from bascule.config.defence import RateField
from bascule.config.several import Countries, Listed, Networks
from bascule.config.types import Count, PlaceField, PositiveDuration, Size
from bascule.config.when import WhenField

NEIGHBOURS = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
              "::1/128", "fc00::/7", "fe80::/10")  # fmt: skip
"""Who may use the forward proxy if nothing is said: this machine and private networks, for an open proxy is found and
abused within hours."""


def _port_range(value: Any) -> tuple[int, int]:
    """Return first and last port of ``443`` or ``1025-65535``. Raises ValueError."""
    if isinstance(value, tuple):
        return value
    first, dash, last = str(value).partition("-")
    if not first.strip().isdecimal() or (dash and not last.strip().isdecimal()) or isinstance(value, bool):
        raise ValueError(f"{value!r} is not a port or a range of ports: write 443 or 1025-65535")
    start, end = int(first), int(last) if dash else int(first)
    if not 0 < start <= end < 65536:
        raise ValueError(f"{value!r}: ports lie between 1 and 65535, the lower one first")
    return start, end


Content = Literal["program", "script", "archive", "office", "test-virus"]
Words = Annotated[tuple[str, ...], Listed()]
Lists = Annotated[tuple[PlaceField, ...], Listed()]
PortRange = Annotated[
    tuple[int, int],
    BeforeValidator(_port_range),
    PlainSerializer(lambda ports: str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"),
    WithJsonSchema({"title": "ports", "type": ["integer", "string"], "examples": [443, "1025-65535"]}),
]
Ports = Annotated[tuple[PortRange, ...], Listed()]


class Condition(Model):
    """When a rule holds: all that is stated must be true; of a list, one entry must be. Empty holds always.

    A condition that cannot be known does not hold: a path inside a CONNECT tunnel, for example.
    """

    for_: Annotated[Words, Field(alias="for")] = ()
    """Users or groups; ``*`` is any user that is known."""
    source: Networks = ()
    """Networks that the client is in."""
    domain: Words = ()
    """``example.com`` with everything below it, ``=www.example.com`` alone, or ``~`` and an RE2 pattern."""
    category: Words = ()
    """Categories of the destination, from `categories`."""
    ip: Networks = ()
    """Networks that the destination is in, once its name is resolved."""
    country: Countries = ()
    """Countries that the destination is in (two letters); needs `country_database`."""
    port: Ports = ()
    """Ports of the destination."""
    method: Words = ()
    """Methods; CONNECT is that of tunnels."""
    path: Words = ()
    """Prefixes of the path, or ``~`` and an RE2 pattern on path and query. Known of plain HTTP only."""
    header: dict[str, str] = Field(default_factory=dict)
    """From name of a request field to a value, to ``~`` and an RE2 pattern, or to ``*`` for present."""
    request_type: Words = ()
    """MIME types of what the client sends: ``application/zip`` or ``video/*``."""
    mime: Words = ()
    """MIME types of the response. Known of plain HTTP only."""
    content: Annotated[tuple[Content, ...], Listed()] = ()
    """What the response is by its first bytes, whatever it is called: ``program`` (of Windows, Linux, macOS, Java,
    Android), ``script``, ``archive``, ``office`` (documents), ``test-virus`` (EICAR). Known of plain HTTP only."""
    size: Size = 0
    """Holds for responses whose announced length is larger. Known of plain HTTP only."""
    when: WhenField | None = None
    """Times of the week, in `timezone`."""
    quota: Words = ()
    """Names of `quotas`: holds for those who used up one of them."""


class Rule(Model):
    """A rule of the forward proxy; it has one of `allow`, `deny`, `redirect` and `limit`. The first that holds
    decides."""

    allow: Condition | None = None
    """Let the request through."""
    deny: Condition | None = None
    """Refuse it, with a page that says why."""
    limit: Condition | None = None
    """Let the request through within `bandwidth`, `requests` and `connections`, which are those of this rule alone."""
    redirect: Condition | None = None
    """Answer plain HTTP with a redirect to `to`; a tunnel is refused."""
    to: str = ""
    """Where a redirect leads. May use ``{host}`` and ``{url}``."""
    per: Literal["user", "client", "all"] = "user"
    """Of `limit`: who has an account of its own; as for `quotas`."""
    bandwidth: Size = 0
    """Of `limit`: bytes a second, both directions together; 0 for any."""
    burst: Size = 0
    """Of `limit`: bytes that may pass at once after a pause; 0 means those of two seconds."""
    requests: RateField | None = None
    """Of `limit`: requests and tunnels, such as ``100/m``; what is beyond gets 429."""
    connections: Count = 0
    """Of `limit`: requests and tunnels at a time; 0 for any."""
    reason: str = ""
    """What the page of a refusal says; by default what the rule is about."""
    name: str = ""
    """What the rule is called in logs and explanations; by default its number."""

    @property
    def action(self) -> Literal["allow", "deny", "redirect", "limit"]:
        """What it does."""
        if self.limit is not None:
            return "limit"
        return "allow" if self.allow is not None else "deny" if self.deny is not None else "redirect"

    @property
    def condition(self) -> Condition:
        """When it holds."""
        return self.allow or self.deny or self.redirect or self.limit or Condition()

    @model_validator(mode="after")
    def _one_action(self) -> Rule:
        given = [name for name in ("allow", "deny", "redirect", "limit") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                "a rule has one of `allow`, `deny`, `redirect` and `limit`, as in - deny: {domain: a.example}"
            )
        limits = [name for name in ("bandwidth", "requests", "connections") if getattr(self, name)]
        if (self.limit is not None) != bool(limits) or (self.burst and not self.bandwidth):
            raise ValueError(
                "`limit` goes with `bandwidth`, `requests` or `connections`, as in - limit: {domain: a.example}, "
                "bandwidth: 1MiB"
            )
        if (self.redirect is not None) != bool(self.to):
            raise ValueError(
                "`redirect` and `to` belong together, as in {redirect: {domain: a.example}, to: http://b.example/}"
            )
        return self


class EgressPorts(Model):
    """Ports that may be reached. Below 1024 only those of the web, so that nobody sends mail or tries shells through
    the proxy; ``connect: 443`` is stricter."""

    http: Ports = ((80, 80), (443, 443), (591, 591), (777, 777), (1025, 65535))
    """Of plain HTTP requests."""
    connect: Ports = ((80, 80), (443, 443), (563, 563), (1025, 65535))
    """Of tunnels: CONNECT and SOCKS."""


class Udp(Model):
    """Datagrams relayed for SOCKS 5 clients (UDP ASSOCIATE, RFC 1928). Each destination is judged by `rules`, where its
    method is UDP. `ways` hold: a SOCKS 5 parent is asked for a relay of its own, and HTTP parents are passed over."""

    ports: Ports = ((53, 53), (123, 123), (443, 443), (1025, 65535))
    """Ports of destinations."""
    idle: PositiveDuration = 60.0
    """How long nothing may pass until a relay is closed."""
    destinations: Annotated[int, Field(ge=1, le=65536)] = 256
    """Destinations of one relay; beyond that the one that was not sent to for longest is forgotten."""
    associations: Annotated[int, Field(ge=1, le=65536)] = 256
    """Relays that a worker has open at a time."""


class Pac(Model):
    """The script by which browsers find out what goes through the proxy, served at /proxy.pac and /wpad.dat."""

    direct: Words = ()
    """Domains, with all below them, that are reached without the proxy."""
    only: Words = ()
    """Domains, with all below them, that alone go through the proxy; all but `direct` if empty."""
    proxy: str = ""
    """Host and port by which clients reach the proxy; by default what they asked for the script."""
    fallback_direct: bool = False
    """Let browsers go without the proxy while it does not answer."""
