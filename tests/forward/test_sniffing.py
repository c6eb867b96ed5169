"""What the first bytes of a response say, and rules that ask for it."""

from __future__ import annotations

import gzip
import io
import struct
import threading
import zipfile
from typing import Any

import pytest

from bascule.forward.sniffing import ENOUGH, kind_of
from tests.support.clients import Message, Wire, connect
from tests.support.origins import Origin, answer
from tests.support.program import Bascule

PROGRAM = b"MZ\x90\0" + bytes(2000)
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            file.writestr(name, "x")
    return buffer.getvalue()


def by_kind(value: object) -> str:
    """Contents hold the time they were made at: as names they would differ from one process to the next."""
    return value if isinstance(value, str) else "content"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PROGRAM, "program"),
        (b"\x7fELF\x02\x01", "program"),
        (struct.pack(">I", 0xFEEDFACF), "program"),
        (struct.pack("<I", 0xFEEDFACE), "program"),
        (b"\xca\xfe\xba\xbe\0\0\0\x34", "program"),
        (zipped("META-INF/MANIFEST.MF", "A.class"), "program"),
        (b"#!/bin/sh\n", "script"),
        (zipped("a.txt"), "archive"),
        (zipped(), "archive"),
        (zipped("[Content_Types].xml", "word/document.xml"), "office"),
        (zipped("mimetype", "content.xml"), "office"),
        (bytes(257) + b"ustar\x0000", "archive"),
        (gzip.compress(b"x"), "archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "office"),
        (EICAR, "test-virus"),
        (b"<!doctype html>", ""),
        (b"\x89PNG\r\n\x1a\n", ""),
        (b"M", ""),
        (b"PK\x03\x04", "archive"),
        (b"", ""),
    ],
    ids=by_kind,
)
def test_kinds(content: bytes, kind: str) -> None:
    assert kind_of(content[:ENOUGH]) == kind


def config(origin: Origin) -> dict[str, Any]:
    rules = [{"deny": {"content": ["program", "test-virus"]}, "reason": "No programs."}]
    return {"forward": {"listen": ["127.0.0.1:0"], "allow_private": True, "rules": rules}}


def get(port: int, origin: Origin, *fields: str) -> Message:
    with connect(port) as wire:
        wire.send("\r\n".join([f"GET http://{origin.address}/x HTTP/1.1", "Host: a", *fields, "", ""]).encode())
        return wire.response("GET")


def sends(
    *parts: bytes, fields: tuple[str, ...] = ("Content-Type: image/png",), gate: threading.Event | None = None
) -> Any:
    def handle(wire: Wire, message: Message) -> bool:
        whole = answer(b"".join(parts), "200 OK", *fields)
        wire.send(whole[: len(whole) - sum(map(len, parts[1:]))])
        for part in parts[1:]:
            assert gate is None or gate.wait(30)
            wire.send(part)
        return True

    return handle


@pytest.mark.parametrize(
    ("parts", "fields"),
    [
        ((PROGRAM,), ()),
        ((b"M", b"Z" + bytes(3000)), ("Content-Type: text/plain",)),
        ((EICAR,), ()),
        ((gzip.compress(PROGRAM),), ("Content-Encoding: gzip",)),
        ((PROGRAM,), ("Content-Encoding: none",)),
        ((PROGRAM,), ("Content-Encoding: gzip",)),
    ],
    ids=["at once", "in pieces", "short", "encoded", "unknown coding", "not the coding it names"],
)
def test_refused_whatever_it_is_called(
    port: int, origin: Origin, parts: tuple[bytes, ...], fields: tuple[str, ...]
) -> None:
    origin.handler = sends(*parts, fields=fields)
    message = get(port, origin, "Accept: text/html")
    assert message.status == 403
    assert b"No programs." in message.body


def test_others_pass_whole(port: int, origin: Origin) -> None:
    for parts in ((b"short",), (b"", b"x" * 300, b"y" * 300, b"z" * 70_000)):
        origin.handler = sends(*parts)
        assert get(port, origin).body == b"".join(parts)


def test_a_slow_response_is_not_held_for_long(port: int, origin: Origin) -> None:
    gate = threading.Event()
    origin.handler = sends(b"data: an event\n\n\n", b"more", gate=gate)
    with connect(port) as wire:
        wire.send(f"GET http://{origin.address}/x HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert wire.head().status == 200  # although the rest has yet to be sent
        assert wire.exactly(17) == b"data: an event\n\n\n"
        gate.set()
        assert wire.exactly(4) == b"more"


def test_nobody_gets_it_without_its_beginning(port: int, origin: Origin) -> None:
    told = get(port, origin, "Range: bytes=2-", "If-Range: x").json()
    assert not {"range", "if-range"} & {name for name, _ in told["fields"]}


def test_a_server_that_goes_away_meanwhile(bascule: Bascule, origin: Origin) -> None:
    def handle(wire: Wire, message: Message) -> bool:
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nMZ")
        return False

    origin.handler = handle
    seen = len(origin.seen)
    assert get(bascule.port, origin).status == 502
    assert len(origin.seen) == seen + 1
