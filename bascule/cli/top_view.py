"""How ``bascule top`` looks: two readings of /status become one picture. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, MutableSequence, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bascule.cli.top_lines import cache_line, causes_line, defence_lines
from bascule.cli.top_numbers import age, deltas, duration, number, size
from bascule.telemetry.totals import quantile

WIDE: Final = 110
"""From this width on, tables show the columns that narrower terminals have no room for."""
_BARS: Final = " ▁▂▃▄▅▆▇█"
_CLASS_STYLE: Final = {"2xx": "green", "3xx": "cyan", "4xx": "yellow", "5xx": "bold red", "1xx": "blue", "other": "dim"}
_STATE_STYLE: Final = {"up": "green", "ready": "green", "running": "green", "drain": "yellow", "draining": "yellow",
                       "starting": "cyan"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """A document of /status and when it was read (monotonic seconds)."""

    time: float
    status: dict[str, Any]


def render(
    before: Reading, now: Reading, rates: MutableSequence[float] | None, width: int, height: int = 0
) -> RenderableType:
    """Return the picture; `rates` takes the request rate of each reading, for the curve. `height` 0 means any."""
    seconds = max(now.time - before.time, 1e-3)
    wide = width >= WIDE
    routes = _route_rows(before.status, now.status, seconds)
    if rates is not None:
        rates.append(sum(row.rate for row in routes))
    rooms = _rooms(height)
    return Group(
        _header(now.status),
        Text(),
        _traffic(before.status, now.status, seconds, routes),
        *(() if not rates or len(rates) < 2 else (_curve(rates, width),)),
        _routes_table(routes, wide, rooms[0]),
        _servers_table(before.status, now.status, seconds, wide, rooms[1]),
        _workers_table(before.status, now.status, seconds, wide, rooms[2]),
        causes_line(before.status, now.status, seconds),
        *defence_lines(before.status, now.status, seconds),
        *cache_line(before.status, now.status, seconds),
    )


def _rooms(height: int) -> tuple[int, int, int]:
    """Return how many rows of routes, servers and workers fit."""
    if not height:
        return 1000, 1000, 1000
    left = max(6, height - 19)
    return left - 2 * (left // 3), left // 3, left // 3


# --- the head --------------------------------------------------------------------------------------------------------


def _header(status: dict[str, Any]) -> Text:
    state = str(status.get("state", "?"))
    ready = status.get("ready")
    text = Text.assemble(
        ("Bascule ", "bold"),
        str(status.get("version", "")),
        "  ",
        (state, _STATE_STYLE.get(state, "bold red")),
        " · ",
        ("ready", "green") if ready else ("not ready", "bold red"),
        f" · generation {status.get('generation')} · up {age(status.get('uptime') or 0)}",
        f" · {', '.join(map(str, status.get('listeners', ())))}",
    )
    if attacked := [name for name, on in status.get("under_attack", {}).items() if on]:
        text.append(f"\nUNDER ATTACK: {', '.join(attacked)}", "bold red")
    for name, room in status.get("waiting_rooms", {}).items():
        if room["waiting"]:
            text.append(f"\nwaiting room {name}: {room['active']} in, {room['waiting']} wait", "yellow")
    for reason in status.get("reasons", ()):
        text.append(f"\n{reason}", "bold red")
    last = status.get("last_reload")
    if last and not last.get("ok"):
        text.append(f"\nlast reload failed: {last.get('error')}", "bold red")
    return text


def _traffic(before: dict[str, Any], now: dict[str, Any], seconds: float, routes: list[_RouteRow]) -> Table:
    statuses: dict[str, float] = {}
    for row in routes:
        for kind, rate in row.statuses.items():
            statuses[kind] = statuses.get(kind, 0.0) + rate
    buckets = [sum(column) for column in zip(*(row.buckets for row in routes), strict=True)] if routes else []
    connections, earlier = now.get("connections", {}), before.get("connections", {})
    accepted = max(0, connections.get("accepted", 0) - earlier.get("accepted", 0)) / seconds
    refused = max(0, connections.get("refused", 0) - earlier.get("refused", 0)) / seconds
    grid = Table.grid(padding=(0, 3))
    grid.add_row(
        Text.assemble((number(sum(row.rate for row in routes)), "bold"), " req/s"),
        _classes(statuses),
        Text.assemble("in ", (size(sum(row.bytes_in for row in routes)), "bold"), "/s  out ",
                      (size(sum(row.bytes_out for row in routes)), "bold"), "/s"),
    )  # fmt: skip
    grid.add_row(
        Text.assemble((str(connections.get("open", 0)), "bold"), " connections"),
        Text.assemble(*_latencies(buckets)),
        Text.assemble(f"{number(accepted)} new/s", (f"  {number(refused)} refused/s" if refused else "", "bold red")),
    )
    return grid


def _latencies(buckets: Sequence[int]) -> list[tuple[str, str]]:
    parts: list[tuple[str, str]] = []
    for percent in (50, 95, 99):
        parts += [(f"p{percent} ", ""), (f"{duration(quantile(buckets, percent / 100))}  ", "bold")]
    return parts


def _classes(statuses: dict[str, float]) -> Text:
    """Return shares by status class, as in ``2xx 99.1 %``."""
    total = sum(statuses.values())
    text = Text()
    for kind in ("2xx", "3xx", "4xx", "5xx", "1xx", "other"):
        share = statuses.get(kind, 0.0)
        if share:
            text.append(f"{kind} {100 * share / total:.1f}%  ", _CLASS_STYLE[kind])
    return text if total else Text("no requests", "dim")


def _curve(rates: Iterable[float], width: int) -> Text:
    shown = list(rates)[-max(10, width - 12) :]
    most = max(shown) or 1.0
    bars = "".join(_BARS[round(rate / most * (len(_BARS) - 1))] for rate in shown)
    return Text.assemble((bars, "cyan"), (f" ≤ {number(most)}/s", "dim"))


# --- tables ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _RouteRow:
    name: str
    rate: float
    total: int
    statuses: dict[str, float]
    bytes_in: float
    bytes_out: float
    buckets: list[int]


def _route_rows(before: dict[str, Any], now: dict[str, Any], seconds: float) -> list[_RouteRow]:
    """Return the routes with what happened between the readings, the busiest first."""
    earlier = {(site["name"], route["name"]): route for site in before.get("sites", ()) for route in site["routes"]}
    rows = []
    for site in now.get("sites", ()):
        for route in site["routes"]:
            old = earlier.get((site["name"], route["name"]), {})
            mark = " [maintenance]" if site.get("maintenance") else ""
            statuses = deltas(old.get("statuses", {}), route["statuses"], seconds)
            rows.append(
                _RouteRow(
                    route["name"] + mark,
                    sum(statuses.values()),
                    route["requests"],
                    statuses,
                    max(0, route["bytes_in"] - old.get("bytes_in", 0)) / seconds,
                    max(0, route["bytes_out"] - old.get("bytes_out", 0)) / seconds,
                    _buckets(old.get("duration"), route["duration"]),
                )
            )
    rows.sort(key=lambda row: (-row.rate, -row.total, row.name))
    return rows


def _buckets(old: dict[str, Any] | None, new: dict[str, Any]) -> list[int]:
    counts: list[int] = new["buckets"]
    return [max(0, count - was) for count, was in zip(counts, old["buckets"], strict=True)] if old else counts


def _table(title: str, columns: Iterable[tuple[str, bool]]) -> Table:
    """Return a table whose first column takes the room that is left; the flag means right-aligned."""
    table = Table(box=None, expand=True, pad_edge=False, padding=(0, 1), header_style="bold dim")
    for position, (name, right) in enumerate(((title, False), *columns)):
        table.add_column(
            name,
            justify="right" if right else "left",
            ratio=1 if position == 0 else None,
            no_wrap=True,
            overflow="ellipsis",
        )
    return table


def _cut(table: Table, rows: Sequence[Any], room: int, add: Callable[[Any], None]) -> RenderableType:
    """Fill the table with as many rows as there is room for, and say how many are left out."""
    for row in rows[:room]:
        add(row)
    if len(rows) > room:
        table.add_row(Text(f"and {len(rows) - room} more", "dim"))
    return Padding(table, (1, 0, 0, 0))


def _routes_table(routes: list[_RouteRow], wide: bool, room: int) -> RenderableType:
    names = ("req/s", "4xx/s", "5xx/s", "p50", *(("p95",) if wide else ()), "p99", "out/s")
    table = _table("ROUTE", [(name, True) for name in (*names, *(("in/s", "total") if wide else ()))])

    def add(row: _RouteRow) -> None:
        def at(percent: int) -> str:
            return duration(quantile(row.buckets, percent / 100))

        cells = [
            Text(row.name),
            Text(number(row.rate), "bold" if row.rate else "dim"),
            _rate(row.statuses.get("4xx", 0.0), "yellow"),
            _rate(row.statuses.get("5xx", 0.0), "bold red"),
            *(Text(at(percent)) for percent in ((50, 95, 99) if wide else (50, 99))),
            Text(size(row.bytes_out)),
        ]
        if wide:
            cells += [Text(size(row.bytes_in)), Text(number(row.total))]
        table.add_row(*cells)

    return _cut(table, routes, room, add)


def _servers(status: dict[str, Any]) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    """Yield each server with the names of its pool and itself."""
    for pool in status.get("pools", ()):
        for server in pool["servers"]:
            yield (pool["name"], server["server"]), server


def _servers_table(
    before: dict[str, Any], now: dict[str, Any], seconds: float, wide: bool, room: int
) -> RenderableType:
    earlier = dict(_servers(before))
    servers = list(_servers(now))
    named = Counter(server for (_, server), _ in servers)
    columns = [("state", False), ("active", True), ("req/s", True), ("errors/s", True), ("p95", True)]
    if wide:
        columns = [("pool", False), *columns, ("weight", True), ("p50", True), ("total", True)]
    table = _table("SERVER", columns)

    def add(row: tuple[tuple[str, str], dict[str, Any]]) -> None:
        (pool, name), server = row
        old = earlier.get(row[0], {})
        rate = max(0, server["requests"] - old.get("requests", 0)) / seconds
        errors = sum(deltas(old.get("errors", {}), server["errors"], seconds).values())
        buckets = _buckets(old.get("wait"), server["wait"])
        state = str(server["state"])
        shown = f"{state}, drained" if server.get("drained") and state != "drain" else state
        cells = [
            Text(name if wide or named[name] == 1 else f"{name}  {pool}"),
            Text(f"● {shown}", _STATE_STYLE.get(state, "bold red")),
            Text(f"{server['active']}/{limit}" if (limit := server.get("limit")) else str(server["active"])),
            Text(number(rate), "bold" if rate else "dim"),
            _rate(errors, "bold red"),
            Text(duration(quantile(buckets, 0.95))),
        ]
        if wide:
            cells = [cells[0], Text(pool, overflow="ellipsis"), *cells[1:], Text(str(server["weight"])),
                     Text(duration(quantile(buckets, 0.5))), Text(number(server["requests"]))]  # fmt: skip
        table.add_row(*cells)

    return _cut(table, servers, room, add)


def _workers_table(
    before: dict[str, Any], now: dict[str, Any], seconds: float, wide: bool, room: int
) -> RenderableType:
    earlier = {process["pid"]: process for process in before.get("processes", ())}
    columns = [("state", False), ("CPU", True), ("memory", True), ("conns", True), ("files", True)]
    if wide:
        columns = [("pid", True), ("gen", True), *columns, ("up", True)]
    table = _table("PROCESS", columns)

    def add(process: dict[str, Any]) -> None:
        state = str(process["state"])
        measured = "resident" in process
        cells = [
            Text(str(process["name"])),
            Text(f"● {state}", _STATE_STYLE.get(state, "bold red")),
            Text(_cpu(earlier.get(process["pid"]), process, seconds)),
            Text(size(process["resident"]) if measured else "-"),
            Text(str(process.get("connections", "-"))),
            Text(str(process.get("fds", "-"))),
        ]
        if wide:
            cells = [cells[0], Text(str(process["pid"])), Text(str(process["generation"])), *cells[1:],
                     Text(age(process.get("uptime") or 0))]  # fmt: skip
        table.add_row(*cells)

    return _cut(table, list(now.get("processes", ())), room, add)


def _cpu(old: dict[str, Any] | None, new: dict[str, Any], seconds: float) -> str:
    """Return the share of a core; the average over the process's life when it was not seen before."""
    if "cpu" not in new:
        return "-"
    if old is not None and "cpu" in old:
        return f"{100 * max(0.0, new['cpu'] - old['cpu']) / seconds:.0f}%"
    return f"{100 * new['cpu'] / max(new.get('uptime') or 0, seconds):.0f}%"


def _rate(value: float, style: str) -> Text:
    return Text(number(value), style if value else "dim")
