"""The certificate of the TLS workload: ECDSA P-256, self-signed, for `shop.example.com`."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from benchmarks.peers.base import Certificate

HOST = "shop.example.com"


def make_certificate(folder: Path) -> Certificate:
    """Write a fresh certificate and key, valid for a week, into `folder`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=7))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain_pem = certificate.public_bytes(serialization.Encoding.PEM)
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    made = Certificate(chain=folder / "chain.pem", key=folder / "key.pem", both=folder / "both.pem")
    made.chain.write_bytes(chain_pem)
    for path, content in ((made.key, key_pem), (made.both, chain_pem + key_pem)):
        path.touch(mode=0o600)
        path.write_bytes(content)
    return made
