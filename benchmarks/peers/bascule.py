"""Bascule, started by its command line as a user would; without a WAF, with its own rules, the whole CRS, or both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.peers.base import Peer, Site, find_program


class Bascule(Peer):
    """The subject. Its default access log (JSON lines to stdout, batched) goes to a file."""

    name = "bascule"
    install = "make setup"

    version_pattern = r"(\d+(?:\.\d+)+\w*(?: \(\w+\))?)"  # compiled or interpreted

    def program(self) -> Path | None:
        return find_program("bascule")

    def version_command(self) -> Sequence[str]:
        return ["--version"]

    def files(self, site: Site) -> Mapping[str, str]:
        return {}

    def arguments(self, site: Site) -> Sequence[str]:
        arguments = ["reverse", "--listen", f"127.0.0.1:{site.listen}", "--to", f"http://127.0.0.1:{site.origin}"]
        arguments += ["--workers", str(site.workers)]
        if site.certificate:
            arguments += ["--tls-cert", str(site.certificate.chain), "--tls-key", str(site.certificate.key)]
        return arguments


class BasculeCRS(Bascule):
    """Bascule that blocks by the OWASP CRS at paranoia level 1."""

    name = "bascule-crs"
    inspects = True

    def arguments(self, site: Site) -> Sequence[str]:
        return [*super().arguments(site), "--waf", "block", "--rules", "crs", "--crs", str(site.crs)]


class BasculeLogic(Bascule):
    """Bascule that blocks by its own logical rules, at the preset standard."""

    name = "bascule-logic"
    inspects = True

    def arguments(self, site: Site) -> Sequence[str]:
        return [*super().arguments(site), "--waf", "block", "--rules", "logic"]


class BasculeBoth(Bascule):
    """Bascule that blocks by both."""

    name = "bascule-both"
    inspects = True

    def arguments(self, site: Site) -> Sequence[str]:
        return [*super().arguments(site), "--waf", "block", "--rules", "both", "--crs", str(site.crs)]
