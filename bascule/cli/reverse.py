"""``bascule reverse``: a reverse proxy from the command line, without a file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bascule.cli.quick import run_quick
from bascule.config.quick import reverse_config


class WafMode(StrEnum):
    """What the firewall does."""

    off = "off"
    detect = "detect"
    block = "block"


class WafRules(StrEnum):
    """Which rules the firewall decides by."""

    logic = "logic"
    crs = "crs"
    both = "both"


class WafPreset(StrEnum):
    """How much the logic rules take for an attack."""

    bypass = "bypass"
    detect_only = "detect-only"
    basic = "basic"
    standard = "standard"
    advanced = "advanced"
    pci_dss = "pci-dss"
    block_all = "block-all"


def reverse(
    listen: Annotated[str, typer.Option(help="Where to listen: 127.0.0.1:8080, [::1]:8080 or unix:/path.")],
    to: Annotated[list[str], typer.Option(help="A server: http://127.0.0.1:9001. Several are balanced.")],
    waf: Annotated[WafMode, typer.Option(help="Web application firewall.")] = WafMode.off,
    rules: Annotated[
        WafRules | None, typer.Option(help="Rules of the firewall: logic, unless --crs is given.", show_default=False)
    ] = None,
    preset: Annotated[WafPreset, typer.Option(help="How strict the logic rules are.")] = WafPreset.standard,
    crs: Annotated[Path | None, typer.Option(help="Folder of the OWASP Core Rule Set.")] = None,
    paranoia: Annotated[int, typer.Option(min=1, max=4, help="Paranoia level of the Core Rule Set.")] = 1,
    workers: Annotated[int, typer.Option(min=0, help="Worker processes; 0 means one per core.")] = 0,
    limit: Annotated[
        list[str] | None, typer.Option(help='A rate limit: "50/s per client". May be repeated.', show_default=False)
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain (PEM): speak TLS.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Private key (PEM).")] = None,
    access_log: Annotated[str, typer.Option(help="Access log: off, - (stdout), a file, or syslog:.")] = "off",
    log_format: Annotated[str, typer.Option(help="Format of the access log: json or combined.")] = "json",
) -> None:
    """Put Bascule before servers: any host, no limits unless asked for, failover between the servers."""

    run_quick(
        lambda: reverse_config(
            listen=listen,
            to=to,
            workers=workers,
            waf=waf.value,
            rules=rules.value if rules else "",
            preset=preset.value,
            crs=str(crs or ""),
            paranoia=paranoia,
            tls_cert=str(tls_cert or ""),
            tls_key=str(tls_key or ""),
            limit=limit or (),
            access_log=access_log,
            log_format=log_format,
        )
    )
