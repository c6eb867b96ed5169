"""What runs in a worker: the plan made ready, the listeners, the clients, and the one coarse tick."""

from __future__ import annotations

import asyncio
import math
import random
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from email.utils import formatdate
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from bascule.cache.folder import Folder
from bascule.config.plan import Plan, RoutePlan, SitePlan
from bascule.config.schema import Listener
from bascule.defence.clients import ClientPrefix
from bascule.defence.shield import Shield
from bascule.http.addresses import TrustedNetworks
from bascule.http.answers import ErrorAnswers, Refs
from bascule.http.h1.head import OtherForm, RequestParser, ResponseParser, reverse_form
from bascule.proxy import deadlines
from bascule.proxy.accept import FairAcceptor
from bascule.proxy.caching import Caching
from bascule.proxy.client import ClientConnection
from bascule.proxy.door import Door, default_cap
from bascule.proxy.firewall import Firewalls
from bascule.proxy.holding import Holding
from bascule.proxy.prelude import NewClient, Prelude, TlsLink
from bascule.proxy.profiles import Profiles
from bascule.proxy.rewrite import Origins
from bascule.proxy.route import RouteRuntime, Times, watched_names
from bascule.proxy.router import SiteRuntime, build_router
from bascule.proxy.tarpit import Tarpit
from bascule.proxy.trimming import WARMTH, Trimmer, has_tunnel, nobody_swells
from bascule.proxy.turns import Turns
from bascule.telemetry.recorder import Recorder
from bascule.telemetry.sinks import complain
from bascule.tls.server import ListenerContexts, ServerContexts
from bascule.upstream.board import Board
from bascule.upstream.connector import Connector
from bascule.upstream.pool import PoolState, ServerState

if TYPE_CHECKING:
    from bascule.telemetry.eventlog import EventLog
    from bascule.tls.filter import TlsFilter

Connection = ClientConnection | Prelude | TlsLink

TICK = 0.1
"""Seconds between ticks: the resolution of every deadline."""
REST = 1.0
"""Seconds between ticks while there is no client, whom nobody waits for."""
CERTIFICATE_CHECK = 5
"""Seconds between looks at the certificate files."""
QUIET = 1.0
"""While draining, an idle client connection is closed after this long without a request."""


class Front(Protocol):
    """Clients of another kind than those of sites: what serves them on listeners of its own. See forward/service.py."""

    def client(self, tls: TlsFilter | None) -> ClientConnection:
        """Return the connection of a new client."""

    def every_second(self, now: float) -> None:
        """Do what is to be done once a second."""

    def close(self) -> None:
        """Let go of everything."""


