"""The requests: well-formed, of the promised size, never twice the same."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl

import h11
import pytest

from benchmarks import traffic

MAKERS: dict[str, Callable[[random.Random], str]] = {
    "page": traffic.page,
    "close": traffic.page_on_new_connection,
    "file": traffic.file_of("/1k/"),
    "checkout": traffic.checkout,
    "big form": traffic.form(65_536),
    "order": traffic.order,
    "big document": traffic.document(65_536),
}


def sent(tmp_path: Path, make: Callable[[random.Random], str], count: int) -> list[bytes]:
    path = tmp_path / "pool"
    traffic.write_pool(path, make, count)
    pool = traffic.read_pool(path)
    assert len(pool) == count
    return [traffic.fill(pool[number % count], number) for number in range(2 * count)]


def parse(request: bytes) -> tuple[h11.Request, bytes]:
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    server.receive_data(request)
    head = server.next_event()
    assert isinstance(head, h11.Request)
    body = b""
    while isinstance(event := server.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage), "Content-Length promises more than there is"
    assert server.trailing_data == (b"", False), "Content-Length promises less than there is"
    return head, body


@pytest.mark.parametrize("name", MAKERS)
def test_every_request_is_whole_and_distinct(tmp_path: Path, name: str) -> None:
    requests = sent(tmp_path, MAKERS[name], 8)
    assert len(set(requests)) == 16
    for request in requests:
        parse(request)


@pytest.mark.parametrize("name", MAKERS)
def test_path_cookie_and_body_differ_between_turns_of_the_pool(tmp_path: Path, name: str) -> None:
    requests = sent(tmp_path, MAKERS[name], 4)
    (one, body), (other, other_body) = parse(requests[0]), parse(requests[4])
    assert one.target != other.target
    assert dict(one.headers)[b"cookie"] != dict(other.headers)[b"cookie"]
    assert body != other_body or one.method == b"GET"


@pytest.mark.parametrize(
    ("name", "size"), [("checkout", 300), ("order", 2000), ("big form", 65536), ("big document", 65536)]
)
def test_bodies_have_the_promised_size(tmp_path: Path, name: str, size: int) -> None:
    sizes = [len(parse(request)[1]) for request in sent(tmp_path, MAKERS[name], 8)]
    assert all(0.75 * size <= found <= 1.25 * size for found in sizes), sizes


def test_a_checkout_and_an_order_consist_of_many_short_values(tmp_path: Path) -> None:
    for request in sent(tmp_path, MAKERS["checkout"], 8):
        body = parse(request)[1]
        fields = parse_qsl(body.decode(), strict_parsing=True)
        assert len(fields) == 14
        assert b"%40" in body
        assert max(len(value) for _, value in fields) <= 40
    for request in sent(tmp_path, MAKERS["order"], 8):
        body = parse(request)[1]
        found = [type(leaf) for leaf in leaves(json.loads(body))]
        assert set(found) == {str, int, float, bool, type(None)}
        assert len(found) == 106
        assert b'": ' not in body


def leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        value = list(value.values())
    return [leaf for item in value for leaf in leaves(item)] if isinstance(value, list) else [value]


def test_a_browser_sends_at_least_a_dozen_headers(tmp_path: Path) -> None:
    head, _ = parse(sent(tmp_path, traffic.page, 1)[0])
    assert len(head.headers) >= 12


def test_a_seed_gives_the_same_pool(tmp_path: Path) -> None:
    for name in ("one", "two"):
        traffic.write_pool(tmp_path / name, traffic.page, 5, seed=7)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
