"""Digest: the examples of the RFC, what is no proof, and that nothing is taken twice."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.forward.digest import LIFETIME, Claim, Digest, common_algorithms, parse_claim, read_htdigest
from bascule.state.locks import make_locks
from bascule.state.replay import ReplayWindows
from tests.forward.test_protocols import FORWARD, get
from tests.support.clients import connect
from tests.support.origins import Origin
from tests.support.program import Bascule, wait_for
from tests.support.programs import require_program

REALM = "http-auth@example.org"
EXAMPLE = (
    b'Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=%b, '
    b'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, '
    b'cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, response="%b"'
)
REST = b'uri="/", nonce="n", nc=00000001, cnonce="c", qop=auth, response="r"'


def ha1(name: str, password: str, algorithm: str = "SHA-256", realm: str = "Bascule") -> str:
    make = hashlib.sha256 if algorithm == "SHA-256" else hashlib.md5
    return make(f"{name}:{realm}:{password}".encode()).hexdigest()


def make(users: dict[str, dict[str, str]], now: list[float]) -> Digest:
    return Digest(REALM, users, b"key", ReplayWindows(1024, make_locks()), lambda: now[0])


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", b"8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", b"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616(algorithm: str, response: bytes) -> None:
    digest = make({"Mufasa": {algorithm: ha1("Mufasa", "Circle of Life", algorithm, REALM)}}, [0.0])
    claim = parse_claim(EXAMPLE % (algorithm.encode(), response))
    assert claim is not None
    assert digest.is_right(claim, b"GET", b"/dir/index.html")
    assert not digest.is_right(claim, b"POST", b"/dir/index.html")
    assert not digest.is_right(claim, b"GET", b"/dir/other.html")
    assert not digest.is_fresh(claim)  # no nonce of ours
    assert not make({}, [0.0]).is_right(claim, b"GET", b"/dir/index.html")


def test_nonces_are_ours_age_and_counts_are_taken_once() -> None:
    now = [1000.0]
    digest = make({"anna": {"MD5": "0" * 32, "SHA-256": "0" * 64}}, now)
    fields = digest.challenge()
    assert fields.index(b"SHA-256") < fields.index(b"MD5")
    assert b"stale" not in fields
    assert digest.challenge(stale=True).count(b"stale=true") == 2
    nonce = fields.split(b'nonce="')[1].partition(b'"')[0]

    def claim(count: bytes, of: bytes = nonce) -> Claim:
        found = parse_claim(
            b'Digest username="a", uri="/", nonce="%b", nc=%b, cnonce="c", qop=auth, response="r"' % (of, count)
        )
        assert found is not None
        return found

    assert digest.is_fresh(claim(b"00000001"))
    for other in (nonce[:-2] + b"zz", b"", b"zz", nonce[2:], nonce[:-1] + (b"0" if nonce[-1:] != b"0" else b"1")):
        assert not digest.is_fresh(claim(b"00000001", other))
    taken = [digest.is_new(claim(b"%08x" % count)) for count in (1, 1, 5, 3, 3, 200, 137, 136, 0)]
    assert taken == [True, False, True, True, False, True, True, False, False]
    now[0] += LIFETIME + 1
    assert not digest.is_fresh(claim(b"00000002"))


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (rb'Digest username="a\"b", ' + REST, 'a"b'),
        (b"Digest username*=UTF-8''J%C3%B6rg, " + REST, "Jörg"),
        (b"Digest username*=ISO-8859-1''J%F6rg, " + REST, None),
        (b'digest qop=auth,response="r",cnonce="",nc=0000000a,nonce="n",uri="/",username="x",unknown=1', "x"),
        (b'Digest username="a", ' + REST.replace(b"nc=00000001", b"nc=1"), None),
        (b'Digest username="a", ' + REST.replace(b"qop=auth", b"qop=auth-int"), None),
        (b'Digest username="a", username="b", ' + REST, None),
        (b'Digest username="a", uri="/", nonce="n", response="r"', None),  # RFC 2069: without a count
        (b'Digest username="\xff", ' + REST, None),
        (b"Digest", None),
        (b"Digest " + b"a" * 5000, None),
        (b"Basic YTpi", None),
    ],
)
def test_claims(value: bytes, name: str | None) -> None:
    claim = parse_claim(value)
    assert (claim.name if claim else None) == name


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    digest = make({"a": {"MD5": "0" * 32}}, [0.0])
    for value in (data, b"Digest " + data, b'Digest username="a", ' + REST.replace(b"n", data)):
        claim = parse_claim(value)
        if claim is not None:
            assert not digest.is_right(claim, b"GET", b"/")
            assert not digest.is_fresh(claim)


# --- the program


@pytest.fixture(scope="module")
def htdigest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("digest") / "users"
    lines = [
        "# people",
        f"anna:Bascule:{ha1('anna', 'secret')}",
        f"anna:Bascule:{ha1('anna', 'secret', 'MD5')}",
        f"ben:Bascule:{ha1('ben', 'secret')}",
        f"eve:Elsewhere:{'0' * 32}",
    ]
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.fixture(scope="module")
def bascule(htdigest: Path) -> Iterator[Bascule]:
    auth = {"digest": str(htdigest), "lock_out": {"attempts": 5}}
    config = {
        "forward": {**FORWARD, "auth": auth, "clients": ["127.0.0.0/8"]},
        "access_log": {"path": "-"},
        "workers": 2,
    }
    with Bascule(config) as program:
        yield program


def test_files(htdigest: Path, tmp_path: Path) -> None:
    users = read_htdigest(str(htdigest), "Bascule")
    assert {name: list(stored) for name, stored in users.items()} == {"anna": ["SHA-256", "MD5"], "ben": ["SHA-256"]}
    assert common_algorithms(users) == ["SHA-256"]
    (tmp_path / "bad").write_text("anna:secret\n")
    with pytest.raises(ValueError, match="bad:1: this is not"):
        read_htdigest(str(tmp_path / "bad"), "Bascule")


def curl(bascule: Bascule, user: str, url: str, *more: str, scheme: str = "http") -> str:
    """Ask twice, and return what came."""
    argv = [require_program("curl"), "-sS", "--max-time", "20", "-x", f"{scheme}://127.0.0.1:{bascule.port}", *more]
    return subprocess.run([*argv, "-U", user, url, url], capture_output=True, text=True, timeout=60).stdout


def test_md5_for_old_clients(origin: Origin, tmp_path: Path) -> None:
    (tmp_path / "users").write_text(f"anna:Bascule:{ha1('anna', 'secret', 'MD5')}\n")
    auth = {"digest": str(tmp_path / "users"), "required": False}
    with Bascule({"forward": {**FORWARD, "auth": auth, "rules": [{"allow": {"for": "*"}}, {"deny": {}}]}}) as program:
        assert curl(program, "anna:secret", f"http://{origin.address}/old", "--proxy-digest").count('"/old"') == 2


@pytest.mark.parametrize("user", ["anna", "ben"])
def test_curl(bascule: Bascule, origin: Origin, user: str) -> None:
    url, seen = f"http://{origin.address}/{user}?a=b", f'"/{user}?a=b"'
    assert curl(bascule, f"{user}:secret", url, "--proxy-digest").count(seen) == 2  # the second with the next count
    assert curl(bascule, f"{user}:secret", url, "--proxy-digest", "-p").count(seen) == 2
    wait_for(lambda: [line for line in bascule.logged() if line["user"] == user and line["method"] == "CONNECT"], "it")
    assert curl(bascule, f"{user}:secret", url, scheme="socks5h").count(seen) == 2
    assert seen not in curl(bascule, f"{user}:secret", url, "--proxy-basic")  # not asked for in the clear, nor taken


def test_what_is_overheard_cannot_be_said_again(bascule: Bascule, origin: Origin) -> None:
    url = f"http://{origin.address}/x"
    first = get(bascule.port, url)
    assert first.status == 407
    (asked,) = [value for value in first.values("proxy-authenticate") if "SHA-256" in value]
    nonce = asked.split('nonce="')[1].partition('"')[0]

    def told(target: str, count: int, password: str = "secret") -> str:
        second = hashlib.sha256(f"GET:{target}".encode()).hexdigest()
        parts = (ha1("anna", password), nonce, f"{count:08x}", "c", "auth", second)
        response = hashlib.sha256(":".join(parts).encode()).hexdigest()
        return (
            f'Proxy-Authorization: Digest username="anna", realm="Bascule", uri="{target}", algorithm=SHA-256, '
            f'nonce="{nonce}", nc={count:08x}, cnonce="c", qop=auth, response="{response}"'
        )

    ours, nonce = nonce, "00" * 32
    for password in ("secret", "guess"):  # a nonce of the client's own proves nothing, and tells nothing
        forged = get(bascule.port, url, told(url, 1, password))
        assert forged.status == 407
        assert all("stale=true" in value for value in forged.values("proxy-authenticate"))
    nonce = ours
    assert get(bascule.port, url, told(url, 1)).status == 200
    for _ in range(6):  # at whatever worker
        again = get(bascule.port, url, told(url, 1))
        assert again.status == 407
        assert all("stale=true" in value for value in again.values("proxy-authenticate"))
    assert get(bascule.port, f"http://{origin.address}/y", told(url, 2)).status == 407  # for another request
    assert get(bascule.port, url, told("/x", 3)).status == 200  # as Chromium says it
    with connect(bascule.port, "127.0.0.9") as wire:  # one worker, so it counts all guesses
        statuses = []
        for count in range(20, 27):
            wire.send(f"GET {url} HTTP/1.1\r\nHost: a\r\n{told(url, count, 'guess')}\r\n\r\n".encode())
            statuses.append(wire.response().status)
    assert (statuses[0], statuses[-1]) == (407, 429)
