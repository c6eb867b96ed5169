"""TLS towards the servers: contexts that verify by default (RFC 9525)."""

from __future__ import annotations

import ssl
from functools import lru_cache

from cryptography import x509

from bascule.config.pools import OriginTls
from bascule.config.tls import Certificate
from bascule.tls.certificates import KeyPair, Signature, extensions_of, load_authorities, signature

_TLS_FEATURE = bytes.fromhex("0608 2b06010505070118")
"""id-pe-tlsfeature (RFC 7633 6) as it is encoded within a certificate."""
_MUST_STAPLE = "it must come with a proof that it is not revoked, which cannot be seen here"
MOST_LOADED = 1024
"""Contexts that are at hand whatever has become of their files; those of the plans before are among them."""
_loaded: dict[OriginTls, ssl.SSLContext] = {}
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def origin_context(tls: OriginTls) -> ssl.SSLContext:
    """Return the context for connections to the servers of a pool; the same one while its files are unchanged.

    Give the server's name as `server_hostname`: it is sent as SNI and verified. Raises CertificateError.
    """
    context = _origin_context(tls, signature(*filter(None, (tls.ca, tls.cert, tls.key))))
    _loaded.pop(tls, None)
    _loaded[tls] = context
    if len(_loaded) > MOST_LOADED:
        del _loaded[next(iter(_loaded))]
    return context


def loaded_context(tls: OriginTls) -> ssl.SSLContext:
    """Return the context that `origin_context` gave last, whatever has become of the files since. Raises
    CertificateError.

    Workers and keeper have those that were made before the fork: the account that they changed to may not be one that
    can read the files, and checks and requests are to judge alike, until a reload.
    """
    return _loaded.get(tls) or origin_context(tls)


def reason_of(error: Exception) -> str:
    """Return in words why a handshake with a server failed."""
    return str(getattr(error, "verify_message", "") or getattr(error, "reason", "") or error)


@lru_cache(maxsize=4)
def destination_context(authorities: str = "") -> ssl.SSLContext:
    """Return the context for servers that clients of the forward proxy have chosen, which verifies as browsers do.

    The name must be among the certificate's alternative names (RFC 9525 6.3). `authorities` is a file of further ones,
    beside the system's. Raises CertificateError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.set_alpn_protocols(["http/1.1"])
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if authorities:
        load_authorities(context, authorities)
    return context


def check_feature(der: bytes) -> None:
    """Refuse the certificate of a destination that must come with proof that it is not revoked (RFC 7633 4.2.3).

    The proof, a stapled OCSP response, cannot be seen through Python's ssl. Raises ssl.SSLCertVerificationError, also
    for one whose extensions cannot be read.
    """
    if _TLS_FEATURE not in der:
        return
    try:
        features = extensions_of(x509.load_der_x509_certificate(der))
    except ValueError:
        raise _refused("its extensions cannot be read") from None
    if any(isinstance(extension.value, x509.TLSFeature) for extension in features):
        raise _refused(_MUST_STAPLE)


def _refused(reason: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, reason)
    error.verify_message = reason
    return error


@lru_cache(maxsize=64)
def _origin_context(tls: OriginTls, _files: Signature) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = _VERSIONS[tls.min_version]
    context.set_alpn_protocols(["http/1.1"])
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif tls.ca:
        load_authorities(context, tls.ca)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # `ca` may also be the server's own certificate
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if tls.cert:
        KeyPair.read(Certificate(cert=tls.cert, key=tls.key or tls.cert)).load_into(context)
    return context
