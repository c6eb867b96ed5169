"""The program put together: what is prepared before the fork, what runs in a worker, what runs in the keeper.

The server room knows processes, the proxy room knows HTTP; here they meet.
"""

from __future__ import annotations

import grp
import os
import pwd
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bascule.admin.api import Offers
from bascule.admin.app import AdminApp
from bascule.cache.folder import Folder
from bascule.cache.keeper import CacheKeeper
from bascule.cli import machines
from bascule.cli.cache_folder import CacheFolders
from bascule.cli.folders import cache_dir, lists_dir
from bascule.config.plan import Plan
from bascule.defence.arrivals import limits_arrivals
from bascule.defence.attack import AttackWatch
from bascule.defence.ban_keeper import ANY, NETWORKS, OFFENDER, WATCHED, BanKeeper
from bascule.defence.challenges.ladder import UNDER_ATTACK
from bascule.defence.crowdsec import CrowdSecWatch
from bascule.defence.hitters import HITTERS, HitterBoard
from bascule.defence.notable import has_events
from bascule.defence.report import Reports
from bascule.defence.shared import Shared, remote_feeds
from bascule.defence.shield import Shield
from bascule.defence.table_keeper import TableKeeper
from bascule.forward.lists import remote_lists
from bascule.forward.quota_keeper import QuotaKeeper
from bascule.forward.quotas import SEEN
from bascule.forward.service import CACHE_LABELS, ForwardMaterial, ForwardService
from bascule.forward.transparent import TransparentFront
from bascule.lists.keeper import ListKeeper, prepare_folder
from bascule.lists.remote import RemoteList
from bascule.proxy.app import ProxyApp
from bascule.proxy.firewall import Firewalls
from bascule.proxy.profile_keeper import ProfileKeeper, known_before, open_folders
from bascule.proxy.profiles import USUAL, Profiles
from bascule.server import rundir
from bascule.server.context import KeeperContext, WorkerContext
from bascule.server.resources import Resources, worker_count
from bascule.server.supervisor import Supervisor
from bascule.state.queue import Queue
from bascule.telemetry.accesslog import open_early
from bascule.telemetry.eventlog import EventLog, OpenEvents, open_events
from bascule.telemetry.recorder import Recorder
from bascule.telemetry.sinks import Sink, complain
from bascule.telemetry.totals import read_totals
from bascule.tls.client import origin_context
from bascule.tls.server import ServerContexts
from bascule.upstream import handover
from bascule.upstream.board import Board
from bascule.upstream.keeper import UpstreamKeeper
from bascule.upstream.pool import PoolState
from bascule.waf.profile.usual import Usual


@dataclass
class Prepared:
    """What is built once per generation, in the supervisor, and inherited by its workers."""

    contexts: ServerContexts
    firewalls: Firewalls
    forward: ForwardMaterial | None
    sink: Sink | None
    events: OpenEvents | None
    shared: Shared
    cache: Path | None
    """The folder of stored responses."""
    profiles: dict[str, Path]
    """The file of each site's profile."""
    usual: dict[str, Usual]
    """What is usual in each site, by these files."""
    lists: list[tuple[list[RemoteList], float]]
    """Those at a URL, as they were before they were read, and every how many seconds they are looked for."""


def run(load: Callable[[], Plan]) -> int:
    """Run Bascule on the plan that `load` returns, now and at every reload. Return the exit status."""
    folders = CacheFolders()

    def tidy(living: Sequence[Prepared]) -> None:
        folders.tidy([prepared.cache for prepared in living])

    return Supervisor(load, partial(prepare, folders), worker, Keeper, standing, restore, tidy).run()


def prepare(folders: CacheFolders, plan: Plan, last: Prepared | None) -> Prepared:
    """Build what is worth building once per generation. TLS sessions and compiled rules survive it through `last`."""
    owner = _owner(plan)
    contexts = ServerContexts.build(plan, last.contexts if last else None)
    for warning in contexts.warnings:
        complain(warning)
    for pool in plan.pools:
        origin_context(pool.config.tls)  # a file that cannot be read fails the start, not a request
    firewalls = Firewalls(plan, cache_dir(plan.config.cache_dir), last.firewalls if last else None)
    for warning in firewalls.warnings:
        complain(warning)
    profiles = open_folders(plan, owner)
    lists = _remote_lists(plan, owner)
    return Prepared(
        contexts=contexts,
        firewalls=firewalls,
        forward=_forward_material(plan, last),
        sink=open_early(plan.config.access_log, owner),
        events=open_events(plan.config.events, owner) if has_events(plan) else None,
        profiles=profiles,
        usual=known_before(plan, profiles),
        shared=_shared(plan, last),
        lists=lists,
        cache=folders.prepare(plan, owner),
    )


