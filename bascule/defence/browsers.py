"""Whether a request for a page can come from the browser that it names: small tables, and only what is certain.

Browsers send the fields of a navigation in an order of their own, and those of Chromium say in client hints (Sec-CH-UA,
W3C UA Client Hints) and Fetch Metadata (Sec-Fetch-*) what they are doing. Programs that only copy a User-Agent seldom
get all of that right. What an extension or a proxy in between may change is no finding; what is left is a weight and
never refuses anybody by itself.
"""

from __future__ import annotations

import re
from typing import Final

Fields = list[tuple[bytes, bytes]]
"""Names in lower case, and values, in the order they came."""

_CHROMIUM: Final = re.compile(rb"Chrome/(\d{2,4})\.")
_FIREFOX: Final = re.compile(rb"Firefox/(\d{2,4})\.")
_BRAND: Final = re.compile(rb'"Chromium";v="(\d{1,4})')
_HINTS_SINCE: Final = 90
"""Chromium has sent Sec-CH-UA with every request over HTTPS since version 89; one is left for its roll-out."""
_METADATA_SINCE: Final = 92
"""Firefox has sent Sec-Fetch-* since version 90."""
_ORDER: Final = (b"user-agent", b"accept", b"sec-fetch-site", b"accept-encoding", b"accept-language")
"""The order in which Chromium sends these for a navigation over HTTP/1.1. (Where its hints stand depends on what led
there.)"""
_PLATFORMS: Final = {b'"Windows"': b"Windows NT", b'"Android"': b"Android", b'"macOS"': b"Mac OS X"}


def contradiction(fields: Fields, secure: bool) -> str:
    """Return why the fields of a navigation cannot be the browser's that User-Agent names; empty if they can.

    `secure` says that they came over HTTPS: only there browsers send hints and metadata to any host.
    """
    values = dict(reversed(fields))
    agent = values.get(b"user-agent", b"")
    if (found := _CHROMIUM.search(agent)) and b"; wv)" not in agent:  # a web view sends what its app wants
        return _of_chromium(values, [name for name, _ in fields], agent, int(found[1]), secure)
    if b"sec-ch-ua" in values and (found := _FIREFOX.search(agent)) and b"like Gecko" not in agent:
        return "Firefox sends no client hints"
    if (
        secure
        and (found := _FIREFOX.search(agent))
        and int(found[1]) >= _METADATA_SINCE
        and b"sec-fetch-mode" not in values
    ):
        return "Firefox without Sec-Fetch-Mode"
    return ""


def _of_chromium(values: dict[bytes, bytes], names: list[bytes], agent: bytes, version: int, secure: bool) -> str:
    if b"HeadlessChrome/" in agent:
        return "it says itself that it has no window"
    for name in (b"accept-encoding", b"accept-language"):
        if name not in values:
            return f"Chromium without {name.decode()}"
    if version < _HINTS_SINCE or not (secure or b"sec-fetch-mode" in values):
        return ""
    for name in (b"sec-ch-ua", b"sec-fetch-mode"):
        if name not in values:
            return f"Chromium without {name.decode()}"
    brand = _BRAND.search(values[b"sec-ch-ua"])
    if brand is not None and int(brand[1]) != version:
        return "Sec-CH-UA and User-Agent name different versions"
    platform = _PLATFORMS.get(values.get(b"sec-ch-ua-platform", b""))
    if platform is not None and platform not in agent:
        return "Sec-CH-UA-Platform and User-Agent name different systems"
    places = [names.index(name) for name in _ORDER if name in values]
    return "" if places == sorted(places) else "fields in an order that Chromium does not send"
