"""Differential test against libmodsecurity: same bytes out for the same bytes in."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from bascule.waf.seclang.transformations import TRANSFORMATIONS
from tests.support.oracle import Oracle

PIECES: dict[str, list[bytes]] = {
    "path": [b"a", b"b", b"/", b".", b"..", b"/", b"\\", b"c"],
    "base64": [b"A", b"Q", b"9", b"=", b"=", b" ", b"\n", b"\r\n", b"z", b"/", b"QUJD", b"!"],
    "escapes": [b"\\", b"f", b"F", b"0", b"1", b"4", b"7", b"8", b"u", b"x", b"n", b" ", b"\n", b"z", b"\xff", b"ff5e"],
    "utf8": [
        b"a",
        b"\0",
        "é".encode(),
        "€".encode(),
        "😀".encode(),
        b"\xed\xa0\x80",
        b"\xc0\x80",
        b"\xe2",
        b"\xf5\x80\x80\x80",
    ],
    "url": [b"%", b"u", b"U", b"f", b"F", b"0", b"4", b"1", b"+", b"z", b"5e"],
    "entity": [b"&", b"#", b"x", b"1", b"f", b"0", b";", b"amp;", b"lt;", b"NBSP;", b"99999999999"],
    "mixed": [
        *rb"a B / * - <!-- --> /* */ \ 0x41 = # ; . // ' ^ , (".split(),
        b"\t",
        b"\v",
        b"\xa0",
        b"\xc2",
        b'"',
        b" ",
        b"\0",
        b"\r\n",
    ],
}
ALPHABET = {
    "normalisepath": "path",
    "normalisepathwin": "path",
    "base64decode": "base64",
    "base64decodeext": "base64",
    "cssdecode": "escapes",
    "jsdecode": "escapes",
    "escapeseqdecode": "escapes",
    "utf8tounicode": "utf8",
    "urldecode": "url",
    "urldecodeuni": "url",
    "htmlentitydecode": "entity",
}
NOT_IN_LIBMODSECURITY = {"phpargsnames", "none"}


def reference(name: str, values: list[bytes]) -> Iterator[bytes]:
    oracle = Oracle(
        "SecRuleEngine DetectionOnly\nSecRequestBodyAccess On\n"
        f'SecRule ARGS:a "@unconditionalMatch" "id:1,phase:2,pass,t:none,t:{name},t:hexEncode,'
        "logdata:'%{MATCHED_VAR}'\""
    )
    for value in values:
        yield bytes.fromhex(oracle.of_value(value)[0].data)


@pytest.mark.parametrize("name", sorted(TRANSFORMATIONS.keys() - NOT_IN_LIBMODSECURITY))
def test_same_as_libmodsecurity(name: str) -> None:
    draw = random.Random(name)
    pieces = PIECES[ALPHABET.get(name, "mixed")]
    values = [b"".join(draw.choices(pieces, k=draw.randrange(1, 14))) for _ in range(150)]
    for value, expected in zip(values, reference(name, values), strict=True):
        assert TRANSFORMATIONS[name](value) == expected, value
