"""The keeper's part of bans: it has the list, puts every ban where workers look, and keeps it in a file.

A ban of exactly one client (an address, or the prefix that counts as one) goes to the table in shared memory, where a
look-up takes no lock. Wider networks are few: workers get them over the bus.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol, TypeVar

from bascule.config.defence import Defence
from bascule.defence.bans import FOR_EVER, MAX_BANS, Ban, BanError, BanList, name_of, parse, read_list
from bascule.defence.clients import ClientPrefix
from bascule.defence.shared import Shared
from bascule.state.buckets import hash_of
from bascule.state.files import write_whole
from bascule.telemetry.sinks import complain

NETWORKS: Final = "bans/networks"
"""Topic of the bus: the banned networks, a list of pairs of network and reason."""
WATCHED: Final = "bans/watched"
"""Topic of the bus: networks that would be kept out, if that were not only recorded."""
OFFENDER: Final = "bans/offender"
"""Topic of the bus, from workers: a client that banned itself, ``[client, reason, evidence]``."""
ANY: Final = "bans/any"
"""Topic of the bus: whether there is any ban; until then workers look at nothing."""
HELD: Final = "bans/held"
"""Topic of the bus: whether clients are kept out by what others decide, which no list of a keeper to come has."""
INTERVAL: Final = 1.0
"""Seconds between looks at what has ended, and between writings of the file."""
LIFTED: Final = "lifted"
"""Source of what tells other machines that a ban is no more: one that has ended."""
MAX_WAITING: Final = 4096
"""Clients that banned themselves before the keeper leads, which is a moment; further ones have no record."""
T = TypeVar("T")
_AGES: Final = 3650 * 86400.0
"""Seconds that stand for ever in the table."""


class Bus(Protocol):
    """The keeper's end of the bus."""

    def publish(self, topic: str, payload: Any, *, durable: bool = False) -> None: ...

    def on(self, topic_prefix: str, callback: Callable[[str, Any], None]) -> None: ...

    def retained(self, topic: str) -> Any: ...