def _remote_lists(plan: Plan, owner: tuple[int, int] | None) -> list[tuple[list[RemoteList], float]]:
    """Return the lists that are at a URL: those of the forward proxy, and the feeds. Those that were never fetched come
    later: the keeper fetches them."""
    config, folder = plan.config, lists_dir(plan.config.cache_dir)
    found = [(remote_feeds(config.defence, folder), config.defence.refresh)]
    if config.forward is not None:
        found.append((remote_lists(config.forward, folder), config.forward.refresh))
    found = [(lists, interval) for lists, interval in found if lists]
    if found:
        prepare_folder(folder, owner)
    return found


def _shared(plan: Plan, last: Prepared | None) -> Shared:
    """Return what workers share for defence."""
    return Shared(plan, last.shared if last else None, _challenge_key(plan), lists_dir(plan.config.cache_dir))


def _forward_material(plan: Plan, last: Prepared | None) -> ForwardMaterial | None:
    if plan.forward is None:
        return None
    config, folder = plan.forward.config, lists_dir(plan.config.cache_dir)
    return ForwardMaterial.load(config, complain, worker_count(plan), folder, last.forward if last else None)


def _owner(plan: Plan) -> tuple[int, int] | None:
    """Return the account that workers run under, when it is another one."""
    config = plan.config
    if not config.user:
        return None
    account = pwd.getpwnam(config.user)
    return account.pw_uid, grp.getgrnam(config.group).gr_gid if config.group else account.pw_gid


def _challenge_key(plan: Plan) -> str:
    """Return where the key of challenges is by default; empty where the folder is named after an earlier process."""
    folder = rundir.choose(plan)
    return str(folder / "challenge.key") if folder.is_dir() else ""


def worker(context: WorkerContext) -> ProxyApp:
    """Return the application of a worker."""
    prepared: Prepared = context.prepared
    plan = context.plan
    recorder = Recorder(
        plan,
        context.stats,
        context.stats_slot,
        sink=prepared.sink,
        worker=context.index,
        generation=context.generation,
    )
    board = Board(context.board, plan.pools, context.workers)
    events = None if prepared.events is None else EventLog(plan.config.events, prepared.events)
    recorder.events = events
    sharing = machines.rates_of(plan)
    if sharing is not None:
        recorder.line = sharing.line
        sharing.start(context.loop)
    reports = Reports(recorder.decided, events.write if events else None)
    reports.tell = lambda top: context.bus.send(HITTERS, [context.index, top])
    shield = Shield(plan, prepared.shared, reports, sharing)
    shield.offender = lambda client, reason, evidence: context.bus.send(OFFENDER, [client, reason, evidence])
    if limits_arrivals(plan.config.arrivals):
        underway = context.board.u64("defence/handshakes", context.workers)
        shield.watch_arrivals(plan.config.arrivals, underway, context.index)
    profiles = Profiles(plan, prepared.usual, context.bus.send)
    app = ProxyApp(
        plan,
        board,
        recorder,
        prepared.contexts,
        prepared.firewalls,
        events,
        context.sockets,
        context.index,
        context.loop,
        context.board.u64("proxy/clients", context.workers),
        shield,
        profiles,
        Folder(prepared.cache, plan.config.cache_store.size) if prepared.cache is not None else None,
        context.swollen,
    )
    if plan.forward is not None and prepared.forward is not None:
        listeners = plan.forward.config.listen
        sockets = [sock for listener, sock in context.sockets if listener in listeners]
        service = ForwardService(
            plan.forward,
            prepared.forward,
            app,
            sockets,
            lambda quota, who: context.bus.send(SEEN, [quota, who]),
        )
        app.add_front(service, [listener for listener in listeners if listener.transparent == "off"])
        for mode in ("redirect", "tproxy"):
            turned = [listener for listener in listeners if listener.transparent == mode]
            app.add_front(TransparentFront(service, mode), turned)
    for pool in app.pools:
        context.bus.subscribe(f"pool/{pool.plan.name}/members", _members_of(pool))
    context.bus.subscribe(NETWORKS, shield.set_networks)
    context.bus.subscribe(WATCHED, shield.set_watched)
    context.bus.subscribe(ANY, app.set_bans)
    if shield.challenges is not None:
        context.bus.subscribe(UNDER_ATTACK, shield.challenges.set_attacked)
    context.bus.subscribe("maintenance", app.set_maintenance)
    context.bus.subscribe(USUAL, profiles.hear)
    return app


def standing(resources: Resources) -> dict[str, Any]:
    """Return the standing of the servers of a generation, for the next."""
    return handover.record(_board_of(resources), resources.plan.pools)


