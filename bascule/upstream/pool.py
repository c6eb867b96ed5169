"""A pool of servers in one worker: who gets the next request, and what the outcome of each tells of a server.

`pick` and `release` are the hot path. What they need is prepared in `_refresh`, which runs when the board or an
outcome changed something and when a deadline passes; time is looked at only there and in `tick`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from bascule.config.plan import PoolPlan
from bascule.upstream import headroom, outliers, standing, tiers
from bascule.upstream.balance import make_balancer
from bascule.upstream.balance.least_time import FAILURE, observe
from bascule.upstream.board import Board
from bascule.upstream.breaker import Circuit
from bascule.upstream.members import Member, Roll, parse_members, static_members
from bascule.upstream.report import report
from bascule.upstream.retries import RetryBudget
from bascule.upstream.server import ServerState
from bascule.upstream.slots import Slots
from bascule.upstream.sticky import StickySessions
from bascule.upstream.terms import Outcome, RequestFacts, Unavailable
from bascule.upstream.waiting import Pace, Ticket, WaitingLine

__all__ = ["Outcome", "PoolState", "RequestFacts", "ServerState", "Ticket", "Unavailable"]

WARM_STEP = 0.1
"""Seconds between two steps of slow start."""


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
        self._slots = Slots(self._board, worker, clock)
        self._roll = Roll(plan.config, self._board, worker)
        self._clock = clock
        self._version = self._board.version
        self._seen = -1
        self._balancer = make_balancer(plan.config, rng)
        self._single: ServerState | None = None
        """The one usable server, if there is but one: nothing to choose from."""
        self._usable: list[ServerState] = []
        self._reserve: list[ServerState] = []
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
        self._pace = Pace()
        self._age = 0.0
        """For how long the next in line has waited, as of the last tick."""
        self._places = 0
        """How many of those in line are served at a time, as of its beginning or the last tick."""
        self.crowded_from = 0.0
        """Seconds of the line from which on those who do not go first leave room for those who do; 0 for never."""
        self._crowded = False
        self.wait = 0.0
        """Seconds of the line: how long the next in it has waited, or who comes now will wait, if that is more."""
        self._replace(static_members(plan.config), warm=True)

    # -- the hot path

    def pick(self, facts: RequestFacts, tried: tuple[ServerState, ...] = ()) -> ServerState | Unavailable:
        """Choose a server and count the request as in progress there until `release`. Those in `tried` come last."""
        if self._version[0] != self._seen:
            self._refresh(self._clock())
        if self._fast and not tried:
            server = self._single or self._balancer.choose(facts)
        else:
            found = self._pick_carefully(facts, tried)
            if isinstance(found, Unavailable):
                return found
            server = found
        server.active += 1
        server.picks += 1
        return server

    def release(self, server: ServerState, outcome: Outcome, latency: float) -> None:
        """The request ended; `latency` is the seconds from `pick` to the response head, or to the failure."""
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
        rejected = tried
        if self._usable:
            if self._sticky:
                server = self._sticky.find(facts)
                if server and server.alive and server not in tried and self._accept(server, now):
                    return server
            if not tried:
                server = self._single or self._balancer.choose(facts)
                if self._accept(server, now):
                    return server
                rejected = (server,)
        for candidates in self._choices(rejected, bool(tried), now):
            free = [server for server in candidates if self._is_free(server, now)]
            while free:
                server = self._balancer.among(free, facts)
                if self._accept(server, now):
                    return server
                free.remove(server)  # another worker was quicker
        return Unavailable.FULL if self._usable or self._on_trial(rejected, now) else Unavailable.DOWN

    def _choices(self, rejected: tuple[ServerState, ...], retry: bool, now: float) -> list[list[ServerState]]:
        """Return the servers to ask next, in order of preference; in a panic the healthy ones come first.

        A retry may go to a backup; a request that found its server full may only go to another zone. Before a retry
        asks once more whom it has asked, it asks the ejected: they may have recovered (a rolling restart, say). Where
        nobody else is left, it is time to try those with an open circuit; while one of them is on trial, the outcome
        is awaited.
        """
        rest = [server for server in self._usable if server not in rejected]
        choices = [
            [server for server in rest if server.alive],
            [server for server in self._reserve if server not in rejected and (retry or not server.backup)],
            [server for server in rest if not server.alive],
            [server for server in self.servers if retry and server not in rejected and _is_only_ejected(server)],
        ]
        if (retry or not self._usable) and not any(choices):
            choices.append(
                [s for s in self.servers if s not in rejected and _may_serve(s) and s.breaker.may_try_early(now)]
            )
        if retry and not self._on_trial(rejected, now):
            choices.append([server for server in rejected if server in self._usable])
        return choices

    def _on_trial(self, rejected: tuple[ServerState, ...], now: float) -> bool:
        """Is a server under trial that this request has not asked?"""
        return any(
            server.breaker.state is Circuit.HALF_OPEN and not server.breaker.may_try(now) and _may_serve(server)
            for server in self.servers
            if server not in rejected
        )

    def _is_free(self, server: ServerState, now: float, first: bool = True) -> bool:
        """Does it look as if `_accept` would say yes, perhaps to one that does not go first?"""
        if server.breaker.state is Circuit.HALF_OPEN and not server.breaker.may_try(now):
            return False
        return self._slots.is_free(server, server.limit if first else headroom.limit(server))

    def _accept(self, server: ServerState, now: float) -> bool:
        """May the server take one more request now? If so it is counted on the board, and as a trial if it is one."""
        circuit = server.breaker.state
        if circuit is Circuit.HALF_OPEN and not server.breaker.may_try(now):
            return False
        if server.limit and not self._slots.claim(server):
            return False
        if circuit is not Circuit.CLOSED:
            server.breaker.trial(now)
            if circuit is Circuit.OPEN:
                self._refresh(now)
        return True

    # -- outcomes

    def _settle(self, server: ServerState, outcome: Outcome, latency: float) -> None:
        """Draw the consequences of an outcome."""
        changed = False
        if outcome == Outcome.CLIENT_ABORT:
            server.aborts += 1
        elif outcome == Outcome.OK:
            server.failures = 0
            self._pace.take(latency)
            if self._crowded:
                headroom.take(server, latency)
            changed = server.breaker.success(server.answered)
            if changed:
                server.warm_since = self._clock()
                report(self.plan.name, f"the circuit of {server.name} closes again")
        else:
            changed = self._count_failure(server)
        if server.adaptive is not None:
            server.adaptive.take(outcome, latency, server.active + server.elsewhere + 1, self._clock())
        if self.config.balance == "least-time":
            self._observe(server, outcome, latency)
        if changed:
            ejected = server.ejected
            self._refresh(self._clock())
            if server.ejected and not ejected:
                report(self.plan.name, f"{server.name} is ejected: it fails request after request")
        if server.limit and not server.removed:
            self._slots.publish(server)
        if self._line:
            self.serve_line()

    def serve_line(self) -> None:
        """Wake those who wait and may go on."""
        if self._line:
            self._line.serve(self._has_room)
        self._look_at_line()

    def _look_at_line(self) -> None:
        """See how long it is, and tell the other workers."""
        length = len(self._line)
        self._slots.publish_line(length)
        if not length:
            self.wait, self._places = 0.0, 0
        else:
            if not self._places:
                self._places = max(1, sum(self._slots.share(headroom.limit(server)) for server in self._usable))
            self.wait = max(self._age, self._pace.wait(length, self._places))
        if self._crowded != (0 < self.crowded_from <= self.wait):
            self._crowded, self._places = not self._crowded, 0
            for server in self.servers:
                headroom.begin(server) if self._crowded else headroom.end(server)

    def _count_failure(self, server: ServerState) -> bool:
        """Count it for ejection and breaker. Return whether the server's standing changed."""
        now = self._clock()
        server.failures += 1
        changed = server.breaker.failure(server.answered, now)
        if changed:
            report(self.plan.name, f"the circuit of {server.name} opens")
        config = self.config.outliers
        failing = config.consecutive and server.failures >= config.consecutive
        if not failing or server.removed or server.ejected:
            return changed
        length = outliers.ejection_time(config, server, now)
        self._board.eject(server.slot, self._worker, now, now + length)
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

    def enqueue(self, wake: Callable[[], None], first: bool = False) -> Ticket | None:
        """Wait for a free slot after `Unavailable.FULL`, perhaps before others; None when the queue is full too.

        `wake` is called once, from `release`, `tick` or `serve_line`. It should call `pick` before it returns: that
        pick goes before newcomers, and if another worker was quicker, enqueueing again there puts it back at the head.
        For one that goes first there may be room at once: ask `serve_line`.
        """
        ticket = self._line.join(wake, self._clock(), first)
        self._look_at_line()
        return ticket

    def _has_room(self, first: bool) -> bool:
        """Would the next waiter, of those who go first or the others, get an answer? Also that all servers are down."""
        now = self._clock()
        overflow = [server for server in self._reserve if not server.backup]
        return not self._usable or any(self._is_free(server, now, first) for server in self._usable + overflow)

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
        changed = self._version[0] != self._seen or now >= self._next_change
        timed = self.config.balance == "least-time"
        for server in self.servers:
            changed |= server.breaker.poll(server.answered, now)
            self._slots.publish(server)
            server.elsewhere = self._slots.elsewhere(server)
            if timed:
                observe(server, 0.0, now)
            if (adaptive := server.adaptive) is not None:
                adaptive.update(now)
                server.limit = adaptive.enforced
        if changed:
            self._refresh(now)
        oldest = self._line.oldest()
        self._age = 0.0 if oldest is None else now - oldest
        self._places = 0  # limits may be other ones now
        self.serve_line()

    # -- membership and standing

    def update_members(self, payload: Any) -> None:
        """Take the members that discovery found (payload of the topic ``pool/<name>/members``)."""
        if self.config.discover is None:
            return  # a value retained from before a reload that made the pool's members static
        try:
            members = parse_members(payload, self._board.slots)
        except ValueError as error:
            report(self.plan.name, f"keeping the members as they are: {error}")
            return
        self._replace(members, warm=not self.servers)

    def _replace(self, members: list[Member], warm: bool) -> None:
        """Make these the members. Who stays keeps its state; who is new starts slowly unless all are."""
        now = self._clock()
        known = {server.name: server for server in self.servers}
        servers = self._roll.call(members, known, warm, now)
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
        self._next_change = standing.judge(self.servers, self._board, self._worker, self.config.outliers, now)
        selection = tiers.select(self.servers, self.config, now)
        if selection.panic and not self._panic:
            report(self.plan.name, "too few healthy servers, balancing over all")
        self._panic = selection.panic
        self._usable = selection.servers
        self._reserve = selection.reserve
        self._balancer.update(self._usable, self.servers)
        self._single = self._usable[0] if len(self._usable) == 1 else None
        involved = self._usable + self._reserve
        trials = any(server.breaker.state is Circuit.HALF_OPEN for server in self.servers)
        limits = any(server.limit for server in involved)
        self._fast = bool(self._usable) and not (self._sticky or trials or limits)
        measured = self.config.balance == "least-time" or self.config.adaptive is not None
        self._attentive = trials or limits or measured
        if selection.warming:
            self._next_change = min(self._next_change, now + WARM_STEP)

    # -- for operators

    def snapshot(self) -> list[dict[str, Any]]:
        """Return the state of every server, for status pages."""
        return [
            {**standing.snapshot(server), "waiting": len(self._line), "panic": self._panic} for server in self.servers
        ]


def _may_serve(server: ServerState) -> bool:
    """Is the server up and meant to have requests, whatever became of the last ones?"""
    return server.up and server.current_weight > 0 and not server.draining


def _is_only_ejected(server: ServerState) -> bool:
    """Is the ejection all that speaks against the server?"""
    return server.ejected and _may_serve(server) and server.breaker.state is not Circuit.OPEN
