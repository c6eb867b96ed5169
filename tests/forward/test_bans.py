"""Who is banned does not get out either, whatever it speaks."""

from __future__ import annotations

from typing import Any

from tests.support.clients import Message, connect
from tests.support.origins import Origin
from tests.support.program import Bascule


def config(origin: Origin) -> dict[str, Any]:
    forward = {"listen": ["127.0.0.1:0"], "allow_private": True, "clients": "127.0.0.0/8"}
    return {"forward": forward, "defence": {"deny": ["127.0.8.0/24"], "allow": ["127.0.8.9"]}}


def ask(bascule: Bascule, source: str, start: str, host: str) -> Message:
    with connect(bascule.port, source) as wire:
        wire.send(f"{start} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return wire.response(start.partition(" ")[0])


def test_bans_hold_on_the_way_out(bascule: Bascule, origin: Origin) -> None:
    plain, tunnel = f"GET http://{origin.address}/", f"CONNECT {origin.address}"
    assert ask(bascule, "127.0.7.1", plain, origin.address).status == 200
    assert ask(bascule, "127.0.8.9", plain, origin.address).status == 200, "who is allowed is never kept out"
    for start in (plain, tunnel):
        refused = ask(bascule, "127.0.8.1", start, origin.address)
        assert (refused.status, refused["connection"]) == (403, "close")
    assert len(origin.seen) == 2


def test_socks(bascule: Bascule, origin: Origin) -> None:
    host, _, port = origin.address.partition(":")
    call = b"\x05\x01\x00\x01" + bytes(map(int, host.split("."))) + int(port).to_bytes(2)
    for source, reply in (("127.0.7.1", 0), ("127.0.8.1", 2)):
        with connect(bascule.port, source) as wire:
            wire.send(b"\x05\x01\x00")
            assert wire.exactly(2) == b"\x05\x00"
            wire.send(call)
            assert wire.exactly(2) == bytes((5, reply)), "0 succeeded, 2 not allowed (RFC 1928 6)"
