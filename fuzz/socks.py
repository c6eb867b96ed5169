"""SOCKS: any bytes in any pieces give an answer or SocksError, and the same request however they are cut."""

from __future__ import annotations

from fuzz.drive import instrumented, run

with instrumented():
    from bascule.forward.socks import MAX_HANDSHAKE, SocksError, SocksHandshake, SocksRequest
    from bascule.forward.target import make_target
    from bascule.http.errors import HttpError


def _talk(pieces: list[bytes], login: bool) -> tuple[SocksRequest | None, bytes, bytes]:
    handshake, said = SocksHandshake(login), b""
    for piece in pieces:
        try:
            said += handshake.feed(piece)
            if handshake.login is not None:
                said += handshake.verdict(True) + handshake.feed(b"")
        except SocksError as error:
            return None, said + error.answer, b"refused"
        assert len(handshake._buffer) <= MAX_HANDSHAKE + len(piece)
        if handshake.request is not None:
            return handshake.request, said, b""
    return None, said, b""


def one_input(data: bytes) -> None:
    """The first byte says whether a password is asked for and where the rest is cut."""
    if not data:
        return
    login, cut, rest = bool(data[0] & 1), data[0] >> 1, data[1 : 1 + MAX_HANDSHAKE]
    whole = _talk([rest], login)
    if rest:
        assert whole == _talk([piece for piece in (rest[:cut], rest[cut:]) if piece], login)
    request = whole[0]
    if request is not None:
        assert 0 <= request.port < 65536
        try:
            target = make_target(request.host, request.port)
        except HttpError:
            return
        assert target.host == target.host.lower()
        assert "%" not in target.host


def seeds() -> list[bytes]:
    """Handshakes of every kind."""
    name, four = b"\x05\x01\x00\x03\x09a.example\x01\xbb", b"\x04\x01\x00\x50\x00\x00\x00\x01me\x00a.example\x00"
    return [
        b"\x06\x05\x01\x00" + name,
        b"\x09\x05\x02\x00\x02\x01\x04anna\x06secret" + name,
        b"\x08" + four,
        b"\x04\x04\x01\x00\x50\x7f\x00\x00\x01\x00rest",
        b"\x0c\x05\x01\x00\x05\x01\x00\x04" + bytes(15) + b"\x01\x00\x50",
        b"\x0c\x05\x01\x00\x05\x01\x00\x03\x0dfe80::1%25lo0\x00\x50",
    ]


if __name__ == "__main__":
    run("socks", one_input, seeds())
