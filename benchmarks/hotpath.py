"""`python -m benchmarks.hotpath [--profile]`: what a request costs in Python alone, step by step, in microseconds.

The data plane of a worker runs on transports that swallow what is written, so neither the kernel nor the event loop
takes part. Requests are the browser-like ones of the bench, no two alike; the answers are. Run it by hand before and
after a change of the hot path; live, with cold caches, the same code takes about half as long again. Work that would be
done in turns is done at once: what the turns themselves cost (a few microseconds each) is not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import math
import pstats
import random
import socket
import sys
from collections import deque
from collections.abc import Callable, Sequence
from time import process_time_ns
from typing import Any, Literal, get_args

from bascule.cli.folders import cache_dir
from bascule.config.compile import compile_config
from bascule.config.profile import WafProfile
from bascule.config.quick import reverse_config
from bascule.config.schema import Config
from bascule.defence.report import Reports
from bascule.defence.shared import Shared
from bascule.defence.shield import Shield
from bascule.proxy import wire
from bascule.proxy.app import ProxyApp
from bascule.proxy.client import ClientConnection
from bascule.proxy.exchange import Exchange
from bascule.proxy.firewall import Firewalls
from bascule.proxy.profiles import Profiles
from bascule.proxy.route import RouteRuntime
from bascule.proxy.turns import Back, Job, Turns
from bascule.server.worker import settle_gc
from bascule.state.arena import Arena
from bascule.telemetry.record import STATUS
from bascule.telemetry.recorder import BATCH, Recorder
from bascule.tls.server import ServerContexts
from bascule.upstream.board import Board
from bascule.upstream.connection import OriginConnection
from bascule.upstream.pool import Outcome, Unavailable
from bascule.waf.profile.model import Learner, Profile
from bascule.waf.profile.usual import usual_of
from benchmarks import traffic

Stage = Literal["off", "learning", "shadow", "enforced"]
_REQUESTS = 4096
_SLICE = 128
"""Requests timed together: so short a time that a busy machine leaves some of the rounds alone."""
_ROUNDS = 10
_ARENA = 1 << 24
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 23 Nov 2026 22:26:05 GMT\r\nContent-Type: text/html\r\n"
    b"Content-Length: 59\r\nConnection: keep-alive\r\n\r\n" + b"x" * 59
)
_ANSWER_HEAD = _ANSWER.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


_UNCONNECTED = socket.socket()


class Swallow(asyncio.Transport):
    """A transport to nowhere."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 54321), "sockname": ("127.0.0.1", 80), "socket": _UNCONNECTED})

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass

    abort = pause_reading = resume_reading = close

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