class BanKeeper:
    """Holds the list of bans; `file` is where it outlives the program."""

    def __init__(
        self, defence: Defence, shared: Shared, bus: Bus, file: str, clock: Callable[[], float] = time.time
    ) -> None:
        self.list = BanList(defence.bans, clock)
        self._clients = ClientPrefix(defence.ipv4_prefix, defence.ipv6_prefix)
        self._table = shared.bans
        self._bus = bus
        self._file = file
        self._clock = clock
        self.on_change: Callable[[Ban], object] = lambda ban: None
        """Told of what is banned or lifted here."""
        self._held: dict[str, float] = {}
        self._wide: set[str] = set()
        """Those held that are wider than a client."""
        self._watched: set[str] = set()
        self._said: set[str] | None = None
        self._networks: list[list[str]] | None = None
        self._any: bool | None = None
        self._next_end = FOR_EVER
        """When the next ban ends, in seconds of the epoch."""
        self._is_cut = False
        self._is_alone = defence.crowdsec is None
        self._complained = False
        self._waiting: list[Any] | None = []
        """What workers told before this keeper leads; None from then on."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Put the bans of the file in force, and hear from workers."""
        self._bus.on(OFFENDER, self._offended)
        self._take_up()

    def _take_up(self) -> None:
        self._load()
        for ban in self.list.current():
            self._show(ban.network)
        self.publish()

    async def lead(self) -> None:
        """Take up what the keeper before, if there was one, has changed meanwhile; from now on write the file."""
        before = {ban.network for ban in self.list.current()}
        self.list.clear()
        self._take_up()
        for network in before - {ban.network for ban in self.list.current()}:
            self._show(network)
        if self._is_alone and self._bus.retained(HELD):
            self.let_go()
        waiting, self._waiting = self._waiting or [], None
        for payload in waiting:
            self._offended(OFFENDER, payload)
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Write the file and end."""
        if self._task is not None:
            self._task.cancel()
        self._save()

    # What operators ask for ------------------------------------------------------------------------

    def add(self, text: str, seconds: float | None, reason: str, source: str = "operator") -> Ban:
        """Ban an address or network. Raises BanError."""
        ban = self.list.add(text, seconds, reason, source=source)
        self._show(ban.network)
        self.publish()
        self.on_change(ban)
        return ban

    def remove(self, text: str) -> bool:
        """Lift a ban. Return whether there was one. Raises BanError."""
        name = name_of(parse(text))
        since = self.list.later(name)
        found = self.list.remove(name)
        self._show(name)
        self.publish()
        self.on_change(Ban(name, self._clock(), since, source=LIFTED))
        return found

    def adopt(self, ban: Ban) -> None:
        """Take over what was banned or lifted on another machine, unless the last word here is a later one.

        It is in force for all workers once `publish` was called.
        """
        known = self.list.get(ban.network)
        if known is not None and known.since >= ban.since:
            return
        if ban.source == LIFTED:
            if self.list.remove(ban.network):
                self._show(ban.network)
        else:
            self.list.put(ban)
            if self.list.in_force(ban):
                self._show(ban.network)

    def take_in(self, text: str, seconds: float | None, reason: str, source: str) -> int:
        """Ban what a list names. Return how many entries it has. Raises BanError, and then bans nobody."""
        names = list(read_list(text.splitlines()))
        for name in names:
            ban = self.list.add(name, seconds, reason, source=source)
            self._show(ban.network)
            self.on_change(ban)
        self.publish()
        return len(names)

    # What goes on by itself ------------------------------------------------------------------------

    def _offended(self, topic: str, payload: Any) -> None:
        """A worker banned a client for the shortest time; its record may call for a longer one."""
        if self._waiting is not None:
            if len(self._waiting) < MAX_WAITING:
                self._waiting.append(payload)
            return
        client, reason, evidence = payload
        with suppress(BanError):
            ban = self.list.add(str(client), None, str(reason), str(evidence), "auto")
            self._show(ban.network)
            if not self._any:
                self.publish()  # workers look from now on; of this client they need to hear no more than that
            self.on_change(ban)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            if self.list.changed or FOR_EVER < self._next_end <= self._clock():
                self.list.forget_old()
                self.publish()
                self._save()

    # What others decide, beside the list ----------------------------------------------------------

    def hold(self, network: str, until: float) -> None:
        """Keep a network out until a time (of the epoch), whatever the list says; in force after `publish`."""
        self._held[network] = until
        if not self._is_client(network.encode()):
            self._wide.add(network)
        self._show(network)

    def release(self, network: str) -> None:
        """Keep a network out no longer than the list says; in force after `publish`."""
        self._held.pop(network, None)
        self._wide.discard(network)
        self._show(network)  # also what the keeper before had put there

    def let_go(self) -> None:
        """Keep out no client any more but those of the list and those held: a keeper before this one held others."""
        names = [ban.network for ban in self.list.current()]
        self._table.keep_only({hash_of(name.encode()) for name in (*names, *self._held)})
        self._bus.publish(HELD, bool(self._held), durable=True)

    def watch(self, network: str, on: bool) -> None:
        """Let workers record, or record no longer, that a network would be kept out; in force after `publish`."""
        (self._watched.add if on else self._watched.discard)(network)

    # Where workers look ----------------------------------------------------------------------------

    def _show(self, network: str) -> None:
        """Put until when one client is kept out where workers look; of wider networks they hear by `publish`."""
        name = network.encode()
        if not self._is_client(name):
            return
        ends = [self._held.get(network, 0.0)]
        ban = self.list.get(network)
        if ban is not None and self.list.in_force(ban):
            ends.append(self._clock() + _AGES if ban.until == FOR_EVER else ban.until)
        left = max(ends) - self._clock()
        self._table.hold(hash_of(name), time.monotonic() + left if left > 0 else 0.0)

    def _is_client(self, name: bytes) -> bool:
        """Whether a network is exactly what counts as one client."""
        return self._clients.of(name.partition(b"/")[0]) == name

    def publish(self) -> None:
        """Tell the workers what changed of the networks, and whether there is any ban."""
        current, now = list(self.list.current()), self._clock()
        for network in [network for network in self._wide if self._held[network] <= now]:
            self._wide.discard(network)
            del self._held[network]
        ends = [*(ban.until for ban in current if ban.until), *(self._held[network] for network in self._wide)]
        self._next_end = min(ends, default=FOR_EVER)
        named = {ban.network: ban.source for ban in current if not self._is_client(ban.network.encode())}
        named.update((network, "crowdsec") for network in sorted(self._wide) if network not in named)
        networks = self._cut([[name, source] for name, source in named.items()])
        if networks != self._networks:
            self._networks = networks
            self._bus.publish(NETWORKS, networks, durable=True)
        if self._watched != self._said:
            self._said = set(self._watched)
            self._bus.publish(WATCHED, self._cut(sorted(self._watched)), durable=True)
        if self._held and not self._bus.retained(HELD):
            self._bus.publish(HELD, True, durable=True)
        if bool(current or self._held) != self._any:
            self._any = bool(current or self._held)
            self._bus.publish(ANY, self._any, durable=True)

    def _cut(self, networks: list[T]) -> list[T]:
        """Return as many networks as workers look through; that others are not in force is said once."""
        if len(networks) > MAX_BANS and not self._is_cut:
            self._is_cut = True
            complain(f"{len(networks)} networks are to be kept out: beyond {MAX_BANS} they are not in force, "
                     "but for those of one client")  # fmt: skip
        return networks[:MAX_BANS]

    def _load(self) -> None:
        try:
            with open(self._file, "rb") as stream:
                self.list.load(stream.read())
        except FileNotFoundError:
            return
        except OSError as error:
            self._complain(error)

    def _save(self) -> None:
        try:
            write_whole(self._file, self.list.dump())
        except OSError as error:
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        if not self._complained:
            self._complained = True
            complain(f"bans do not outlive this process: {self._file}: {error.strerror}; set defence.bans.file")
