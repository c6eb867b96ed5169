"""Host names and authorities (RFC 3986 3.2, RFC 9110 7.2): checked, lower-cased, split from the port."""

from __future__ import annotations

import re
from functools import lru_cache

from bascule.http.errors import HttpError
from bascule.telemetry import causes

_AUTHORITY = re.compile(rb"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._~\-]{1,255})(?::([0-9]{0,5}))?")
_KEPT = 1024
"""Authorities whose parts are remembered: at most 263 bytes each, for a longer one is refused."""


@lru_cache(_KEPT)
def split_authority(authority: bytes) -> tuple[bytes, int]:
    """Return ``(host, port)`` of an authority: host in lower case without a trailing dot; port 0 if none is given.

    An empty authority (HTTP/1.0 without Host) gives ``(b"", 0)``. Raises HttpError(400, "bad_host").
    """
    if not authority:
        return b"", 0
    match = _AUTHORITY.fullmatch(authority)
    if match is None or int(match.group(2) or 0) > 65535:
        raise HttpError(400, causes.BAD_HOST)
    host = match.group(1).lower()
    return host[:-1] if host.endswith(b".") and len(host) > 1 else host, int(match.group(2) or 0)
