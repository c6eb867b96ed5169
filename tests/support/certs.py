"""Certificates made at test time: an authority, server and client certificates, in files."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def _key(kind: Literal["ec", "rsa"]) -> PrivateKey:
    return ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, 2048)


def _write_key(path: Path, key: PrivateKey) -> None:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@dataclass(frozen=True)
class Pair:
    """Files of a certificate and its key."""

    cert: str
    key: str


class Authority:
    """A certificate authority that writes what it issues into a folder."""

    def __init__(self, folder: Path, name: str = "Test Authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(self._name, self._key, timedelta(days=30)).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        builder = builder.add_extension(
            x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True
        )
        self._cert = builder.sign(self._key, hashes.SHA256())
        path = folder / f"{name.replace(' ', '-').lower()}.pem"
        path.write_bytes(self._cert.public_bytes(Encoding.PEM))
        self.path = str(path)
        """PEM file of the authority's certificate."""

    def _builder(self, subject: x509.Name, key: PrivateKey, life: timedelta) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        start = min(now, now + life) - timedelta(hours=1)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(now + life)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )

    def issue(
        self,
        *names: str,
        file: str = "",
        kind: Literal["ec", "rsa"] = "ec",
        life: timedelta = timedelta(days=30),
        client: bool = False,
        staple: bool = False,
    ) -> Pair:
        """Issue a certificate for DNS names or IP addresses (of a client: its common name comes first).

        With `staple` it is to come with an OCSP response (RFC 7633).
        """
        key = _key(kind)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = self._builder(subject, key, life).add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if staple:
            builder = builder.add_extension(x509.TLSFeature([x509.TLSFeatureType.status_request]), critical=False)
        alternatives = names[1:] if client else names
        if alternatives:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_alternative(name) for name in alternatives]), critical=False
            )
        stem = file or names[0].replace("*", "any").replace(" ", "-")
        cert_path, key_path = self._folder / f"{stem}.crt", self._folder / f"{stem}.key"
        cert_path.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))
        _write_key(key_path, key)
        return Pair(str(cert_path), str(key_path))
