"""JA4 against FoxIO's captures and their expected values, and against what is no ClientHello."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.tls.ja4 import ja4
from tests.support.shared import shared_dir


def packets(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield link type and bytes of each packet of a pcap or pcapng file."""
    data = path.read_bytes()
    if data[:4] == b"\x0a\x0d\x0d\x0a":
        yield from _pcapng(data)
        return
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    link, position = struct.unpack_from(order + "I", data, 20)[0], 24
    while position + 16 <= len(data):
        size = struct.unpack_from(order + "I", data, position + 8)[0]
        yield link, data[position + 16 : position + 16 + size]
        position += 16 + size


def _pcapng(data: bytes) -> Iterator[tuple[int, bytes]]:
    links: list[int] = []
    position = 0
    while position + 12 <= len(data):
        kind, size = struct.unpack_from("<II", data, position)
        if kind == 1:
            links.append(struct.unpack_from("<H", data, position + 8)[0])
        elif kind == 6:
            interface, length = (
                struct.unpack_from("<I", data, position + 8)[0],
                struct.unpack_from("<I", data, position + 20)[0],
            )
            yield links[interface], data[position + 28 : position + 28 + length]
        position += size


def segment(link: int, packet: bytes) -> tuple[int, int, bytes] | None:
    """Return source port, sequence number and payload of a TCP segment."""
    start = {1: 14, 0: 4, 113: 16, 101: 0}.get(link)
    if start is None:
        return None
    if link == 1 and packet[12:14] == b"\x81\x00":
        start += 4
    ip = packet[start:]
    if ip[:1] and ip[0] >> 4 == 4 and ip[9] == 6:
        ip = ip[: int.from_bytes(ip[2:4], "big") or len(ip)]  # 0: the card was to segment it
        tcp = ip[(ip[0] & 15) * 4 :]
    elif ip[:1] and ip[0] >> 4 == 6 and ip[6] == 6:
        tcp = ip[40 : 40 + int.from_bytes(ip[4:6], "big")]
    else:
        return None
    if len(tcp) < 20:
        return None
    return int.from_bytes(tcp[:2], "big"), int.from_bytes(tcp[4:8], "big"), tcp[(tcp[12] >> 4) * 4 :]


def hellos(path: Path) -> dict[int, str]:
    """Return the JA4 of the first ClientHello from each source port."""
    streams: dict[int, dict[int, bytes]] = {}
    for link, packet in packets(path):
        if (found := segment(link, packet)) and found[2]:
            port, sequence, payload = found
            streams.setdefault(port, {}).setdefault(sequence, payload)
    found_all = {}
    for port, parts in streams.items():
        data = b"".join(parts[sequence] for sequence in sorted(parts))
        if data[:1] == b"\x16" and (value := ja4(data)):
            found_all[port] = value
    return found_all


def test_the_captures_of_its_authors() -> None:
    folder = shared_dir("fingerprints", "ja4")
    compared, wrong = 0, []
    for file in sorted((folder / "expected").glob("*.json")):
        mine = hellos(folder / "pcap" / file.name.removesuffix(".json"))
        for stream in json.loads(file.read_text()):
            expected = next((stream[key] for key in ("JA4", "JA4.1") if key in stream), "")
            value = mine.get(int(stream["srcport"]))
            if expected[:1] == "t" and value is not None:
                compared += 1
                wrong += [] if value == expected else [(file.name, stream["stream"], value, expected)]
    assert compared >= 100
    assert wrong == []


@pytest.mark.parametrize(
    "data", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", b"\x16\x03\x01"]
)
def test_what_is_no_hello(data: bytes) -> None:
    assert ja4(data) == ""


@given(st.binary(max_size=300))
def test_any_body_is_survived(content: bytes) -> None:
    message = b"\x01" + len(content).to_bytes(3, "big") + content
    assert isinstance(ja4(b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message), str)
