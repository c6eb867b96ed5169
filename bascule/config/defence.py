"""Defence against floods: rate limits, and whom they never concern."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from bascule.config.access import AccessRule
from bascule.config.base import Model
from bascule.config.grammar import is_token
from bascule.config.sharing import Sharing
from bascule.config.types import Cidr, Duration, FileField, PlaceField, PositiveDuration, Share, parse_duration
from bascule.config.when import WhenField

_RATE = re.compile(r"(\d{1,9})\s*/\s*(\d*(?:\.\d+)?\s*(?:ms|s|m|h|d))")
_SHORT = re.compile(
    r"(?P<rate>\S+)(?:\s+burst\s+(?P<burst>\d+))?(?:\s+per\s+(?P<per>[^\s,]+(?:\s*,\s*[^\s,]+)*))?"
    r"(?:\s+(?P<over>delay|refuse))?(?:\s+(?P<mode>detect|block))?"
)
PLAIN_KEYS = ("all", "client", "user", "host", "method", "path", "ja4", "country", "asn")
NAMED_KEYS = ("header", "cookie")
LONGEST = 86400.0
"""Seconds within which the whole burst comes back, at most: a longer memory is a quota, not a rate."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests, and the seconds within which they may come."""

    count: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.count}/{self.seconds:g}s"


def parse_rate(value: Any) -> Rate:
    """Return a rate from ``50/s``, ``100/m``, ``1000/10s``, ``5/h``."""
    if isinstance(value, Rate):
        return value
    text = str(value).strip().lower()
    found = _RATE.fullmatch(text)
    if not found or not int(found.group(1)):
        raise ValueError(f"{value!r} is not a rate: write 50/s, 100/m, 1000/10s or 5/h")
    span = found.group(2).replace(" ", "")
    seconds = parse_duration(span if span[0].isdigit() else f"1{span}")
    if not seconds:
        raise ValueError(f"{value!r} is not a rate: its period is 0")
    return Rate(int(found.group(1)), seconds)


def parse_key(value: Any) -> str:
    """Return a key: one of `PLAIN_KEYS`, ``header:NAME`` or ``cookie:NAME``."""
    text = str(value).strip()
    kind, separator, name = text.partition(":")
    if kind in NAMED_KEYS and separator:
        if not is_token(name):
            raise ValueError(f"{text!r}: {name!r} is not the name of a {kind}")
        return f"{kind}:{name.lower() if kind == 'header' else name}"
    if text in PLAIN_KEYS:
        return text
    raise ValueError(f"{text!r} is nothing to count by: write {', '.join(PLAIN_KEYS)}, header:NAME or cookie:NAME")


RateField = Annotated[
    Rate,
    BeforeValidator(parse_rate),
    PlainSerializer(str),
    WithJsonSchema({"title": "rate", "type": "string", "examples": ["50/s", "100/m", "1000/10s", "5/h"]}),
]
KeyField = Annotated[
    str,
    BeforeValidator(parse_key),
    WithJsonSchema({"title": "key", "type": "string", "examples": [*PLAIN_KEYS, "header:x-api-key", "cookie:session"]}),
]


