"""What a parent answers: any bytes open the tunnel, are refused or wait; the same however they are cut."""

from __future__ import annotations

from fuzz.drive import instrumented, run

with instrumented():
    from bascule.forward.handshakes import MAX_ANSWER, ConnectHandshake, Handshake, RefusedError, SocksHandshake, basic
    from bascule.forward.target import Target

_TARGETS = (Target("a.example", 443), Target("192.0.2.1", 80, "192.0.2.1"), Target("2001:db8::1", 80, "2001:db8::1"))


def _make(kind: int) -> Handshake:
    target, user = _TARGETS[kind % 3], "anna" if kind & 4 else ""
    if kind & 8:
        return ConnectHandshake(target, basic(user, "secret") if user else b"")
    return SocksHandshake(target, user, "secret" if user else "")


def _talk(kind: int, pieces: list[bytes]) -> tuple[bytes, bytes, str]:
    handshake, said, rest = _make(kind), b"", b""
    for piece in pieces:
        if handshake.done:
            rest += piece
            continue
        try:
            said += handshake.feed(piece)
        except RefusedError as error:
            return b"", b"", error.cause
        rest = handshake.rest
    return said, rest, "open" if handshake.done else "waits"


def one_input(data: bytes) -> None:
    """The first byte says which handshake it is, the second where the rest is cut."""
    if len(data) < 3:
        return
    kind, cut, rest = data[0] & 15, data[1], data[2:MAX_ANSWER]
    whole = _talk(kind, [rest])
    assert whole == _talk(kind, [piece for piece in (rest[:cut], rest[cut:]) if piece])
    assert rest.endswith(whole[1])


def seeds() -> list[bytes]:
    """Answers of every kind."""
    bound = b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
    return [
        b"\x00\x02\x05\x00" + bound + b"first bytes",
        b"\x04\x03\x05\x02\x01\x00" + bound,
        b"\x05\x03\x05\x02\x01\x01",
        b"\x01\x06\x05\x00\x05\x00\x00\x03\x09a.exampleXX",
        b"\x02\x06\x05\x00\x05\x05\x00\x01",
        b"\x08\x10HTTP/1.1 200 Connection established\r\n\r\nhello",
        b'\x0c\x10HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic realm="a"\r\n\r\n',
        b"\x09\x10HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n",
    ]


if __name__ == "__main__":
    run("parent_handshake", one_input, seeds())
