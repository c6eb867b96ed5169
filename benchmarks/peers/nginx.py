"""nginx, configured as its reverse-proxy guides do: keep-alive to the origin, buffered combined log."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.peers.base import Peer, Site, find_program

_CONFIG = """\
{modules}daemon off;
{user}worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 16384; }}
http {{
    access_log {folder}/access.log combined buffer=64k flush=1s;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi; uwsgi_temp_path {folder}/uwsgi;
    sendfile on; tcp_nopush on; server_tokens off;
    keepalive_timeout 75s; keepalive_requests 1000000000;
    upstream origin {{ server 127.0.0.1:{origin}; keepalive 64; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{listen}{tls} backlog=4096{reuseport};
        {certificate}
        client_max_body_size 0;
        {extra}
        location / {{
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_max_temp_file_size 0;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""


def user_line() -> str:
    """Return the directive that keeps root's workers able to read a private folder; nobody else needs it."""
    return "user root;\n" if os.geteuid() == 0 else ""


class Nginx(Peer):
    """The one every ratio is against."""

    name = "nginx"
    install = "apt-get install nginx-light"

    def program(self) -> Path | None:
        return find_program("nginx")

    def version_command(self) -> Sequence[str]:
        return ["-v"]

    def modules(self) -> str:
        """Return the `load_module` lines."""
        return ""

    def extra(self, site: Site) -> str:
        """Return further directives for the server block."""
        return ""

    def files(self, site: Site) -> Mapping[str, str]:
        certificate = ""
        if site.certificate:
            certificate = (
                f"ssl_certificate {site.certificate.chain}; ssl_certificate_key {site.certificate.key};"
                " ssl_protocols TLSv1.2 TLSv1.3;"
            )
        config = _CONFIG.format(
            modules=self.modules(),
            user=user_line(),
            workers=site.workers,
            folder=site.folder,
            origin=site.origin,
            listen=site.listen,
            tls=" ssl" if site.certificate else "",
            reuseport=" reuseport" if site.workers > 1 else "",
            certificate=certificate,
            extra=self.extra(site),
        )
        return {"nginx.conf": config}

    def arguments(self, site: Site) -> Sequence[str]:
        # -e: the log it opens before it has read the configuration is root's otherwise
        return ["-p", str(site.folder), "-e", str(site.folder / "error.log"), "-c", str(site.folder / "nginx.conf")]
