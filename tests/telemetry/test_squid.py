"""Squid's native format: what its readers expect, whatever a client sent."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.telemetry import causes
from bascule.telemetry.squid import squid_lines
from tests.telemetry.support import make_record

LINE = re.compile(r" *\d+\.\d{3} +\d+ \S+ [A-Z_]+/\d{3} \d+ \S+ \S+ \S+ HIER_[A-Z]+/\S+ -")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"server": "203.0.114.9:80"}, "1700000000.254      4 192.0.2.7 TCP_MISS/200 5000 GET http://shop.example/a?b=c anna HIER_DIRECT/203.0.114.9 -\n"),
        ({"method": b"CONNECT", "target": b"a.example:443", "server": "a.example:443", "user": ""}, "1700000000.254      4 192.0.2.7 TCP_TUNNEL/200 5000 CONNECT a.example:443 - HIER_DIRECT/a.example -\n"),
        ({"method": b"UDP", "host": b"a.example:53", "target": b"a.example:53", "server": "", "user": ""}, "1700000000.254      4 192.0.2.7 NONE_NONE/200 5000 UDP a.example:53 - HIER_NONE/- -\n"),
        ({"cause": causes.EGRESS_DENIED, "status": 403, "server": ""}, "1700000000.254      4 192.0.2.7 TCP_DENIED/403 5000 GET http://shop.example/a?b=c anna HIER_NONE/- -\n"),
        ({"cause": causes.DNS_FAILED, "status": 502, "server": "", "user": "a b"}, "1700000000.254      4 192.0.2.7 NONE_NONE/502 5000 GET http://shop.example/a?b=c a%20b HIER_NONE/- -\n"),
    ],
)  # fmt: skip
def test_lines(changes: dict[str, Any], expected: str) -> None:
    assert squid_lines([make_record(**changes)]).decode() == expected


@given(st.lists(st.tuples(st.binary(max_size=20), st.text(max_size=10)), max_size=4))
def test_any_content_is_one_line_of_ten_words(contents: list[tuple[bytes, str]]) -> None:
    batch = [make_record(method=raw, target=raw, host=raw, user=text, client=text) for raw, text in contents]
    lines = squid_lines(batch).decode("ascii").split("\n")[:-1]
    assert len(lines) == len(batch)
    for line in lines:
        assert LINE.fullmatch(line)
        assert len(line.split()) == 10
