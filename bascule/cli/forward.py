"""``bascule forward``: a forward proxy from the command line, and ``forward explain``: what its rules would say."""

from __future__ import annotations

from typing import Annotated

import typer

from bascule.cli.forward_explain import explain
from bascule.cli.forward_quotas import quotas
from bascule.cli.quick import run_quick
from bascule.config.quick import forward_config

app = typer.Typer(invoke_without_command=True, rich_markup_mode="rich")
app.command()(explain)
app.command()(quotas)


@app.callback()
def forward(
    context: typer.Context,
    listen: Annotated[str, typer.Option(help="Where to listen: 127.0.0.1:3128 or [::1]:3128.")] = "",
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Let clients reach loopback, private and other reserved addresses.")
    ] = False,
    through: Annotated[str, typer.Option(help="Leave through a parent: http://, https:// or socks5://HOST:PORT.")] = "",
    dns: Annotated[str, typer.Option(help="Resolve names over TLS: https://9.9.9.9/dns-query, tls://9.9.9.9.")] = "",
    privacy: Annotated[str, typer.Option(help="What requests tell: off, standard or strict.")] = "standard",
    workers: Annotated[int, typer.Option(min=0, help="Worker processes; 0 means one per core.")] = 0,
    access_log: Annotated[str, typer.Option(help="Access log: off, - (stdout), a file, or syslog:.")] = "off",
    log_format: Annotated[str, typer.Option(help="Format of the access log: json, combined or squid.")] = "json",
) -> None:
    """Put Bascule between clients and the web: HTTP, CONNECT and SOCKS on one port.

    Clients of this machine and of private networks may use it. Users, rules and more are said in a file: see
    the key `forward` and `bascule run`.
    """
    if context.invoked_subcommand is not None:
        return
    if not listen:
        raise typer.BadParameter("say where to listen, as in --listen 127.0.0.1:3128", param_hint="--listen")

    run_quick(
        lambda: forward_config(
            listen=listen,
            allow_private=allow_private,
            through=through,
            dns=dns,
            privacy=privacy,
            workers=workers,
            access_log=access_log,
            log_format=log_format,
        )
    )
