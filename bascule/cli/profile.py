"""``bascule profile``: what was learned of the sites, how far it is, and learning from recordings."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.table import Table

from bascule.cli.instance import Pid, RunDir, ask
from bascule.cli.replay import Form, load_firewall, recordings
from bascule.cli.texts import fail, visible
from bascule.config.profile import WafProfile
from bascule.proxy.profile_keeper import file_of, folder_of, read, write
from bascule.waf.profile.export import openapi
from bascule.waf.profile.model import Learner, Profile, ProfileError
from bascule.waf.profile.observation import Observation, observe
from bascule.waf.profile.progress import progress

if TYPE_CHECKING:
    from bascule.config.plan import RoutePlan
    from bascule.defence.clients import ClientPrefix
    from bascule.waf.replay.records import Recorded

DEFAULTS = WafProfile()
MAX_HELD = 200_000
"""Requests of a recording that wait for its end, until it is known whose clients attack."""

app = typer.Typer(help="Learn what the requests of a site usually look like.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
File = Annotated[Path | None, typer.Option("--file", help="A profile's file, in place of a running instance.")]
Clients = Annotated[
    int, typer.Option(min=1, max=64, help="With --file: distinct clients that must have shown a thing.")
]
Requests = Annotated[int, typer.Option(min=1, help="With --file: requests to a place before it is judged.")]


@app.command()
def show(
    site: Annotated[str, typer.Argument(help="Only this site.")] = "",
    file: File = None,
    clients: Clients = DEFAULTS.clients,
    requests: Requests = DEFAULTS.requests,
    as_json: AsJson = False,
    run_dir: RunDir = "",
    pid: Pid = 0,
) -> None:
    """Show what was learned, place by place, and how much is missing until it is judged."""
    if file is not None:
        profile = _read(file)
        found: list[dict[str, Any]] = [
            {"site": profile.site, "learned": profile.learned, "places": progress(profile, clients, requests)},
        ]
    else:
        found = ask("GET", "/profiles", run_dir, pid)["profiles"]
    found = [each for each in found if site in ("", each["site"])]
    if site and not found:
        fail(f"there is no profile of {site}")
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    if not found:
        typer.echo("no site has a profile; give one `waf: {profile: learning}`", err=True)
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 200)
    for each in found:
        console.print(_headline(each), style="bold")
        console.print(_table(each["places"]))


def _headline(found: dict[str, Any]) -> str:
    ripe = sum(place["ripe"] for place in found["places"])
    text = (
        f"{visible(found['site'])}: {found['learned']} requests learned, {ripe} of {len(found['places'])} places ripe"
    )
    if "stages" in found:
        stages = ", ".join(sorted(set(found["stages"].values()) - {"off"}))
        text += f" ({stages}; {found['waiting']} wait, {found['ignored']} ignored"
        text += f"; {found['judged']} judged, {found['deviating']} unusual; {found['alarms']} alarms)"
    return text


def _table(places: list[dict[str, Any]]) -> Table:
    table = Table("place", "ripe", "requests", "clients", "parameters", box=None, pad_edge=False)
    for place in sorted(places, key=lambda place: (place["place"], place["method"])):
        told = [_parameter(parameter) for parameter in place["parameters"]]
        if place["unconfirmed"]:
            told.append(f"{place['unconfirmed']} not confirmed")
        ripe = "yes" if place["ripe"] else f"{place['progress']} %"
        name = visible(f"{place['method']} {place['place']}")
        table.add_row(name, ripe, str(place["requests"]), str(place["clients"]), "; ".join(told))
    return table


def _parameter(parameter: dict[str, Any]) -> str:
    need = "" if parameter["required"] else "?"
    kinds = "|".join(parameter["kinds"]) or "?"
    return visible(f"{parameter['name']}{need} {kinds} to {parameter['longest']} bytes")


@app.command()
def learn(
    files: Annotated[list[Path], typer.Argument(help="Recordings; - is stdin. May be gzipped.", show_default=False)],
    config: Annotated[Path, typer.Option(help="The configuration whose sites they are of.")],
    form: Annotated[Form, typer.Option("--format", help="Form of the recordings; found out by itself.")] = Form.auto,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what was learned before.")] = False,
) -> None:
    """Learn from recordings that `bascule replay` reads: HAR, JSON lines, access logs, requests as text.

    Requests on which a rule fires are left out, with all others of their client, and so are those that were refused.
    A running instance takes up the file within seconds.
    """
    firewall = load_firewall(config)
    lessons = _Lessons(fresh, firewall.clients)
    for name, request in recordings(files, form):
        found = firewall.lesson(request)
        if found is not None:
            lessons.add(name, request, *found)
        else:
            lessons.skipped += 1
    for site, (profile, file) in sorted(lessons.finish().items()):
        try:
            file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            write(file, profile)
        except OSError as error:
            fail(f"{file}: {error.strerror}")
        typer.echo(f"bascule: {site}: {profile.learned} requests learned in all, {file}", err=True)
    typer.echo(f"bascule: {lessons.learned} learned, {lessons.refused} suspicious or refused or of a client that was, "
               f"{lessons.bodiless} whose body was not recorded, {lessons.skipped} of no site with a profile",
               err=True)  # fmt: skip


class _Lessons:
    """Requests of recordings, kept until it is known which clients attack.

    Of IPv6 a network is one client, as it is to a running instance: or whoever has a /64 would be as many as he likes.
    """

    def __init__(self, fresh: bool, clients: ClientPrefix) -> None:
        self._clients = clients
        self.learned = self.refused = self.bodiless = self.skipped = 0
        self._fresh = fresh
        self._held: deque[Observation] = deque()
        self._suspects: set[tuple[str, str]] = set()
        self._sites: dict[str, tuple[Learner, Path]] = {}

    def add(self, file: str, request: Recorded, route: RoutePlan, path: bytes, t: Any, suspicious: bool) -> None:
        """Take a request with what the firewall says of it."""
        settings = route.waf.profile
        if settings.stage == "off":
            self.skipped += 1
            return
        site, client = route.site, self._clients.of(request.client).decode("latin-1")
        if site not in self._sites:
            where = file_of(folder_of(settings.folder), site)
            profile = Profile(site) if self._fresh else _read(where, site)
            self._sites[site] = Learner(profile, settings.clients), where
        if suspicious:
            self._suspects.add((site, client))
        if suspicious or (request.status and not 200 <= request.status < 400):
            self.refused += 1
            return
        if "body" in request.lacks:
            self.bodiless += 1
            return
        self._held.append(observe(t, site, client, path))
        if len(self._held) > MAX_HELD:
            self._learn(self._held.popleft())

    def finish(self) -> dict[str, tuple[Profile, Path]]:
        """Learn what is left. Return the profile of each site, and its file."""
        while self._held:
            self._learn(self._held.popleft())
        return {site: (learner.profile, file) for site, (learner, file) in self._sites.items()}

    def _learn(self, seen: Observation) -> None:
        if (seen.site, seen.client) in self._suspects or not self._sites[seen.site][0].learn(seen, time.time()):
            self.refused += 1
        else:
            self.learned += 1


@app.command()
def export(
    site: Annotated[str, typer.Argument(help="The site; not needed with --file.")] = "",
    as_openapi: Annotated[bool, typer.Option("--openapi", help="As an OpenAPI 3.1 document, for waf.openapi.")] = False,
    file: File = None,
    clients: Clients = DEFAULTS.clients,
    requests: Requests = DEFAULTS.requests,
    run_dir: RunDir = "",
    pid: Pid = 0,
) -> None:
    """Print a profile: as it is kept, or as an OpenAPI document."""
    if file is None and not site:
        fail("name the site, or a profile's file with --file", 2)
    if file is None:
        document = ask("GET", f"/profiles/{quote(site, safe='')}{'/openapi' if as_openapi else ''}", run_dir, pid)
    else:
        profile = _read(file)
        document = openapi(profile, clients, requests) if as_openapi else json.loads(profile.to_json())
    typer.echo(json.dumps(document, indent=2))


@app.command()
def forget(
    site: str,
    place: Annotated[str, typer.Argument(help="A path or template, as `show` has it; all below it goes, too.")],
    run_dir: RunDir = "",
    pid: Pid = 0,
) -> None:
    """Learn a place anew, because the application has changed there."""
    count = ask("POST", f"/profiles/{quote(site, safe='')}/forget", run_dir, pid, {"place": place})["count"]
    if not count:
        fail(f"nothing was learned of {place}")
    typer.echo(f"bascule: {count} places of {site} are learned anew", err=True)


def _read(file: Path, site: str = "") -> Profile:
    try:
        if not site and not file.exists():
            fail(f"there is no file {file}")
        return read(file, site)
    except (OSError, ProfileError) as error:
        fail(f"{file}: {getattr(error, 'strerror', None) or error}")
