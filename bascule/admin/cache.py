"""The part of the admin API about stored responses: /cache."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bascule.admin.bodies import read
from bascule.cache.keeper import PurgeError

_MAX_BODY: Final = 65536
_WAYS: Final = 'say one of url, prefix, tag and all, as in {"url": "https://example.com/page"}'


class Cache(Protocol):
    """What cache/keeper.py offers operators."""

    def counts(self) -> dict[str, int]: ...

    def purge_url(self, url: str) -> int: ...

    async def purge_prefix(self, prefix: str) -> int: ...

    async def purge_tag(self, tag: str) -> int: ...

    async def purge_all(self) -> int: ...


class _Purge(msgspec.Struct, forbid_unknown_fields=True):
    url: str = ""
    prefix: str = ""
    tag: str = ""
    all: bool = False


def routes(cache: Cache | None) -> list[Route]:
    """Return the routes of /cache; None where no route has one."""

    async def show(request: Request) -> Response:
        """GET /cache: the numbers of the store."""
        return _none() if cache is None else JSONResponse(cache.counts())

    async def purge(request: Request) -> Response:
        """POST /cache/purge: remove responses by URL, by the beginning of URLs, by tag, or all."""
        if cache is None:
            return _none()
        try:
            return JSONResponse({"ok": True, "purged": await _purge(cache, await read(request, _Purge, _MAX_BODY))})
        except (PurgeError, msgspec.MsgspecError) as error:
            return JSONResponse({"ok": False, "error": str(error)}, 422)

    return [Route("/cache", show, methods=["GET"]), Route("/cache/purge", purge, methods=["POST"])]


def _none() -> Response:
    return JSONResponse({"ok": False, "error": "nothing is kept: give a site or a route `cache: true`"}, 404)


async def _purge(cache: Cache, asked: _Purge) -> int:
    if sum(map(bool, (asked.url, asked.prefix, asked.tag, asked.all))) != 1:
        raise PurgeError(_WAYS)
    if asked.url:
        return cache.purge_url(asked.url)
    if asked.prefix:
        return await cache.purge_prefix(asked.prefix)
    return await (cache.purge_tag(asked.tag) if asked.tag else cache.purge_all())
