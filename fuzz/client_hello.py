"""The ClientHello of a tunnel: any bytes in any pieces give a name, HelloError, or the wish for more."""

from __future__ import annotations

from fuzz.drive import instrumented, run

with instrumented():
    from bascule.tls.clienthello import MAX_HELLO, HelloError, server_name


def _outcome(data: bytes) -> bytes | str | None:
    try:
        return server_name(data)
    except HelloError as error:
        return error.reason


def one_input(data: bytes) -> None:
    """What was decided by the beginning stays decided, whatever follows."""
    whole = _outcome(data)
    if isinstance(whole, bytes):
        assert not whole or (whole == whole.lower() and b"\0" not in whole and b" " not in whole)
        assert _outcome(data + b"more") == whole
    elif whole is None:
        assert len(data) < MAX_HELLO
    for cut in range(0, len(data), max(1, len(data) // 8)):
        early = _outcome(data[:cut])
        assert early is None or early == whole


def seeds() -> list[bytes]:
    """One that names a host, in one record and in two."""
    name = b"\0\0\0\x0e\0\x0c\0\0\x09a.example"
    hello = b"\x03\x03" + bytes(32) + b"\0" + b"\0\x02\x13\x01" + b"\x01\0" + len(name).to_bytes(2, "big") + name
    message = b"\x01" + len(hello).to_bytes(3, "big") + hello
    records = [message[:9], message[9:]]
    return [
        b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message,
        b"".join(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part for part in records),
    ]


if __name__ == "__main__":
    run("client_hello", one_input, seeds())
