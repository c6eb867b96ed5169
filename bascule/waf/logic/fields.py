"""Which header fields are inspected: those of a fixed grammar only where they leave it."""

from __future__ import annotations

_SKIPPED = frozenset(
    b"""    host cookie referer connection content-length transfer-encoding date dnt te accept if-modified-since
    if-unmodified-since upgrade-insecure-requests sec-fetch-site sec-fetch-mode sec-fetch-dest sec-fetch-user
    sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform cache-control sec-ch-ua-full-version-list sec-ch-ua-arch
    sec-ch-ua-model sec-ch-ua-bitness accept-language sec-ch-ua-platform-version accept-encoding
    x-requested-with sec-gpc save-data range purpose pragma keep-alive priority sec-websocket-key
    sec-websocket-version if-none-match origin
    """.split()
)
"""Headers of a fixed grammar, or looked at elsewhere; an unusual value in one is looked at all the same."""
USUAL = bytes(range(48, 58)) + bytes(range(65, 91)) + bytes(range(97, 123)) + b' ,;=*/.+-:"?()_&'
"""What fields and names of cookies are written in."""
_WITHOUT_SLASH = frozenset((b"accept-language", b"accept-encoding", b"x-requested-with", b"cache-control", b"pragma"))
"""Fields of words: a slash in one is a path that some program builds of it."""


def is_inspected(name: bytes, value: bytes) -> bool:
    """Whether a header is looked at: one of a fixed grammar only if it is unusual."""
    if name not in _SKIPPED or value.translate(None, USUAL) or b"../" in value:
        return True
    return b"/" in value and name in _WITHOUT_SLASH
