"""multipart/form-data: ModSecurity's regression cases, libmodsecurity as oracle, limits, streaming."""

from __future__ import annotations

import json
import random
import re
import time
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.waf.bodies import Limits, MultipartBody, MultipartParser, parse_multipart
from tests.support.oracle import Oracle
from tests.support.shared import shared_dir

TYPE = b"multipart/form-data; boundary=B"
GOOD = (
    b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\nv1\r\nv2\r\n--B\r\n'
    b'Content-Disposition: form-data; name="f"; filename="x"\r\nContent-Type: text/plain\r\n\r\n'
    b"line1\r\nline2\r\n--B--\r\n"
)
FLAGS = [
    *("strict_error", "unmatched_boundary", "boundary_quoted", "boundary_whitespace", "data_before", "data_after"),
    *("header_folding", "lf_line", "crlf_lf_lines", "missing_semicolon", "invalid_quoting", "invalid_part"),
    "invalid_header_folding",
]


def test_fields_files_headers() -> None:
    body = parse_multipart(GOOD, TYPE)
    assert body.error == ""
    assert body.fields == [(b"a", b"v1\r\nv2")]
    (file,) = body.files
    assert (file.name, file.filename, file.content, file.size) == (b"f", b"x", b"line1\r\nline2", 12)
    assert file.header_lines[1] == b"Content-Type: text/plain"
    assert file.headers[b"content-type"] == b"text/plain"
    assert (body.name, body.filename) == (b"f", b"x")
    assert {flag: getattr(body.flags, flag) for flag in FLAGS if getattr(body.flags, flag)} == {"unmatched_boundary": 2}


def variables(body: MultipartBody) -> dict[str, int]:
    known = {f"MULTIPART_{flag.upper()}": getattr(body.flags, flag) for flag in FLAGS}
    known["REQBODY_PROCESSOR_ERROR"] = known["REQBODY_ERROR"] = int(bool(body.error))
    return known


_RULE = re.compile(r'SecRule (\w+) "(!?)@eq (\d+)" "([^"]*)"')


def denies(rules: list[str], known: dict[str, int]) -> bool | None:
    """Evaluate rules that only compare MULTIPART_* flags; None where a rule does more."""
    denied, chained = False, True
    for line in rules:
        if not line.startswith("SecRule "):
            continue
        rule = _RULE.fullmatch(line)
        if rule is None or rule[1] not in known:
            return None
        matched = chained and (known[rule[1]] == int(rule[3])) != bool(rule[2])
        if "chain" in rule[4]:
            chained = matched
        else:
            denied |= matched and "pass" not in rule[4]
            chained = True
    return denied


def regression(pattern: str) -> list[dict[str, Any]]:
    folder = shared_dir("vectors", "modsecurity", "regression")
    return [case for path in sorted(folder.glob(pattern)) for case in json.loads(path.read_text("utf-8"))]


def debug_log(body: MultipartBody) -> str:
    """Say what ModSecurity's debug log says of the same body, as far as the cases look for it."""
    quoted = "Warning: boundary was quoted. " if body.flags.boundary_quoted else ""
    twice = "Duplicate Content-Disposition name" if "(-14)" in body.error else ""
    quoting = "Warning: invalid quoting used" if body.flags.invalid_quoting else ""
    return f"{quoted}{body.error} {quoted}{twice}{quoting}"


def test_regression_cases() -> None:
    """Errors by their text, and the outcome of rules on flags."""
    checked = 0
    failed = []
    for case in [*regression("request-body-parser-multipart*.json"), *regression("variable-MULTIPART_*.json")]:
        request = case["request"]
        body = parse_multipart(
            ("\n".join(request["body"]) + "\n").encode(), request["headers"].get("Content-Type", "").encode()
        )
        wanted = case["expected"].get("debug_log", "")
        if re.search("Invalid|invalid|missing|No boundaries|not found|Duplicate", wanted) and "tolerated" not in wanted:
            checked += 1
            if re.search(wanted, debug_log(body)) is None:
                failed.append((case["title"], wanted, body.error))
        denied = denies(case["rules"], variables(body))
        if denied is not None and "http_code" in case["expected"]:
            checked += 1
            if denied != (case["expected"]["http_code"] == 403):
                failed.append((case["title"], case["expected"], variables(body)))
    assert failed == []
    assert checked >= 50


