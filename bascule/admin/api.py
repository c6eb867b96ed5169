"""The admin API: what each path answers. Who may ask is guard.py's business."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bascule import __version__
from bascule.admin.attack import Attacks
from bascule.admin.attack import routes as attack_routes
from bascule.admin.bans import Bans
from bascule.admin.bans import routes as ban_routes
from bascule.admin.cache import Cache
from bascule.admin.cache import routes as cache_routes
from bascule.admin.history import History
from bascule.admin.profiles import Profiles
from bascule.admin.profiles import routes as profile_routes
from bascule.admin.status import describe, unready
from bascule.config.plan import Plan
from bascule.telemetry import store
from bascule.telemetry.metrics import Pools, Surroundings, exposition
from bascule.telemetry.totals import Totals, read_totals

MAINTENANCE = "maintenance"
"""Topic of the bus: from the site's name to whether an operator turned its maintenance mode on or off."""

_log = logging.getLogger("bascule.admin")


class PoolControl(Protocol):
    """What upstream/keeper.py offers operators."""

    def snapshot(self) -> Pools: ...

    def override(self, pool: str, server: str, *, drain: bool | None = None) -> bool: ...


class Supervisor(Protocol):
    """What server/context.py offers operators."""

    async def status(self) -> dict[str, Any]: ...

    async def reload(self) -> dict[str, Any]: ...


class Bus(Protocol):
    """The keeper's end of the bus."""

    def publish(self, topic: str, payload: Any, *, durable: bool = False) -> None: ...

    def retained(self, topic: str) -> Any: ...


class Quotas(Protocol):
    """What forward/quota_keeper.py offers operators."""

    def snapshot(self) -> list[dict[str, Any]]: ...


class Hitters(Protocol):
    """What defence/hitters.py offers operators."""

    def top(self) -> list[tuple[str, float]]: ...


@dataclass(frozen=True, slots=True)
class Offers:
    """What the keeper offers operators."""

    pools: PoolControl
    bans: Bans | None = None
    quotas: Quotas | None = None
    profiles: Profiles | None = None
    attacks: Attacks | None = None
    cache: Cache | None = None
    rooms: Callable[[], dict[str, tuple[int, int]]] = dict
    """Tells of each waiting room how many visitors are in, and how many wait."""
    hitters: Hitters | None = None
    events: str = "off"
    """Where the event log is, for those who ask for it."""


