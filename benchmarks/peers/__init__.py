"""The proxies under test, one file each. `base.py` says what a peer must tell about itself."""

from __future__ import annotations

from benchmarks.peers.bascule import Bascule, BasculeBoth, BasculeCRS, BasculeLogic
from benchmarks.peers.base import Certificate, Peer, Site
from benchmarks.peers.caddy import Caddy
from benchmarks.peers.envoy import Envoy
from benchmarks.peers.haproxy import HAProxy
from benchmarks.peers.nginx import Nginx
from benchmarks.peers.nginx_modsec import NginxModSecurity
from benchmarks.peers.traefik import Traefik

PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        *(Nginx(), Bascule(), HAProxy(), Envoy(), Caddy(), Traefik()),
        *(NginxModSecurity(), BasculeLogic(), BasculeCRS(), BasculeBoth()),
    )
}
"""In the order of the tables."""

__all__ = ["PEERS", "Certificate", "Peer", "Site"]
