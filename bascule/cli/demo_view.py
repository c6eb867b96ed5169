"""How ``bascule demo`` looks: what the access log tells, as tables or as plain lines. No I/O but reading the log."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

WINDOW: Final = 30.0
"""Seconds that rate and latencies are taken over."""
_KEPT: Final = 5000
_RECENT: Final = 30
_READ: Final = 1 << 20
_HIGH: Final = 32
"""Lines of a terminal from which on there is room for captions."""
_STATE_STYLE: Final = {"up": "green", "gone": "bold red", "down": "bold red"}


class Seen(NamedTuple):
    """A line of the access log."""

    time: float
    method: str
    target: str
    status: int
    server: str
    tries: int
    duration: float


class LogTail:
    """Reads what is appended to the access log."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self._rest = b""

    def read(self) -> list[Seen]:
        """Return the new lines; at most 1 MiB of them at a time."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._position)
                data = file.read(_READ)
        except OSError:
            return []
        self._position += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [seen for line in lines if (seen := _seen(line)) is not None]


def _seen(line: bytes) -> Seen | None:
    try:
        found: dict[str, Any] = json.loads(line)
        return Seen(
            time.monotonic(),
            str(found["method"]),
            str(found["target"]),
            int(found["status"]),
            str(found.get("server") or ""),
            int(found.get("tries") or 0),
            float(found["duration"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


@dataclass
class ReplicaView:
    """A replica as it is shown."""

    name: str
    address: str
    pid: int
    state: str
    """``up``, ``down`` (says Bascule), or ``gone``."""
    back_in: float = 0.0
    """Seconds until a killed one comes back."""
    requests: int = 0


class Try(NamedTuple):
    """Something to try next, with a command to paste."""

    what: str
    command: str


@dataclass
class Tally:
    """What was seen so far."""

    url: str
    replicas: list[ReplicaView]
    tries: list[Try]
    started: float = field(default_factory=time.monotonic)
    total: int = 0
    retried: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    """From class (2 for 2xx) to count."""
    sent: int = 0
    lost: int = 0
    window: deque[Seen] = field(default_factory=lambda: deque(maxlen=_KEPT))
    recent: deque[Seen] = field(default_factory=lambda: deque(maxlen=_RECENT))

    def add(self, lines: Iterable[Seen]) -> None:
        """Count lines of the log."""
        for seen in lines:
            self.total += 1
            self.retried += seen.tries > 1
            self.statuses[seen.status // 100] = self.statuses.get(seen.status // 100, 0) + 1
            self.window.append(seen)
            self.recent.appendleft(seen)
            if replica := self.replica_at(seen.server):
                replica.requests += 1
        old = time.monotonic() - WINDOW
        while self.window and self.window[0].time < old:
            self.window.popleft()

    def replica_at(self, server: str) -> ReplicaView | None:
        """Return the replica that the log calls `server`."""
        return next((replica for replica in self.replicas if server and server.endswith(replica.address)), None)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.window) / max(1.0, min(WINDOW, time.monotonic() - self.started))

    def latency(self, share: float) -> float:
        """Return a quantile of the latency, in milliseconds."""
        ordered = sorted(seen.duration for seen in self.window)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000 if ordered else 0.0


def render(tally: Tally, height: int) -> RenderableType:
    """Return the picture for a terminal with `height` lines; a low one gets the commands without their captions."""
    captions = height >= _HIGH
    around = 10 + len(tally.replicas) + len(tally.tries) * (2 if captions else 1)
    room = max(0, height - around)
    recent = (_recent(tally, room),) if room else ()
    return Group(_summary(tally), Text(), _replicas(tally), Text(), *recent, _tries(tally.tries, captions))


def _summary(tally: Tally) -> Text:
    text = Text.assemble(
        ("Bascule ", "bold"), (tally.url, "underline cyan"), f"  up {time.monotonic() - tally.started:.0f} s\n",
        (f"{tally.total}", "bold"), " requests  ", (f"{tally.rate:.1f}", "bold"), "/s  p50 ",
        (f"{tally.latency(0.5):.1f}", "bold"), " ms  p99 ", (f"{tally.latency(0.99):.1f}", "bold"), " ms  ",
    )  # fmt: skip
    for kind, style in ((2, "green"), (3, "cyan"), (4, "yellow"), (5, "bold red")):
        if count := tally.statuses.get(kind, 0):
            text.append(f" {kind}xx {count}", style)
    text.append(f"   retried on the other replica {tally.retried}", "yellow" if tally.retried else "dim")
    if tally.sent:
        text.append(f"   lost {tally.lost} of {tally.sent}", "bold red" if tally.lost else "bold green")
    return text


def _table(*columns: tuple[str, bool]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold dim")
    for name, right in columns:
        table.add_column(name, justify="right" if right else "left", no_wrap=True, overflow="ellipsis")
    return table


def _replicas(tally: Tally) -> Table:
    columns = ("REPLICA", False), ("address", False), ("pid", True), ("state", False), ("requests", True), ("", False)
    table = _table(*columns)
    most = max((replica.requests for replica in tally.replicas), default=0) or 1
    for replica in tally.replicas:
        state = f"● {replica.state}"
        if replica.back_in:
            state += f", back in {replica.back_in:.0f} s"
        bar = "█" * round(20 * replica.requests / most)
        table.add_row(
            replica.name, replica.address, str(replica.pid), Text(state, _STATE_STYLE.get(replica.state, "yellow")),
            str(replica.requests), Text(bar, "blue"),
        )  # fmt: skip
    return table


def _recent(tally: Tally, room: int) -> Table:
    table = _table(("STATUS", True), ("request", False), ("answered by", False), ("tries", True), ("ms", True))
    for seen in list(tally.recent)[:room]:
        replica = tally.replica_at(seen.server)
        style = "green" if seen.status < 300 else "cyan" if seen.status < 400 else "yellow"
        table.add_row(
            Text(str(seen.status), style if seen.status < 500 else "bold red"),
            Text(f"{seen.method} {seen.target}"[:60]),
            Text(replica.name if replica else "Bascule", "" if replica else "bold"),
            Text(str(seen.tries), "yellow" if seen.tries > 1 else "dim"),
            f"{seen.duration * 1000:.1f}",
        )
    return table


def _tries(tries: list[Try], captions: bool) -> Panel:
    text = Text()
    for place, (what, command) in enumerate(tries):
        text.append("\n" if place else "")
        if captions:
            text.append(what + "\n  ", "dim")
        text.append(command, "bold")
    return Panel(text, title="Try next, in another terminal (Ctrl-C here ends everything)", title_align="left")


def plain(tally: Tally) -> str:
    """Return one line on how it goes."""
    replicas = "  ".join(f"{r.name} {r.state} {r.requests}" for r in tally.replicas)
    return (
        f"{tally.total} requests  {tally.rate:.1f}/s  p50 {tally.latency(0.5):.1f} ms  p99 {tally.latency(0.99):.1f} ms"
        f"  {replicas}  retried {tally.retried}  lost {tally.lost} of {tally.sent}"
    )