def restore(recorded: dict[str, Any], resources: Resources) -> None:
    """Give a generation the standing of the servers of the one before."""
    handover.restore(recorded, _board_of(resources), resources.plan.pools)


def _board_of(resources: Resources) -> Board:
    return Board(resources.board, resources.plan.pools, resources.workers)


def _members_of(pool: PoolState) -> Callable[[str, Any], None]:
    return lambda topic, found: pool.update_members(found)


def _at_once(events: EventLog) -> Callable[[bytes], None]:
    """Return what writes an event without waiting for a tick: the keeper has none, and few events."""

    def write(line: bytes) -> None:
        events.write(line)
        events.tick()

    return write


class Keeper:
    """The keeper's application: health checks, discovery, and the operators' interface."""

    def __init__(self, context: KeeperContext) -> None:
        board = Board(context.board, context.plan.pools, context.workers)
        self._upstream = UpstreamKeeper(
            context.plan,
            board,
            partial(context.bus.publish, durable=True),
            time.monotonic,
            retained=context.bus.retained,
        )
        self._bus = context.bus
        events = context.prepared.events
        defence = context.plan.config.defence
        file = defence.bans.file or os.path.join(rundir.kept(context.run_dir), "bans.jsonl")
        self._bans = BanKeeper(defence, context.prepared.shared, context.bus, file)
        self._quotas = _quota_keeper(context)
        self._events = EventLog(context.plan.config.events, events) if events and context.prepared.profiles else None
        write = _at_once(self._events) if self._events else None
        self._profiles = ProfileKeeper(context.plan, context.prepared.profiles, context.bus, write)
        self._lists = [
            ListKeeper(lists, interval, context.supervisor.reload) for lists, interval in context.prepared.lists
        ]
        self._attacks = AttackWatch(context.plan, context.bus, partial(read_totals, context.stats), time.monotonic)
        self._cache = _cache_keeper(context)
        hitters = HitterBoard(time.monotonic)
        context.bus.on(HITTERS, hitters.hear)
        where = events.path if events else "off"
        queues = {name: Queue(*found) for name, found in context.prepared.shared.rooms.items()}
        rooms = partial(_room_counts, queues)
        operators = (self._upstream, self._bans, self._quotas, self._profiles, self._attacks, self._cache)
        offers = Offers(*operators, rooms, hitters, where)
        self._admin = AdminApp(context, offers)
        self._crowdsec = CrowdSecWatch(defence.crowdsec, self._bans) if defence.crowdsec is not None else None
        self._sharing = machines.keeper_of(context.plan, self._bans, self._attacks)
        self._tables = TableKeeper(context.prepared.shared)
        self._leads = False

    async def start(self) -> None:
        """Begin what workers need."""
        self._bans.start()
        await self._profiles.start()
        await self._upstream.start()

    async def lead(self) -> None:
        """Take over the files that one keeper writes, and the operators."""
        self._leads = True
        await self._bans.lead()
        if self._quotas is not None:
            await self._quotas.start()
        await self._attacks.start()
        if self._cache is not None:
            await self._cache.start()
        if self._crowdsec is not None:
            self._crowdsec.start()
        if self._sharing is not None:
            self._sharing.start()
        self._tables.start()
        for lists in self._lists:
            await lists.start()
        await self._admin.start()

    async def stop(self) -> None:
        """End."""
        await self._admin.stop()
        await self._upstream.stop()
        await self._profiles.stop()
        if self._leads:
            self._tables.stop()
            if self._sharing is not None:
                await self._sharing.stop()
            if self._crowdsec is not None:
                self._crowdsec.stop()
            await self._attacks.stop()
            if self._cache is not None:
                await self._cache.stop()
            await self._bans.stop()
            if self._quotas is not None:
                await self._quotas.stop()
            for lists in self._lists:
                await lists.stop()
        if self._events is not None:
            self._events.close()


def _room_counts(queues: dict[str, Queue]) -> dict[str, tuple[int, int]]:
    return {name: queue.counts(time.monotonic()) for name, queue in queues.items()}


def _cache_keeper(context: KeeperContext) -> CacheKeeper | None:
    path, plan = context.prepared.cache, context.plan
    if path is None:
        return None
    labels = [route.name for site in plan.sites for route in site.routes if route.cache.enabled]
    labels += CACHE_LABELS if plan.forward is not None and plan.forward.route.cache.enabled else ()
    return CacheKeeper(path, plan.config.cache_store.size, labels)


def _quota_keeper(context: KeeperContext) -> QuotaKeeper | None:
    material, forward = context.prepared.forward, context.plan.forward
    if forward is None or material is None or material.quotas is None:
        return None
    file = forward.config.quota_file or os.path.join(rundir.kept(context.run_dir), "quotas.json")
    return QuotaKeeper(forward.config, material.quotas, context.bus, file)
