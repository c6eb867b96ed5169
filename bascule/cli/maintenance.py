"""``bascule maintenance``: have sites answer that they are away for a while."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from bascule.cli.instance import Pid, RunDir, Word, ask
from bascule.cli.texts import fail, visible

_WORDS = {True: "on, by an operator", False: "off, by an operator", None: "as the configuration says"}


def maintenance(
    word: Annotated[Word, typer.Argument(help="on, off, auto (as the configuration says), or show.")] = Word.show,
    site: Annotated[str, typer.Option(help="A single site; by default all.")] = "",
    run_dir: RunDir = "",
    pid: Pid = 0,
) -> None:
    """Switch the maintenance mode of sites. It holds over reloads and upgrades, until `auto`."""
    sites = _sites(run_dir, pid)
    if site and site not in sites:
        fail(f"no site {site!r}; there are: {', '.join(map(visible, sites)) or 'none'}")
    chosen = [site] if site else list(sites)
    if word != Word.show:
        for name in chosen:
            ask("POST", f"/maintenance/{quote(name, safe='')}/{word}", run_dir, pid)
        sites = _sites(run_dir, pid)
    for name in chosen:
        typer.echo(f"{visible(name)}: {_WORDS[sites.get(name)]}")


def _sites(run_dir: str, pid: int) -> dict[str, bool | None]:
    """Return the sites, and what an operator said of each."""
    found = ask("GET", "/status", run_dir, pid)["sites"]
    return {site["name"]: site["maintenance"] for site in found if site["name"]}