class NoTurns(Turns):
    """Keeps what is to be done in turns until `work` does all of it: no event loop runs here that would."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.jobs: deque[Job] = deque()

    def add(self, job: Job, back: Back | None = None) -> None:
        self.jobs.append(job)

    def work(self) -> None:
        while self.jobs:
            job = self.jobs.popleft()
            while job():
                pass


class Bench:
    """A worker's proxy with one client and one kept connection to the one server."""

    def __init__(
        self,
        rules: str = "",
        crs: str = "",
        make: Callable[[random.Random], str] = traffic.page,
        stage: Stage = "off",
        defence: dict[str, Any] | None = None,
    ) -> None:
        """`stage` is that of a profile, which was learned from the same requests; `defence` are keys as in a file."""
        folder = crs if rules in ("crs", "both") else ""
        config = reverse_config(
            listen="127.0.0.1:0",
            to=["http://127.0.0.1:9"],
            workers=1,
            waf="block" if rules else "off",
            rules=rules,
            crs=folder,
        )
        waf = config.waf.model_copy(update={"profile": WafProfile(stage=stage)})
        given = Config.model_validate({"sites": {"*": "127.0.0.1:9"}, **(defence or {})})
        plan = compile_config(
            config.model_copy(update={"waf": waf, **{key: getattr(given, key) for key in defence or ()}})
        )
        self.profiles = Profiles(plan, {}, lambda topic, payload: None)
        self.recorder = Recorder(plan, Arena(_ARENA), 0)
        board = Board(Arena(_ARENA), plan.pools, 1)
        loop = asyncio.get_running_loop()
        shield = None
        if defence is not None:
            shield = Shield(plan, Shared(plan), Reports(self.recorder.decided, None))
            shield.set_networks("", [[f"10.{n >> 8}.{n & 255}.0/24", "list"] for n in range(10_000)])
            shield.set_any("", [True])
            shield.watch_arrivals(plan.config.arrivals, memoryview(bytearray(8)).cast("Q"), 0)
        self.app = ProxyApp(
            plan, board, self.recorder, ServerContexts.build(plan), Firewalls(plan, cache_dir("")), None, [], 0, loop,
            shield=shield, profiles=self.profiles,
        )  # fmt: skip
        self.app.turns = self.turns = NoTurns(loop)
        self.pool = self.app.pools[0]
        self.client = ClientConnection(self.app)
        self.client.connection_made(Swallow())
        self.origin = OriginConnection(self.app.connectors[0], self.pool.servers[0])
        self.origin.connection_made(Swallow())
        self.origin.keep = True
        self.origin.release(self.app.now)
        rng = random.Random(1)
        texts = [make(rng) for _ in range(_REQUESTS)]
        self.requests = [t.replace(traffic.SLOT, f"{n:010}").encode() for n, t in enumerate(texts)]

    def learn(self) -> None:
        """Let the profile be what the requests are like."""
        profile = Profile(self.app.plan.sites[0].name)
        learner = Learner(profile, 1)
        (route,) = self.app.routes.values()
        assert route.profile is not None
        stage, route.profile.holding.stage = route.profile.holding.stage, "learning"
        for request in self.requests:
            route.profile.every_second()
            self.whole(request)
        for seen in self.profiles.seen:
            learner.learn(seen, 0.0)
        self.profiles.seen.clear()
        route.profile.holding.stage = stage
        route.profile.holding.usual = usual_of(profile, 1, 1).prepared()

    def whole(self, request: bytes) -> None:
        """One request, from the client's bytes to the client's bytes, with its record for the log."""
        self.client.data_received(request)
        self.turns.work()
        self.origin.data_received(_ANSWER)

    def visit(self, request: bytes) -> None:
        """One connection that is accepted, and ends without a word."""
        client = ClientConnection(self.app)
        client.connection_made(Swallow())
        client.connection_lost(None)

    def warm_up(self) -> None:
        """Let all caches be as they are after a while.

        Raises:
            RuntimeError: a request was not answered, or not as the server did: what follows would measure nonsense.
        """
        for request in self.requests:
            self.whole(request)
            statuses = [record[STATUS] for record in self.recorder.records]
            if statuses != [200]:
                raise RuntimeError(f"expected one answer 200, not {statuses or 'none'}: {request[:200]!r}")
            self.recorder.records.clear()
        settle_gc()

    def measure(self, step: Callable[[bytes], object]) -> float:
        """Return the microseconds of one `step`, over all requests: of each slice of them, the best of the rounds."""
        return together([(self, step)])[0]

    def steps(self) -> dict[str, Callable[[bytes], object]]:
        """Return the parts that stand on their own; what `whole` costs beyond them is the way between them."""
        app, client, pool = self.app, self.client, self.pool
        heads = {request: app.requests.parse(request) for request in self.requests}
        answers = {text: _ANSWER_HEAD.replace(b": 59", b": %d" % n) for n, text in enumerate(self.requests)}
        exchange = Exchange(client, heads[self.requests[0]])
        exchange.begin()
        self.origin.release(app.now)
        responses = app.connectors[0].responses
        answer = responses.parse(_ANSWER_HEAD, b"GET")

        def pick_and_release(request: bytes) -> None:
            server = pool.pick(exchange)
            if not isinstance(server, Unavailable):
                pool.release(server, Outcome.OK, 0.001)

        return {
            "(empty loop)": lambda request: None,
            "parse request head": lambda request: app.requests.parse(request),
            "make exchange": lambda request: Exchange(client, heads[request]),
            "pick and release": pick_and_release,
            "write request head": lambda request: wire.request_head(exchange),
            "parse a new response head": lambda request: responses.parse(answers[request], b"GET"),
            "parse a recent response head": lambda request: responses.parse(_ANSWER_HEAD, b"GET"),
            "write response head": lambda request: wire.response_head(exchange, answer, wire.IDENTITY, False),
            "record": lambda request: exchange.record(),
        }

    def log_cost(self) -> float:
        """Return the microseconds that a record costs when its batch is full."""
        best = math.inf
        for _ in range(_ROUNDS):
            for request in self.requests[: BATCH - 1]:
                self.whole(request)
            start = process_time_ns()
            self.recorder.flush()
            best = min(best, (process_time_ns() - start) / (BATCH - 1) / 1e3)
        return best


def together(steps: Sequence[tuple[Bench, Callable[[bytes], object]]], rounds: int = _ROUNDS) -> list[float]:
    """Return what steps cost, slice by slice in turn: what makes the machine slower for a while does so for all."""
    starts = range(0, _REQUESTS, _SLICE)
    best = [[math.inf] * len(starts) for _ in steps]
    for _ in range(rounds):
        for number, at in enumerate(starts):
            for mine, (bench, step) in zip(best, steps, strict=True):
                requests = bench.requests[at : at + _SLICE]
                start = process_time_ns()
                for request in requests:
                    step(request)
                mine[number] = min(mine[number], process_time_ns() - start)
                bench.recorder.records.clear()
    return [sum(mine) / _REQUESTS / 1e3 for mine in best]


