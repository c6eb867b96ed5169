"""Digest credentials: any bytes are a claim or none; none is right without the password, none fresh without a nonce."""

from __future__ import annotations

from fuzz.drive import instrumented, run

with instrumented():
    from bascule.forward.digest import Digest, parse_claim
    from bascule.state.locks import make_locks
    from bascule.state.replay import ReplayWindows

_DIGEST = Digest("Bascule", {"anna": {"MD5": "0" * 32}}, b"key", ReplayWindows(1024, make_locks()), lambda: 1000.0)


def one_input(data: bytes) -> None:
    """The value of a field."""
    claim = parse_claim(data)
    if claim is None:
        return
    assert claim.name.encode("utf-8") is not None
    assert len(claim.count) == 8
    assert not _DIGEST.is_right(claim, b"GET", claim.uri)
    assert not _DIGEST.is_fresh(claim)
    _DIGEST.is_new(claim)


def seeds() -> list[bytes]:
    """Credentials of every kind."""
    rest = b'realm="Bascule", uri="http://a.example/", nonce="00ff", nc=00000001, cnonce="c", qop=auth, response="ab"'
    return [
        b'Digest username="anna", algorithm=SHA-256, ' + rest,
        b"Digest username*=UTF-8''J%C3%B6rg, " + rest,
        b'digest username="a\\"b" , ' + rest + b",",
    ]


if __name__ == "__main__":
    run("digest", one_input, seeds())
