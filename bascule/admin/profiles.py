"""The part of the admin API about profiles: /profiles."""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bascule.admin.bodies import read
from bascule.waf.profile.model import Profile

MAX_BODY: Final = 1 << 16


class Profiles(Protocol):
    """What proxy/profile_keeper.py offers operators."""

    def overview(self) -> list[dict[str, Any]]: ...

    def profile(self, name: str) -> Profile | None: ...

    def openapi(self, name: str) -> dict[str, Any]: ...

    def forget(self, name: str, template: str) -> int: ...

    def counts(self) -> dict[str, dict[str, int]]: ...


class _Forget(msgspec.Struct):
    place: str


def routes(profiles: Profiles) -> list[Route]:
    """Return the routes of /profiles."""

    async def overview(request: Request) -> Response:
        """GET /profiles: how far learning is, by site and place."""
        return JSONResponse({"profiles": profiles.overview()})

    async def whole(request: Request) -> Response:
        """GET /profiles/{site}: the profile itself, as its file holds it."""
        profile = profiles.profile(request.path_params["site"])
        if profile is None:
            return _unknown(request)
        return Response(profile.to_json(), media_type="application/json")

    async def contract(request: Request) -> Response:
        """GET /profiles/{site}/openapi: the profile as an OpenAPI document."""
        name = request.path_params["site"]
        return _unknown(request) if profiles.profile(name) is None else JSONResponse(profiles.openapi(name))

    async def forget(request: Request) -> Response:
        """POST /profiles/{site}/forget: learn a place, and all below it, anew."""
        name = request.path_params["site"]
        if profiles.profile(name) is None:
            return _unknown(request)
        try:
            place = (await read(request, _Forget, MAX_BODY)).place
        except msgspec.MsgspecError as error:
            return JSONResponse({"ok": False, "error": str(error)}, 422)
        return JSONResponse({"ok": True, "count": profiles.forget(name, place)})

    return [
        Route("/profiles", overview, methods=["GET"]),
        Route("/profiles/{site}", whole, methods=["GET"]),
        Route("/profiles/{site}/openapi", contract, methods=["GET"]),
        Route("/profiles/{site}/forget", forget, methods=["POST"]),
    ]


def _unknown(request: Request) -> Response:
    return JSONResponse({"ok": False, "error": f"there is no profile of {request.path_params['site']!r}"}, 404)
