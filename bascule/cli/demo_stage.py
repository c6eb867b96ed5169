"""The demo itself: sets the stage, shows what happens, and clears everything away at the end."""

from __future__ import annotations

import fcntl
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.syntax import Syntax

from bascule.cli.admin_socket import UnreachableError
from bascule.cli.demo_processes import HOST, DemoError, Proxy, Replica, find_shop, free_port
from bascule.cli.demo_traffic import Visitor
from bascule.cli.demo_view import LogTail, ReplicaView, Tally, Try, plain, render
from bascule.cli.top import read_status
from bascule.server import rundir

FOLDER: Final = Path(".demo")
NAMES: Final = ("replica-a", "replica-b")
AWAY: Final = 15.0
"""Seconds until a killed replica comes back."""
REFRESH: Final = 0.5
PLAIN_EVERY: Final = 2.0
VISITORS: Final = 2
RATE: Final = 2.0
"""Requests a second of each visitor."""

CONFIG: Final = """\
# Written by `bascule demo`. Change it while it runs, then: bascule reload
listen: "{host}:{port}"
sites:
  "*":
    waf: {waf}
    routes:
      /:
        servers: [{servers}]
        balance: round-robin # or least-connections, least-time, random-two
        health: {{path: /healthz, interval: 1s, timeout: 800ms}}
workers: 2
access_log: {{path: access.log}}
events: {{path: events.log}}
"""


def run(port: int, traffic: bool, lines: bool, duration: float, shop: Path | None, crs: Path | None) -> None:
    """Run the demo for `duration` seconds (0: until Ctrl-C). Raises DemoError."""
    console = Console(highlight=False)
    with _stopping_on_signals(), suppress(KeyboardInterrupt):
        _demo(console, port, traffic, lines or not console.is_terminal, duration, find_shop(shop), crs)


@contextmanager
def _stopping_on_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the demo as Ctrl-C does, so that nothing stays behind."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _demo(
    console: Console, port: int, traffic: bool, lines: bool, duration: float, shop: Path, crs: Path | None
) -> None:
    with ExitStack() as stack:
        folder = _prepare(stack)
        replicas = []
        for name in NAMES:
            replicas.append(replica := Replica(shop, folder, name, AWAY))
            stack.callback(replica.stop)
        config = folder / "bascule.yaml"
        port = free_port(port)
        servers = ", ".join(f'"{replica.address}"' for replica in replicas)
        waf = f'{{mode: block, rules: crs, crs: "{crs.absolute()}"}}' if crs else "block"
        config.write_text(CONFIG.format(host=HOST, port=port, servers=servers, waf=waf))
        proxy = Proxy(config, port)
        stack.callback(proxy.stop)
        proxy.wait_ready()
        visitors = [Visitor(HOST, port, RATE, seed) for seed in range(VISITORS if traffic else 0)]
        for visitor in visitors:
            visitor.start()
            stack.callback(visitor.join, 5)
            stack.callback(visitor.stop)
        scene = _Scene(proxy, replicas, visitors, folder)
        _introduce(console, config, scene.tally, lines)
        try:
            _play(console, scene, lines, time.monotonic() + duration if duration else float("inf"))
        finally:
            scene.step()
            console.print(plain(scene.tally), soft_wrap=True)


