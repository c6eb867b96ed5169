"""``bascule forward explain URL``: what the forward proxy would do with a request, rule by rule."""

from __future__ import annotations

import ipaddress
import json
import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bascule.cli.forward_config import forward_of
from bascule.config.when import parse_when

_DAYS_HELP = "Weekday and time, as in 'Mon 09:30'; now by default."


def explain(
    url: Annotated[str, typer.Argument(help="What is asked for: http://..., or host:port for a tunnel.")],
    config: Annotated[Path, typer.Option("--config", "-c", help="The configuration file.")],
    user: Annotated[str | None, typer.Option("--as", help="The user; by default nobody has logged in.")] = None,
    client: Annotated[str, typer.Option("--from", help="Address of the client.")] = "127.0.0.1",
    method: Annotated[str, typer.Option(help="Method of a plain HTTP request.")] = "GET",
    address: Annotated[str, typer.Option(help="Address that the name resolves to; not asked for by default.")] = "",
    when: Annotated[str, typer.Option("--at", help=_DAYS_HELP)] = "",
    used_up: Annotated[list[str] | None, typer.Option("--used-up", help="A quota that is used up.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what would happen to a request, and why: each rule up to the one that decides. Nothing is sent.

    Exit status 0 if it would be let through, 1 if not, 2 if something has to be known first.
    """
    forward, folder = forward_of(config)
    from bascule.forward.preview import preview  # loads the lists: only where they are needed

    try:
        told = preview(
            forward,
            request_of(url, method),
            client=str(ipaddress.ip_address(client)),
            user=user,
            address=str(ipaddress.ip_address(address)) if address else "",
            clock=_moment(when),
            used_up=used_up or (),
            folder=folder,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if as_json:
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    else:
        _print(told)
    raise typer.Exit({"allow": 0, "ask": 2}.get(told["decision"], 1))


def request_of(url: str, method: str) -> bytes:
    """Return the head of the request that a client would send. Raises ValueError."""
    if "://" not in url:
        return f"CONNECT {url} HTTP/1.1\r\nHost: {url}\r\n\r\n".encode()
    parts = urlsplit(url)
    if parts.scheme == "https":  # a browser asks for a tunnel
        authority = parts.netloc if parts.port else f"{parts.netloc}:443"
        return f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode()
    return f"{method.upper()} {url} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()


def _moment(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    day, _, time = text.partition(" ")
    hour, _, minute = time.partition(":")
    if not (hour.isdecimal() and minute.isdecimal() and int(hour) < 24 and int(minute) < 60):
        raise ValueError(f"{text!r} is not a weekday and a time, as in Mon 09:30")
    return parse_when(day).spans[0][0], int(hour) * 60 + int(minute)


def _print(told: dict[str, Any]) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    color = {"allow": "green", "ask": "yellow"}.get(told["decision"], "red")
    console.print(Text.assemble((told["decision"], f"bold {color}"), "  ", told["target"], "  ", told["why"]))
    for name in ("user", "groups", "categories", "address", "through", "tunnel", "quotas"):
        if told[name]:
            value = told[name]
            console.print(Text(f"  {name}: {value if isinstance(value, str) else ', '.join(value)}", "dim"))
    if told["rules"]:
        table = Table(box=None, pad_edge=False, padding=(0, 2))
        for heading in ("", "rule", "holds", "condition"):
            table.add_column(heading, style="dim" if not heading else "")
        for step in told["rules"]:
            table.add_row(step["action"], step["name"], step["holds"], step["condition"])
        console.print(table)
