"""Contexts towards the servers: they verify, present what they should, and follow their files."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest

from bascule.config.pools import OriginTls
from bascule.tls.certificates import CertificateError
from bascule.tls.client import loaded_context, origin_context
from bascule.tls.filter import TlsError
from tests.support.certs import Authority
from tests.tls.support import Client, certificates, listener


def test_the_server_is_verified_by_name_and_authority(authority: Authority, tmp_path: Path) -> None:
    contexts = listener({"*": {"certificates": certificates(authority.issue("origin.test", "127.0.0.1"))}})
    trusting = origin_context(OriginTls(ca=authority.path))
    client = Client(contexts, trusting, "origin.test").handshake()
    assert (client.filter.sni, client.filter.alpn) == (b"origin.test", "http/1.1")
    Client(contexts, trusting, "127.0.0.1").handshake()
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        Client(contexts, trusting, "other.test").handshake()
    with pytest.raises(ssl.SSLCertVerificationError):
        Client(contexts, origin_context(OriginTls(ca=Authority(tmp_path, "Other").path)), "origin.test").handshake()
    with pytest.raises(ssl.SSLCertVerificationError):
        Client(contexts, origin_context(OriginTls()), "origin.test").handshake()
    Client(contexts, origin_context(OriginTls(verify=False)), "other.test").handshake()


def test_the_servers_own_certificate_may_be_the_trusted_one(authority: Authority) -> None:
    pair = authority.issue("origin.test")
    contexts = listener({"*": {"certificates": certificates(pair)}})
    Client(contexts, origin_context(OriginTls(ca=pair.cert)), "origin.test").handshake()


def test_a_client_certificate_is_shown_and_the_version_held(authority: Authority) -> None:
    me = authority.issue("bascule", client=True)
    tls = {"certificates": certificates(authority.issue("origin.test")), "client_auth": {"ca": authority.path}}
    contexts = listener({"*": tls})
    shown = Client(contexts, origin_context(OriginTls(ca=authority.path, cert=me.cert, key=me.key)), "origin.test")
    assert shown.handshake().filter.peer_subject == "CN=bascule"
    with pytest.raises(TlsError, match="peer_did_not_return_a_certificate"):
        Client(contexts, origin_context(OriginTls(ca=authority.path)), "origin.test").handshake()
    assert origin_context(OriginTls(min_version="1.3")).minimum_version is ssl.TLSVersion.TLSv1_3


def test_a_context_is_kept_until_its_files_change(authority: Authority, tmp_path: Path) -> None:
    tls = OriginTls(ca=authority.path)
    first = origin_context(tls)
    assert origin_context(OriginTls(ca=authority.path)) is first
    folder = tmp_path / "new"
    folder.mkdir()
    os.replace(Authority(folder).path, authority.path)
    assert origin_context(tls) is not first


def test_a_loaded_context_does_not_ask_for_its_files(authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(CertificateError):
        loaded_context(OriginTls(ca=str(tmp_path / "absent.pem")))
    tls = OriginTls(ca=authority.path)
    first = loaded_context(tls)
    os.unlink(authority.path)
    assert loaded_context(OriginTls(ca=authority.path)) is first
    with pytest.raises(CertificateError):
        origin_context(tls)


def test_errors_name_the_file(authority: Authority) -> None:
    with pytest.raises(CertificateError, match=r"nothing\.pem: cannot read the file of authorities"):
        origin_context(OriginTls(ca="/nonexistent/nothing.pem"))
    with pytest.raises(CertificateError, match=r"nothing\.crt: cannot read the certificate"):
        origin_context(OriginTls(cert="/nonexistent/nothing.crt"))
