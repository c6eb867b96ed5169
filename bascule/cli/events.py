"""``bascule events``: what the firewall noticed lately, and what is noisy and wants tuning."""

from __future__ import annotations

import contextlib
import ipaddress
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bascule.cli.event_source import ConfigOption, EventsOption, locate
from bascule.cli.instance import Pid, RunDir
from bascule.cli.texts import fail, visible
from bascule.config.types import parse_duration
from bascule.telemetry import eventfiles
from bascule.telemetry.eventfiles import LoggedEvent

MAX_KEYS = 100_000
"""Distinct rules, parameters, paths or clients a summary counts; a flood of made-up paths must not fill the memory."""
Row = tuple[str, ...]
_ACTIONS = {"block": "bold red", "redirect": "red", "drop": "red", "detect": "yellow", "log": "dim"}


class Action(StrEnum):
    """What came of a request."""

    block = "block"
    redirect = "redirect"
    drop = "drop"
    detect = "detect"
    log = "log"


def events(
    rule: Annotated[list[str] | None, typer.Option(help="Only events of this rule: 942100 or 942000-942999.")] = None,
    path: Annotated[str, typer.Option(help="Only paths that begin so.")] = "",
    client: Annotated[str, typer.Option(help="Only this client: an address or a network.")] = "",
    host: Annotated[str, typer.Option(help="Only this host.")] = "",
    action: Annotated[Action | None, typer.Option(help="Only what was refused, or detected, or noted.")] = None,
    since: Annotated[str, typer.Option(help="Only since: 15m, 24h, 7d, or a time such as 2030-12-31T08:00.")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="How many, of the newest.")] = 20,
    top: Annotated[bool, typer.Option("--top", help="Sum up: the noisiest rules, parameters, paths, clients.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as events come.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one event a line.")] = False,
    events: EventsOption = None,
    config: ConfigOption = None,
    run_dir: RunDir = "",
    pid: Pid = 0,
) -> None:
    """List what the firewall noticed, the newest last. `bascule explain REF` tells more of one event."""
    wanted = _filter(rule or [], path, client, host, action, since)
    file = locate(events, config, run_dir, pid)
    console = Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 200)
    show = _print_json if as_json else lambda event: console.print(_line(event), soft_wrap=True)
    try:
        if top:
            _summary(console, filter(wanted, eventfiles.every(file)), limit, as_json)
            return
        for event in eventfiles.recent(file, wanted, limit):
            show(event)
        if follow:
            with contextlib.suppress(KeyboardInterrupt):
                for event in filter(wanted, eventfiles.follow(file)):
                    show(event)
    except OSError as error:
        fail(f"{error.filename or file}: {error.strerror}; use the account that Bascule runs under, or root")


def _filter(
    rules: list[str], path: str, client: str, host: str, action: Action | None, since: str
) -> Callable[[LoggedEvent], bool]:
    tests: list[Callable[[LoggedEvent], bool]] = []
    if rules:
        ranges = [_range(text) for text in rules]
        tests.append(lambda event: any(low <= rule.id <= high for rule in event.rules for low, high in ranges))
    if path:
        tests.append(lambda event: event.path.startswith(path))
    if client:
        tests.append(_client_test(client))
    if host:
        tests.append(lambda event: event.host.partition(":")[0].lower() == host.lower())
    if action:
        tests.append(lambda event: event.action == action)
    if since:
        begin = _moment(since)
        tests.append(lambda event: event.moment >= begin)
    return lambda event: all(test(event) for test in tests)


def _range(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    if not low.isdigit() or (high and not high.isdigit()):
        fail(f"--rule: {text!r} is not a rule's id or a range of them, such as 942100 or 942000-942999", 2)
    return int(low), int(high or low)


def _client_test(client: str) -> Callable[[LoggedEvent], bool]:
    try:
        network = ipaddress.ip_network(client, strict=False)
    except ValueError:
        fail(f"--client: {client!r} is not an address or network such as 192.0.2.7 or 2001:db8::/32", 2)

    def inside(event: LoggedEvent) -> bool:
        try:
            return ipaddress.ip_address(event.client) in network
        except ValueError:
            return False

    return inside


def _moment(text: str) -> float:
    """Return a time in seconds of the epoch from a span before now, or from an ISO 8601 time (UTC if it says none)."""
    with contextlib.suppress(ValueError):
        return datetime.now(UTC).timestamp() - parse_duration(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        fail(f"--since: {text!r} is neither a span such as 15m or 7d nor a time such as 2030-12-31T08:00", 2)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _print_json(event: LoggedEvent) -> None:
    typer.echo(msgspec.json.encode(event).decode())


def _line(event: LoggedEvent) -> Text:
    line = Text(f"{visible(event.time[:19])}  ", "dim")
    line.append(f"{event.action:8}", _ACTIONS.get(event.action, ""))
    line.append(f"  {visible(event.reference)}  {visible(event.client)}  ", "default")
    line.append(visible(f"{event.method} {event.host}{event.target}"[:160]), "cyan")
    line.append(f"  {' '.join(str(rule.id) for rule in event.rules[:12])}", "default")
    return line


def _summary(console: Console, found: Iterable[LoggedEvent], limit: int, as_json: bool) -> None:
    """Count what fires most. A rule counts once an event, and so do the values it fired on."""
    tables: dict[str, Counter[Row]] = {name: Counter() for name in ("rules", "values", "paths", "clients")}
    actions: Counter[str] = Counter()
    for event in found:
        actions[event.action] += 1
        _count(tables["paths"], [(f"{event.host}{event.path}",)])
        _count(tables["clients"], [(event.client,)])
        firing = [rule for rule in event.rules if not {"anomaly-evaluation", "reporting"}.intersection(rule.tags)]
        _count(tables["rules"], {(str(rule.id), rule.message) for rule in firing})
        _count(tables["values"], {(str(rule.id), matched.variable) for rule in firing for matched in rule.matched})
    if as_json:
        shown = {name: [[*key, count] for key, count in counter.most_common(limit)] for name, counter in tables.items()}
        typer.echo(msgspec.json.encode({"events": actions.total(), "actions": actions, **shown}).decode())
        return
    told = ", ".join(f"{count} {name}" for name, count in actions.most_common())
    console.print(Text(f"{actions.total()} events{': ' if told else ''}{told}", "bold"))
    for name, counter in tables.items():
        table = Table("events", name, "", box=None, pad_edge=False)
        table.columns[0].justify = "right"
        for key, count in counter.most_common(limit):
            table.add_row(str(count), *(Text(visible(text[:120]), overflow="fold") for text in key))
        console.print(Text(), table)


def _count(counter: Counter[Row], keys: Iterable[Row]) -> None:
    counter.update(key for key in keys if key in counter or len(counter) < MAX_KEYS)
