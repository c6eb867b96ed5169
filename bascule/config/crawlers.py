"""Crawlers: which are known to be what they say, which are let in, and what robots.txt says."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bascule.config.base import Switched
from bascule.config.types import FileField, NameServerField

Tag = Literal[
    "academic", "advertising", "ai-crawler", "archiver", "browser-automation", "feed-reader", "http-library",
    "monitoring", "scanner", "search-engine", "seo", "social-preview",
]  # fmt: skip
Suffix = Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")]


class Crawlers(Switched):
    """What is done about programs that say themselves that they are crawlers. A bare word is short for `mode`."""

    mode: Literal["off", "detect", "block"] = "off"
    """``block`` does what stands here; ``detect`` only records it."""
    refuse: tuple[Tag, ...] = ()
    """Kinds that get 403: ``ai-crawler``, ``scanner``, ``seo``... as the list crawler-user-agents tags them. One that
    is verified is refused, too; robots.txt (`robots: own`) tells those that obey."""
    names: dict[str, tuple[Suffix, ...]] = Field(default_factory=dict)
    """Further crawlers that can be verified: from a part of their User-Agent to the domains that their addresses have
    names in. Known are Googlebot, bingbot, Applebot, YandexBot, Baiduspider, PetalBot and SeznamBot."""
    ranges: dict[str, FileField] = Field(default_factory=dict)
    """From a part of the User-Agent to a file with the networks that its owner publishes, one a line; for who has no
    names for its addresses, or in place of DNS."""
    resolver: NameServerField | None = None
    """DNS server to ask; by default those of the machine."""
    robots: Literal["origin", "own"] = "origin"
    """Who answers for ``/robots.txt``: the server, or Bascule, from `refuse`, `disallow` and `account.traps`."""
    disallow: tuple[Annotated[str, Field(pattern=r"^/[^\s#]*$")], ...] = ()
    """Beginnings of paths that a robots.txt of its own tells every crawler to leave alone."""
