"""Tunnels opened and left closed, by real clients: curl, wget, Chromium; forged names, bad certificates, pinning."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from passlib.hash import apr_md5_crypt

from bascule.tls.authority import create
from tests.forward.interception_lab import Lab, Tls, curl, lab, served
from tests.support.certs import Authority
from tests.support.clients import EndedError, Message, Wire, connect
from tests.support.origins import Origin, answer, mirror
from tests.support.program import Bascule, wait_for
from tests.support.programs import require_program

__all__ = ["lab"]

_DER = Encoding.DER
_SPKI = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


# --- Opened


def test_what_stands_in_looks_like_the_server(lab: Lab) -> None:
    with lab.tls() as tls:
        shown, real = tls.certificate, x509.load_pem_x509_certificate(lab.server.read_bytes())
        assert shown.issuer.rfc4514_string() == "CN=Test interception"
        assert shown.subject == real.subject
        assert shown.not_valid_after_utc == real.not_valid_after_utc
        names = [c.extensions.get_extension_for_class(x509.SubjectAlternativeName).value for c in (shown, real)]
        assert names[0] == names[1]
        assert shown.fingerprint(hashes.SHA256()) != real.fingerprint(hashes.SHA256())
        assert tls.sock.selected_alpn_protocol() == "http/1.1"
        told = tls.ask("/a?b", "Cookie: c=d").json()
        assert told["start"] == ["GET", "/a?b", "HTTP/1.1"]
        assert dict(told["fields"]) == {"host": tls.authority, "cookie": "c=d"}
        before = lab.origin.connections
        assert tls.ask("/again").status == 200
        assert lab.origin.connections == before  # the tunnel's own connection goes on to be used
    with lab.tls() as again:
        assert again.certificate == shown  # kept ready


def test_rules_see_inside(lab: Lab) -> None:
    with lab.tls() as tls:
        denied = tls.ask("/denied/x", "Accept: text/html")
        assert denied.status == 403
        assert b"Not for you." in denied.body
        lab.origin.handler = lambda wire, message: (
            wire.send(answer(b"MZ", "200 OK", "Content-Type: application/x-msdownload")) or True
        )
        try:
            assert tls.ask("/setup.exe").status == 403
        finally:
            lab.origin.handler = mirror
        large = b"x" * 200_000
        assert len(tls.ask("/", f"Content-Length: {len(large)}", method="POST", body=large).json()["body"]) == 200_000


def test_the_firewall_and_privacy_see_inside(lab: Lab) -> None:
    with lab.tls() as tls:
        told = tls.ask("/?utm_source=a&b=c", "From: me@a.test").json()
        assert told["start"][1] == "/?b=c"
        assert ["from", "me@a.test"] not in told["fields"]
        refused = tls.ask("/?q=1%27%20UNION%20SELECT%20password%20FROM%20users--%20")
        assert refused.status == 403
        assert refused["x-bascule-ref"]


@pytest.mark.slow
def test_by_chromium(lab: Lab, tmp_path: Path) -> None:
    chromium, certutil = require_program("chromium"), require_program("certutil", "libnss3-tools")
    store = tmp_path / ".pki" / "nssdb"
    store.mkdir(parents=True)
    subprocess.run((certutil, "-d", f"sql:{store}", "-N", "--empty-password"), check=True, timeout=60)
    add = (certutil, "-d", f"sql:{store}", "-A", "-t", "C,,", "-n", "bascule", "-i", str(lab.ca))
    subprocess.run(add, check=True, timeout=60)
    page = answer(b"<title>t</title><p>reached inside</p>", "200 OK", "Content-Type: text/html")
    lab.origin.handler = lambda wire, message: wire.send(page) or True
    try:
        argv = (
            *(chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
            *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
            *(f"--user-data-dir={tmp_path / 'profile'}", f"--proxy-server=http://127.0.0.1:{lab.bascule.port}"),
            *("--proxy-bypass-list=<-loopback>", "--dump-dom", f"https://localhost:{lab.origin.port}/chromium"),
        )
        environ = {**os.environ, "HOME": str(tmp_path)}
        done = subprocess.run(argv, capture_output=True, text=True, timeout=90, env=environ)
        assert "reached inside" in done.stdout, done.stderr
    finally:
        lab.origin.handler = mirror
    inside = [line for line in lab.bascule.logged() if line["target"] == "/chromium"]
    assert inside[0]["version"] == "HTTPS"


def test_uploads_are_masked_or_refused(lab: Lab) -> None:
    """What identifies people and accounts does not leave, whatever it is put into."""

    def post(kind: str, body: bytes) -> Message:
        with lab.tls() as tls:
            fields = (f"Content-Type: {kind}", f"Content-Length: {len(body)}")
            return tls.ask("/upload", *fields, method="POST", body=body)

    told = post("application/x-www-form-urlencoded", b"a=4111+1111+1111+1111&b=me@corp.test&c=4111111111111112")
    assert told.json()["body"] == "a=****+****+****+1111&b=**@****.****&c=4111111111111112"
    part = (
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.csv"\r\n\r\nDE89370400440532013000\r\n--x--\r\n'
    )
    assert post("multipart/form-data; boundary=x", part).status == 403
    assert post("multipart/form-data; boundary=x", part.replace(b"3000", b"3001")).status == 200


def test_the_log_shows_tunnel_and_requests(lab: Lab) -> None:
    with lab.tls() as tls:
        tls.ask("/logged/here")
        inside = wait_for(lambda: [line for line in lab.bascule.logged() if line["target"] == "/logged/here"], "a line")
        assert inside[0]["host"] == tls.authority
        assert inside[0]["version"] == "HTTPS"
        outer = [line for line in lab.bascule.logged() if line["cause"] == "bumped"]
        assert outer
        assert "bump: rule 3" in outer[-1]["rule"]


def test_another_host_is_sent_back(lab: Lab) -> None:
    with lab.tls() as tls:
        assert tls.ask(host="elsewhere.test").status == 421
    with lab.tls() as tls:
        assert tls.ask(method="CONNECT", target="/").status == 405


def test_by_curl_and_wget(lab: Lab) -> None:
    url = f"https://localhost:{lab.origin.port}/by-curl"
    done = curl(lab, lab.bascule.port, "--cacert", str(lab.ca), url)
    assert json.loads(done.stdout)["start"][1] == "/by-curl", done.stderr
    socks = curl(
        lab, lab.bascule.port, "--proxy", f"socks5h://127.0.0.1:{lab.bascule.port}", "--cacert", str(lab.ca), url
    )
    assert json.loads(socks.stdout)["start"][1] == "/by-curl", socks.stderr
    assert (
        curl(lab, lab.bascule.port, "--cacert", lab.web.path, url).returncode == 60
    )  # who trusts only the web does not
    wget = (require_program("wget"), "-q", "-t1", "-T20", "-O-", f"--ca-certificate={lab.ca}", url)
    environ = {"https_proxy": f"http://127.0.0.1:{lab.bascule.port}", "no_proxy": ""}
    assert b"/by-curl" in subprocess.run(wget, capture_output=True, timeout=60, env=environ).stdout


# --- Left closed


@pytest.fixture(scope="module")
def closed(lab: Lab) -> Iterator[Bascule]:
    """It opens all but `localhost`, and refuses what is no TLS."""
    rules = [{"splice": {"domain": "localhost"}}, {"bump": {}}]
    with Bascule(lab.config({"rules": rules, "opaque": "refuse"})) as bascule:
        yield bascule


def test_spliced_by_name(lab: Lab, closed: Bascule) -> None:
    """A name counts where it leads to the address of the tunnel; here nothing but the tunnel's own name does."""
    with Tls(closed.port, lab.authority, Path(lab.web.path)) as tls:
        assert tls.certificate.issuer.rfc4514_string() == "CN=Web Authority"
        assert tls.ask("/closed").status == 200
    # 127.0.0.1 is an address of localhost: the ClientHello's name is believed
    with Tls(closed.port, f"127.0.0.1:{lab.origin.port}", Path(lab.web.path)) as tls:
        assert tls.ask("/closed").status == 200
    lines = wait_for(lambda: [line for line in closed.logged() if "splice: rule 1" in line["rule"]], "lines")
    assert all(line["method"] == "CONNECT" and line["bytes_out"] > 100 for line in lines)


