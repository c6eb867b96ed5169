"""Which header fields are inspected: those of a fixed grammar only where they leave it."""

from __future__ import annotations

_ALNUM = bytes(range(48, 58)) + bytes(range(65, 91)) + bytes(range(97, 123))
USUAL = _ALNUM + b' ,;=*/.+-:"?()_&'
"""What fields and names of cookies are written in."""
_GRAMMARS = (
    (b"cookie referer connection transfer-encoding te sec-websocket-key", USUAL),
    (b"sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform sec-ch-ua-full-version-list sec-ch-ua-arch", USUAL),
    (b"sec-ch-ua-model sec-ch-ua-bitness sec-ch-ua-platform-version", USUAL),
    (b"accept", _ALNUM + b" ,;=*/.+-_"),
    (b"accept-language accept-encoding cache-control pragma keep-alive priority purpose", _ALNUM + b" ,;=*.+-_"),
    (b"date if-modified-since if-unmodified-since", _ALNUM + b" ,:+-"),
    (b"dnt sec-gpc save-data upgrade-insecure-requests content-length sec-websocket-version", _ALNUM),
    (b"sec-fetch-site sec-fetch-mode sec-fetch-dest sec-fetch-user x-requested-with", _ALNUM + b"?-._"),
    (b"host origin", _ALNUM + b":/.-_"),
    (b"range", _ALNUM + b"=-, "),
    (b"if-none-match", _ALNUM + b'"/,:;=+.*-_ '),
)
_ALPHABETS = {name: alphabet for names, alphabet in _GRAMMARS for name in names.split()}
"""What headers of a fixed grammar, or looked at elsewhere, are written in. Fields of words have no slash: one in them
is a path that some program builds of them."""


def is_inspected(name: bytes, value: bytes) -> bool:
    """Whether a header is looked at: one of a fixed grammar only if it is unusual."""
    alphabet = _ALPHABETS.get(name)
    if alphabet is None or value.translate(None, alphabet) or b"../" in value:
        return True
    return name == b"origin" and value.count(b"/") > 2 and not value.endswith(b"///")  # it has no path (RFC 6454 7)
