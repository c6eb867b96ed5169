"""What a generation runs with: its plan, what was built from it, and the sockets it calls for."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import Any

from bascule.config.plan import Plan
from bascule.config.schema import Listener
from bascule.config.types import Address
from bascule.server import rundir
from bascule.server.affinity import cores_of, usable_cores
from bascule.server.privileges import Account, account_for, entrust, entrust_folder
from bascule.server.sockets import Bound, Sockets, address_text, keyed
from bascule.state.arena import Arena

ARENA_SIZE = 64 << 20
"""Bytes of each arena; pages that nobody writes to are never allocated."""


@dataclass
class Resources:
    """Everything the processes of one generation inherit."""

    number: int
    plan: Plan
    prepared: Any
    workers: int
    cores: tuple[int, ...]
    """Of each worker, where it stays on one."""
    account: Account | None
    service: Bound
    admin: list[socket.socket]
    bus: socket.socket
    bus_path: str
    keys: set[str]
    """Of its sockets in `Sockets`."""
    board: Arena

    def places(self) -> list[str]:
        """Return where it listens, for people."""
        found = []
        for listener, sock in self.service:
            text = address_text(sock)
            scheme = "" if text.startswith("unix:") else "https://" if listener.tls else "http://"
            found.append(scheme + text)
        return found

    def ready_text(self, took: float) -> str:
        """Say that it serves, where, and that the start took so many seconds."""
        workers = "1 worker" if self.workers == 1 else f"{self.workers} workers"
        return f"ready on {', '.join(self.places())} ({workers}, pid {os.getpid()}, started in {took * 1000:.0f} ms)"

    def entrust_logs(self) -> None:
        """Make sure the workers' account can write the log files. Raises PrivilegeError."""
        config = self.plan.config
        for key, path in (("access_log", config.access_log.path), ("events", config.events.path)):
            if path not in ("", "-", "off") and not path.startswith("syslog:"):
                entrust(path, self.account, key)


def gather(number: int, plan: Plan, prepared: Any, sockets: Sockets, run_dir: str) -> Resources:
    """Open what is to be opened and return it all.

    Raises ListenError, PrivilegeError and AffinityError; sockets opened until then stay open for the caller to release.
    """
    config = plan.config
    account = account_for(config.user, config.group)
    workers = worker_count(plan)
    cores = cores_of(config.affinity, workers)
    admin = [unix_listener(run_dir, rundir.ADMIN_SOCKET)]
    if config.admin.listen is not None:
        admin.append(Listener(address=config.admin.listen))
    bus = unix_listener(run_dir, f"bus-{os.getpid()}-{number}.sock")
    keys = keyed([*plan.listeners, *admin, bus])
    count = len(plan.listeners)
    service = sockets.claim((key, listener, account) for key, listener in keys[:count])
    # The admin sockets stay root's own: what a worker's account can reach, an attacker in a worker can.
    private = sockets.claim((key, listener, None) for key, listener in keys[count:-1])
    ((_listener, bus_socket),) = sockets.claim((key, listener, account) for key, listener in keys[-1:])
    resources = Resources(
        number=number,
        plan=plan,
        prepared=prepared,
        workers=workers,
        cores=cores,
        account=account,
        service=service,
        admin=[sock for _listener, sock in private],
        bus=bus_socket,
        bus_path=bus.address.path,
        keys={key for key, _listener in keys},
        board=Arena(ARENA_SIZE),
    )
    resources.entrust_logs()
    entrust_folder(rundir.kept(run_dir), account)
    return resources


def worker_count(plan: Plan) -> int:
    """Return how many workers a plan asks for: one per core if it does not say."""
    return plan.config.workers or len(usable_cores())


def unix_listener(run_dir: str, name: str) -> Listener:
    """Return a listener in the run dir that only its owner can reach."""
    return Listener(address=Address("", 0, os.path.join(run_dir, name)), mode="600")