def test_a_forged_name_does_not_splice(lab: Lab) -> None:
    """`bank.test` is never opened, but this address is none of its own; nor does it lead anywhere else."""
    seen = lab.origin.connections
    with pytest.raises((ssl.SSLError, OSError)), lab.tls(name="bank.test", connect_to="127.0.0.1"):
        pass
    wait_for(lambda: [line for line in lab.bascule.logged() if line["cause"] == "dns_failed"], "the refusal")
    assert lab.origin.connections - seen <= 1  # the one that was dialled before the name was known
    with pytest.raises((ssl.SSLError, OSError)), lab.tls(name="denied.test", connect_to="localhost"):
        pass
    wait_for(lambda: [line for line in lab.bascule.logged() if line["rule"] == "rule 3"], "the refusal")


def test_a_name_that_stays_closed_goes_where_it_leads(lab: Lab, closed: Bascule) -> None:
    """`localhost` is never opened, and 127.0.0.2 is none of its addresses: it is passed on, to 127.0.0.1."""
    pair = lab.web.issue("localhost", file="everywhere")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    with Origin(context=context, host="0.0.0.0") as origin:
        with Tls(closed.port, f"127.0.0.2:{origin.port}", Path(lab.web.path)) as tls:
            assert tls.certificate.issuer.rfc4514_string() == "CN=Web Authority"
            assert tls.ask("/closed").status == 200
        assert origin.called == ["127.0.0.2", "127.0.0.1"]


