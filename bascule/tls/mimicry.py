"""Certificates that stand in for those of servers, signed by the authority of an interception, kept ready by server.

What stands in has the subject, the names and the validity of the server's own certificate, which was verified before:
what a browser shows and checks is the same. A server that could not be verified never gets one; its clients are shown a
page over a certificate for the name alone, which says nothing of that server.
"""

from __future__ import annotations

import hashlib
import ssl
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bascule.config.tls import Certificate, ClientAuth
from bascule.tls.authority import Authority
from bascule.tls.certificates import KeyPair, extensions_of
from bascule.tls.filter import TlsFilter
from bascule.tls.server import bare_context

_PAGE_LIFE = timedelta(days=1)
"""Validity of a certificate that only an error page is shown over."""
_NO_NAME = x509.Name([])
_MADE = Certificate(cert="/made/here.crt", key="/made/here.key")
"""Stands for files that there are not: both are made in memory."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """What a client is answered with in place of a server: an `Endpoint` and a `Selector` of tls/filter.py."""

    context: ssl.SSLContext
    client_auth: ClientAuth | None = None

    def select(self, server_name: bytes) -> StandIn:
        """See Selector: the name was looked at before."""
        return self

    def filter(self) -> TlsFilter:
        """Return the filter of a new connection."""
        return TlsFilter(self)


class Mimicry:
    """Makes them, with one key for all; `most` are kept, beyond that the one that was not asked for longest goes."""

    def __init__(self, authority: Authority, most: int) -> None:
        self._authority = authority
        self._most = most
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._private = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._kept: OrderedDict[bytes, StandIn] = OrderedDict()

    def of(self, der: bytes, host: str) -> StandIn:
        """Return what stands in for a host with this certificate. Raises ValueError if it cannot be read.

        An authority that may sign for some domains only names the host alone: clients take none of the names of a
        certificate if there is one among them that it may not sign for.
        """
        alone = host if self._authority.domains else ""
        digest = hashlib.sha256(alone.encode() + b"\0" + der).digest()
        return self._found(digest) or self._keep(digest, self._mimic(x509.load_der_x509_certificate(der), alone))

    def for_page(self, host: str) -> StandIn:
        """Return what a page about a host (a name or an address) is shown over."""
        key = b"page\0" + host.encode()
        found = self._found(key)
        return found if found is not None else self._keep(key, self._plain(host))

    def _found(self, key: bytes) -> StandIn | None:
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def _keep(self, key: bytes, certificate: x509.Certificate) -> StandIn:
        context = bare_context()
        context.set_alpn_protocols(["http/1.1"])
        context.options |= ssl.OP_NO_TICKET  # they would be good at one worker only
        context.num_tickets = 0
        KeyPair(_MADE, certificate.public_bytes(Encoding.PEM), self._private).load_into(context)
        made = self._kept[key] = StandIn(context)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return made

    def _mimic(self, original: x509.Certificate, alone: str) -> x509.Certificate:
        names = extensions_of(original).get_extension_for_class(x509.SubjectAlternativeName)
        builder = self._builder(original.subject, original.not_valid_before_utc, original.not_valid_after_utc)
        return self._sign(builder.add_extension(_names(alone) if alone else names.value, names.critical))

    def _plain(self, host: str) -> x509.Certificate:
        now = datetime.now(UTC)
        subject = _NO_NAME if len(host) > 64 else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        builder = self._builder(subject, now - timedelta(hours=1), now + _PAGE_LIFE)
        return self._sign(builder.add_extension(_names(host), not subject.rdns))

    def _builder(self, subject: x509.Name, start: datetime, end: datetime) -> x509.CertificateBuilder:
        signer = self._authority.certificate
        signer_id = signer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)  # digital signature
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(signer.subject)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(max(start, signer.not_valid_before_utc))
            .not_valid_after(min(end, signer.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer_id), critical=False)
        )

    def _sign(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        return builder.sign(self._authority.key, hashes.SHA256())


def _names(host: str) -> x509.SubjectAlternativeName:
    """Return the names of a certificate for a host alone."""
    try:
        name: x509.GeneralName = x509.IPAddress(ip_address(host))
    except ValueError:
        name = x509.DNSName(host)
    return x509.SubjectAlternativeName([name])
