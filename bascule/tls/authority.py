"""The authority of an interception: whoever trusts its certificate takes what it signs for any site (RFC 5280).

So it is made with as little power as will do: it signs servers' certificates only, no further authorities, for a year
unless told otherwise, and for no other domains than those that are named, where any are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bascule.tls.certificates import CertificateError, read_file

_ADDRESSES = [x509.IPAddress(ip_network(every)) for every in ("0.0.0.0/0", "::/0")]
"""A constraint on names says nothing of addresses (RFC 5280 4.2.1.10), so these have to be taken out by themselves."""
_EARLY = timedelta(hours=1)
"""How far back validity begins, for clients whose clock is late."""


def create(name: str, days: int, domains: Sequence[str] = ()) -> tuple[bytes, bytes]:
    """Return certificate and private key (PEM, P-256) of a new authority. `domains` are all that it may sign for."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)  # sign certificates and CRLs
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLY)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if domains:
        permitted = [x509.DNSName(domain.lower()) for domain in domains]
        builder = builder.add_extension(x509.NameConstraints(permitted, _ADDRESSES), critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), private


@dataclass(frozen=True)
class Authority:
    """An authority that signs. `domains` are all that it may sign for; any if empty."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    domains: tuple[str, ...]

    @classmethod
    def read(cls, certificate: str, key: str) -> Authority:
        """Read its files. Raises CertificateError."""
        try:
            found = x509.load_pem_x509_certificate(read_file(certificate, "certificate"))
            private = load_pem_private_key(read_file(key, "private key"), None)
        except (ValueError, TypeError) as error:
            raise CertificateError(f"{certificate}: no authority that can be used: {error}") from None
        if not isinstance(private, ec.EllipticCurvePrivateKey) or private.public_key() != found.public_key():
            raise CertificateError(f"{key}: not the P-256 key of {certificate}; make both with bascule ca init")
        try:
            permitted = found.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or ()
        except x509.ExtensionNotFound:
            permitted = ()
        return cls(found, private, tuple(name.value for name in permitted if isinstance(name, x509.DNSName)))

    @property
    def pem(self) -> bytes:
        """Its certificate, as clients install it."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def der(self) -> bytes:
        """The same in the form that Windows and Android prefer."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of its certificate, to be compared by people."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    def may_sign(self, host: str) -> bool:
        """Tell whether clients would take what it signs for a host."""
        return not self.domains or any(host == domain or host.endswith(f".{domain}") for domain in self.domains)
