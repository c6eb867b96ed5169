"""Certificate files: read once, checked with errors a person can act on, and put into OpenSSL contexts."""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from bascule.config.tls import Certificate

_LARGEST_FILE = 1 << 20
Signature = tuple[tuple[int, int, int, int], ...]
"""What changes when a file is written or replaced: device, inode, size and time of the last change in ns."""


class CertificateError(ValueError):
    """A certificate, key or authority file cannot be used; the message names it and what would be right."""


def read_file(path: str, what: str) -> bytes:
    """Return the content of a PEM file. Raises CertificateError."""
    try:
        with open(path, "rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise CertificateError(f"{path}: cannot read the {what}: {error.strerror or error}") from None
    if len(content) > _LARGEST_FILE:
        raise CertificateError(f"{path}: the {what} is larger than 1 MiB; is this the right file?")
    return content


def signature(*paths: str) -> Signature:
    """Return the signatures of files; of one that cannot be looked at, zeros."""
    found = []
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            found.append((0, 0, 0, 0))
        else:
            found.append((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(found)


@dataclass(frozen=True)
class KeyPair:
    """A certificate chain and its private key as they were read, checked against each other."""

    files: Certificate
    chain: bytes
    key: bytes

    @classmethod
    def read(cls, files: Certificate) -> KeyPair:
        """Read and check. Raises CertificateError."""
        chain = read_file(files.cert, "certificate")
        key = chain if files.key == files.cert else read_file(files.key, "private key")
        pair = cls(files, chain, key)
        pair._check()
        return pair

    @cached_property
    def leaf(self) -> x509.Certificate:
        """The first certificate of the chain. Raises CertificateError."""
        try:
            return x509.load_pem_x509_certificates(self.chain)[0]
        except ValueError:
            raise CertificateError(
                f"{self.files.cert}: no PEM certificate in it; it begins with -----BEGIN CERTIFICATE-----"
            ) from None

    @property
    def digest(self) -> bytes:
        """Identifies the content."""
        return hashlib.sha256(hashlib.sha256(self.chain).digest() + self.key).digest()

    @property
    def kind(self) -> str:
        """Type of the key: a context holds one certificate for each."""
        return type(self.leaf.public_key()).__name__

    @property
    def names(self) -> frozenset[str]:
        """DNS names and IP addresses the certificate is for, in lower case."""
        try:
            names = self.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return frozenset()
        dns = names.get_values_for_type(x509.DNSName)
        return frozenset([*map(str.lower, dns), *map(str, names.get_values_for_type(x509.IPAddress))])

    def warnings(self, hosts: tuple[str, ...] = ()) -> list[str]:
        """Return what works but will not please clients: expiry, and hosts the certificate is not for."""
        found = []
        now = datetime.now(UTC)
        if now >= self.leaf.not_valid_after_utc:
            found.append(f"{self.files.cert}: the certificate expired on {self.leaf.not_valid_after_utc:%Y-%m-%d}")
        elif now < self.leaf.not_valid_before_utc:
            found.append(f"{self.files.cert}: the certificate is not valid before {self.leaf.not_valid_before_utc}")
        names = self.names
        missing = [h for h in hosts if h != "*" and h not in names and f"*.{h.partition('.')[2]}" not in names]
        if missing:
            found.append(f"{self.files.cert}: the certificate is not for {', '.join(missing)}")
        return found

    def load_into(self, context: ssl.SSLContext) -> None:
        """Put the pair into a context, in place of one with a key of the same type. Raises CertificateError.

        The bytes that were checked are the ones loaded, even if the files change meanwhile.
        """
        try:
            with _as_path(self.chain, self.files.cert) as chain, _as_path(self.key, self.files.key) as key:
                context.load_cert_chain(chain, key, password=_no_password)
        except (ssl.SSLError, OSError, ValueError) as error:
            raise CertificateError(f"{self.files.cert}: OpenSSL does not take this certificate: {error}") from None

    def _check(self) -> None:
        try:
            private = load_pem_private_key(self.key, None)
        except TypeError:
            raise CertificateError(
                f"{self.files.key}: the private key is encrypted; take off the passphrase with openssl pkey"
            ) from None
        except (ValueError, UnsupportedAlgorithm):
            raise CertificateError(f"{self.files.key}: no private key in PEM format in it") from None
        form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        if private.public_key().public_bytes(*form) != self.leaf.public_key().public_bytes(*form):
            raise CertificateError(f"{self.files.key}: this private key does not belong to {self.files.cert}")


def _no_password() -> bytes:
    raise ValueError("the private key is encrypted")


@contextmanager
def _as_path(content: bytes, path: str) -> Iterator[str]:
    """Give OpenSSL, which reads only files, a path to `content` in memory; elsewhere than on Linux, the file itself."""
    if not hasattr(os, "memfd_create") or not os.path.isdir("/proc/self/fd"):
        yield path
        return
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def extensions_of(certificate: x509.Certificate) -> x509.Extensions:
    """Return a certificate's extensions. Raises ValueError if they cannot be read."""
    try:
        return certificate.extensions
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:  # which are no ValueErrors
        raise ValueError(f"the certificate's extensions cannot be read: {error}") from None


def load_authorities(context: ssl.SSLContext, path: str) -> None:
    """Trust the authorities in a PEM file. Raises CertificateError."""
    content = read_file(path, "file of authorities")
    try:
        context.load_verify_locations(cadata=content.decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise CertificateError(f"{path}: no PEM certificate of an authority in it") from None


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a client certificate was issued to."""

    name: str
    """The distinguished name (RFC 4514), ASCII without control characters: fit for a header field."""
    common_name: str
    """The common name, empty without one; the most specific where there are several."""
    names: frozenset[str]
    """Common names and DNS names, as a policy lists them; DNS names in lower case."""


def subject_of(der: bytes) -> Subject:
    """Return the subject of a verified certificate."""
    certificate = x509.load_der_x509_certificate(der)
    common = [str(attribute.value) for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    names = set(common)
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names.update(name.lower() for name in alternative.get_values_for_type(x509.DNSName))
    except (x509.ExtensionNotFound, ValueError):
        pass  # no alternative names, or ones that cannot be read: then the common name alone counts
    text = certificate.subject.rfc4514_string()
    escaped = "".join(c if " " <= c <= "~" else "".join(f"\\{byte:02X}" for byte in c.encode()) for c in text)
    return Subject(escaped, common[-1] if common else "", frozenset(names))
