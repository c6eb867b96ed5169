"""Decoding: every step alone, steps in layers, and the bounds."""

import base64
import gzip
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.waf.logic.decode import MAX_DEPTH, MAX_INFLATED, MAX_TEXTS, decodings

ATTACK = b"<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("value", "text", "how"),
    [
        (b"%3Cscript%3E", b"<script>", ("url",)),
        (b"%253Cscript%253E", b"<script>", ("url", "url")),
        (b"%u003cscript%u003e", b"<script>", ("percent_u",)),
        (b"%uff1cscript%uff1e", b"<script>", ("percent_u",)),
        (b"&lt;script&#62;&#x3c;", b"<script><", ("html_entity",)),
        (rb"\x3cscript\u003e\74", b"<script><", ("backslash",)),
        (rb"\u{3c}script", b"<script", ("backslash",)),
        (rb"\3c script", b"<script", ("css_escape",)),
        (b"\xc0\xae\xc0\xae\xc0\xafetc", b"../etc", ("overlong",)),
        (b"\xe0\x80\xaf", b"/", ("overlong",)),
        (b"%c0%af", b"/", ("url", "overlong")),
        ("＜script＞".encode(), b"<script>", ("full_width",)),
        (b"+ADw-script+AD4-", b"<script>", ("utf7",)),
        (base64.b64encode(ATTACK), ATTACK, ("base64",)),
        (base64.b64encode(gzip.compress(ATTACK, mtime=0)), ATTACK, ("base64",)),
        *((base64.b64encode(zlib.compress(ATTACK * 2, level)), ATTACK * 2, ("base64",)) for level in (0, 1, 6, 9)),
        (base64.b64encode(b"x^2' or 1=1"), b"x^2' or 1=1", ("base64",)),
        (b"0x3c7363726970743e", b"'<script>'", ("hex",)),
        (b"String.fromCharCode(60,0x73)", b'String."<s"', ("char_codes",)),
        (b"scr\x00ipt", b"script", ("null_byte",)),
        (b'a:1:{s:1:"k";s:8:"<script>";}', b"k\n<script>", ("php_string",)),
        (base64.b64encode(b"\x04\x08[\x08c\x15Gem::SpecFetcher"), b"\x04\x08[\x08c\x15Gem::SpecFetcher", ("base64",)),
        (b"&ltscript&gt", b"<script>", ("html_entity",)),
        (b"/etc/passwd".hex().encode(), b"/etc/passwd", ("hex",)),
        (b"../../x".hex().upper().encode(), b"../../x", ("hex",)),
        (base64.b64encode(b"/etc/hosts"), b"/etc/hosts", ("base64",)),
        (base64.b64encode(b";echo"), b";echo", ("base64",)),
        (base64.b64encode(b"../../"), b"../../", ("base64",)),
        (base64.b64encode(b"etc/passwd").rstrip(b"="), b"etc/passwd", ("base64",)),
    ],
)
def test_what_each_step_undoes(value: bytes, text: bytes, how: tuple[str, ...]) -> None:
    assert (text, how) in list(decodings(value))


@pytest.mark.parametrize(
    "value",
    [
        b"100% of it",
        b"Q3VzdG9tZXJz",
        b"a" * 40,
        b"9f8e7d6c5b4a39281706f5e4d3c2b1a0",
        b"AT&T",
        b"hello world",
        b"1+1=2",
        b"437573746f6d657273",
        b"2f2f2f2f2f2f2f",
        b"2e2e2f",
        b"xid=2f6574632f706173737764",
        b"dQw4w9WgXcQ",
        b"Mmh8Vw==",
    ],
)
def test_what_is_not_encoded_stays_alone(value: bytes) -> None:
    assert list(decodings(value)) == [(value, ())]


def test_random_tokens_stay_alone() -> None:
    drawn = random.Random(1)
    tokens = [base64.urlsafe_b64encode(drawn.randbytes(size)) for size in range(5, 17) for _ in range(400)]
    tokens += [drawn.randbytes(size).hex().encode() for size in range(5, 17) for _ in range(400)]
    assert sum(len(list(decodings(token))) > 1 for token in tokens) <= len(tokens) // 500


def test_a_compressed_bomb_is_cut() -> None:
    bomb = base64.b64encode(gzip.compress(b"a" * 50_000_000))
    assert all(len(text) <= max(len(bomb), MAX_INFLATED) for text, _ in decodings(bomb))


@given(st.binary(max_size=300))
def test_decoding_is_bounded_and_never_raises(value: bytes) -> None:
    found = list(decodings(value))
    assert found[0] == (value, ())
    assert len(found) <= MAX_TEXTS
    assert len({text for text, _ in found}) == len(found)
    assert all(len(how) <= MAX_DEPTH for _, how in found)


@given(
    st.lists(
        st.sampled_from([b"%25", b"%3c", b"&lt;", b"\\x3c", b"0x41414141", b"+ADw-", b"\x00", b"%u003c"]), max_size=60
    )
)
def test_layers_of_every_kind_are_bounded(pieces: list[bytes]) -> None:
    assert len(list(decodings(b"".join(pieces)))) <= MAX_TEXTS
