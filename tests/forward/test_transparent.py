"""Connections turned to the proxy by the kernel, in a network namespace of their own; names that are forged."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bascule.forward.transparent import original_destination
from tests.support.program import ROOT
from tests.support.programs import require_program

RULES = """
table ip nat {{
 chain output {{
  type nat hook output priority -100;
  ip saddr 127.0.0.9 tcp dport {{ {http}, {tls} }} redirect to :{port}
 }}
}}
"""
TPROXY = """
table ip mangle {{
 chain output {{
  type route hook output priority -150;
  ip saddr 192.0.2.8 ip daddr 192.0.2.9 tcp dport {http} meta mark set 1
 }}
 chain prerouting {{
  type filter hook prerouting priority -150;
  ip saddr 192.0.2.8 ip daddr 192.0.2.9 tcp dport {http} tproxy to :{port} meta mark set 1 accept
 }}
}}
"""


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `transparent_lab.py` has seen inside the namespace."""
    unshare, nft = require_program("unshare", "util-linux"), require_program("nft", "nftables")
    require_program("ip", "iproute2")
    probe = subprocess.run((unshare, "-rn", nft, "list", "ruleset"), capture_output=True, text=True, timeout=30)
    if probe.returncode:
        pytest.skip(f"no network namespace with a firewall of its own here: {probe.stderr.strip()}")
    folder = tmp_path_factory.mktemp("transparent")
    argv = (unshare, "-rn", sys.executable, "-m", "tests.forward.transparent_lab", str(folder))
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads((folder / "seen.json").read_text()))


def test_plain_http(inside: dict[str, Any]) -> None:
    assert inside["by name"] == [200, "/by-name"]
    assert inside["by address"] == [200, "/by-address"]


def test_rules_hold(inside: dict[str, Any]) -> None:
    assert inside["denied"][0] == 403
    assert inside["tls denied"] != 0


def test_forged_names_are_refused(inside: dict[str, Any]) -> None:
    """`localhost` leads to 127.0.0.1, and not to 127.0.0.2."""
    assert inside["forged host"][0] == 421
    assert inside["forged port"][0] == 421
    assert inside["forged name in TLS"] != 0
    assert inside["causes"].count("forged_name") >= 3


def test_forged_names_go_where_they_lead_if_wanted(inside: dict[str, Any]) -> None:
    assert inside["resolved"] == ["127.0.0.1", "127.0.0.2"]


def test_tls(inside: dict[str, Any]) -> None:
    assert inside["tls"] == "/tls"
    assert inside["tls issuer"] == "CN=Web Authority"
    assert inside["opened issuer"] == "CN=Test interception"


def test_junk_and_calls_to_the_proxy_itself_are_cut(inside: dict[str, Any]) -> None:
    assert inside["itself"] == ""
    assert inside["bad hello"] == ""
    assert {"egress_loop", "opaque_tunnel"} <= set(inside["causes"])


def test_tproxy(inside: dict[str, Any]) -> None:
    assert inside["tproxy"] == [200, "/tproxy"]


def test_who_is_unknown_is_led_to_the_portal(inside: dict[str, Any]) -> None:
    assert inside["led"] == "https://portal.test/portal/login"
    assert inside["unknown"][0] == 511
    assert inside["unknown in TLS"] != 0
    assert inside["open"] == [200, "/open"]


class Sock:
    """A socket that the kernel has turned, as far as that shows."""

    def __init__(self, family: int, raw: bytes) -> None:
        self.family = family
        self._raw = raw

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        assert (level, option) == (socket.IPPROTO_IPV6 if self.family == socket.AF_INET6 else socket.IPPROTO_IP, 80)
        assert size == len(self._raw)
        return self._raw

    def getsockname(self) -> tuple[Any, ...]:
        return ("2001:db8::1", 443, 0, 0)


def test_original_destinations() -> None:
    four = socket.AF_INET.to_bytes(2, sys.byteorder) + b"\x01\xbb" + bytes((192, 0, 2, 1)) + bytes(8)
    six = (
        socket.AF_INET6.to_bytes(2, sys.byteorder)
        + b"\0\x50"
        + bytes(4)
        + socket.inet_pton(10, "2001:db8::2")
        + bytes(4)
    )
    wanted = [
        (Sock(socket.AF_INET, four), "redirect", ("192.0.2.1", 443)),
        (Sock(socket.AF_INET6, six), "redirect", ("2001:db8::2", 80)),
        (Sock(socket.AF_INET6, six), "tproxy", ("2001:db8::1", 443)),
    ]
    for sock, mode, destination in wanted:
        assert original_destination(sock, mode) == destination  # type: ignore[arg-type]


def test_tproxy_without_the_right_to_it(tmp_path: Path) -> None:
    setpriv = require_program("setpriv", "util-linux")
    (tmp_path / "bascule.yaml").write_text(
        f"run_dir: {tmp_path}\nforward: {{listen: {{address: '127.0.0.1:0', transparent: tproxy}}}}"
    )
    argv = (setpriv, "--bounding-set", "-net_admin,-net_raw", "--inh-caps", "-net_admin,-net_raw", sys.executable, "-c")
    code = "from bascule.cli.main import main; main()"
    done = subprocess.run(
        (*argv, code, "run", str(tmp_path / "bascule.yaml")), cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert "CAP_NET_ADMIN" in done.stderr
