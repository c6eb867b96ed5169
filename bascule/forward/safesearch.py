"""Safe search that a client cannot switch off: search engines tell it by the address that their name resolves to.

Google, Bing, DuckDuckGo and YouTube serve filtered results at addresses of other names, and document that a network
may let their usual names resolve to those. That works inside tunnels too: the browser goes on asking for
www.google.com and verifies its certificate. Sources: support.google.com/websearch/answer/186669,
support.google.com/a/answer/6214622 (YouTube), Microsoft Support "Block adult content with SafeSearch",
duckduckgo.com/duckduckgo-help-pages/features/safe-search.
"""

from __future__ import annotations

import re
from typing import Final

from bascule.config.schema import Forward

_GOOGLE = re.compile(r"(?:www\.)?google\.(?:com|cat|[a-z]{2}|com?\.[a-z]{2})")
_SEARCH: Final = {
    "bing.com": "strict.bing.com",
    "www.bing.com": "strict.bing.com",
    "edgeservices.bing.com": "strict.bing.com",
    "duckduckgo.com": "safe.duckduckgo.com",
    "www.duckduckgo.com": "safe.duckduckgo.com",
    "start.duckduckgo.com": "safe.duckduckgo.com",
}
_YOUTUBE: Final = frozenset(
    (
        "www.youtube.com",
        "m.youtube.com",
        "youtubei.googleapis.com",
        "youtube.googleapis.com",
        "www.youtube-nocookie.com",
    )
)
_RESTRICTED: Final = {"strict": "restrict.youtube.com", "moderate": "restrictmoderate.youtube.com"}


def reached_as(forward: Forward, host: str) -> str:
    """Return the name whose address a lower-case host is reached at: its own, unless safe search has another."""
    if forward.safe_search:
        if _GOOGLE.fullmatch(host):
            return "forcesafesearch.google.com"
        host = _SEARCH.get(host, host)
    if forward.youtube != "off" and host in _YOUTUBE:
        return _RESTRICTED[forward.youtube]
    return host
