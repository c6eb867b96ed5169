"""People who sign in at an OpenID Connect provider: what is believed of it, and whom the program then knows."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from joserfc.jwk import OctKey, RSAKey

from bascule.config.auth import Portal as Config
from bascule.forward.portal import SignIns
from bascule.forward.provider import Person, Provider, ProviderError, SignInError
from bascule.state.records import RecordTooLargeError
from tests.forward.test_protocols import FORWARD
from tests.support.clients import Message, connect
from tests.support.oidc import CLIENT, SECRET, OidcProvider
from tests.support.origins import Origin
from tests.support.pace import unless_stalled
from tests.support.program import Bascule, wait_for

URL = "http://portal.test:3128"
HTML = "Accept: text/html"


@pytest.fixture
def oidc() -> Iterator[OidcProvider]:
    with OidcProvider() as found:
        yield found


def settings(oidc: OidcProvider, **more: Any) -> dict[str, Any]:
    return {"issuer": oidc.issuer, "client_id": CLIENT, "client_secret": SECRET, "url": URL, "groups": "groups", **more}


def provider(oidc: OidcProvider, **more: Any) -> Provider:
    return Provider(Config.model_validate(settings(oidc, **more)), f"{URL}/portal/callback", lambda: oidc.now)


def signed_in(oidc: OidcProvider, asked: Provider, verifier: str = "v" * 43) -> Person:
    back = oidc.authorize(asked.sign_in_url("s", "n", "v" * 43))
    return asked.redeem(back.partition("code=")[2].partition("&")[0], "n", verifier)


# --- what is believed of the provider


def test_who_signed_in(oidc: OidcProvider) -> None:
    assert signed_in(oidc, provider(oidc)) == Person("0815", frozenset({"staff"}))
    assert signed_in(oidc, provider(oidc, user="email", groups="")) == Person("anna@example.com", frozenset())
    assert oidc.asked.count("/keys") == 2


@pytest.mark.parametrize(
    ("lies", "words"),
    [
        ({"iss": "https://other.example"}, "iss"),
        ({"aud": "other"}, "aud"),
        ({"aud": [CLIENT, "other"]}, "another client"),
        ({"azp": "other"}, "another client"),
        ({"exp": 1}, "expired"),
        ({"exp": None}, "exp"),
        ({"nonce": "of another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"sub": None}, "sub"),
        ({"email_verified": False}, "verified"),
        ({"email": ""}, "no name"),
        ({"email": "a\nb"}, "no name"),
        ({"email": ["a"]}, "no name"),
        ({"groups": {"a": 1}}, "no list"),
    ],
)
def test_tokens_that_are_not_believed(oidc: OidcProvider, lies: dict[str, Any], words: str) -> None:
    oidc.lies = lies
    with pytest.raises(SignInError, match=words):
        signed_in(oidc, provider(oidc, user="email"))


def test_signatures(oidc: OidcProvider) -> None:
    """Keys are changed; what is signed by one that the provider does not tell of, or by a secret, is forged."""
    asked = provider(oidc)
    assert signed_in(oidc, asked)
    oidc.key = oidc.published = RSAKey.generate_key(2048, {"kid": "second"})
    with pytest.raises(SignInError):  # it was asked a moment ago
        signed_in(oidc, asked)
    oidc.now += 11
    assert signed_in(oidc, asked)
    oidc.key = RSAKey.generate_key(2048, {"kid": "second"})
    with pytest.raises(SignInError):
        signed_in(oidc, asked)
    oidc.key, oidc.algorithm = OctKey.import_key(SECRET, {"kid": "second"}), "HS256"
    with pytest.raises(SignInError):
        signed_in(oidc, asked)


def test_codes_are_bound_to_who_asked(oidc: OidcProvider) -> None:
    asked = provider(oidc)
    with pytest.raises(SignInError, match="code"):
        signed_in(oidc, asked, "another" * 7)
    with pytest.raises(SignInError, match="code"):
        asked.redeem("made up", "n", "v" * 43)
    with pytest.raises(ProviderError, match="401"):
        signed_in(oidc, provider(oidc, client_secret="wrong"))


def test_a_provider_that_is_not_what_it_should_be(oidc: OidcProvider) -> None:
    for metadata in ({"issuer": "https://other.example"}, {"authorization_endpoint": "ftp://x"}, {"token_endpoint": 1}):
        oidc.metadata = metadata
        with pytest.raises(ProviderError):
            signed_in(oidc, provider(oidc))
    oidc.metadata, oidc.broken = {}, True
    with pytest.raises(ProviderError, match="500"):
        signed_in(oidc, provider(oidc))
    with pytest.raises(ProviderError):
        provider(oidc, issuer="http://127.0.0.1:1").sign_in_url("s", "n", "v")


def test_an_address_has_room_for_some_groups(oidc: OidcProvider) -> None:
    sign_ins = SignIns(Config.model_validate(settings(oidc)))
    sign_ins.begin(b"192.0.2.1", Person("anna", frozenset(f"group-{number}" for number in range(100))))
    with pytest.raises(RecordTooLargeError):
        sign_ins.begin(b"192.0.2.1", Person("anna", frozenset(f"group-{number}" for number in range(300))))
    assert sign_ins.of(b"192.0.2.2") is None


# --- the program


@contextlib.contextmanager
def running(oidc: OidcProvider, auth: dict[str, Any] | None = None, **portal: Any) -> Iterator[Bascule]:
    rules = [{"allow": {"for": "staff"}}, {"allow": {"for": "0815", "path": "/mine"}}, {"deny": {}}]
    auth = {"portal": settings(oidc, **portal), **(auth or {})}
    forward = {**FORWARD, "clients": "127.0.0.0/8", "auth": auth, "rules": rules}
    with Bascule({"workers": 2, "access_log": {"path": "-"}, "forward": forward}) as program:
        yield program


def ask(program: Bascule, head: str, *fields: str, source: str = "127.0.0.1") -> Message:
    with connect(program.port, source) as wire:
        lines = [f"{head} HTTP/1.1", "Host: portal.test:3128", *fields, "", ""]
        wire.send("\r\n".join(lines).encode())
        message = wire.head()  # of a tunnel no more follows
        method = head.partition(" ")[0]
        return message if (method, message.status) == ("CONNECT", 200) else wire.read_body(message)


def place(message: Message) -> str:
    assert message.status == 302
    return str(message["location"])


def begin(program: Bascule, path: str = "/portal/login", source: str = "127.0.0.1") -> tuple[str, str]:
    """Return where the provider is asked, and the cookie."""
    message = ask(program, f"GET {path}", source=source)
    cookie = str(message["set-cookie"])
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    return place(message), f"Cookie: {cookie.partition(';')[0]}"


def sign_in(program: Bascule, oidc: OidcProvider, path: str = "/portal/login", source: str = "127.0.0.1") -> Message:
    url, cookie = begin(program, path, source)
    back = oidc.authorize(url).removeprefix(URL)
    return ask(program, f"GET {back}", cookie, source=source)


def test_from_nobody_to_somebody_and_back(oidc: OidcProvider, origin: Origin) -> None:
    url = f"http://{origin.address}/a?b=c"
    with running(oidc) as program:
        led = place(ask(program, f"GET {url}", HTML))
        assert led.startswith(f"{URL}/portal/login?to=")
        for head in (f"GET {url}", f"CONNECT {origin.address}", f"POST {url}"):
            refused = ask(program, head, *((HTML,) if head[0] == "P" else ()))
            assert refused.status == 511
            assert f"{URL}/portal" in refused.body.decode()
        assert "Not signed in" in ask(program, "GET /portal").body.decode()
        done = sign_in(program, oidc, led.removeprefix(URL))
        assert place(done) == url
        assert "Max-Age=0" in str(done["set-cookie"])
        for _ in range(8):  # whatever worker it is
            assert ask(program, f"GET {url}").status == 200
            assert ask(program, f"CONNECT {origin.address}").status == 200
        assert ask(program, f"GET {url}", source="127.0.0.2").status == 511
        assert "signed in as 0815" in ask(program, f"GET {URL}/portal").body.decode()  # asked as a proxy
        with connect(program.port) as wire:  # SOCKS 5
            wire.send(b"\5\1\0" + b"\5\1\0\1\x7f\0\0\1" + origin.port.to_bytes(2, "big"))
            assert wire.exactly(4) == b"\5\0\5\0"
        program.process.send_signal(signal.SIGHUP)
        wait_for(lambda: any("generation 2" in line for line in program.lines), "the reload")
        for _ in range(4):
            assert ask(program, f"GET {url}").status == 200
        assert ask(program, "POST /portal/logout", "Origin: https://evil.example", "Content-Length: 0").status == 403
        assert ask(program, f"GET {url}").status == 200
        assert ask(program, "POST /portal/logout", f"Origin: {URL}", "Content-Length: 0").status == 200
        assert ask(program, f"GET {url}").status == 511
        wait_for(lambda: {line["user"] for line in program.logged()} == {"", "0815"}, "the lines")


@unless_stalled
def test_what_rules_and_time_say(oidc: OidcProvider, origin: Origin) -> None:
    oidc.claims["groups"] = "guests"
    with running(oidc, {"addresses": {"127.0.0.9": "0815"}}, valid="1s") as program:
        sign_in(program, oidc)
        assert ask(program, f"GET http://{origin.address}/").status == 403
        assert ask(program, f"GET http://{origin.address}/mine").status == 200
        wait_for(lambda: ask(program, f"GET http://{origin.address}/mine").status == 511, "the end")
        oidc.claims["groups"] = ["staff"]
        sign_in(program, oidc)
        assert ask(program, f"GET http://{origin.address}/").status == 200
        assert ask(program, f"GET http://{origin.address}/", source="127.0.0.9").status == 403  # that sign-in has them


def test_the_way_to_the_provider_is_open(oidc: OidcProvider, origin: Origin) -> None:
    port = oidc.issuer.rpartition(":")[2]
    with running(oidc, open=["127.0.0.1"]) as program:
        for host in ("127.0.0.1", "localhost"):
            assert ask(program, f"GET http://{host}:{port}/keys").status == 200
            assert ask(program, f"CONNECT {host}:{port}").start[1] == "200"
        assert ask(program, f"GET http://127.0.0.2:{port}/keys").status == 511


def test_nobody_is_signed_in_by_others(oidc: OidcProvider, origin: Origin) -> None:
    with running(oidc) as program:
        url, cookie = begin(program, source="127.0.0.66")
        back = oidc.authorize(url).removeprefix(URL)  # somebody was talked into saying yes
        assert ask(program, f"GET {back}").status == 403  # who has no cookie
        assert ask(program, f"GET {back}", cookie).status == 403  # or another address
        other = begin(program)[1]
        assert ask(program, f"GET {back}", other).status == 403  # or began something else
        for junk in ("a&" * 20, "a=1&" * 20, "state=%E2%82%AC%0d%0a", "%ff", ""):
            assert ask(program, f"GET /portal/callback?{junk}", other).status == 403
        forged = "/portal/callback?" + urlencode({"code": "x", "state": "<script>alert(1)</script>", "error": "<b>"})
        assert b"<b>" not in ask(program, f"GET {forged}", other).body
        refused = "/portal/callback?" + urlencode(
            {"error": "<b>", "state": url.partition("state=")[2].partition("&")[0]}
        )
        page = ask(program, f"GET {refused}", cookie, source="127.0.0.66")
        assert (page.status, b"&lt;b&gt;" in page.body) == (403, True)
        assert "frame-ancestors 'none'" in str(page["content-security-policy"])
        elsewhere = back.partition("&iss=")[0] + "&iss=https%3A%2F%2Fother.example"
        assert ask(program, f"GET {elsewhere}", cookie, source="127.0.0.66").status == 403  # RFC 9207
        for source in ("127.0.0.1", "127.0.0.66"):
            assert ask(program, f"GET http://{origin.address}/", source=source).status == 511
        evil = place(ask(program, "GET http://evil.example/", HTML, source="127.0.0.66")).removeprefix(URL)
        for path in ("/portal/login?to=http://evil.example/", evil):
            assert place(sign_in(program, oidc, path)) == f"{URL}/portal"  # only what the portal sealed, and for whom


@unless_stalled
def test_who_guesses_has_to_wait_and_a_provider_may_be_away(oidc: OidcProvider, origin: Origin) -> None:
    lock_out = {"attempts": 2, "wait": "2s"}
    with running(oidc, {"lock_out": lock_out}) as program:
        oidc.broken = True
        assert ask(program, "GET /portal/login").status == 503
        assert any("forward.auth.portal" in line for line in program.lines)
        oidc.broken = False
        oidc.lies = {"nonce": "of another"}
        statuses = set()
        end = time.monotonic() + 30
        while 429 not in statuses and time.monotonic() < end:  # each of two workers counts
            message = ask(program, "GET /portal/login")
            if message.status == 302:
                cookie = f"Cookie: {str(message['set-cookie']).partition(';')[0]}"
                back = oidc.authorize(place(message)).removeprefix(URL)
                message = ask(program, f"GET {back}", cookie)
            statuses.add(message.status)
        assert statuses == {403, 429}


def test_beside_passwords(oidc: OidcProvider, origin: Origin, tmp_path: Any) -> None:
    (tmp_path / "users").write_text("staff:$2b$04$abcdefghijklmnopqrstuuM5xWcYTfZHbvbZL6H7SIVpGmmkLdl3O\n")
    with running(oidc, {"users": str(tmp_path / "users")}) as program:
        refused = ask(program, f"CONNECT {origin.address}")
        assert (refused.status, str(refused["proxy-authenticate"])[:5]) == (407, "Basic")
        assert f"{URL}/portal" in refused.body.decode()
        assert ask(program, f"GET http://{origin.address}/", HTML).status == 302
        assert ask(program, "GET /portal", "X: y").status == 200
        assert ask(program, "DELETE /portal").status == 405
