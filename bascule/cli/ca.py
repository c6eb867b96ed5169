"""``bascule ca``: the authority of interception, made and exported."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from bascule.cli.forward_config import forward_of
from bascule.cli.texts import fail
from bascule.config.grammar import host_fault
from bascule.tls.authority import Authority, create
from bascule.tls.certificates import CertificateError

CERTIFICATE, KEY = "bascule-ca.pem", "bascule-ca.key"
MOST_DAYS = 3650

app = typer.Typer(no_args_is_help=True, help="The authority by which `forward.intercept` opens TLS tunnels.")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder for the two files; made if it is not there.")] = Path("ca"),
    name: Annotated[str, typer.Option(help="Whom the certificate names; clients see it.")] = "Bascule interception",
    days: Annotated[int, typer.Option(min=1, max=MOST_DAYS, help="How long it is valid.")] = 365,
    only: Annotated[list[str] | None, typer.Option(help="A domain it may sign for; any by default.")] = None,
) -> None:
    """Make an authority: bascule-ca.pem for the clients to trust, and bascule-ca.key, which must stay here.

    Whoever has the key can pass for any site (or for those of --only) before all who trust the certificate.
    """
    for domain in only or ():
        if fault := host_fault(domain):
            raise typer.BadParameter(fault, param_hint="--only")
    if not name or len(name) > 64:
        raise typer.BadParameter("a common name has 1 to 64 characters", param_hint="--name")
    certificate, key = create(name, days, tuple(only or ()))
    if there := next((path for path in (folder / KEY, folder / CERTIFICATE) if path.exists()), None):
        fail(f"{there} is there already: clients trust it; give another folder, or remove it first")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(folder / KEY, key, 0o600)
        _write(folder / CERTIFICATE, certificate, 0o644)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
    _tell(folder)


def _write(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "wb") as file:
        file.write(content)


def _tell(folder: Path) -> None:
    authority = Authority.read(str(folder / CERTIFICATE), str(folder / KEY))
    typer.echo(f"{folder / CERTIFICATE}  SHA-256 {authority.fingerprint}")
    typer.echo(f"{folder / KEY}  keep it secret, and in no backup that others read")
    typer.echo(f"valid until {authority.certificate.not_valid_after_utc:%Y-%m-%d}")


@app.command()
def export(
    config: Annotated[Path, typer.Option("--config", "-c", help="The configuration file.")],
    der: Annotated[bool, typer.Option("--der", help="In the form for Windows and Android, not PEM.")] = False,
) -> None:
    """Write the certificate that clients have to trust to standard output; its fingerprint to standard error."""
    forward, _ = forward_of(config)
    if forward.intercept is None:
        fail(f"{config} has no `forward.intercept`")
    try:
        authority = Authority.read(forward.intercept.certificate, forward.intercept.key)
    except CertificateError as error:
        fail(str(error))
    sys.stdout.buffer.write(authority.der if der else authority.pem)
    sys.stdout.flush()
    typer.echo(f"SHA-256 {authority.fingerprint}", err=True)
