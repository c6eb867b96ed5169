from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.config.observe import LOG_FIELDS
from bascule.telemetry.combined import combined_lines
from bascule.telemetry.formats import JsonLines, iso_times, make_format
from tests.telemetry.support import make_record, make_route

COMBINED = re.compile(
    r'(\S+) - - \[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000)\] "([^"]*)" (\d+) (\d+) "([^"]*)" "([^"]*)"'
)
HOSTILE = [
    b'"', b"\\", b"\n", b"\r\n", b"\x00", b"\x1b[2J", b"\x7f", b"\x9b31m", b"\xff\xfe", "é".encode(),
    "\u202e".encode(), "\u2028".encode(), "😀".encode(), b"\xed\xa0\x80", b'","status":200,"x":"', b"%s%d{}",
]  # fmt: skip
octets = st.binary(max_size=40) | st.sampled_from(HOSTILE)
texts = st.text(max_size=20) | st.sampled_from(["\ud800", "\x7f", '"', "\n"])
records = st.builds(
    make_record,
    time=st.floats(0, 4e9),
    client=octets | texts,
    method=octets,
    host=octets,
    target=octets,
    version=octets,
    status=st.integers(0, 999),
    bytes_out=st.integers(0, 2**70),
    duration=st.floats(0, 1e6),
    server=texts,
    cause=texts,
    ref=texts,
    user_agent=octets,
    referer=octets,
    user=texts,
)


def parse(blob: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in blob.decode("ascii").splitlines()]


def test_json_line_holds_every_field_in_order() -> None:
    route = make_route(0, "shop.example /api/")
    (line,) = parse(JsonLines(LOG_FIELDS)([make_record(route=route, duration=0.00420049, cause="no_server")]))
    assert tuple(line) == LOG_FIELDS
    assert line == {
        "time": "2023-11-14T22:13:20.250Z",
        "client": "192.0.2.7",
        "port": 50000,
        "site": "shop.example",
        "route": "shop.example /api/",
        "method": "GET",
        "host": "shop.example",
        "target": "/a?b=c",
        "version": "HTTP/1.1",
        "status": 200,
        "bytes_in": 300,
        "bytes_out": 5000,
        "duration": 0.0042,
        "wait": 0.003,
        "server": "http://127.0.0.1:9001",
        "tries": 1,
        "cause": "no_server",
        "ref": "",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64)",
        "referer": "https://shop.example/",
        "tls": "TLSv1.3",
        "user": "anna",
        "rule": "rule 1",
        "cache": "",
    }


def test_json_fields_are_chosen_and_ordered() -> None:
    blob = JsonLines(("status", "target"))([make_record(), make_record(status=404)])
    assert blob == b'{"status":200,"target":"/a?b=c"}\n{"status":404,"target":"/a?b=c"}\n'


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("field", ["target", "user_agent", "client"])
def test_json_keeps_what_a_client_sent_in_one_printable_line(field: str, value: bytes) -> None:
    blob = JsonLines(LOG_FIELDS)([make_record(), make_record(**{field: value}), make_record()])
    assert re.fullmatch(rb"[ -~\n]*", blob)
    lines = parse(blob)
    assert len(lines) == 3
    assert lines[1][field] == value.decode("utf-8", "backslashreplace")
    assert lines[0] == lines[2]


@given(st.lists(records, max_size=4))
def test_json_is_always_valid_and_one_line_a_record(batch: list[Any]) -> None:
    blob = JsonLines(LOG_FIELDS)(batch)
    assert re.fullmatch(rb"[ -~\n]*", blob)
    lines = parse(blob)
    assert len(lines) == len(batch)
    for line, record in zip(lines, batch, strict=True):
        assert tuple(line) == LOG_FIELDS
        assert line["target"] == record[6].decode("utf-8", "backslashreplace")
        assert line["status"] == record[8]
        assert line["bytes_out"] == record[10]


def test_combined_line() -> None:
    assert combined_lines([make_record()]) == (
        b'192.0.2.7 - - [14/Nov/2023:22:13:20 +0000] "GET /a?b=c HTTP/1.1" 200 5000 '
        b'"https://shop.example/" "Mozilla/5.0 (X11; Linux x86_64)"\n'
    )


def test_combined_escapes_and_marks_what_is_absent() -> None:
    blob = combined_lines([make_record(referer=b"", user_agent=b'x" "y\\\n\xff', client="::1"), make_record()])
    first, second = blob.splitlines()
    assert first.endswith(rb'200 5000 "-" "x\x22 \x22y\x5C\x0A\xFF"')
    assert first.startswith(b"::1 - - ")
    assert second == combined_lines([make_record()]).rstrip()


@given(st.lists(records, min_size=1, max_size=4))
def test_combined_is_one_printable_line_a_record(batch: list[Any]) -> None:
    lines = combined_lines(batch).decode("ascii").split("\n")
    assert lines.pop() == ""
    assert len(lines) == len(batch)
    for line in lines:
        assert line.isprintable()
        assert line.count('"') == 6


def test_combined_is_what_log_analysers_read() -> None:
    found = COMBINED.fullmatch(combined_lines([make_record()]).decode().rstrip())
    assert found
    assert found.group(3) == "GET /a?b=c HTTP/1.1"


@pytest.mark.parametrize("name", ["json", "combined", "squid"])
@pytest.mark.parametrize("octet", [b"a", b"\xff", b"\x01"])
def test_lines_are_held_to_a_limit(name: str, octet: bytes) -> None:
    encode = make_format(name, LOG_FIELDS, 4096)
    long = make_record(target=b"/" + octet * 16000, referer=octet * 16000, user_agent=octet * 16000)
    lines = encode([make_record(), long, make_record()]).splitlines(keepends=True)
    assert len(lines) == 3
    assert all(len(line) <= 4096 for line in lines)
    assert lines[0] == lines[2] == make_format(name, LOG_FIELDS)([make_record()])


def test_lines_just_below_the_limit_stay_whole() -> None:
    record = make_record(target=b"/" + b"a" * 200)
    whole = make_format("json", LOG_FIELDS)([record])
    assert make_format("json", LOG_FIELDS, len(whole))([record]) == whole
    assert make_format("json", LOG_FIELDS, len(whole))([record] * 2) == whole * 2
    assert len(make_format("json", LOG_FIELDS, len(whole) - 1)([record])) < len(whole)


@pytest.mark.parametrize("name", ["json", "combined"])
def test_no_records_make_no_lines(name: str) -> None:
    assert make_format(name, LOG_FIELDS, 4096)([]) == b""


@pytest.mark.parametrize(("name", "fields"), [("xml", LOG_FIELDS), ("json", ("tiem",)), ("json", ())])
def test_unknown_format_or_field_is_refused(name: str, fields: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"json, combined or squid|choose from"):
        make_format(name, fields)


def test_times_have_milliseconds() -> None:
    assert iso_times([0.0, 0.0015, 1.999, 1.0, 86400.5]) == [
        "1970-01-01T00:00:00.000Z",
        "1970-01-01T00:00:00.001Z",
        "1970-01-01T00:00:01.999Z",
        "1970-01-01T00:00:01.000Z",
        "1970-01-02T00:00:00.500Z",
    ]