@cache
def oracle() -> Oracle:
    names = [f"MULTIPART_{flag.upper()}" for flag in FLAGS] + ["&ARGS_POST", "&FILES", "FILES_SIZES", "REQBODY_ERROR"]
    return Oracle(
        "SecRuleEngine DetectionOnly\nSecRequestBodyAccess On\n"
        + "\n".join(
            f'SecRule {name} "@unconditionalMatch" "id:{number},phase:2,pass,log,t:none,logdata:\'%{{MATCHED_VAR}}\'"'
            for number, name in enumerate(names, 1)
        )
    )


def reference(body: bytes, content_type: bytes) -> list[int | None]:
    seen = oracle().messages("POST", "/", [("Content-Type", content_type.decode())], body)
    found = {message.rule_id: int(message.data or 0) for message in seen}
    return [found.get(number) for number in range(1, len(FLAGS) + 5)]


def test_mutated_bodies_are_read_as_libmodsecurity_reads_them() -> None:
    """Flags always; fields, files and sizes where the body is without error (we keep parts before an error)."""
    draw = random.Random(7)
    pieces = b"--|B|--B|\r\n|\n|x|'|;|=| |\t|--B--|\r\n\r\n|\"".split(b"|")
    types = [TYPE] * 6 + [b'multipart/form-data; boundary="B"', b"multipart/form-data boundary=B"]
    types += [b"multipart/form-data; boundary =B", b"multipart/form-data; boundary=B; charset=utf-8"]
    types += [b"multipart/form-data; Boundary=B", b"multipart/form-data; boundary=B;boundary=C", b"multipart/form-data"]
    clean = 0
    for _ in range(600):
        mutant = bytearray(GOOD)
        for _ in range(draw.randrange(4)):
            at = draw.randrange(len(mutant))
            if draw.random() < 0.4:
                del mutant[at : at + draw.randrange(1, 8)]
            else:
                mutant[at:at] = draw.choice(pieces)
        content_type = draw.choice(types)
        body = parse_multipart(bytes(mutant), content_type)
        *flags, fields, files, size, error = reference(bytes(mutant), content_type)
        if "Duplicate part header" in body.error:
            continue  # flagged by us, passed over by ModSecurity
        assert [getattr(body.flags, flag) for flag in FLAGS] == flags, (mutant, content_type, body.error)
        assert bool(body.error) == bool(error), (mutant, content_type, body.error)
        if not body.error:
            clean += 1
            sizes = [part.size for part in body.files]
            assert (len(body.fields), len(body.files)) == (fields, files), mutant
            assert sizes[-1:] == ([size] if files else []), mutant
    assert clean > 150


@given(st.binary(max_size=80), st.integers(1, 30))
def test_one_piece_or_many(junk: bytes, cut: int) -> None:
    text = GOOD[:90] + junk + GOOD[90:]
    parser = MultipartParser(TYPE)
    for start in range(0, len(text), cut):
        parser.feed(text[start : start + cut])
    assert parser.end() == parse_multipart(text, TYPE)


@given(st.binary(max_size=300), st.binary(max_size=80))
def test_total(body: bytes, content_type: bytes) -> None:
    parse_multipart(body, content_type)
    parse_multipart(body, b"multipart/form-data; boundary=" + content_type)


def test_limits_hold() -> None:
    part = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'
    body = parse_multipart(part * 300 + b"--B--\r\n", TYPE, Limits(parts=10))
    assert len(body.parts) == 10
    assert body.error == "Multipart: More than 10 parts."
    headers = b"".join(b"H%d: x\r\n" % number for number in range(50))
    body = parse_multipart(b"--B\r\n" + headers + b"\r\nx\r\n--B--\r\n", TYPE, Limits(part_headers=8))
    assert body.error == "Multipart: More than 8 headers in a part."
    body = parse_multipart(b"--B\r\nA: " + b"x" * 9000 + b"\r\n\r\n", TYPE)
    assert body.error == "Multipart: Part header line over 4096 bytes long"


@pytest.mark.parametrize("piece", [b"\n", b"--B\r\n", b"-", b"a: b\n", b" x\n", b"--\n", b"\r", b'; name="', b"\\"])
def test_linear(piece: bytes) -> None:
    start = time.process_time()
    parse_multipart(b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + piece * 20000, TYPE)
    parse_multipart(b"--B\r\n" + piece * 20000, TYPE)
    assert time.process_time() - start < 3
