"""Checks of certificates: that they exist, parse, fit their key, are in date and name the hosts they serve."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from bascule.config.errors import KeyPath
from bascule.config.findings import Findings

MAX_PEM_BYTES = 1 << 20
SOON = datetime.timedelta(days=14)
"""A certificate that ends within this time is worth a warning."""


class _PemError(ValueError):
    """A PEM file that cannot be used."""


def check_pair(findings: Findings, path: KeyPath, cert: str, key: str, hosts: tuple[str, ...]) -> None:
    """Check a certificate chain with its key; warn if it is out of date or does not name `hosts`."""
    chain = _certificates(findings, (*path, "cert"), cert)
    try:
        public = _public_key_of(key)
        findings.files.append(key)
    except _PemError as error:
        findings.error((*path, "key"), str(error))
        return
    if not chain:
        return
    encoded = chain[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if encoded != public:
        findings.error((*path, "key"), f"the private key {key} does not belong to the certificate {cert}")
    _warn_dates(findings, (*path, "cert"), chain[0], cert)
    names = _names(chain[0])
    missing = [host for host in hosts if host != "*" and not _covered(host, names)]
    if missing:
        shown = ", ".join(sorted(names)) or "none"
        findings.warn((*path, "cert"), f"the certificate does not name {', '.join(missing)} (it names {shown})")


def check_authority(findings: Findings, path: KeyPath, file: str) -> None:
    """Check a file of trusted authorities."""
    _certificates(findings, path, file)


def _certificates(findings: Findings, path: KeyPath, file: str) -> list[x509.Certificate]:
    try:
        chain = x509.load_pem_x509_certificates(_read(file, "certificate"))
        for certificate in chain:
            certificate.public_key()
    except _PemError as error:
        findings.error(path, str(error))
        return []
    except (ValueError, UnsupportedAlgorithm, x509.UnsupportedGeneralNameType) as error:
        reason = str(error).split(". ")[0]
        findings.error(path, f"{file} is not a PEM certificate: {reason}", "it begins with -----BEGIN CERTIFICATE-----")
        return []
    findings.files.append(file)
    return chain


def _read(file: str, what: str) -> bytes:
    if not file:
        raise _PemError(f"the {what} file is not given")
    try:
        with Path(file).open("rb") as stream:
            data = stream.read(MAX_PEM_BYTES + 1)
    except OSError as error:
        raise _PemError(f"the {what} file {file} cannot be read: {error.strerror}") from None
    if len(data) > MAX_PEM_BYTES:
        raise _PemError(f"the {what} file {file} is larger than {MAX_PEM_BYTES >> 20} MiB")
    return data


def _public_key_of(file: str) -> bytes:
    data = _read(file, "private key")
    try:
        key = load_pem_private_key(data, None)
    except TypeError:
        raise _PemError(
            f"the private key {file} is encrypted; store it decrypted (openssl pkey), readable by root only"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise _PemError(f"{file} is not a PEM private key (it begins with -----BEGIN PRIVATE KEY-----)") from None
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _warn_dates(findings: Findings, path: KeyPath, certificate: x509.Certificate, file: str) -> None:
    now = datetime.datetime.now(datetime.UTC)
    ends = certificate.not_valid_after_utc
    if ends < now:
        findings.warn(path, f"the certificate {file} expired on {ends.date()}")
    elif ends - now < SOON:
        findings.warn(path, f"the certificate {file} expires on {ends.date()}")
    if certificate.not_valid_before_utc > now:
        findings.warn(path, f"the certificate {file} is not valid before {certificate.not_valid_before_utc.date()}")


def _names(certificate: x509.Certificate) -> set[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return set()
    dns = {name.lower() for name in extension.value.get_values_for_type(x509.DNSName)}
    return dns | {str(address) for address in extension.value.get_values_for_type(x509.IPAddress)}


def _covered(host: str, names: set[str]) -> bool:
    """Tell whether a certificate with these names serves a host (RFC 6125: a wildcard stands for one label)."""
    host = host.strip("[]")
    return host in names or f"*.{host.partition('.')[2]}" in names