WORKLOADS: dict[str, Callable[[random.Random], str]] = {
    "browser-like GET": traffic.page,
    "form POST 300 B": traffic.checkout,
    "JSON POST 2 KB": traffic.order,
}


def compared(*benches: Bench) -> list[float]:
    """Return what whole requests cost on each of some benches, in microseconds."""
    for bench in benches:
        bench.warm_up()
    return together([(bench, bench.whole) for bench in benches], 2 * _ROUNDS)


def firewall(rules: str, crs: str) -> None:
    """Print what whole requests cost without a firewall and with one."""
    for name, make in WORKLOADS.items():
        costs = compared(Bench("", "", make), Bench(rules, crs, make))
        print(f"{name:20} {costs[0]:6.2f} without, {costs[1]:6.2f} with {rules}: {costs[1] - costs[0]:6.2f} more")


DEFENCES: dict[str, dict[str, Any]] = {
    "rates, bans, reputation, weights": {
        "limit": ["1000000/s per client"],
        "defence": {"bans": {"after": "20/m", "risk": {"critical": 4}}},
        "account": "block",
    },
    "a limit of load": {"shedding": "block"},
}
ARRIVALS: dict[str, Any] = {
    "arrivals": {"per_client": "1000000/s", "total": "1000000/s"},
    "limits": {"connections_per_address": 100},
    "defence": {"bans": {"after": "20/m", "answer": "close"}},
}


def defences() -> None:
    """Print what the defences cost a client that does nothing wrong."""
    for name, keys in DEFENCES.items():
        costs = compared(Bench(), Bench(defence=keys))
        print(f"{name:34} {costs[0]:6.2f} without, {costs[1]:6.2f} with: {costs[1] - costs[0]:6.2f} more")
    benches = Bench(), Bench(defence=ARRIVALS)
    costs = together([(bench, bench.visit) for bench in benches], 2 * _ROUNDS)
    print(f"{'a new connection':34} {costs[0]:6.2f} without, {costs[1]:6.2f} with: {costs[1] - costs[0]:6.2f} more")


def site_profile(stage: Stage) -> None:
    """Print what a profile adds to whole requests with logical rules, and what learning from each of them costs."""
    for name, make in WORKLOADS.items():
        bench = Bench("logic", "", make, stage)
        bench.learn()
        costs = compared(Bench("logic", "", make), bench)
        print(f"{name:20} {costs[0]:6.2f} without, {costs[1]:6.2f} {stage}: {costs[1] - costs[0]:6.2f} more")
        if stage == "learning":
            (route,) = bench.app.routes.values()

            def lesson(request: bytes, bench: Bench = bench, route: RouteRuntime = route) -> None:
                assert route.profile is not None
                route.profile.every_second()
                bench.whole(request)
                bench.profiles.seen.clear()

            print(f"{'':20} {bench.measure(lesson) - costs[1]:6.2f} more for each that is learned from")


async def run(options: argparse.Namespace) -> None:
    """Print the table, or the profile of whole requests."""
    profile = options.profile
    if options.waf and not profile:
        firewall(options.waf, options.crs)
        return
    if options.defence:
        defences()
        return
    if options.stage != "off":
        site_profile(options.stage)
        return
    bench = Bench(options.waf, options.crs, WORKLOADS[options.workload])
    bench.warm_up()
    if profile:
        profiler = cProfile.Profile()
        profiler.enable()
        bench.measure(bench.whole)
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(40)
        return
    whole = bench.measure(bench.whole)
    log = bench.log_cost()
    empty = 0.0
    for name, step in bench.steps().items():
        cost = bench.measure(step)
        empty = empty or cost
        print(f"{name:28} {cost - empty if name[0] != '(' else cost:6.2f}")
    print(f"{'whole request':28} {whole:6.2f}\n{'log and metrics':28} {log:6.2f}")


def main(arguments: Sequence[str]) -> int:
    """Run by hand."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hotpath", description="Python's share of a request.")
    parser.add_argument("--profile", action="store_true", help="print where the time goes, by function")
    parser.add_argument("--waf", choices=("logic", "crs", "both"), default="", help="what a firewall adds")
    parser.add_argument("--stage", choices=get_args(Stage), default="off", help="what a site's profile adds")
    parser.add_argument("--defence", action="store_true", help="what rates, bans, accounts and shedding add")
    parser.add_argument("--crs", default="", help="folder of the Core Rule Set")
    parser.add_argument("--workload", choices=tuple(WORKLOADS), default="browser-like GET", help="what to profile")
    asyncio.run(run(parser.parse_args(arguments)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
