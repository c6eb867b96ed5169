"""HAProxy: threads as workers, `httplog` lines to stdout (one write each: HAProxy keeps no log buffer)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.peers.base import Peer, Site, find_program

_CONFIG = """\
global
    # 12000 clients and their origin connections may want more descriptors than the machine's limit allows
    no strict-limits
    maxconn 12000
    nbthread {workers}
    log stdout format raw local0

defaults
    mode http
    log global
    option httplog
    option forwardfor
    http-reuse always
    timeout connect 5s
    timeout client 75s
    timeout server 75s
    timeout http-keep-alive 75s

frontend front
    bind 127.0.0.1:{listen} backlog 4096{tls}
    http-request set-header X-Forwarded-Proto {scheme}
    default_backend origins

backend origins
    server origin 127.0.0.1:{origin}
"""


class HAProxy(Peer):
    """HAProxy in one foreground process."""

    name = "haproxy"
    install = "apt-get install haproxy"

    def program(self) -> Path | None:
        return find_program("haproxy")

    def version_command(self) -> Sequence[str]:
        return ["-v"]

    def files(self, site: Site) -> Mapping[str, str]:
        config = _CONFIG.format(
            workers=site.workers,
            listen=site.listen,
            origin=site.origin,
            scheme="https" if site.certificate else "http",
            tls=f" ssl crt {site.certificate.both} alpn http/1.1" if site.certificate else "",
        )
        return {"haproxy.cfg": config}

    def arguments(self, site: Site) -> Sequence[str]:
        return ["-db", "-f", str(site.folder / "haproxy.cfg")]
