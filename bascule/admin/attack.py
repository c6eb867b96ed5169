"""The part of the admin API that says which sites are under attack: /under-attack."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

_NOTHING = "no site asks anything of its clients, so an attack changes nothing; give it `challenge: auto`"


class Attacks(Protocol):
    """What defence/attack.py offers operators."""

    @property
    def sites(self) -> list[str]: ...

    def say(self, word: Literal["on", "off", "auto"], site: str = "") -> list[str]: ...

    def states(self) -> dict[str, dict[str, Any]]: ...


def routes(attacks: Attacks) -> list[Route]:
    """Return the routes of /under-attack."""

    async def show(request: Request) -> Response:
        """GET /under-attack: the state of each site that has challenges."""
        return JSONResponse({"sites": attacks.states()})

    async def say(request: Request) -> Response:
        """POST /under-attack/{on,off,auto}, for all sites or for `?site=NAME`."""
        word, site = request.path_params["word"], request.query_params.get("site", "")
        if word not in ("on", "off", "auto"):
            return JSONResponse({"ok": False, "error": "POST /under-attack/on, /off or /auto"}, 404)
        if not attacks.say(word, site):
            known = f"no site {site!r} has challenges; there are: {', '.join(attacks.sites)}"
            return JSONResponse({"ok": False, "error": known if attacks.sites else _NOTHING}, 422)
        return JSONResponse({"ok": True, "sites": attacks.states()})

    return [Route("/under-attack", show, methods=["GET"]), Route("/under-attack/{word}", say, methods=["POST"])]
