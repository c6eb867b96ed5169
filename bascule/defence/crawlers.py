"""Crawlers: whether one is what it says, by the names of its address or by published networks; and robots.txt.

Whoever runs a crawler says how to know it: its address has a name in a domain of theirs, and that name has this address
(forward-confirmed reverse DNS; developers.google.com/crawling/docs/crawlers-fetchers/verify-google-requests).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Final

import dns.asyncresolver
import dns.exception
import dns.resolver
import dns.reversename
import re2
from crawleruseragents import CRAWLER_USER_AGENTS_DATA

from bascule.config.crawlers import Crawlers
from bascule.config.types import Address
from bascule.defence.bans import read_file
from bascule.defence.networks import NetworkMap
from bascule.lists.resolver import resolver_at

KNOWN: Final[dict[str, tuple[str, ...]]] = {
    "Googlebot": ("googlebot.com", "google.com"),
    "bingbot": ("search.msn.com",),
    "Applebot": ("applebot.apple.com",),
    "YandexBot": ("yandex.ru", "yandex.net", "yandex.com"),
    "Baiduspider": ("baidu.com", "baidu.jp"),
    "PetalBot": ("petalsearch.com",),
    "SeznamBot": ("seznam.cz",),
}
"""From a part of the User-Agent to the domains, as those who run these crawlers say."""
LIFETIME: Final = 3.0
"""Seconds for one question to the DNS with its retries."""
_PRODUCT: Final = re.compile(r"\^?([A-Za-z][A-Za-z_-]{2,})(?:\\/)?")
_LONGEST_AGENT: Final = 512
_AGENTS_KEPT: Final = 4096


@dataclass(frozen=True, slots=True)
class Claim:
    """What a User-Agent says: a name that can be verified, or none, and the tags of what it is."""

    name: str
    tags: frozenset[str]


class Book:
    """What is known of crawlers; made before the fork, for it takes a while. Raises BanError for a faulty list."""

    def __init__(self, config: Crawlers) -> None:
        self.domains = {**KNOWN, **config.names}
        self.ranges = {
            name: NetworkMap((network, name) for network in read_file(file)) for name, file in config.ranges.items()
        }
        self._names = [(name, name.encode().lower()) for name in (*self.domains, *self.ranges)]
        self._tags = [frozenset(entry.get("tags", ())) for entry in CRAWLER_USER_AGENTS_DATA]
        self._patterns: Any = re2.Set.SearchSet()
        for entry in CRAWLER_USER_AGENTS_DATA:
            self._patterns.Add(entry["pattern"])
        self._patterns.Compile()
        self._remembered = lru_cache(_AGENTS_KEPT)(self._claim)

    def claim(self, agent: bytes) -> Claim | None:
        """Return the claim of a User-Agent, as far as one is looked at; None where it claims to be no crawler."""
        return self._remembered(agent[:_LONGEST_AGENT])

    def _claim(self, agent: bytes) -> Claim | None:
        lower = agent.lower()
        name = next((name for name, part in self._names if part in lower), "")
        found = self._patterns.Match(agent.decode("latin-1")) or ()  # None, where there is none
        if not name and not found:
            return None
        return Claim(name, frozenset().union(*(self._tags[number] for number in found)))


class Names:
    """Asks the DNS whether an address belongs to a domain."""

    def __init__(self, resolver: Address | None) -> None:
        self._address = resolver
        self._resolver: dns.asyncresolver.Resolver | None = None

    async def belongs(self, address: bytes, domains: Iterable[str]) -> bool | None:
        """Whether the name of an address is in one of the domains, and has this address; None where nobody says."""
        try:
            resolver = self._resolver = self._resolver or resolver_at(self._address)
            number = ip_address(address.decode("ascii"))
            reverse = dns.reversename.from_address(str(number))
            found = await resolver.resolve(reverse, "PTR", lifetime=LIFETIME)
            names = [str(record.target).rstrip(".").lower() for record in found]
            own = [name for name in names if any(name.endswith("." + domain) for domain in domains)]
            for name in own[:2]:
                kind = "A" if number.version == 4 else "AAAA"
                answers = await resolver.resolve(name, kind, lifetime=LIFETIME)
                if any(ip_address(record.address) == number for record in answers):
                    return True
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, ValueError):
            return False
        except (dns.exception.DNSException, OSError):
            return None
        return False


def robots_text(config: Crawlers, traps: Iterable[str]) -> bytes:
    """Return a robots.txt (RFC 9309) that says what the configuration does."""
    refused = sorted(_refused(config))
    lines = [*(f"User-agent: {name}" for name in refused), *(("Disallow: /", "") if refused else ())]
    lines += ["User-agent: *", *(f"Disallow: {path}" for path in (*config.disallow, *sorted(traps)))]
    if not (config.disallow or tuple(traps)):
        lines.append("Disallow:")
    return "\n".join([*lines, ""]).encode()


def _refused(config: Crawlers) -> set[str]:
    """Return the product tokens (RFC 9309 2.2.1) of the crawlers that get nothing: those whose pattern is one."""
    tags = set(config.refuse)
    patterns = (entry["pattern"] for entry in CRAWLER_USER_AGENTS_DATA if tags.intersection(entry.get("tags", ())))
    return {found[1] for pattern in patterns if (found := _PRODUCT.fullmatch(pattern))}