class Limit(Model):
    """A rate limit. ``50/s per client`` is short for it; in full ``50/s burst 100 per client, path delay detect``."""

    short_forms: ClassVar = ({"type": "string"},)

    rate: RateField
    """Requests and their period: ``50/s``, ``100/m``, ``1000/10s``, ``5/h``. They may come evenly spaced, and up to
    `burst` of them at once."""
    per: Annotated[tuple[KeyField, ...], Field(min_length=1)] = ("client",)
    """What has a count of its own: ``client`` (its address), ``user`` (of HTTP Basic), ``header:NAME``,
    ``cookie:NAME``, ``host``, ``method``, ``path``, ``ja4``, ``country``, ``asn``, or ``all`` for one count of
    everybody. Several are combined. A request without the named field counts by its client's address."""
    burst: Annotated[int, Field(ge=0, le=10**9)] = 0
    """Requests that may come at once after a pause; 0 means as many as the rate names."""
    over: Literal["refuse", "delay"] = "refuse"
    """What becomes of a request beyond that: 429 at once, or it waits for its turn, at most `max_delay`."""
    max_delay: PositiveDuration = 5.0
    """Longest wait of a request with ``over: delay``; what would wait longer is refused."""
    mode: Literal["block", "detect"] = "block"
    """``detect`` only records what it would refuse or delay."""
    when: WhenField | None = None
    """Times of the week in which it holds: ``Mon-Fri 08:00-16:00``, in `defence.timezone`; by default always."""
    headers: bool = False
    """Write `RateLimit` and `RateLimit-Policy` into every response, not only into refusals."""
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{0,64}$")] = ""
    """Its name in metrics, events and `RateLimit` fields; by default made from rate and key."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if not isinstance(data, str):
            return _one_key(data)
        found = _SHORT.fullmatch(data.strip())
        if found is None:
            raise ValueError(
                f"{data!r} is not a limit: write RATE [burst N] [per KEY, KEY] [delay] [detect], as in 50/s per client"
            )
        parts: dict[str, Any] = {name: text for name, text in found.groupdict().items() if text is not None}
        if "per" in parts:
            parts["per"] = [key.strip() for key in parts["per"].split(",")]
        if "burst" in parts:
            parts["burst"] = int(parts["burst"])
        return parts

    @model_validator(mode="after")
    def _sensible(self) -> Limit:
        if self.span > LONGEST:
            raise ValueError(
                f"it would take {self.span / 3600:g} hours until the burst is there again: a limit looks back at most "
                "a day; ask for a higher rate or a smaller burst"
            )
        return self

    @property
    def label(self) -> str:
        """The name it goes by."""
        return self.name or f"{self.rate.count}-per-{self.rate.seconds:g}s-{'-'.join(self.per)}".replace(":", ".")

    @property
    def size(self) -> int:
        """Requests that may come at once."""
        return self.burst or self.rate.count

    @property
    def span(self) -> float:
        """Seconds in which the whole burst comes back."""
        return self.size * self.rate.seconds / self.rate.count


def _one_key(data: Any) -> Any:
    """Let a single key stand without brackets."""
    if isinstance(data, dict) and isinstance(data.get("per"), str):
        return {**data, "per": [key.strip() for key in data["per"].split(",")]}
    return data


def as_list(data: Any) -> Any:
    """Let a single limit stand without brackets."""
    return [data] if isinstance(data, str | dict) else data


LimitsField = Annotated[tuple[Limit, ...], BeforeValidator(as_list)]


class Geo(Model):
    """Databases in MaxMind's format (GeoLite2, DB-IP...), for keys and filters by country and network operator."""

    country: FileField = ""
    """File with countries: a Country or City database."""
    asn: FileField = ""
    """File with autonomous systems (network operators)."""
    anonymous: FileField = ""
    """File with kinds of addresses (Tor, proxies, VPNs, data centres): an Anonymous-IP database."""


Offence = Literal["rate_limited", "waf", "waf_noticed", "no_route", "no_site", "bad_path", "login_failed"]
Weight = Annotated[float, Field(ge=0, le=10_000)]


class Risk(Model):
    """For how many offences one counts that the firewall found, by the risk of the gravest rule that fired."""

    critical: Weight = 1.0
    """SQL injection, cross-site scripting, commands and their like."""
    high: Weight = 1.0
    """Such as uploads of scripts, changed cookies, places that are closed to the client."""
    medium: Weight = 1.0
    """Such as scanners, backup files, unusual methods."""
    low: Weight = 1.0
    """All others, and refusals for another reason than a rule."""


class Bans(Model):
    """Bans: how long they last, and whether clients earn them by themselves. Operators ban by ``bascule ban``."""

    after: RateField | None = None
    """Offences of a client beyond which it is banned, such as ``20/m``; by default nobody is banned by itself."""
    of: Annotated[tuple[Offence, ...], Field(min_length=1)] = ("rate_limited", "waf")
    """What counts as an offence: causes, as the access log has them, and ``waf_noticed``, a request that rules of the
    firewall fired on and that passed, for they only log, neutralise, mask or detect; ``login_failed``, a login that
    failed or was refused."""
    risk: Risk = Risk()
    """How much ``waf`` and ``waf_noticed`` weigh: so that a client's account adds up risks, not requests."""
    mode: Literal["block", "detect"] = "block"
    """``detect`` records who would be banned by itself, and bans nobody."""
    time: PositiveDuration = 600.0
    """How long the first ban of a client lasts."""
    growth: Annotated[float, Field(ge=1, le=100)] = 4.0
    """Each further ban lasts so many times as long as the one before."""
    longest: PositiveDuration = 604800.0
    """The longest ban a client can earn."""
    forget: PositiveDuration = 2592000.0
    """How long after its end a ban makes the next one longer."""
    answer: Literal["refuse", "close"] = "refuse"
    """What who is banned gets: 403 with a reference id, or its connection is closed before it can say anything."""
    file: FileField = ""
    """File in which bans outlive the program, in a folder that `user` may write; by default ``kept/bans.jsonl`` in
    `run_dir`, which a restart of the machine empties."""


