"""The part of the admin API that keeps clients out: /bans."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bascule.admin.bodies import read
from bascule.defence.bans import Ban, BanError

MAX_BODY: Final = 4 << 20
"""Bytes of a request: a list of some 200,000 addresses."""


class Lists(Protocol):
    """The list as the keeper has it."""

    def current(self) -> Iterable[Ban]: ...


class Bans(Protocol):
    """What defence/ban_keeper.py offers operators."""

    @property
    def list(self) -> Lists: ...

    def add(self, text: str, seconds: float | None, reason: str) -> Ban: ...

    def remove(self, text: str) -> bool: ...

    def take_in(self, text: str, seconds: float | None, reason: str, source: str) -> int: ...


class _Add(msgspec.Struct):
    network: str
    seconds: float | None = msgspec.field(default=None, name="for")
    reason: str = ""


class _Remove(msgspec.Struct):
    network: str


class _Import(msgspec.Struct):
    text: str = msgspec.field(name="list")
    seconds: float | None = msgspec.field(default=None, name="for")
    reason: str = ""
    source: str = "import"


def routes(bans: Bans) -> list[Route]:
    """Return the routes of /bans."""

    async def show(request: Request) -> Response:
        """GET /bans: the bans in force."""
        return JSONResponse({"bans": [msgspec.to_builtins(ban) for ban in bans.list.current()]})

    async def add(request: Request) -> Response:
        """POST /bans: ban a network; `for` seconds, 0 for ever, left out: as its record calls for."""
        asked = await read(request, _Add, MAX_BODY)
        ban = bans.add(asked.network, _span(asked.seconds), asked.reason)
        return JSONResponse({"ok": True, "ban": msgspec.to_builtins(ban)})

    async def remove(request: Request) -> Response:
        """POST /bans/remove: lift a ban."""
        asked = await read(request, _Remove, MAX_BODY)
        return JSONResponse({"ok": True, "found": bans.remove(asked.network)})

    async def take_in(request: Request) -> Response:
        """POST /bans/import: ban all that a list names."""
        asked = await read(request, _Import, MAX_BODY, "import the list in parts")
        return JSONResponse(
            {"ok": True, "count": bans.take_in(asked.text, _span(asked.seconds), asked.reason, asked.source)}
        )

    return [
        Route("/bans", show, methods=["GET"]),
        Route("/bans", _guarded(add), methods=["POST"]),
        Route("/bans/remove", _guarded(remove), methods=["POST"]),
        Route("/bans/import", _guarded(take_in), methods=["POST"]),
    ]


def _guarded(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Answer 422 with the reason to what cannot be done."""

    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except (BanError, msgspec.MsgspecError) as error:
            return JSONResponse({"ok": False, "error": str(error)}, 422)

    return guarded


def _span(seconds: float | None) -> float | None:
    if seconds is not None and not 0 <= seconds <= 3650 * 86400:
        raise BanError(f"{seconds} is not a time in seconds from 0 (for ever) to ten years")
    return seconds
