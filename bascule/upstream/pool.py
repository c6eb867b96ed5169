"""A pool of servers in one worker: who gets the next request, and what the outcome of each tells of a server.

`pick` and `release` are the hot path. What they need is prepared in `_refresh`, which runs when the board or an
outcome changed something and when a deadline passes; time is looked at only there and in `tick`.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import Any

from bascule.config.plan import PoolPlan
from bascule.upstream import outliers, tiers
from bascule.upstream.balance import make_balancer
from bascule.upstream.balance.least_time import FAILURE, observe
from bascule.upstream.board import Board
from bascule.upstream.breaker import Circuit
from bascule.upstream.members import Member, parse_members, static_members
from bascule.upstream.retries import RetryBudget
from bascule.upstream.server import ServerState, make_server
from bascule.upstream.sticky import StickySessions
from bascule.upstream.terms import Outcome, RequestFacts, Unavailable
from bascule.upstream.waiting import Ticket, WaitingLine

__all__ = ["Outcome", "PoolState", "RequestFacts", "ServerState", "Ticket", "Unavailable"]

_log = logging.getLogger("bascule.upstream")


class PoolState:
    """The state of one pool in one worker. `clock` is monotonic seconds, the same for all processes."""

    def __init__(
        self, plan: PoolPlan, board: Board, worker: int, clock: Callable[[], float], rng: random.Random
    ) -> None:
        self.plan = plan
        self.config = plan.config
        self.on_removed: Callable[[ServerState], None] = lambda server: None
        """Called with each server that left the pool: close its kept connections."""
        self.servers: list[ServerState] = []
        self._board = board.pools[plan.index]
        self._worker = worker
        self._clock = clock
        self._version = self._board.version
        self._seen = -1
        self._balancer = make_balancer(plan.config, rng)
        self._choose = self._balancer.choose
        self._usable: list[ServerState] = []
        self._panic = False
        self._fast = False
        """Nothing but the balancer has a say in the choice."""
        self._attentive = False
        """Good answers too need a look: limits, waiters, response times, trials."""
        self._next_change = 0.0
        self._departed_picks = 0
        self._sticky = StickySessions(plan.config.sticky, plan.name) if plan.config.sticky else None
        self._budget = RetryBudget(plan.config.retries, clock)
        self._line = WaitingLine(plan.config.max_queue)
        self._retries = 0
        for slot in range(self._board.slots):
            self._board.clear(slot, worker)
        self._replace(static_members(plan.config), warm=True)

    # -- the hot path

    def pick(self, facts: RequestFacts, tried: tuple[ServerState, ...] = ()) -> ServerState | Unavailable:
        """Choose a server and count the request as in progress there until `release`. Those in `tried` come last."""
        if self._version[0] != self._seen:
            self._refresh(self._clock())
        if self._fast and not tried:
            server = self._choose(facts)
        else:
            found = self._pick_carefully(facts, tried)
            if isinstance(found, Unavailable):
                return found
            server = found
        server.active += 1
        server.picks += 1
        return server

    def release(self, server: ServerState, outcome: Outcome, latency: float) -> None:
        """The request ended; `latency` is the seconds to the response head, or to the failure."""
        server.active -= 1
        if outcome or server.failures or self._attentive:
            self._settle(server, outcome, latency)

    # -- choosing when something special is in play

    def _pick_carefully(self, facts: RequestFacts, tried: tuple[ServerState, ...]) -> ServerState | Unavailable:
        now = self._clock()
        if now >= self._next_change:
            self._refresh(now)
        if self._line and not self._line.serving:
            return Unavailable.FULL
        if not self._usable:
            return Unavailable.DOWN
        if self._sticky:
            server = self._sticky.find(facts)
            if server and server.alive and server not in tried and self._accept(server, now):
                return server
        if not tried:
            server = self._choose(facts)
            if self._accept(server, now):
                return server
            tried = (server,)
        for candidates in self._choices(tried):
            while candidates:
                server = self._balancer.among(candidates, facts)
                if self._accept(server, now):
                    return server
                candidates.remove(server)
        return Unavailable.FULL

    def _choices(self, tried: tuple[ServerState, ...]) -> list[list[ServerState]]:
        """Return the servers for a further try, in order of preference; in a panic the healthy ones come first."""
        untried = [server for server in self._usable if server not in tried]
        reserve = [
            server
            for server in self.servers
            if server.alive and not server.draining and server.current_weight > 0 and server not in self._usable
        ]
        return [
            [server for server in untried if server.alive],
            [server for server in reserve if server not in tried],
            [server for server in untried if not server.alive],
            [server for server in tried if server in self._usable],
        ]

    def _accept(self, server: ServerState, now: float) -> bool:
        """May the server take one more request now? If so it is counted on the board, and as a trial if it is one."""
        half_open = server.breaker.state is Circuit.HALF_OPEN
        if half_open and not server.breaker.may_try(now):
            return False
        if server.limit:
            # Count first, look then: two workers may both step back, but they cannot both go ahead.
            self._board.set_active(server.slot, self._worker, server.active + 1)
            if self._board.active(server.slot) > server.limit:
                self._board.set_active(server.slot, self._worker, server.active)
                return False
        if half_open:
            server.breaker.trial(now)
        return True

    # -- outcomes

    def _settle(self, server: ServerState, outcome: Outcome, latency: float) -> None:
        """Draw the consequences of an outcome."""
        changed = False
        if outcome == Outcome.CLIENT_ABORT:
            server.aborts += 1
        elif outcome == Outcome.OK:
            server.failures = 0
            changed = server.breaker.success(server.answered)
        else:
            changed = self._count_failure(server)
        if self.config.balance == "least-time":
            self._observe(server, outcome, latency)
        if changed:
            self._refresh(self._clock())
        if server.limit and not server.removed:
            self._board.set_active(server.slot, self._worker, server.active)
        if self._line:
            self._line.serve(self._has_room)

    def _count_failure(self, server: ServerState) -> bool:
        """Count it for ejection and breaker. Return whether the server's standing changed."""
        now = self._clock()
        server.failures += 1
        changed = server.breaker.failure(server.answered, now)
        if changed:
            _log.warning("pool %s: circuit of %s opens", self.plan.name, server.name)
        config = self.config.outliers
        failing = config.consecutive and server.failures >= config.consecutive
        if not failing or server.removed or now < server.ejected_until:
            return changed
        length = outliers.ejection_time(config, server, now)
        _log.warning("pool %s: %s ejected for %.0f s", self.plan.name, server.name, length)
        self._board.eject(server.slot, self._worker, now + length)
        return True

    def _observe(self, server: ServerState, outcome: Outcome, latency: float) -> None:
        if outcome == Outcome.CLIENT_ABORT:
            if latency <= server.cost:
                return
        elif outcome != Outcome.OK:
            latency = max(latency, FAILURE)
        observe(server, latency, self._clock())

    # -- retries, queue, stickiness

    def may_retry(self) -> bool:
        """Spend one retry from the pool's budget, if it has one left."""
        allowed = self._budget.take(self.picks - self._retries)
        self._retries += allowed
        return allowed

    @property
    def picks(self) -> int:
        """Requests given to servers so far, retries included."""
        return self._departed_picks + sum(server.picks for server in self.servers)

    def enqueue(self, wake: Callable[[], None]) -> Ticket | None:
        """Wait for a free slot after `Unavailable.FULL`; None when the queue is full too.

        `wake` is called once, from `release` or `tick`. It should call `pick` before it returns: that pick goes
        before newcomers, and if another worker was quicker, enqueueing again there puts it back at the head.
        """
        return self._line.join(wake)

    def _has_room(self) -> bool:
        """Would the next waiter get an answer? Also when it is that all servers are down."""
        now = self._clock()
        for server in self._usable:
            if server.breaker.state is Circuit.HALF_OPEN and not server.breaker.may_try(now):
                continue
            if not server.limit:
                return True
            self._board.set_active(server.slot, self._worker, server.active)
            if self._board.active(server.slot) < server.limit:
                return True
        return not self._usable

    def sticky_cookie(self, facts: RequestFacts, server: ServerState) -> bytes | None:
        """Return the `Set-Cookie` value to add, or None where the client needs none.

        A client whose own server is alive but was full or tried keeps its cookie: it will be back there.
        """
        if self._sticky is None or server.removed:
            return None
        own = self._sticky.find(facts)
        if own is not None and (own is server or own.alive):
            return None
        return self._sticky.set_cookie(server)

    # -- time

    def tick(self, now: float) -> None:
        """Do what time asks for; call it about every 100 ms."""
        board = self._board
        changed = self._version[0] != self._seen or now >= self._next_change
        timed = self.config.balance == "least-time"
        for server in self.servers:
            changed |= server.breaker.poll(server.answered, now)
            if board.workers > 1:
                board.set_active(server.slot, self._worker, server.active)
                elsewhere = board.active(server.slot) - server.active
                if elsewhere != server.elsewhere:
                    server.bias += (elsewhere - server.elsewhere) * server.inverse
                    server.elsewhere = elsewhere
            if timed:
                observe(server, 0.0, now)
        if changed:
            self._refresh(now)
        if self._line:
            self._line.serve(self._has_room)

    # -- membership and standing

    def update_members(self, payload: Any) -> None:
        """Take the members that discovery found (payload of the topic ``pool/<name>/members``)."""
        self._replace(parse_members(payload, self._board.slots), warm=not self.servers)

    def _replace(self, members: list[Member], warm: bool) -> None:
        """Make these the members. Who stays keeps its state; who is new starts slowly unless all are."""
        now = self._clock()
        known = {server.name: server for server in self.servers}
        servers: list[ServerState] = []
        for member in members:
            fresh = make_server(self.config, member.server, member.slot, member.host)
            server = known.pop(fresh.name, None)
            if server is None:
                server = fresh
                server.warm_since = -1e9 if warm else now
                server.cost_time = now
            else:
                _adopt(server, fresh)
            servers.append(server)
        self.servers = servers
        for server in known.values():
            self._remove(server)
        if self._sticky:
            self._sticky.update(servers)
        self._refresh(now)

    def _remove(self, server: ServerState) -> None:
        server.removed = True
        server.alive = False
        self._departed_picks += server.picks
        self._board.clear(server.slot, self._worker)
        server.slot = -1
        self.on_removed(server)

    def _refresh(self, now: float) -> None:
        """Read the board, judge every server, and prepare the choice."""
        self._seen = self._version[0]
        self._judge(now)
        selection = tiers.select(self.servers, self.config, now)
        if selection.panic and not self._panic:
            _log.warning("pool %s: too few healthy servers, balancing over all", self.plan.name)
        self._panic = selection.panic
        self._usable = selection.servers
        self._balancer.update(self._usable, self.servers)
        trials = any(server.breaker.state is Circuit.HALF_OPEN for server in self._usable)
        limits = any(server.limit for server in self._usable)
        self._fast = bool(self._usable) and not (self._sticky or trials or limits)
        self._attentive = trials or limits or self.config.balance == "least-time"
        if selection.warming:
            self._next_change = now

    def _judge(self, now: float) -> None:
        """Set each server's standing and when it will change by time alone."""
        board = self._board
        self._next_change = float("inf")
        candidates: list[tuple[float, ServerState]] = []
        for server in self.servers:
            up = not board.is_down(server.slot)
            if up and not server.up:
                server.warm_since = now
                if server.ejected_until > now:
                    server.ejected_until = now
                    board.eject(server.slot, self._worker, 0.0)
                    self._seen = self._version[0]
            server.up = up
            server.draining = server.drain or board.is_drained(server.slot)
            weight = board.weight(server.slot)
            server.current_weight = server.weight if weight is None else weight
            until = board.ejected_until(server.slot)
            if until > now:
                candidates.append((until, server))
                self._next_change = min(self._next_change, until)
            self._next_change = min(self._next_change, server.breaker.deadline)
        ejected = outliers.honour(candidates, len(self.servers), self.config.outliers.max_share)
        for server in self.servers:
            if server.ejected and server not in ejected:
                server.warm_since = now
            server.ejected = server in ejected
            server.alive = server.up and not server.ejected and server.breaker.state is not Circuit.OPEN

    # -- for operators

    def snapshot(self) -> list[dict[str, Any]]:
        """Return the state of every server, for status pages."""
        return [
            {
                "server": server.name,
                "state": _state(server),
                "weight": server.current_weight,
                "backup": server.backup,
                "active": server.active,
                "elsewhere": server.elsewhere,
                "idle": len(server.idle),
                "picks": server.picks,
                "failures": server.failures,
                "waiting": len(self._line),
                "panic": self._panic,
            }
            for server in self.servers
        ]


def _adopt(server: ServerState, fresh: ServerState) -> None:
    """Take over what may change about a member that stays."""
    for name in ("slot", "weight", "backup", "locality", "limit", "drain", "server_name", "host_header"):
        setattr(server, name, getattr(fresh, name))


def _state(server: ServerState) -> str:
    if not server.up:
        return "down"
    if server.ejected:
        return "ejected"
    if server.breaker.state is not Circuit.CLOSED:
        return str(server.breaker.state.value)
    return "drain" if server.draining or not server.current_weight else "up"
