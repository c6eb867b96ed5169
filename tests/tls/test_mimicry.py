"""The authority of interception and what it signs, checked by OpenSSL as a client."""

from __future__ import annotations

import contextlib
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from bascule.tls.authority import Authority, create
from bascule.tls.certificates import CertificateError
from bascule.tls.mimicry import Mimicry, StandIn
from tests.support import certs


def make(folder: Path, days: int = 30, *domains: str) -> Authority:
    for name, content in zip(("ca.pem", "ca.key"), create("Mimic", days, domains), strict=True):
        (folder / name).write_bytes(content)
    return Authority.read(str(folder / "ca.pem"), str(folder / "ca.key"))


def shake(stand_in: StandIn, authority: Authority, name: str) -> x509.Certificate:
    """Shake hands as a client that trusts the authority alone; return the certificate shown."""
    context = ssl.create_default_context(cadata=authority.pem.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server, server_hostname=name)
    server = stand_in.filter()
    for _ in range(4):
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        if sent := to_server.read():
            server.feed(sent)
        to_client.write(server.take())
    return x509.load_der_x509_certificate(client.getpeercert(True) or b"")


def der_of(pair: certs.Pair) -> bytes:
    return ssl.PEM_cert_to_DER_cert(Path(pair.cert).read_text())


def test_strict_clients_take_it(tmp_path: Path) -> None:
    authority = make(tmp_path)
    real = der_of(certs.Authority(tmp_path, "Web").issue("*.shop.test", "127.0.0.1"))
    shown = shake(Mimicry(authority, 4).of(real, "www.shop.test"), authority, "www.shop.test")
    assert shown.subject == x509.load_der_x509_certificate(real).subject
    assert shown.serial_number.bit_length() > 64


def test_validity_ends_with_the_authority(tmp_path: Path) -> None:
    authority = make(tmp_path, 2)
    real = der_of(certs.Authority(tmp_path, "Web").issue("shop.test"))
    shown = shake(Mimicry(authority, 4).of(real, "shop.test"), authority, "shop.test")
    assert shown.not_valid_after_utc == authority.certificate.not_valid_after_utc


def test_as_many_are_kept_as_may_be(tmp_path: Path) -> None:
    authority, web = make(tmp_path), certs.Authority(tmp_path, "Web")
    mimicry = Mimicry(authority, 2)
    first, second, third = [der_of(web.issue(f"{name}.test")) for name in "abc"]
    kept = mimicry.of(first, "")
    mimicry.of(second, "")
    assert mimicry.of(first, "") is kept
    mimicry.of(third, "")  # the second goes
    assert mimicry.of(first, "") is kept
    assert len(mimicry._kept) == 2


@pytest.mark.parametrize("host", ["shop.test", "127.0.0.1", "::1", ".".join(["long" * 15] * 4) + ".test"])
def test_pages_have_a_certificate_for_the_name_alone(tmp_path: Path, host: str) -> None:
    authority = make(tmp_path)
    shown = shake(Mimicry(authority, 2).for_page(host), authority, host)
    assert shown.not_valid_after_utc < datetime.now(UTC) + timedelta(days=2)


def test_domains_bound_what_it_may_sign(tmp_path: Path) -> None:
    authority = make(tmp_path, 30, "corp.test")
    assert [authority.may_sign(host) for host in ("corp.test", "a.corp.test", "notcorp.test", "b.test")] == [
        True,
        True,
        False,
        False,
    ]
    shake(Mimicry(authority, 2).for_page("a.corp.test"), authority, "a.corp.test")
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree"):
        shake(Mimicry(authority, 2).for_page("bank.test"), authority, "bank.test")
    with pytest.raises(ssl.SSLCertVerificationError, match="excluded subtree"):
        shake(Mimicry(authority, 2).for_page("192.0.2.1"), authority, "192.0.2.1")


@pytest.mark.parametrize("names", [("corp.test", "shop.test", "127.0.0.1"), ("*.test",), ("*.corp.test",)])
def test_of_bounded_authorities_the_host_alone_is_named(tmp_path: Path, names: tuple[str, ...]) -> None:
    authority = make(tmp_path, 30, "a.corp.test", "corp.test")
    mimicry = Mimicry(authority, 2)
    real = der_of(certs.Authority(tmp_path, "Web").issue(*names, file="real"))
    for host in ("corp.test", "a.corp.test"):
        shown = shake(mimicry.of(real, host), authority, host)
        assert list(shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == [x509.DNSName(host)]


def test_the_authority_can_do_little_else(tmp_path: Path) -> None:
    extensions = make(tmp_path).certificate.extensions
    constraints = extensions.get_extension_for_oid(ExtensionOID.BASIC_CONSTRAINTS)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)


def test_files_that_are_none(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "other").mkdir()
    make(tmp_path / "other")
    with pytest.raises(CertificateError, match="not the P-256 key"):
        Authority.read(str(tmp_path / "ca.pem"), str(tmp_path / "other" / "ca.key"))
    with pytest.raises(CertificateError, match="no authority"):
        Authority.read(str(tmp_path / "ca.key"), str(tmp_path / "ca.key"))