class CrowdSec(Model):
    """A CrowdSec Local API (LAPI), asked as a bouncer asks it."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$")]
    """Where it is: ``http://127.0.0.1:8080``."""
    key: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$")]
    """The key of the bouncer (``cscli bouncers add bascule``): ``${env:CROWDSEC_KEY}``."""
    interval: Annotated[PositiveDuration, Field(ge=1.0)] = 10.0
    """How often it is asked what changed."""
    mode: Literal["block", "detect"] = "block"
    """``detect`` only records whom its decisions would keep out."""
    types: Annotated[tuple[str, ...], Field(min_length=1)] = ("ban",)
    """Types of decisions that keep a client out; add ``captcha`` to refuse those, too."""


class Attack(Model):
    """When a site counts as under attack, judged by the keeper once a second. By default only by hand
    (``bascule under-attack``)."""

    requests: RateField | None = None
    """Requests of a site beyond which it is: ``2000/s``."""
    errors: Share | None = None
    """Share of its answers that are server errors (5xx): ``20%``."""
    shed: Share | None = None
    """Share of all requests and connections that limits and full queues refuse: ``30%``. Counts for every site."""
    least: Annotated[float, Field(gt=0)] = 20.0
    """Requests a second below which shares mean nothing."""
    after: PositiveDuration = 5.0
    """How long it has to be beyond one of them."""
    calm: Annotated[float, Field(gt=0, lt=1)] = 0.7
    """Part of each of them below which it has to fall, so that the state does not flutter."""
    until: PositiveDuration = 300.0
    """How long it has to stay there until the attack is over."""

    @property
    def automatic(self) -> bool:
        """Whether an attack is noticed without an operator."""
        return self.requests is not None or self.errors is not None or self.shed is not None


class Defence(Model):
    """Who is kept out, and who never is."""

    allow: tuple[Cidr, ...] = ()
    """Clients that no ban, limit or challenge concerns."""
    deny: tuple[Cidr, ...] = ()
    """Clients that are always kept out."""
    feeds: tuple[PlaceField, ...] = ()
    """Lists of clients that are kept out: files or URLs with an address or network a line (plain text, netset; ``#``
    and ``;`` begin comments). Files are read at start and reload; with `watch`, also when they change."""
    feeds_mode: Literal["block", "detect"] = "block"
    """``detect`` only records whom `feeds` would keep out."""
    rules: tuple[AccessRule, ...] = ()
    """Who is let in at all, where neither `allow` nor a list nor a ban says it. The first rule that holds decides."""
    timezone: str = ""
    """Time zone of `when`, such as ``Europe/Berlin``; by default that of the machine."""
    refresh: Annotated[Duration, Field(ge=60.0)] = 3600.0
    """How often feeds at a URL are looked at."""
    crowdsec: CrowdSec | None = None
    """A CrowdSec Local API whose decisions keep clients out."""
    bans: Bans = Bans()
    """Bans."""
    attack: Attack = Attack()
    """When a site counts as under attack, so that `challenge.under_attack` holds."""
    challenge_key: FileField = ""
    """File with the key that signs what clients passed, made if there is none; by default ``challenge.key`` in
    `run_dir`. Machines that serve the same site share it by having the same file."""
    ipv4_prefix: Annotated[int, Field(ge=8, le=32)] = 32
    """Bits of an IPv4 address that make a client: 24 counts a whole /24 as one."""
    ipv6_prefix: Annotated[int, Field(ge=16, le=128)] = 64
    """Bits of an IPv6 address that make a client: one customer has at least a /64."""
    clients: Annotated[int, Field(ge=1024, le=1 << 24)] = 131072
    """Clients (or other keys) a limit keeps account of, 16 bytes each. Where there are more, newcomers take over the
    account of the least active: nobody exceeds a limit by that, but newcomers may find some of their burst used."""
    share: Sharing | None = None
    """A Valkey or Redis server, through which machines that serve the same sites share limits, bans and attacks."""
    geo: Geo = Geo()
    """Databases of countries and network operators."""