def test_no_tls(lab: Lab, closed: Bascule) -> None:
    def greet(wire: Wire) -> bytes:
        wire.send(f"CONNECT {authority} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert wire.head().status == 200
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        return wire.response("GET").body

    with Origin() as plain:
        authority = plain.address
        with connect(lab.bascule.port) as wire:
            assert b"start" in greet(wire)
        with connect(closed.port) as wire, pytest.raises((EndedError, OSError)):
            greet(wire)
        wait_for(lambda: [line for line in closed.logged() if line["cause"] == "opaque_tunnel"], "the refusal")


def test_another_name_that_the_authority_may_not_sign_for_is_refused_with_a_reason(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    certificate, key = create("For localhost", 30, ["localhost"])
    lab.ca.write_bytes(certificate)
    (tmp_path / "ca.key").write_bytes(key)
    with lab.running(lab.config()):
        with Tls(lab.bascule.port, lab.authority, lab.ca) as tls:
            assert tls.ask("/").status == 200
        with pytest.raises(OSError):
            Tls(lab.bascule.port, lab.authority, lab.ca, "shop.test")
        line = wait_for(lambda: [line for line in lab.bascule.logged() if line["cause"] == "opaque_tunnel"], "a line")[
            0
        ]
    assert line["rule"].endswith("refuse: shop.test is beyond the authority's domains")


def test_a_name_that_needs_a_user_is_refused_behind_another(lab: Lab, tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text(f"anna:{apr_md5_crypt.hash('secret')}\n")
    rules = [{"allow": {"domain": "localhost"}}, {"allow": {"for": "anna", "domain": "shop.test"}}, {"deny": {}}]
    auth = {"users": str(users), "required": False}
    with Bascule(lab.config(rules=rules, auth=auth)) as program:
        with Tls(program.port, lab.authority, lab.ca) as tls:
            assert tls.ask("/").status == 200
        with pytest.raises(OSError):
            Tls(program.port, lab.authority, lab.ca, "shop.test")
        wait_for(lambda: [line for line in program.logged() if line["cause"] == "egress_denied"], "the refusal")


def test_behind_a_parent_rules_about_addresses_hide_none_about_names(lab: Lab) -> None:
    rules = [{"allow": {"domain": "localhost"}}, {"deny": {"ip": "10.0.0.0/8"}}, {"deny": {"domain": "shop.test"}}]
    with Bascule({"forward": {"listen": ["127.0.0.1:0"], "allow_private": True}}) as parent:
        up = {"parents": {"up": f"http://127.0.0.1:{parent.port}"}, "ways": [{"through": "up"}]}
        with Bascule(lab.config(rules=rules, **up)) as program:
            with Tls(program.port, lab.authority, lab.ca) as tls:
                assert tls.ask("/").status == 200
            with pytest.raises(OSError):
                Tls(program.port, lab.authority, lab.ca, "shop.test")
            wait_for(lambda: [line for line in program.logged() if line["cause"] == "egress_denied"], "the refusal")


# --- Servers that cannot prove who they are


@pytest.mark.parametrize("fault", ["expired", "another name", "unknown authority", "common name only", "must staple"])
def test_a_bad_certificate_gives_a_page_and_no_request(lab: Lab, tmp_path: Path, fault: str) -> None:
    authority = Authority(tmp_path, "Unknown") if fault == "unknown authority" else lab.web
    life = timedelta(days=-1) if fault == "expired" else timedelta(days=30)
    names = ["elsewhere.test"] if fault == "another name" else ["localhost"]
    pair = authority.issue(
        *names,
        file=fault.replace(" ", "-"),
        life=life,
        client=fault == "common name only",
        staple=fault == "must staple",
    )
    with served(pair.cert, pair.key) as origin:
        with Tls(lab.bascule.port, f"localhost:{origin.port}", lab.ca, "localhost") as tls:
            shown = tls.certificate
            page = tls.ask("/secret", "Accept: text/html")
        assert page.status == 502
        assert b"could not prove who it is" in page.body
        assert shown.not_valid_after_utc - shown.not_valid_before_utc < timedelta(days=2)
        assert not origin.seen
    lines = wait_for(lambda: [line for line in lab.bascule.logged() if line["target"] == "/secret"], "a line")
    assert lines[-1]["cause"] == "origin_tls"


# --- Pinning


def test_a_client_that_pins_is_let_go(lab: Lab) -> None:
    url = f"https://{lab.authority}/pinned"
    key = x509.load_pem_x509_certificate(lab.server.read_bytes()).public_key()
    (lab.folder / "pinned.der").write_bytes(key.public_bytes(*_SPKI))
    pinned = ("--cacert", str(lab.both), "--pinnedpubkey", str(lab.folder / "pinned.der"))

    def get(client: str, url: str) -> int:
        return curl(lab, lab.bascule.port, "--interface", client, *pinned, url).returncode

    assert [get("127.0.0.4", url) for _ in range(3)] == [90, 90, 0]
    # others are not let go for that, nor is this client for other hosts
    assert get("127.0.0.4", url.replace("localhost", "127.0.0.1")) == 90
    assert get("127.0.0.5", url) == 90

    def told() -> list[tuple[str, str]]:
        events = [json.loads(line) for line in (lab.folder / "events.jsonl").read_text().splitlines()]
        told = [(event["client"], event["host"]) for event in events if "it pins" in str(event)]
        return [(client, host) for client, host in told if client in ("127.0.0.4", "127.0.0.5")]

    wait_for(told, "the event")
    assert told() == [("127.0.0.4", "localhost")]


def test_a_client_that_knows_no_authority_is_let_go(lab: Lab) -> None:
    with Bascule({**lab.config(), "workers": 2}) as bascule:
        url = f"https://localhost:{lab.origin.port}/pinned"
        results = [curl(lab, bascule.port, "--cacert", lab.web.path, url).returncode for _ in range(12)]
        assert results[:3] == [60, 60, 60]
        assert results[-1] == 0
        assert sorted(results, reverse=True) == results  # once it is let go, then at every worker


# --- The page


def test_the_page_hands_out_the_authority(lab: Lab) -> None:
    def get(path: str) -> Message:
        with connect(lab.bascule.port) as wire:
            wire.send(f"GET {path} HTTP/1.1\r\nHost: proxy\r\n\r\n".encode())
            return wire.response("GET")

    page = get("/ca")
    fingerprint = x509.load_pem_x509_certificate(lab.ca.read_bytes()).fingerprint(hashes.SHA256()).hex(":").upper()
    assert fingerprint.encode() in page.body
    assert get("/ca.pem").body == lab.ca.read_bytes()
    assert get("/ca.cer").body == x509.load_pem_x509_certificate(lab.ca.read_bytes()).public_bytes(_DER)
    assert get("/other").status == 400