class Api:
    """The handlers and what they need."""

    def __init__(
        self, plan: Plan, supervisor: Supervisor, bus: Bus, stats: store.Arena, history: History, offers: Offers
    ) -> None:
        self._plan = plan
        self._supervisor = supervisor
        self._bus = bus
        self._stats = stats
        self._history = history
        self._pools = offers.pools
        self._bans = offers.bans
        self._quotas = offers.quotas
        self._profiles = offers.profiles
        self._attacks = offers.attacks
        self._cache = offers.cache
        self._rooms = offers.rooms
        self._hitters = offers.hitters
        self._events = offers.events

    def app(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                Route("/", self.index),
                Route("/healthz", self.healthz),
                Route("/readyz", self.readyz),
                Route("/metrics", self.metrics),
                Route("/status", self.status),
                Route("/reload", self.reload, methods=["POST"]),
                Route("/pools/{rest:path}", self.server, methods=["POST"]),
                Route("/maintenance/{rest:path}", self.maintenance, methods=["POST"]),
                Route("/quotas", self.quotas),
                *(ban_routes(self._bans) if self._bans is not None else ()),
                *(profile_routes(self._profiles) if self._profiles is not None else ()),
                *cache_routes(self._cache),
                *(attack_routes(self._attacks) if self._attacks is not None else ()),
            ],
            exception_handlers={ConnectionError: _unheld, Exception: _failed},
        )

    def totals(self) -> Totals:
        """Read the counters."""
        return read_totals(self._stats)

    async def index(self, request: Request) -> Response:
        """Say what there is."""
        return JSONResponse({
            "GET": ["/healthz", "/readyz", "/metrics", "/status", "/bans", "/quotas", "/profiles", "/profiles/{site}",
                    "/profiles/{site}/openapi", "/under-attack", "/cache"],
            "POST": ["/reload", "/pools/{pool}/servers/{server}/drain", "/pools/{pool}/servers/{server}/undrain",
                     "/maintenance/{site}/on", "/maintenance/{site}/off", "/maintenance/{site}/auto",
                     "/bans", "/bans/remove", "/bans/import", "/profiles/{site}/forget", "/under-attack/{on,off,auto}",
                     "/cache/purge"],
        })  # fmt: skip

    async def quotas(self, request: Request) -> Response:
        """Say who has used what of the forward proxy's budgets."""
        return JSONResponse({"quotas": self._quotas.snapshot() if self._quotas is not None else []})

    async def healthz(self, request: Request) -> Response:
        """200 while this process answers."""
        return JSONResponse({"ok": True})

    async def readyz(self, request: Request) -> Response:
        """200 while traffic should be sent here, else 503 and why."""
        reasons = unready(self._plan, await self._ask_supervisor(), self._pools.snapshot())
        return JSONResponse({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    async def metrics(self, request: Request) -> Response:
        """Prometheus or OpenMetrics text, as `Accept` asks."""
        told = await self._ask_supervisor()
        last = told.get("last_reload") or {}
        around = Surroundings(
            version=__version__,
            generation=told.get("generation") or 0,
            restarts=told.get("restarts", 0),
            renewals=told.get("renewals", 0),
            started=time.time() - told.get("uptime", 0.0),
            reload_ok=bool(last.get("ok", True)),
            reload_time=last.get("time", 0.0),
            pools=self._pools.snapshot(),
            bans=self._banned(),
            profiles=self._profiles.counts() if self._profiles is not None else {},
            attacked=self._attacked(),
            cache=self._cache.counts() if self._cache is not None else {},
            rooms=self._rooms(),
        )
        content_type, body = exposition(self.totals(), around, request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    async def status(self, request: Request) -> Response:
        """Everything, as JSON."""
        told = await self._ask_supervisor()
        maintenance = self._bus.retained(MAINTENANCE) or {}
        document = describe(
            self._plan,
            told,
            self.totals(),
            self._pools.snapshot(),
            maintenance,
            self._history.recent(),
            self._events,
        )
        rooms = {name: {"active": active, "waiting": waiting} for name, (active, waiting) in self._rooms().items()}
        hitters = self._hitters.top() if self._hitters is not None else []
        more = {"under_attack": self._attacked(), "waiting_rooms": rooms, "refused_most": hitters}
        return JSONResponse({**document, **more})

    async def reload(self, request: Request) -> Response:
        """Load the configuration anew; 200 when it runs, 422 when it was refused (the old one goes on)."""
        result = await self._supervisor.reload()
        return JSONResponse(result, 200 if result.get("ok") else 422)

    async def server(self, request: Request) -> Response:
        """POST /pools/{pool}/servers/{server}/drain or undrain; slashes inside the names are percent-encoded."""
        parts = _segments(request)
        if len(parts) != 5 or parts[2] != "servers" or parts[4] not in ("drain", "undrain"):
            return _unknown("POST /pools/{pool}/servers/{server}/drain or /undrain, slashes in names written %2F")
        _, pool, _, server, action = parts
        servers = [str(known["server"]) for known in self._pools.snapshot().get(pool, ())]
        named = [known for known in servers if server in (known, known.partition("://")[2])]
        if not named or not all(self._pools.override(pool, known, drain=action == "drain") for known in named):
            return _unknown(f"pool {pool!r} has no server {server!r}; it has: {', '.join(servers) or 'none'}")
        return JSONResponse({"ok": True, "pool": pool, "servers": named, "drain": action == "drain"})

    async def maintenance(self, request: Request) -> Response:
        """POST /maintenance/{site}/on, /off, or /auto to do again what the configuration says."""
        parts = _segments(request)
        if len(parts) != 3 or parts[2] not in ("on", "off", "auto"):
            return _unknown("POST /maintenance/{site}/on, /off or /auto")
        _, name, word = parts
        sites = [site.name for site in self._plan.sites]
        if name not in sites:
            return _unknown(f"no site {name!r}; there are: {', '.join(sites)}")
        modes = {site: on for site, on in (self._bus.retained(MAINTENANCE) or {}).items() if site in sites}
        modes.pop(name, None)
        if word != "auto":
            modes[name] = word == "on"
        self._bus.publish(MAINTENANCE, modes, durable=True)
        return JSONResponse({"ok": True, "site": name, "maintenance": word})

    def _banned(self) -> int:
        """Return how many bans are in force."""
        return 0 if self._bans is None else sum(1 for _ in self._bans.list.current())

    def _attacked(self) -> dict[str, bool]:
        """Return of each site that has challenges whether it is under attack."""
        states = {} if self._attacks is None else self._attacks.states()
        return {name: bool(state["attacked"]) for name, state in states.items()}

    async def _ask_supervisor(self) -> dict[str, Any]:
        try:
            return await self._supervisor.status()
        except ConnectionError:
            return {"state": "stopping", "error": "the supervisor is gone"}


def _segments(request: Request) -> list[str]:
    """Return the segments of the path, decoded one by one: a name may hold an encoded slash."""
    raw: bytes = request.scope["raw_path"]
    return [unquote(segment) for segment in raw.decode("ascii", "replace").strip("/").split("/")]


def _unknown(text: str) -> JSONResponse:
    return JSONResponse({"ok": False, "error": text}, 404)


async def _unheld(_request: Request, error: Exception) -> Response:
    """The process that is to hold what was asked for has gone, and so will this one: the next knows nothing of it."""
    return JSONResponse({"ok": False, "error": f"not done, ask again: {error}"}, 503)


async def _failed(request: Request, error: Exception) -> Response:
    _log.error("%s %s: %r", request.method, request.url.path, error, exc_info=error)
    return JSONResponse({"ok": False, "error": "internal error, see the log"}, 500)