class ProxyApp:
    """The proxy of one worker. See server/context.py: WorkerApp."""

    def __init__(
        self,
        plan: Plan,
        board: Board,
        recorder: Recorder,
        contexts: ServerContexts,
        firewalls: Firewalls,
        events: EventLog | None,
        sockets: list[tuple[Listener, socket.socket]],
        worker: int,
        loop: asyncio.AbstractEventLoop,
        crowd: memoryview | None = None,
        shield: Shield | None = None,
        profiles: Profiles | None = None,
        store: Folder | None = None,
        swollen: Callable[[int], None] = nobody_swells,
    ) -> None:
        """`crowd` is the memory in which the workers count their clients; without it this worker is alone.

        Without a `shield` nothing is limited, without `profiles` nothing learned, without `store` nothing cached.
        `swollen` is told of memory that is kept of a crowd which has gone.
        """
        self.plan = plan
        self._number = worker
        self.loop = loop
        self.recorder = recorder
        self.contexts = contexts
        self.firewalls = firewalls
        firewalls.open(loop)
        self.events = events
        self._shield = shield
        self.shield = shield if shield is not None and shield.needed else None
        """The defence, while there is anything to defend by."""
        self.arrivals = None if shield is None else shield.arrivals
        self.overload = None if shield is None else shield.overload
        self._profiles = profiles
        self.turns = Turns(loop)
        self.tarpit = Tarpit(loop)
        self._trimmer = Trimmer(swollen, plan.config.renew_beyond or math.inf, warmth=WARMTH)
        self._sockets = sockets
        self._servers: list[asyncio.Server] = []
        self._fronts: dict[int, Front] = {}
        """Who serves the clients of a listener (by identity), where it is not the sites."""
        cuts = shield is not None and shield.closes
        fair = crowd is not None and (len(crowd) > 1 or cuts)
        self._acceptor = FairAcceptor(loop, crowd, worker) if crowd is not None and fair else None
        self.now = time.monotonic()
        self.draining = False
        self.maintenance: dict[str, bool] = {}
        """Sites whose maintenance mode was switched by hand, whatever the configuration says."""
        self.limits = plan.config.limits
        self.times = Times(plan.config.timeouts, self.limits)
        self.tls_handshake = plan.config.timeouts.tls_handshake
        self.client_prefix = ClientPrefix(plan.config.defence.ipv4_prefix, plan.config.defence.ipv6_prefix)
        door = self._door = Door(self, self._acceptor, self.limits.connections or default_cap(plan.forward is not None))
        self.admit, self.forget, self.clients = door.admit, door.forget, door.clients
        self.holding = Holding(self, self.limits.held_requests)
        self.trusted = TrustedNetworks(plan.config.trusted_proxies)
        self.answers = ErrorAnswers(plan.config.errors)
        self.new_ref = Refs(worker).new
        self.caching: Caching | None = None
        self._build(plan, board, worker, store)
        self.max_requests: float = self.limits.requests_per_connection or math.inf
        self._date_second = 0
        self._unchecked: Iterator[Connection] = iter(())
        """Clients whose rates are yet to be looked at in this second: a share at each tick, so that a crowd of slow
        ones is not refused all at once."""
        self._share = 0
        self.date_line = b""
        self.epoch = 0.0
        """What is added to a perf_counter() to make it a time of day."""
        self._tick_handle: asyncio.TimerHandle | None = None
        self._due = self.now
        self.resting = False
        """Whether nobody has been there for a while: `now` is as old as the last tick, and `wake` is to be called."""
        self._drained: asyncio.Event = asyncio.Event()
        self._tick()

    def _build(self, plan: Plan, board: Board, worker: int, store: Folder | None) -> None:
        """Make routes, pools and parsers from the plan."""
        self.max_header = self.limits.header_bytes
        self.requests = self.request_parser()
        self.trailers = self.requests.fields
        responses = self.response_parser()
        rng = random.Random()  # noqa: S311 - balancing, not secrets
        self.pools = [PoolState(pool, board, worker, time.monotonic, rng) for pool in plan.pools]
        self.connectors = [Connector(pool.config, responses, self.loop) for pool in plan.pools]
        overload = self._shield.overload if self._shield is not None else None
        for pool in self.pools:
            pool.on_removed = _close_kept
            pool.crowded_from = overload.line if overload is not None else 0.0
        origins = Origins(self.pools)
        if store is not None:
            self.caching = Caching(store, plan.config.cache_store.hot, self.response_parser(), self.loop)
        self.routes = {
            route.index: RouteRuntime(
                route,
                site,
                plan,
                None if route.pool is None else self.pools[route.pool],
                None if route.pool is None else self.connectors[route.pool],
                ErrorAnswers(route.errors),
                origins,
                self.firewalls.of(route.waf),
                shield.of_route(route) if (shield := self._shield) is not None else None,
                profiles.of_route(site.name, route) if (profiles := self._profiles) is not None else None,
                shield.challenge_of(route) if shield is not None else None,
                shield.room_of(route) if shield is not None else None,
                cache=self.caching.of_route(site, route) if self.caching is not None else None,
            )
            for site in plan.sites
            for route in site.routes
        }
        self.router = build_router(plan, self.routes, *([self._shield.logins_of] if self._shield is not None else []))

    def request_parser(self, other_form: OtherForm = reverse_form) -> RequestParser:
        """Return a parser of requests under the limits of the plan; `other_form` reads targets without a slash."""
        every = [self.limits, *(route.limits for route in self.plan.routes)]
        return RequestParser(
            max(limits.header_fields for limits in every),
            max(limits.target_bytes for limits in every),
            watched_names(self.plan)[0],
            other_form,
        )

    def response_parser(self) -> ResponseParser:
        """Return a parser of responses."""
        return ResponseParser(watched=watched_names(self.plan)[1])

    # Fronts ----------------------------------------------------------------------------------------

    def add_front(self, front: Front, listeners: Iterable[Listener]) -> None:
        """Let a front serve the clients of some listeners of the plan. Call it before `start`."""
        self._fronts.update((id(listener), front) for listener in listeners)

    def front_runtime(self, site: SitePlan, via: bytes) -> tuple[RouteRuntime, SiteRuntime[RouteRuntime]]:
        """Return the one route of a front's site, ready to run, and the site. `via` is what it calls itself in Via."""
        (plan,) = site.routes
        route = self.front_route(plan, site, via)
        return route, SiteRuntime(site, {plan.index: route}, None)

    def front_route(
        self, plan: RoutePlan, site: SitePlan, via: bytes, connector: Connector | None = None
    ) -> RouteRuntime:
        """Return a route of a front's site, ready to run; `connector` takes the place of the usual one of its pool."""
        pool = None if plan.pool is None else self.pools[plan.pool]
        if plan.pool is not None and connector is None:
            connector = self.connectors[plan.pool]
        answers, waf = ErrorAnswers(plan.errors), self.firewalls.of(plan.waf)
        rates = shield.of_route(plan) if (shield := self._shield) is not None else None
        return RouteRuntime(plan, site, self.plan, pool, connector, answers, Origins([]), waf, rates, via=via)

    # WorkerApp -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to accept."""
        for listener, sock in self._sockets:
            contexts = self.contexts.for_listener(self.plan.listeners.index(listener))
            front = self._fronts.get(id(listener))
            new_client = partial(ClientConnection, self) if front is None else front.client
            factory = self._factory(listener, contexts, new_client)
            if self._acceptor is not None:
                self._acceptor.listen(sock, factory, None if listener.proxy_protocol else self._door.bars)
            else:  # accepts in C, a fifth of the cost of a connection less
                self._servers.append(await self.loop.create_server(factory, sock=sock, backlog=listener.backlog))

    def _factory(
        self, listener: Listener, contexts: ListenerContexts | None, new_client: NewClient
    ) -> Callable[[], Any]:
        """Return what makes the first protocol of a connection."""
        if listener.proxy_protocol:
            return partial(Prelude, self, contexts, TrustedNetworks(listener.proxy_protocol), new_client)
        return partial(new_client, None) if contexts is None else partial(TlsLink, self, contexts, new_client)

    def stop_accepting(self) -> None:
        """Accept no more; connections that are here go on."""
        self.draining = True
        if self._acceptor is not None:
            self._acceptor.close()
        for server in self._servers:
            server.close()
        self._servers.clear()
        if self._profiles is not None:
            self._profiles.every_second()  # the keeper ends soon after this

    async def drain(self, deadline: float) -> None:
        """Return when the last client has gone, or at `deadline` in loop time."""
        self.draining = True
        if self._acceptor is not None:
            await self._acceptor.settle()
        self._drained.clear()  # the last one may have gone while one more was on its way here
        self.check_drained()
        timeout = max(0.0, deadline - self.loop.time())
        try:
            await asyncio.wait_for(self._drained.wait(), timeout)
        except TimeoutError:
            return

    def reopen_logs(self) -> None:
        """The log files were rotated."""
        self.recorder.reopen()
        if self.events is not None:
            self.events.reopen()

    def close(self) -> None:
        """Let go of everything."""
        if self._tick_handle is not None:
            self._tick_handle.cancel()
        self.stop_accepting()
        for client in list(self.clients):
            client.shut()
        for pool in self.pools:
            for server in pool.servers:
                _close_kept(server)
        for front in set(self._fronts.values()):
            front.close()
        if self.caching is not None:
            self.caching.close()
        self.firewalls.close()
        if self._shield is not None:
            self._shield.close()
        self.recorder.close()
        if self.events is not None:
            self.events.close()

    def set_bans(self, topic: str, payload: Any) -> None:
        """Hear from the keeper whether there is any ban: the first one raises the shield."""
        if self._shield is not None:
            self._shield.set_any(topic, payload)
            self.shield = self._shield if self._shield.needed else None

    def set_maintenance(self, topic: str, payload: Any) -> None:
        """Switch maintenance mode of sites by hand: ``{site: bool}`` from the keeper."""
        self.maintenance = {str(site): bool(on) for site, on in dict(payload or {}).items()}

    # Clients ---------------------------------------------------------------------------------------

    def note(self, address: bytes, port: int, cause: str, status: int) -> None:
        """Log what ended before there was a request."""
        facts = (time.time(), address, port, None, b"-", b"", b"", b"", status, 0, 0, 0.0, 0.0, "", 0, cause)
        self.recorder.append((*facts, "", b"", b"", "", "", "", ""))

    def check_drained(self) -> None:
        """Whether the last client has gone: then nobody needs to wait any longer."""
        if not self.clients:
            self._drained.set()

    # Time ------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Somebody comes: have the time right, and tick."""
        if self._tick_handle is not None:
            self._tick_handle.cancel()
        self._due = time.monotonic()
        self._tick(expected=True)

    def _tick(self, expected: bool = False) -> None:
        """Every deadline, every tenth of a second; once a second while there is nobody, nor anybody `expected`."""
        fetches = self.caching is not None and self.caching.fetches
        self.resting = not (expected or self.clients or fetches)
        wait = REST if self.resting else TICK
        self._tick_handle = self.loop.call_later(wait, self._tick)
        before, self.now = self.now, time.monotonic()
        now = self.now
        late, self._due = now - self._due, now + wait
        seen = now if late < TICK else deadlines.after_standstill(self.clients, before, late)
        second = int(time.time())
        if second != self._date_second:
            self._every_second(second, seen)
        for pool in self.pools:
            pool.tick(now)
        for client in islice(self._unchecked, self._share):
            self._check_rate(client, seen)
        if self.overload is not None:
            self.overload.update(late, len(self.clients) / self._door.room.most, self.recorder.resident)
        for client in [client for client in self.clients if client.deadline < seen]:
            client.on_deadline(now)
        self.recorder.tick()
        if self.events is not None:
            self.events.tick()

    def _check_rate(self, client: Connection, now: float) -> None:
        if client in self.clients:
            client.check_rate(now)

    def _every_second(self, second: int, now: float) -> None:
        is_first, self._date_second = not self._date_second, second
        if self._shield is not None:
            self._shield.reports.every_second()
        if self._profiles is not None:
            self._profiles.every_second()
        self.epoch = time.time() - time.perf_counter()
        if is_first or second % CERTIFICATE_CHECK == 0:  # first: it may be born long after they were read
            for problem in self.contexts.reload():
                if self._number == 0:  # all see the same
                    complain(problem)
        self.date_line = f"date: {formatdate(second, usegmt=True)}\r\n".encode()
        for connector, pool in zip(self.connectors, self.pools, strict=True):
            connector.prune(pool.servers, now)
        for front in set(self._fronts.values()):
            front.every_second(now)
        self._trimmer.every_second(len(self.clients), lambda: not (self.draining or has_tunnel(self.clients)))
        self._door.room.every_second(now, 0.0 if self.overload is None else self.overload.level)
        for client in self._unchecked:  # what the ticks of the last second left
            self._check_rate(client, now)
        self._unchecked = iter(list(self.clients))
        self._share = math.ceil(len(self.clients) * TICK)
        if self.draining:
            for client in list(self.clients):
                if client.idle_since(now) > QUIET:
                    client.shut()


def _close_kept(server: ServerState) -> None:
    for connection in list(server.idle):
        connection.close()
