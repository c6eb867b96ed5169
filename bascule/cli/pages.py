"""``bascule pages``: copies of pages known to be good, which the firewall compares what is served with."""

from __future__ import annotations

import http.client
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bascule.cli.problems import print_problems
from bascule.cli.texts import fail
from bascule.config.errors import ConfigError
from bascule.config.loader import load
from bascule.config.plan import Plan, RoutePlan, SitePlan
from bascule.config.pools import Pool
from bascule.config.types import Origin
from bascule.proxy.rewrite import compile_rewrite
from bascule.tls.client import origin_context
from bascule.waf.response.pages import MAX_BYTES, Copy, write

TIMEOUT = 30.0

app = typer.Typer(help="Keep copies of pages, to tell and undo defacement.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command()
def keep(
    config: Annotated[Path, typer.Argument(help="The configuration file.")],
    host: Annotated[str, typer.Option(help="Host to ask for, where a site is a wildcard.")] = "",
) -> None:
    """Fetch every page that `waf.response.pages` names from its server, and keep it as good: look at it first."""
    try:
        plan = load(config)
    except ConfigError as error:
        print_problems(error.problems, "error")
        raise typer.Exit(1) from None
    kept = sum(_keep(plan, site, route, host or site.name) for site in plan.sites for route in site.routes)
    if not kept:
        fail(f"{config} watches no pages: see waf.response.pages")
    typer.echo(f"{kept} pages kept; they hold from the next start or reload on")


def _keep(plan: Plan, site: SitePlan, route: RoutePlan, host: str) -> int:
    watch = route.waf.response.pages
    if watch is None or route.pool is None or route.waf.mode == "off":
        return 0
    if "*" in host:
        fail(f"the site {site.name} is a wildcard: name a host of it with --host")
    pool = plan.pools[route.pool].config
    if not pool.servers:
        fail(f"the servers of {route.name} are discovered; give a server's address in a configuration of its own")
    rewritten = compile_rewrite(route.rewrite)
    count = 0
    for path in watch.paths:
        if not _serves(route, path):
            continue
        target = path.encode() if rewritten is None else rewritten(path.encode())
        kind, content = _fetch(pool, target.decode("latin-1"), host)
        stamp = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            write(watch, Copy(path, kind, stamp), content)
        except OSError as error:
            fail(f"the copy of {path} cannot be written to {watch.copies}: {error.strerror}")
        typer.echo(f"{site.name} {path}: {len(content)} bytes, {kind or 'no type'}")
        count += 1
    return count


def _serves(route: RoutePlan, path: str) -> bool:
    """Whether a path is one of the route's, as far as its own path tells."""
    if route.kind == "exact":
        return path == route.path
    return route.kind != "prefix" or path.startswith(route.path)


def _fetch(pool: Pool, target: str, host: str) -> tuple[str, bytes]:
    origin = pool.servers[0].address
    connection = _connection(pool, origin)
    try:
        connection.request("GET", target, headers={"Host": host, "Accept-Encoding": "identity", "Accept": "*/*"})
        response = connection.getresponse()
        content = response.read(MAX_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        fail(f"{target} cannot be fetched from {origin}: {error}")
    finally:
        connection.close()
    if response.status != 200:
        fail(f"{origin} answers {response.status} for {target}: there is no good page to keep")
    if len(content) > MAX_BYTES:
        fail(f"{target} is larger than {MAX_BYTES >> 10} KiB: it cannot be compared")
    if response.getheader("Content-Encoding", "identity") != "identity":
        fail(f"{origin} sends {target} encoded although plain content was asked for")
    return response.getheader("Content-Type", ""), content


def _connection(pool: Pool, origin: Origin) -> http.client.HTTPConnection:
    address = origin.address
    if address.path:
        connection = http.client.HTTPConnection("localhost", timeout=TIMEOUT)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(TIMEOUT)
        connection.sock.connect(address.path)
        return connection
    if origin.scheme == "https":
        context = origin_context(pool.tls)
        context.set_alpn_protocols(["http/1.1"])
        return http.client.HTTPSConnection(address.host, address.port, timeout=TIMEOUT, context=context)
    return http.client.HTTPConnection(address.host, address.port, timeout=TIMEOUT)
