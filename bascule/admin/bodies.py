"""The JSON bodies of requests to the admin API: of a known type, and no longer than they may be."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from starlette.requests import Request

T = TypeVar("T")


async def read(request: Request, kind: type[T], most: int, remedy: str = "") -> T:
    """Return the body of a request. Raises msgspec.MsgspecError for another one, and for more than `most` bytes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise msgspec.ValidationError(f"the request is longer than {most >> 10} KiB{remedy and '; '}{remedy}")
    return msgspec.json.decode(body, type=kind)
