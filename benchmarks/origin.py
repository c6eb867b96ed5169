"""The origin behind every proxy: an nginx that answers any path at once, and a sink that swallows uploads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.base import find_program
from benchmarks.peers.nginx import user_line

ANSWER = "<!doctype html><title>Shop</title><p>Everything is in stock today."
"""The small answer: what is measured is the way through the proxy, not the page."""

_CONFIG = """\
daemon off;
{user}worker_processes {workers};
{affinity}
pid {folder}/origin.pid;
error_log {folder}/origin.log error;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi; uwsgi_temp_path {folder}/uwsgi;
    default_type text/html;
    sendfile on; tcp_nopush on; tcp_nodelay on; open_file_cache max=16;
    keepalive_timeout 3600s; keepalive_requests 1000000000;
    client_max_body_size 0;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {folder};
        location / {{ return 200 "{answer}"; }}
        location /1k/ {{ rewrite ^ /1k.bin break; }}
        location /64k/ {{ rewrite ^ /64k.bin break; }}
        location /download/ {{ rewrite ^ /download.bin break; }}
        # `return` answers before a body has come; this one reads the body first
        location /body/ {{ client_body_buffer_size 1m; proxy_pass http://unix:{folder}/answer.sock; }}
    }}
    server {{ listen unix:{folder}/answer.sock; location / {{ return 200 "{answer}"; }} }}
}}
"""


@dataclass(frozen=True, slots=True)
class Origin:
    """An origin's folder and port."""

    folder: Path
    port: int
    workers: int = 1

    def prepare(self, download_bytes: int) -> None:
        """Write the configuration and the files it serves; the download is a hole, so it costs no memory."""
        self.folder.mkdir()
        (self.folder / "1k.bin").write_bytes(b"0123456789abcdef" * 64)
        (self.folder / "64k.bin").write_bytes(b"0123456789abcdef" * 4096)
        with (self.folder / "download.bin").open("wb") as file:
            file.truncate(download_bytes)
        config = _CONFIG.format(
            user=user_line(),
            workers=self.workers,
            # A worker for each core that there is; one alone would leave the core it is given for the first
            affinity="worker_cpu_affinity auto;" if self.workers > 1 else "",
            folder=self.folder,
            port=self.port,
            answer=ANSWER,
        )
        (self.folder / "origin.conf").write_text(config, encoding="utf-8")

    def command(self) -> list[str]:
        """Return the command that runs it in the foreground."""
        folder = str(self.folder)
        program = str(find_program("nginx") or "nginx")
        return [program, "-p", folder, "-e", f"{folder}/origin.log", "-c", f"{folder}/origin.conf"]
