"""libinjection's own unit tests: tokens, folding, detection, HTML 5."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bascule.waf.libinjection import is_sqli
from bascule.waf.libinjection.folding import Folder
from bascule.waf.libinjection.html5 import Html5
from bascule.waf.libinjection.tokens import Tokenizer
from bascule.waf.libinjection.vocabulary import Token
from bascule.waf.libinjection.xss import is_xss
from tests.support.shared import shared_dir

_SECTIONS = re.compile(rb"--TEST--\n(.*?)--INPUT--\n(.*?)--EXPECTED--\n(.*)", re.DOTALL)


# Since 4.0 libinjection skips a number with an empty exponent as MySQL does; the vectors are older.
# See Gosecure, "A scientific notation bug in MySQL left AWS WAF clients vulnerable to SQL injection" (2021).
DIFFERENT = [
    "test-folding-099.txt",
    "test-folding-100.txt",
    "test-tokens-numbers-exp-001.txt",
    "test-tokens-numbers-exp-009.txt",
    "test-tokens-numbers-exp-010.txt",
    "test-tokens-numbers-exp-011.txt",
    "test-tokens-numbers-exp-012.txt",
]


def show(token: Token) -> str:
    text = token.text.split(b"\0")[0].decode("latin-1")  # the C driver prints up to a NUL
    if token.kind in "sv":
        text = "@" * token.count + token.opening + text + token.closing
    return f"{token.kind} {text}"


def run(name: str, text: bytes) -> str:
    if name.startswith("test-tokens"):
        tokenizer = Tokenizer(text, mysql="mysql" in name.split("-")[1])
        return "\n".join(map(show, iter(tokenizer.next, None)))
    if name.startswith("test-folding"):
        return "\n".join(map(show, Folder(Tokenizer(text)).fold()))
    if name.startswith("test-sqli"):
        return (is_sqli(text) or b"").decode()
    if name.startswith("test-html5"):
        return "\n".join(f"{kind},{len(token)},{token.decode('latin-1')}" for kind, token in Html5(text))
    assert name.startswith("test-xss")
    return str(int(is_xss(text)))


def units() -> list[Path]:
    return sorted(shared_dir("vectors", "libinjection", "tests").glob("test-*.txt"))


def test_every_unit() -> None:
    files = units()
    assert len(files) == 480
    failed = []
    for path in files:
        sections = _SECTIONS.fullmatch(path.read_bytes())
        assert sections is not None, path.name
        text = sections[2].rstrip()
        expected = sections[3].decode("latin-1").rstrip()
        got = run(path.name, text).rstrip()
        if got != expected:
            failed.append((path.name, text, expected, got))
    assert {name for name, *_ in failed} == set(DIFFERENT), failed


@pytest.mark.parametrize("text", [b"", b" ", b"\0", b"'", b'"', b"<", b"-", b"/*", b"$", b"@", b"0x", b"q'"])
def test_tiny_texts_raise_nothing(text: bytes) -> None:
    assert is_sqli(text) is None
    assert not is_xss(text)
