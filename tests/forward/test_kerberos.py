"""Tickets of a real KDC, by curl; and what there is without them, and without the extra."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bascule.forward.negotiate import token_of
from tests.forward.test_protocols import FORWARD, get
from tests.support.clients import connect
from tests.support.kdc import REALM, SERVICE, Kdc, kdc
from tests.support.origins import Origin
from tests.support.program import ROOT, Bascule, wait_for
from tests.support.programs import require_program


@pytest.fixture(scope="module")
def realm() -> Iterator[Kdc]:
    pytest.importorskip("gssapi", reason="the extra kerberos is not installed")
    with kdc() as found:
        yield found


@pytest.fixture
def known_to_the_program(realm: Kdc, monkeypatch: pytest.MonkeyPatch) -> Kdc:
    for name in ("KRB5_CONFIG", "KRB5RCACHEDIR"):
        monkeypatch.setenv(name, realm.environ[name])
    return realm


def config(realm: Kdc, **auth: Any) -> dict[str, Any]:
    kerberos = {"keytab": realm.keytab, "realm": REALM}
    rules = [{"allow": {"for": ["anna", "staff"]}}, {"deny": {}}]
    forward = {**FORWARD, "auth": {"kerberos": kerberos, "groups": {"staff": "ben"}, **auth}, "rules": rules}
    return {"access_log": {"path": "-"}, "forward": forward}


def curl(environ: dict[str, str], port: int, *urls: str, tunnel: bool = False) -> str:
    out = [word for _ in urls for word in ("-o", "/dev/null")]
    argv = (require_program("curl"), "-sS", "-m", "20", *out, "-w", "%{http_code} ")
    way = (
        "--proxy",
        f"http://localhost:{port}",
        "--proxy-negotiate",
        "--proxy-user",
        ":",
        *(("-p",) if tunnel else ()),
    )
    return subprocess.run((*argv, *way, *urls), capture_output=True, text=True, env=environ, timeout=60).stdout.strip()


def test_who_has_a_ticket_gets_through(known_to_the_program: Kdc, origin: Origin) -> None:
    anna = known_to_the_program.login("anna", "annas secret")
    url = f"http://{origin.address}/k"
    with Bascule(config(known_to_the_program)) as program:
        assert curl(anna, program.port, url) == "200"
        assert curl(anna, program.port, url, tunnel=True) == "200"
        assert curl(anna, program.port, url, url, url) == "200 200 200"
        assert curl(known_to_the_program.login("ben", "bens secret"), program.port, url) == "200"
        assert curl(known_to_the_program.environ, program.port, url) == "407"
        lines = wait_for(lambda: [x for x in program.logged() if x["user"] == "ben"], "ben's line")
        assert lines[0]["status"] == 200
        wait_for(lambda: {line["user"] for line in program.logged()} == {"", "anna", "ben"}, "all lines")
        assert get(program.port, url)["proxy-authenticate"] == "Negotiate"


def test_the_connection_is_the_users(known_to_the_program: Kdc, origin: Origin) -> None:
    import gssapi

    environ = known_to_the_program.login("anna", "annas secret")
    store = {"ccache": environ["KRB5CCNAME"]}
    name = gssapi.Name(SERVICE, gssapi.NameType.kerberos_principal)

    def token() -> str:
        context = gssapi.SecurityContext(
            name=name, creds=gssapi.Credentials(usage="initiate", store=store), usage="initiate"
        )
        return b64encode(context.step() or b"").decode()

    head = f"GET http://{origin.address}/k HTTP/1.1\r\nHost: a\r\n"
    with Bascule(config(known_to_the_program, lock_out={"attempts": 2})) as program:
        mine = token()
        with connect(program.port) as wire:
            wire.send(f"{head}Proxy-Authorization: Negotiate {mine}\r\n\r\n".encode())
            first = wire.response()
            assert first.status == 200
            assert str(first["proxy-authenticate"]).startswith("Negotiate ")
            assert not [x for x, _ in first.json()["fields"] if x == "proxy-authorization"]
            wire.send(f"{head}\r\n".encode())
            assert wire.response().status == 200
        with connect(program.port) as wire:
            wire.send(f"{head}\r\n".encode())
            assert wire.response().status == 407
        for wrong in ("!", mine, mine):  # no token at all; said before
            with connect(program.port) as wire:
                wire.send(f"{head}Proxy-Authorization: Negotiate {wrong}\r\n\r\n".encode())
                assert wire.response().status == 407
        with connect(program.port) as wire:
            wire.send(f"{head}Proxy-Authorization: Negotiate {token()}\r\n\r\n".encode())
            assert wire.response().status == 429


def test_users_of_other_realms_are_refused(known_to_the_program: Kdc, origin: Origin) -> None:
    kerberos = {"keytab": known_to_the_program.keytab, "realm": "OTHER.TEST"}
    anna = known_to_the_program.login("anna", "annas secret")
    with Bascule(config(known_to_the_program, kerberos=kerberos)) as program:
        assert curl(anna, program.port, f"http://{origin.address}/k") == "407"


def test_passwords_beside_tickets(known_to_the_program: Kdc, origin: Origin, tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("anna:$2b$04$abcdefghijklmnopqrstuuM5xWcYTfZHbvbZL6H7SIVpGmmkLdl3O\n")
    with Bascule(config(known_to_the_program, users=str(users))) as program:
        challenge = get(program.port, f"http://{origin.address}/k").values("proxy-authenticate")
        assert challenge[0] == "Negotiate"
        assert challenge[1].startswith("Basic ")


def test_a_keytab_without_a_key_fails_the_start(known_to_the_program: Kdc, tmp_path: Path) -> None:
    (tmp_path / "empty.keytab").write_bytes(b"\x05\x02")
    kerberos = {"keytab": str(tmp_path / "empty.keytab"), "realm": REALM}
    with pytest.raises(AssertionError, match="no key in it"), Bascule(config(known_to_the_program, kerberos=kerberos)):
        pass


def test_without_the_extra(tmp_path: Path) -> None:
    (tmp_path / "bascule.yaml").write_text(
        f"forward: {{listen: 3128, auth: {{kerberos: {{keytab: {tmp_path}/bascule.yaml, realm: EXAMPLE.TEST}}}}}}"
    )
    hidden = "import sys; sys.modules['gssapi'] = None; from bascule.cli.main import main; main()"
    argv = (sys.executable, "-c", hidden, "check", str(tmp_path / "bascule.yaml"))
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "bascule[kerberos]" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("value", "token"),
    [
        (b"Negotiate YWJj", b"abc"),
        (b"negotiate  YWJj", b"abc"),
        (b"Negotiate !", b""),
        (b"Negotiate", b""),
        (b"Basic YTpi", b""),
    ],
)
def test_tokens(value: bytes, token: bytes) -> None:
    assert token_of(value) == token