def _prepare(stack: ExitStack) -> Path:
    """Make the folder, hold it for this demo, and clear what an earlier one left. Raises DemoError."""
    try:
        FOLDER.mkdir(exist_ok=True)
        lock = stack.enter_context((FOLDER / "lock").open("w"))
    except OSError as error:
        raise DemoError(f"{FOLDER.resolve()}: {error.strerror}; run it in a folder you may write to") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise DemoError(f"another demo runs in {FOLDER.resolve()}; stop it, or use another folder") from None
    for path in FOLDER.glob("*.log"):
        path.unlink()
    for path in FOLDER.glob("shop.db*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return FOLDER.resolve()


class _Health(threading.Thread):
    """Asks Bascule each second what it thinks of the replicas; `states` is from address to state."""

    def __init__(self, proxy: Proxy) -> None:
        super().__init__(name="health", daemon=True)
        self._proxy = proxy
        self.states: dict[str, str] = {}

    def run(self) -> None:
        """Ask as long as the demo lasts; while Bascule is not to be reached, the last answer holds."""
        while True:
            with suppress(rundir.RunDirError, UnreachableError, KeyError):
                status = read_status(self._proxy.admin_socket)
                servers = [server for pool in status["pools"] for server in pool["servers"]]
                self.states = {str(server["server"]).rpartition("//")[2]: str(server["state"]) for server in servers}
            time.sleep(1)


class _Scene:
    """What runs, and what was seen of it."""

    def __init__(self, proxy: Proxy, replicas: list[Replica], visitors: list[Visitor], folder: Path) -> None:
        self.proxy = proxy
        self._replicas = replicas
        self._visitors = visitors
        self._log = LogTail(folder / "access.log")
        self._health = _Health(proxy)
        self._health.start()
        views = [ReplicaView(replica.name, replica.address, replica.pid, "up") for replica in replicas]
        self.tally = Tally(f"http://{HOST}:{proxy.port}/", views, [])
        self.step()

    def step(self) -> None:
        """Look at everything once."""
        now = time.monotonic()
        for replica, view in zip(self._replicas, self.tally.replicas, strict=True):
            replica.tend()
            view.pid = replica.pid
            view.state = "gone" if replica.back_at else self._health.states.get(replica.address, "up")
            view.back_in = max(0.0, replica.back_at - now) if replica.back_at else 0.0
        self.tally.add(self._log.read())
        self.tally.sent = sum(visitor.sent for visitor in self._visitors)
        self.tally.lost = sum(visitor.lost for visitor in self._visitors)
        self.tally.tries = _what_to_try(self.proxy, self.tally.replicas)


def _what_to_try(proxy: Proxy, replicas: list[ReplicaView]) -> list[Try]:
    victim = next((replica for replica in replicas if replica.state == "up"), replicas[0])
    bascule = _own_name()
    url = f"http://{HOST}:{proxy.port}"
    return [
        Try("Open the shop (ada@shop.example, password difference)", f"{url}/"),
        Try("Kill a replica: nothing is lost, and it comes back", f"kill -9 {victim.pid}"),
        Try(
            "Change the configuration, then let Bascule take it up", f"$EDITOR {FOLDER}/bascule.yaml; {bascule} reload"
        ),
        Try("Attack it: SQL injection", f"curl -i '{url}/?q=%27+UNION+SELECT+name,password+FROM+users--'"),
        Try("... cross-site scripting", f"curl -i '{url}/?q=%3Cscript%3Ealert(1)%3C/script%3E'"),
        Try("... directory traversal", f"curl -i '{url}/download?file=../../../etc/passwd'"),
        Try("... and see why it was refused", f"{bascule} explain --events {FOLDER}/events.log REFERENCE"),
        Try("Watch routes, servers and workers", f"{bascule} top"),
        Try("The shop tells who it is ...", f"curl -sI http://{victim.address}/ | grep -iE 'server|powered'"),
        Try("... Bascule does not", f"curl -sI {url}/ | grep -iE 'server|powered|via'"),
    ]


def _own_name() -> str:
    """Return the command as it can be pasted."""
    own = Path(sys.argv[0])
    found = shutil.which("bascule")
    if found and own.exists() and Path(found).samefile(own):
        return "bascule"
    with suppress(ValueError):
        return str(own.absolute().relative_to(Path.cwd()))
    return str(own.absolute())


def _introduce(console: Console, config: Path, tally: Tally, lines: bool) -> None:
    """Show the configuration, and in plain mode what to try."""
    shown = f"{FOLDER}/{config.name}"
    if not lines:
        console.print(Panel(Syntax(config.read_text(), "yaml", background_color="default"), title=shown, expand=False))
        return
    console.print(f"# {shown}\n{config.read_text()}", markup=False)
    console.print(f"The shop is on {tally.url}", soft_wrap=True)
    for what, command in tally.tries:
        console.print(f"{what}:\n  {command}", markup=False, soft_wrap=True)


def _play(console: Console, scene: _Scene, lines: bool, end: float) -> None:
    """Show what happens until the end. Raises DemoError if Bascule does not last so long."""
    with ExitStack() as stack:
        live = None
        if not lines:
            live = stack.enter_context(Live(console=console, auto_refresh=False))
        printed = time.monotonic()
        while (now := time.monotonic()) < end:
            scene.step()
            if not scene.proxy.running:
                raise DemoError(f"Bascule has ended; see {scene.proxy.log}")
            if live is not None:
                live.update(render(scene.tally, console.height), refresh=True)
            elif now - printed >= PLAIN_EVERY:
                printed = now
                console.print(plain(scene.tally), soft_wrap=True)
            time.sleep(min(REFRESH, max(0.0, end - now)))
