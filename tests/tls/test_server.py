"""Contexts by server name, client certificates, sessions, hot swap; against Python's ssl, curl and openssl."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from bascule.config.tls import ClientAuth
from bascule.telemetry import causes
from bascule.tls.certificates import CertificateError
from bascule.tls.filter import TlsError
from bascule.tls.server import ServerContexts
from tests.support.certs import Authority, Pair
from tests.support.programs import require_program
from tests.tls.support import Client, certificates, client_context, listener, plan, serving


def der(pair: Pair) -> bytes:
    return ssl.PEM_cert_to_DER_cert(Path(pair.cert).read_text())


def site(pair: Pair, **more: object) -> dict[str, object]:
    return {"certificates": certificates(pair), **more}


# Server names --------------------------------------------------------------------------------------


def test_each_name_gets_its_certificate(authority: Authority) -> None:
    shop, wild, deep, other = (authority.issue(n) for n in ("shop.test", "*.shop.test", "*.a.shop.test", "other.test"))
    contexts = listener(
        {"shop.test www.test": site(shop), "*.shop.test": site(wild), "*.a.shop.test": site(deep), "*": site(other)}
    )
    context = client_context(authority.path)
    context.check_hostname = False
    for name, pair in {
        "shop.test": shop,
        "SHOP.test": shop,
        "www.test": shop,
        "api.shop.test": wild,
        "x.y.shop.test": wild,
        "b.a.shop.test": deep,
        "nobody.test": other,
        "shop.test.evil.test": other,
        None: other,
    }.items():
        assert Client(contexts, context, name).handshake().certificate() == der(pair), name


def test_the_certificates_of_the_listener_serve_unknown_names(authority: Authority) -> None:
    shop, default = authority.issue("shop.test"), authority.issue("default.test")
    contexts = listener({"shop.test": site(shop), "plain.test": None}, certificates=certificates(default))
    context = client_context(authority.path)
    context.check_hostname = False
    for name, pair in (("shop.test", shop), ("plain.test", default), (None, default)):
        assert Client(contexts, context, name).handshake().certificate() == der(pair)


@pytest.mark.parametrize("name", ["nobody.test", None])
def test_without_a_default_unknown_names_are_refused_and_learn_no_name(authority: Authority, name: str | None) -> None:
    context = client_context(authority.path)
    context.check_hostname = False
    client = Client(listener({"shop.test": site(authority.issue("shop.test"))}), context, name)
    with pytest.raises(TlsError, match="unrecognized_name"):
        client.handshake()
    client.incoming.write(client.filter.take())
    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        client.tls.do_handshake()


@pytest.mark.parametrize(
    ("ciphers", "kind"), [("ECDHE-ECDSA-AES128-GCM-SHA256", "ec"), ("ECDHE-RSA-AES128-GCM-SHA256", "rsa")]
)
def test_one_name_may_have_an_ecdsa_and_an_rsa_certificate(authority: Authority, ciphers: str, kind: str) -> None:
    pairs = {"ec": authority.issue("shop.test", file="e"), "rsa": authority.issue("shop.test", file="r", kind="rsa")}
    contexts = listener({"shop.test": {"certificates": certificates(*pairs.values())}})
    context = client_context(authority.path)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    assert Client(contexts, context, "shop.test").handshake().certificate() == der(pairs[kind])


def test_old_versions_and_weak_ciphers_find_nothing_in_common(authority: Authority) -> None:
    contexts = listener({"shop.test": site(authority.issue("shop.test", kind="rsa"))})
    context = client_context(authority.path)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA:ECDHE-RSA-AES128-SHA:@SECLEVEL=0")
    with pytest.raises(TlsError, match="no_shared_cipher"):
        Client(contexts, context, "shop.test").handshake()
    context = client_context(authority.path)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(TlsError, match="unsupported_protocol"):
        Client(contexts, context, "shop.test").handshake()


# Client certificates -------------------------------------------------------------------------------


def test_client_certificates_required(authority: Authority, tmp_path: Path) -> None:
    auth = {"ca": authority.path, "subjects": ["alice", "host.internal"]}
    contexts = listener({"shop.test": site(authority.issue("shop.test"), client_auth=auth)})
    policy = ClientAuth.model_validate(auth)

    alice = authority.issue("alice", client=True)
    client = Client(contexts, client_context(authority.path, alice), "shop.test").handshake()
    assert client.filter.peer_subject == "CN=alice"
    assert client.filter.client_auth_refusal(policy) == ""

    by_dns = authority.issue("bob", "Host.internal", client=True)
    client = Client(contexts, client_context(authority.path, by_dns), "shop.test").handshake()
    assert client.filter.client_auth_refusal(policy) == ""

    mallory = authority.issue("mallory", client=True)
    client = Client(contexts, client_context(authority.path, mallory), "shop.test").handshake()
    assert client.filter.client_auth_refusal(policy) == causes.CLIENT_CERTIFICATE

    with pytest.raises(TlsError, match="peer_did_not_return_a_certificate"):
        Client(contexts, client_context(authority.path), "shop.test").handshake()

    stranger = Authority(tmp_path, "Stranger").issue("alice", file="forged", client=True)
    with pytest.raises(TlsError, match="certificate_verify_failed"):
        Client(contexts, client_context(authority.path, stranger), "shop.test").handshake()

    late = authority.issue("alice", file="late", client=True, life=timedelta(hours=-1))
    with pytest.raises(TlsError, match="certificate_verify_failed"):
        Client(contexts, client_context(authority.path, late), "shop.test").handshake()


def test_client_certificates_optional(authority: Authority) -> None:
    auth = {"ca": authority.path, "mode": "optional", "subjects": ["alice"]}
    contexts = listener({"shop.test": site(authority.issue("shop.test"), client_auth=auth)})
    policy = ClientAuth.model_validate(auth)
    nobody = Client(contexts, client_context(authority.path), "shop.test").handshake()
    assert (nobody.filter.peer_subject, nobody.filter.client_auth_refusal(policy)) == ("", "")
    mallory = authority.issue("mallory", client=True)
    client = Client(contexts, client_context(authority.path, mallory), "shop.test").handshake()
    assert client.filter.client_auth_refusal(policy) == causes.CLIENT_CERTIFICATE


def test_a_connection_made_for_another_name_does_not_pass_for_authenticated(authority: Authority) -> None:
    auth = {"ca": authority.path}
    policy = ClientAuth.model_validate(auth)
    public, private = authority.issue("public.test"), authority.issue("private.test")
    contexts = listener({"public.test": site(public), "private.test": site(private, client_auth=auth)})
    alice = client_context(authority.path, authority.issue("alice", client=True))
    around = Client(contexts, alice, "public.test").handshake()
    assert around.filter.client_auth_refusal(policy) == causes.MISDIRECTED
    weaker = ClientAuth(ca=authority.path, mode="optional")
    made = Client(contexts, alice, "private.test").handshake()
    assert made.filter.client_auth_refusal(policy) == ""
    assert made.filter.client_auth_refusal(weaker) == causes.MISDIRECTED


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_of_one_site_does_not_open_another(authority: Authority, version: ssl.TLSVersion) -> None:
    """CVE-2025-23419: a session made without a client certificate, resumed for a site that requires one."""
    public, private = authority.issue("public.test", "private.test"), authority.issue("private.test")
    contexts = listener(
        {"public.test": site(public), "private.test": site(private, client_auth={"ca": authority.path})}
    )
    context = client_context(authority.path)
    context.maximum_version = version
    session = _session(Client(contexts, context, "public.test").handshake())
    assert Client(contexts, context, "public.test", session).handshake().filter.resumed
    with pytest.raises(TlsError, match="peer_did_not_return_a_certificate"):
        Client(contexts, context, "private.test", session).handshake()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_resumed_session_keeps_the_client_certificate(authority: Authority, version: ssl.TLSVersion) -> None:
    auth = {"ca": authority.path, "subjects": ["alice"]}
    contexts = listener({"shop.test": site(authority.issue("shop.test"), client_auth=auth)})
    context = client_context(authority.path, authority.issue("alice", client=True))
    context.maximum_version = version
    session = _session(Client(contexts, context, "shop.test").handshake())
    again = Client(contexts, context, "shop.test", session).handshake().filter
    assert again.resumed
    assert again.client_auth_refusal(ClientAuth.model_validate(auth)) == ""


def test_a_subject_cannot_split_the_header_it_is_put_into(authority: Authority) -> None:
    auth = {"ca": authority.path}
    contexts = listener({"shop.test": site(authority.issue("shop.test"), client_auth=auth)})
    evil = authority.issue("a\r\nX-Admin: 1, Zoë", file="evil", client=True)
    subject = Client(contexts, client_context(authority.path, evil), "shop.test").handshake().filter.peer_subject
    assert subject == "CN=a\\0D\\0AX-Admin: 1\\, Zo\\C3\\AB"


# Sessions ------------------------------------------------------------------------------------------


def _session(client: Client) -> ssl.SSLSession:
    """The session a client has once the tickets arrived."""
    client.send(b"x")
    client.filter.write(b"y")
    client.receive()
    session = client.tls.session
    assert session is not None
    return session


def test_without_tickets_nothing_is_resumed(authority: Authority) -> None:
    contexts = listener({"shop.test": site(authority.issue("shop.test"))}, session_tickets=False)
    context = client_context(authority.path)
    session = _session(Client(contexts, context, "shop.test").handshake())
    assert not session.has_ticket
    assert not Client(contexts, context, "shop.test", session).handshake().filter.resumed


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_session_is_resumed_at_another_worker(authority: Authority, tmp_path: Path, version: str) -> None:
    pair = authority.issue("shop.test")
    command = [sys.executable, "-m", "tests.tls.forked_server", pair.cert, pair.key]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as workers:
        assert workers.stdout is not None
        first, second = workers.stdout.readline().split()
        saved = str(tmp_path / "session")
        assert "resumed=False" in _s_client(authority, first, version, "-sess_out", saved)
        assert "resumed=True" in _s_client(authority, second, version, "-sess_in", saved)
        workers.communicate("", timeout=60)
    assert workers.returncode == 0


def _s_client(authority: Authority, port: str, *arguments: str) -> str:
    """What the server answers to `openssl s_client`."""
    command = [require_program("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "shop.test"]
    command += ["-CAfile", authority.path, "-verify_return_error", "-ign_eof", "-quiet", *arguments]
    done = subprocess.run(command, input="GET / HTTP/1.1\r\n\r\n", capture_output=True, text=True, timeout=60)
    return done.stdout


# Real peers ----------------------------------------------------------------------------------------


def _curl(authority: Authority, port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [require_program("curl"), "-sS", "--noproxy", "*", "--max-time", "10", "--cacert", authority.path]
    command += ["--resolve", f"shop.test:{port}:127.0.0.1", *arguments, f"https://shop.test:{port}/"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_curl_is_served(authority: Authority) -> None:
    with serving(listener({"shop.test": site(authority.issue("shop.test"))})) as port:
        for version, name in (("--tlsv1.3", "TLSv1.3"), ("--tls-max", "TLSv1.2")):
            arguments = [version] if version == "--tlsv1.3" else [version, "1.2"]
            done = _curl(authority, port, *arguments)
            assert f"sni=shop.test alpn=http/1.1 version={name} resumed=False" in done.stdout, done.stderr


def test_curl_with_a_client_certificate(authority: Authority) -> None:
    auth = {"ca": authority.path}
    alice = authority.issue("alice", client=True)
    with serving(listener({"shop.test": site(authority.issue("shop.test"), client_auth=auth)})) as port:
        assert "subject=CN=alice" in _curl(authority, port, "--cert", alice.cert, "--key", alice.key).stdout
        assert _curl(authority, port).returncode != 0


def test_openssl_gets_no_renegotiation(authority: Authority) -> None:
    with serving(listener({"shop.test": site(authority.issue("shop.test"))})) as port:
        command = [require_program("openssl"), "s_client", "-connect", f"127.0.0.1:{port}"]
        command += ["-servername", "shop.test", "-tls1_2"]
        done = subprocess.run(command, input="R\n", capture_output=True, text=True, timeout=60)
        assert "no renegotiation" in done.stderr
        assert "Compression: NONE" in done.stdout


# Files that change ---------------------------------------------------------------------------------


def _replace(old: Pair, new: Pair) -> None:
    """Put new files in place of the old, as renewing clients do: by renaming."""
    os.replace(new.cert, old.cert)
    os.replace(new.key, old.key)


def test_a_renewed_certificate_is_taken_up_and_sessions_live_on(authority: Authority) -> None:
    pair = authority.issue("shop.test")
    contexts = ServerContexts.build(plan({"shop.test": site(pair)}))
    tls = contexts.for_listener(0)
    assert tls is not None
    context = client_context(authority.path)
    before = Client(tls, context, "shop.test").handshake()
    session = _session(before)
    assert contexts.reload() == []
    assert Client(tls, context, "shop.test").handshake().certificate() == before.certificate()

    _replace(pair, authority.issue("shop.test", file="new"))
    assert contexts.reload() == []
    after = Client(tls, context, "shop.test").handshake()
    assert after.certificate() == der(pair) != before.certificate()
    assert before.send(b"still here") == b"still here"
    assert Client(tls, context, "shop.test", session).handshake().filter.resumed


def test_a_certificate_with_another_type_of_key_takes_the_place_of_the_old_one(authority: Authority) -> None:
    pair = authority.issue("shop.test")
    contexts = ServerContexts.build(plan({"shop.test": site(pair)}))
    tls = contexts.for_listener(0)
    assert tls is not None
    _replace(pair, authority.issue("shop.test", file="new", kind="rsa"))
    assert contexts.reload() == []
    assert Client(tls, client_context(authority.path), "shop.test").handshake().certificate() == der(pair)


@pytest.mark.parametrize("damage", ["mismatch", "junk", "gone"])
def test_a_bad_renewal_is_reported_and_the_old_certificate_stays(authority: Authority, damage: str) -> None:
    pair = authority.issue("shop.test")
    old = der(pair)
    contexts = ServerContexts.build(plan({"shop.test": site(pair)}))
    tls = contexts.for_listener(0)
    assert tls is not None
    new = authority.issue("shop.test", file="new")
    if damage == "mismatch":
        os.replace(new.cert, pair.cert)
    elif damage == "junk":
        Path(pair.cert).write_text("junk")
    else:
        Path(pair.key).unlink()
    problems = contexts.reload()
    assert len(problems) == 1
    assert pair.cert in problems[0] or pair.key in problems[0]
    context = client_context(authority.path)
    assert Client(tls, context, "shop.test").handshake().certificate() == old
    assert contexts.reload() == []  # told once, but looked at again
    if damage == "mismatch":
        os.replace(new.key, pair.key)
        assert contexts.reload() == []
        assert Client(tls, context, "shop.test").handshake().certificate() == der(pair)


def test_changed_authorities_of_client_certificates_are_taken_up(authority: Authority, tmp_path: Path) -> None:
    folder = tmp_path / "clients"
    folder.mkdir()
    first, second = Authority(folder, "First"), Authority(folder, "Second")
    auth = {"ca": first.path}
    contexts = ServerContexts.build(plan({"shop.test": site(authority.issue("shop.test"), client_auth=auth)}))
    tls = contexts.for_listener(0)
    assert tls is not None
    old = client_context(authority.path, first.issue("alice", client=True))
    session = _session(Client(tls, old, "shop.test").handshake())
    Path(first.path).write_text("junk")
    assert len(contexts.reload()) == 1
    Client(tls, old, "shop.test").handshake()
    os.replace(second.path, first.path)
    assert contexts.reload() == []
    with pytest.raises(TlsError, match="certificate_verify_failed"):
        Client(tls, old, "shop.test", session).handshake()
    Client(tls, client_context(authority.path, second.issue("bob", client=True)), "shop.test").handshake()


def test_a_new_generation_takes_over_sessions_unless_its_files_differ(authority: Authority) -> None:
    kept, changed = authority.issue("kept.test"), authority.issue("changed.test")
    sites = {
        "kept.test": site(kept),
        "changed.test": site(changed, client_auth={"ca": authority.path, "mode": "optional"}),
    }
    first = ServerContexts.build(plan(sites))
    context = client_context(authority.path)
    before = first.for_listener(0)
    assert before is not None
    sessions = {name: _session(Client(before, context, name).handshake()) for name in ("kept.test", "changed.test")}
    _replace(changed, authority.issue("changed.test", file="new"))
    after = ServerContexts.build(plan(sites), first).for_listener(0)
    assert after is not None
    assert Client(after, context, "kept.test", sessions["kept.test"]).handshake().filter.resumed
    assert not Client(after, context, "changed.test", sessions["changed.test"]).handshake().filter.resumed


# Files that cannot be used -------------------------------------------------------------------------


def test_errors_name_the_file_and_what_is_wrong(authority: Authority, tmp_path: Path) -> None:
    good, other = authority.issue("shop.test"), authority.issue("other.test", kind="rsa")
    locked = tmp_path / "locked.key"
    encrypt = [require_program("openssl"), "pkey", "-in", good.key, "-aes128", "-passout", "pass:x", "-out", locked]
    subprocess.run(encrypt, check=True, timeout=60)
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    huge = tmp_path / "huge.pem"
    huge.write_bytes(bytes((1 << 20) + 1))
    for pair, place, words in (
        (Pair(str(tmp_path / "none.crt"), good.key), "none.crt", "cannot read the certificate: No such file"),
        (Pair(good.cert, str(tmp_path / "none.key")), "none.key", "cannot read the private key"),
        (Pair(str(junk), good.key), "junk.pem", "no PEM certificate"),
        (Pair(good.cert, str(junk)), "junk.pem", "no private key in PEM format"),
        (Pair(good.cert, str(locked)), "locked.key", "openssl pkey"),
        (Pair(good.cert, other.key), "other.test.key", "does not belong to"),
        (Pair(str(huge), good.key), "huge.pem", "larger than 1 MiB"),
    ):
        with pytest.raises(CertificateError, match=words) as caught:
            listener({"shop.test": site(pair)})
        assert place in str(caught.value)
    with pytest.raises(CertificateError, match="no PEM certificate of an authority"):
        listener({"shop.test": site(good, client_auth={"ca": str(junk)})})
    with pytest.raises(CertificateError, match="openssl ciphers"):
        listener({"shop.test": site(good)}, ciphers="NONSENSE")


def test_certificate_and_key_may_share_a_file(authority: Authority, tmp_path: Path) -> None:
    pair = authority.issue("shop.test")
    both = tmp_path / "both.pem"
    both.write_bytes(Path(pair.key).read_bytes() + Path(pair.cert).read_bytes())
    contexts = listener({"shop.test": site(Pair(str(both), str(both)))})
    assert Client(contexts, client_context(authority.path), "shop.test").handshake().filter.done


def test_warnings_for_what_clients_will_not_like(authority: Authority) -> None:
    late = authority.issue("shop.test", life=timedelta(hours=-2))
    wild = authority.issue("*.wild.test")
    contexts = ServerContexts.build(plan({"shop.test www.test": site(late), "a.wild.test *": site(wild)}))
    assert len(contexts.warnings) == 2
    assert "expired" in contexts.warnings[0]
    assert contexts.warnings[1].endswith("the certificate is not for www.test")
