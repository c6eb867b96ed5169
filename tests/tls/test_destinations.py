"""What the forward proxy takes of destinations it speaks TLS to itself: nothing that browsers refuse."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bascule.tls.certificates import extensions_of
from bascule.tls.client import check_feature, destination_context

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
DAY = timedelta(days=1)
NAME = "shop.example"


@dataclass(frozen=True)
class Leaf:
    """A server's certificate, good as it stands."""

    names: tuple[str, ...] = (NAME,)
    bits: int = 0
    """Of an RSA key; 0 is one of P-256."""
    weakly_signed: bool = False
    """With SHA-1."""
    start: timedelta = -DAY
    end: timedelta = DAY
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH
    constrained: str = ""
    """The domain that its issuer may sign for."""
    issuer_is_authority: bool = True
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3


GOOD = Leaf()
BAD = {
    "expired": replace(GOOD, start=-2 * DAY, end=-DAY),
    "not yet valid": replace(GOOD, start=DAY, end=2 * DAY),
    "another name": replace(GOOD, names=("other.example",)),
    "common name only": replace(GOOD, names=()),
    "a wildcard for a top-level domain": replace(GOOD, names=("*.example",)),
    "a wildcard within a label": replace(GOOD, names=("sho*.example",)),
    "a key of 1024 bits": replace(GOOD, bits=1024),
    "SHA-1": replace(GOOD, bits=2048, weakly_signed=True),
    "for clients only": replace(GOOD, usage=ExtendedKeyUsageOID.CLIENT_AUTH),
    "beyond its issuer's domains": replace(GOOD, constrained="other.example"),
    "issued by no authority": replace(GOOD, issuer_is_authority=False),
    "TLS 1.1": replace(GOOD, version=ssl.TLSVersion.TLSv1_1),
}


def _key(bits: int) -> Key:
    return rsa.generate_private_key(65537, bits) if bits else ec.generate_private_key(ec.SECP256R1())


def _builder(
    subject: str, issuer: str, key: Key, signer: Key, start: timedelta, end: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    names = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (subject, issuer))
    builder = x509.CertificateBuilder().subject_name(next(names)).issuer_name(next(names)).public_key(key.public_key())
    builder = (
        builder.serial_number(x509.random_serial_number()).not_valid_before(now + start).not_valid_after(now + end)
    )
    known = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return builder.add_extension(known, critical=False).add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
    )


def _with_sha1(signed: x509.Certificate, signer: rsa.RSAPrivateKey) -> x509.Certificate:
    """Sign a certificate anew with SHA-1, as its builder does no more."""
    strong, weak = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")  # RFC 4055 5, 2.1
    signature = signer.sign(signed.tbs_certificate_bytes.replace(strong, weak), padding.PKCS1v15(), hashes.SHA1())
    der = signed.public_bytes(Encoding.DER).replace(strong, weak)
    return x509.load_der_x509_certificate(der[: -len(signature)] + signature)


def made(leaf: Leaf, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts of a client and of a server with a chain of root, intermediate and leaf."""
    root_key, middle_key, key = _key(0), _key(leaf.bits and 2048), _key(leaf.bits)
    root = _builder("Root", "Root", root_key, root_key, -DAY, DAY)
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    middle = _builder("Middle", "Root", middle_key, root_key, -DAY, DAY)
    middle = middle.add_extension(x509.BasicConstraints(ca=leaf.issuer_is_authority, path_length=None), critical=True)
    if leaf.constrained:
        allowed = x509.NameConstraints([x509.DNSName(leaf.constrained)], None)
        middle = middle.add_extension(allowed, critical=True)
    own = _builder(NAME, "Middle", key, middle_key, leaf.start, leaf.end)
    own = own.add_extension(x509.ExtendedKeyUsage([leaf.usage]), critical=False)
    if leaf.names:
        names = x509.SubjectAlternativeName([x509.DNSName(name) for name in leaf.names])
        own = own.add_extension(names, critical=False)
    (folder / "root.pem").write_bytes(root.sign(root_key, hashes.SHA256()).public_bytes(Encoding.PEM))
    signed = own.sign(middle_key, hashes.SHA256())
    if leaf.weakly_signed:
        assert isinstance(middle_key, rsa.RSAPrivateKey)
        signed = _with_sha1(signed, middle_key)
    chain = signed, middle.sign(root_key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "chain.pem").write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in chain) + private)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.set_ciphers("ALL:@SECLEVEL=0")  # what is weak is for the client to refuse
    server.minimum_version = server.maximum_version = leaf.version
    server.load_cert_chain(folder / "chain.pem")
    return destination_context(str(folder / "root.pem")), server


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> ssl.SSLObject:
    """Return the client's end of a finished handshake. Raises ssl.SSLError."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=NAME)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for end in (ours, theirs):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert ours.version()
    return ours


@pytest.mark.parametrize("leaf", [GOOD, replace(GOOD, bits=2048), replace(GOOD, constrained="example")])
def test_a_good_certificate_is_taken(leaf: Leaf, tmp_path: Path) -> None:
    certificate = shake_hands(*made(leaf, tmp_path)).getpeercert(binary_form=True)
    assert certificate
    check_feature(certificate)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
@pytest.mark.parametrize("fault", BAD)
def test_what_browsers_refuse_is_refused(fault: str, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLError):
        shake_hands(*made(BAD[fault], tmp_path))


def test_a_certificate_whose_extensions_cannot_be_read_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.example")])
    now = datetime.now(UTC)
    other = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.25"), b"\x30\x00")
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    builder = builder.add_extension(x509.TLSFeature([x509.TLSFeatureType.status_request]), critical=False)
    certificate = builder.add_extension(other, critical=False).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    twice = certificate.replace(bytes.fromhex("06082b06010505070119"), bytes.fromhex("06082b06010505070118"))
    with pytest.raises(ssl.SSLCertVerificationError, match="cannot be read"):
        check_feature(twice)
    with pytest.raises(ValueError, match="cannot be read"):
        extensions_of(x509.load_der_x509_certificate(twice))
