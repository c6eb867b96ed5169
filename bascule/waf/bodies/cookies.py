"""The Cookie header (RFC 6265 section 4.2.1), as leniently as ModSecurity v3 reads it."""

from __future__ import annotations

from .limits import DEFAULT_LIMITS, Limits, Pairs

_WHITE = b" \t\n\v\f\r"


def parse_cookies(header: bytes, limits: Limits = DEFAULT_LIMITS) -> Pairs:
    """Split at `;`, then at the first `=`. Names lose leading white space; values stay as they are.

    Nothing is decoded or unquoted. Cookies without a name are left out; those beyond `limits.fields` too.
    """
    cookies: Pairs = []
    for text in header.split(b";", limits.fields)[: limits.fields]:
        name, _, value = text.partition(b"=")
        name = name.lstrip(_WHITE)
        if name:
            cookies.append((name, value))
    return cookies
