"""The configurations: each names its ports, its certificate, its workers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.certificate import make_certificate
from benchmarks.peers import PEERS, Certificate, Site
from benchmarks.peers.base import find_program, parse_version
from benchmarks.peers.nginx_modsec import crs_includes
from benchmarks.workloads import FIREWALL_WORKLOADS, WORKLOADS


@pytest.fixture
def crs(tmp_path: Path) -> Path:
    rules = tmp_path / "crs" / "rules"
    rules.mkdir(parents=True)
    for name in ("REQUEST-911.conf", "REQUEST-901.conf", "sql.data"):
        (rules / name).touch()
    (tmp_path / "crs" / "crs-setup.conf.example").touch()
    return tmp_path / "crs"


def everything(name: str, site: Site) -> str:
    """Return all that tells a proxy what to be."""
    peer = PEERS[name]
    return "\n".join([*peer.files(site).values(), *peer.arguments(site), *peer.environment(site).values()])


@pytest.mark.parametrize("name", PEERS)
def test_plain_site_names_its_ports(name: str, tmp_path: Path, crs: Path) -> None:
    text = everything(name, Site(45678, 56789, tmp_path, crs=crs))
    assert "45678" in text
    assert "56789" in text
    assert "chain.pem" not in text
    assert "both.pem" not in text


@pytest.mark.parametrize("name", PEERS)
def test_tls_site_names_its_certificate(name: str, tmp_path: Path, crs: Path) -> None:
    certificate = Certificate(tmp_path / "chain.pem", tmp_path / "key.pem", tmp_path / "both.pem")
    text = everything(name, Site(45678, 56789, tmp_path, certificate=certificate, crs=crs))
    assert ("chain.pem" in text and "key.pem" in text) or "both.pem" in text


@pytest.mark.parametrize("name", PEERS)
def test_workers_make_a_difference(name: str, tmp_path: Path, crs: Path) -> None:
    one, two = (everything(name, Site(1, 2, tmp_path, workers=workers, crs=crs)) for workers in (1, 2))
    assert one != two


@pytest.mark.parametrize("name", ["envoy", "traefik"])
def test_json_configurations_are_json(name: str, tmp_path: Path) -> None:
    assert all(json.loads(text) for text in PEERS[name].files(Site(1, 2, tmp_path)).values())


def test_crs_is_loaded_set_up_first_then_by_name(crs: Path) -> None:
    lines = crs_includes(crs).splitlines()
    assert [line.rpartition("/")[2] for line in lines] == [
        "crs-setup.conf.example",
        "REQUEST-901.conf",
        "REQUEST-911.conf",
    ]
    (crs / "crs-setup.conf").touch()
    assert crs_includes(crs).splitlines()[0].endswith("/crs-setup.conf")


def test_firewalls_name_the_rules(tmp_path: Path, crs: Path) -> None:
    for name in ("nginx-modsec", "bascule-crs"):
        assert str(crs) in everything(name, Site(1, 2, tmp_path, crs=crs))
    with pytest.raises(ValueError, match="CRS folder"):
        PEERS["nginx-modsec"].files(Site(1, 2, tmp_path))


@pytest.mark.parametrize(
    ("name", "text", "version"),
    [
        ("nginx", "nginx version: nginx/1.22.1\n", "1.22.1"),
        ("haproxy", "HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/\n", "2.6.12"),
        ("envoy", "/x/python3.11/_bin/envoy  version: 0af/1.40.0/Clean/RELEASE/BoringSSL\n", "1.40.0"),
        ("caddy", "v2.11.7 h1:abc=\n", "2.11.7"),
        ("traefik", "Version:      3.7.15\nCodename:     x\nGo version:   go1.25.1\n", "3.7.15"),
        ("bascule", "bascule 0.1.0 (compiled)\n", "0.1.0 (compiled)"),
        ("bascule", "no idea\n", "?"),
    ],
)
def test_versions_are_found(name: str, text: str, version: str) -> None:
    assert parse_version(text, PEERS[name].version_pattern) == version


def test_absent_program_is_none() -> None:
    assert find_program("no-such-proxy-anywhere") is None


def test_every_workload_names_known_peers_and_judges_those_it_runs() -> None:
    for workload in (*WORKLOADS, *FIREWALL_WORKLOADS):
        assert set(workload.peers) <= PEERS.keys()
        entries = {entry.name for entry in workload.entries([PEERS[name] for name in workload.peers])}
        for target in workload.targets:
            assert {target.contender, target.against} <= entries | {None}
            assert target.metric in workload.metrics
        assert all(workload.base_of(name) in entries for name in entries)


def test_certificate_is_written_with_a_private_key_that_is_private(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    assert made.both.read_bytes() == made.chain.read_bytes() + made.key.read_bytes()
    assert made.key.stat().st_mode & 0o077 == 0
    assert made.both.stat().st_mode & 0o077 == 0
