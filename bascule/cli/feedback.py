"""``bascule feedback REF``: an exception for a request that was harmless, and an example to learn from."""

from __future__ import annotations

import getpass
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from bascule.cli.event_source import ConfigOption, EventsOption, locate
from bascule.cli.exceptions import EXPIRES_AFTER, Proposal, default_expiry, proposals
from bascule.cli.instance import Pid, RunDir
from bascule.cli.texts import fail, visible
from bascule.config.errors import ConfigError
from bascule.config.loader import load
from bascule.config.plan import Plan
from bascule.state.files import write_whole
from bascule.telemetry import eventfiles
from bascule.telemetry.eventfiles import LoggedEvent

EXAMPLES = "feedback.jsonl"
"""File beside the event log that examples are written to."""
_CUT = re.compile(r"\.\.\. \([0-9]+ bytes\)$")
_MASKED = "***"
_KINDS = {"REQUEST_FILENAME": "path", "REQUEST_HEADERS:user-agent": "ua"}


def feedback(
    reference: Annotated[str, typer.Argument(help="The reference id: x-bascule-ref, or shown on the error page.")],
    false_positive: Annotated[bool, typer.Option("--false-positive", help="The request was harmless.")] = False,
    owner: Annotated[str, typer.Option(help="Who answers for the exception; your account unless given.")] = "",
    reason: Annotated[str, typer.Option(help="Why it is needed.")] = "",
    days: Annotated[int, typer.Option(min=1, max=3650, help="Days until it ends.")] = EXPIRES_AFTER.days,
    site: Annotated[str, typer.Option(help="Site it is for, as the configuration calls it.")] = "",
    write: Annotated[Path | None, typer.Option(help="Add it to this file, which the configuration includes.")] = None,
    examples: Annotated[str, typer.Option(help=f"File for the example, or off; {EXAMPLES} beside the log.")] = "",
    events: EventsOption = None,
    config: ConfigOption = None,
    run_dir: RunDir = "",
    pid: Pid = 0,
) -> None:
    """Turn a false positive into an exception for its site, path, parameter and rules, and an example to learn from."""
    if not false_positive:
        fail("say what was wrong with the event: --false-positive", 2)
    log = locate(events, config, run_dir, pid)
    event = eventfiles.find(log, reference.strip())
    if event is None:
        fail(f"no event {reference!r} in {log}")
    wanted = proposals(event)
    if not wanted:
        fail(f"nothing of the firewall refused {reference}, or would have: there is nothing to make an exception of")
    plan = _plan(config)
    name = site or _site_of(event.host, plan)
    why = reason or f"harmless (event {event.reference})"
    entries = [each.as_data(owner or getpass.getuser(), why, default_expiry(days)) for each in wanted]
    if write is None:
        typer.echo(f"# top level of the configuration, or of a file it includes\n{_yaml(name, entries)}", nl=False)
    else:
        _write(write, name, entries, wanted, plan)
    if examples != "off":
        _keep_examples(Path(examples) if examples else Path(log).with_name(EXAMPLES), event)


def _plan(config: Path | None) -> Plan | None:
    if config is None:
        return None
    try:
        return load(config)
    except ConfigError as error:
        fail(f"{config} does not load: {error.problems[0].message}")


def _site_of(authority: str, plan: Plan | None) -> str:
    """Return the site that serves a host: by name, by wildcard, or the one for any other host."""
    host = re.sub(r":[0-9]*$", "", authority).lower().rstrip(".")
    if plan is None:
        return host
    every = {each: found.name for found in plan.sites for each in found.hosts}
    labels = host.split(".")
    candidates = (host, *("*." + ".".join(labels[n:]) for n in range(1, len(labels))), "*")
    found = next((every[candidate] for candidate in candidates if candidate in every), "")
    return found or fail(f"no site of the configuration serves {visible(authority)!r}; name it with --site")


def _yaml(name: str, entries: list[dict[str, Any]]) -> str:
    return _dumped({"exclusions": {name: entries}})


def _dumped(data: Any) -> str:
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 4096
    stream = io.StringIO()
    yaml.dump(data, stream)
    return stream.getvalue()


def _write(file: Path, name: str, entries: list[dict[str, Any]], wanted: list[Proposal], plan: Plan | None) -> None:
    """Add exceptions to a file, whose comments stay; those that stand there already are left out."""
    try:
        text = file.read_text() if file.exists() else ""
        data = YAML().load(text) or {}
    except (OSError, YAMLError, ValueError) as error:
        fail(f"{file} cannot be read: {error}")
    if not isinstance(data, dict) or not isinstance(data.setdefault("exclusions", {}), dict):
        fail(f"{file} is no file of exclusions: its top level holds `exclusions`, from site to list")
    there = data["exclusions"].setdefault(name, [])
    known = {(item.get("path", ""), item.get("parameter", ""), *map(str, item.get("rules", ()))) for item in there}
    fresh = [
        entry
        for entry, proposal in zip(entries, wanted, strict=True)
        if (proposal.path, proposal.parameter, *map(str, proposal.rules)) not in known
    ]
    if not fresh:
        typer.echo(f"{file} has this exception already")
        return
    there += fresh
    _replace(file, _dumped(data))
    typer.echo(f"{len(fresh)} exceptions for {name} added to {file}; they hold from the next reload on")
    if plan is not None and str(file.resolve()) not in plan.files:
        typer.echo(f"warning: the configuration does not include {file}; add it to `include`", err=True)


def _replace(file: Path, text: str) -> None:
    try:
        write_whole(file, text.encode(), 0o644)
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}")


def _keep_examples(file: Path, event: LoggedEvent) -> None:
    """Append what fired to the examples, as rows of harmless values that `bascule train` reads."""
    rows = list(_examples(event))
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.writelines(msgspec.json.encode(row) + b"\n" for row in rows)
    except OSError as error:
        fail(f"the example cannot be kept in {file}: {error.strerror}; name another file with --examples, or off")
    typer.echo(f"{len(rows)} examples kept in {file}", err=True)


def _examples(event: LoggedEvent) -> Iterator[dict[str, str]]:
    """Yield each value that a rule fired on once; what was masked or cut for the event teaches nothing."""
    seen: set[tuple[str, str]] = set()
    for rule in event.rules:
        for found in rule.matched:
            if found.variable[:3] == "TX:" or (found.variable, found.value) in seen:
                continue
            seen.add((found.variable, found.value))
            if _MASKED in found.value or _CUT.search(found.value) or not found.value:
                continue
            yield {
                "text": found.value,
                "kind": _KINDS.get(found.variable, "value"),
                "source": f"feedback {event.reference}",
                "place": found.variable,
                "site": event.host,
                "path": event.path,
            }
