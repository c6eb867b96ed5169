"""Undo what hides a text: bounded, recursive decoding that remembers how each text was found.

An attacker encodes so that the filter reads one thing and the application another. `decodings` yields the value
and every text that decoding it could give, each with the steps that led there: evasion is evidence too.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

import re2

from bascule.config.grammar import over_bytes
from bascule.waf.bodies.percent import url_decode
from bascule.waf.pace import rest

How = tuple[str, ...]

MAX_DEPTH = 4
"""Layers: two of URL encoding, then two of the language inside. Deeper nesting is not decoded by servers either."""
MAX_TEXTS = 12
MAX_DECODED: Final = 1 << 13
"""Bytes of a value that is decoded in one go; a longer one is looked at in turns."""
_REMEMBERED = 1024
"""Escapes whose meaning is remembered: long texts repeat them."""
MAX_INFLATED = 1 << 16
"""Bytes that a compressed text may grow to; what follows is not looked at."""

_PERCENT = re.compile(rb"%[0-9A-Fa-f]{2}")
_PERCENT_U = re.compile(rb"%[uU]([0-9A-Fa-f]{4})")
_ENTITY = re.compile(rb"&(?:#[0-9]{1,9}|#[xX][0-9A-Fa-f]{1,8}|[A-Za-z]{2,24});?")
_ESCAPE = re.compile(
    rb"\\(?:u\{0*([0-9A-Fa-f]{1,6})\}|[uU]([0-9A-Fa-f]{4})|[xX]([0-9A-Fa-f]{2})|([0-7]{1,3})|([nrtvfb'\"`/\\]))"
)
_CSS_ESCAPE = re.compile(rb"\\0{0,4}([0-9A-Fa-f]{2}) ?")
_ASCII_QUAD = rb"[A-Za-f][A-HQ-Xg-nw-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589][A-Za-z0-9+/_-]"
"""Four characters of Base64 that stand for three bytes below 128: one random token in 4096 starts with four such."""
_ENCODED = rb"(?:(?:" + _ASCII_QUAD + rb"){4}|H4sI|rO0AB|AAEAAAD|e(?:J[w-z]|N[o-r]|A[E-H]|F[4-7])[A-Za-z0-9+/_-]{9})"
"""What Base64 begins with that is worth decoding: text, gzip, objects of Java and .NET, zlib (RFC 1950 2.2)."""
_SHORT = rb"(?:Q[A-Za-z0-9+/]{3}=|(?:Q){2,3}[A-Za-z0-9+/_-]{0,3}={0,2})".replace(b"Q", _ASCII_QUAD)
"""The same of 5 to 11 bytes, which are a value of their own."""
_BASE64 = re.compile(rb"(?<![A-Za-z0-9+_-])" + _ENCODED + rb"[A-Za-z0-9+/_-]*+={0,2}|\A" + _SHORT + rb"\Z")
_BARE_HEX = (
    rb"(?:PL(?:PD){5,}|PNPL(?:PD){4,}|(?:PN){2}PL(?:PD){3,}|(?:PN){3}PL(?:PD){2,}|(?:PN){4}PL(?:PD)+"
    rb"|(?:PN){5,}PL(?:PD)*)"
)
for _name, _digits in ((b"P", b"[2-7]"), (b"D", b"[0-9A-Fa-f]"), (b"N", b"[0-9]"), (b"L", b"[A-Fa-f]")):
    _BARE_HEX = _BARE_HEX.replace(_name, _digits)
"""Hexadecimal, with a letter in it, that stands for six characters and more, no control among them: of random digits
one in 400 at most. It is a value of its own."""
_WHOLE_HEX = re.compile(_BARE_HEX)
_DEFLATED = (b"\x1f\x8b", b"x\x01", b"x^", b"x\x9c", b"x\xda")
"""What gzip and zlib begin with, at each level of compression."""
_MAY_BE_BASE64 = re2.compile(rb"(?:^|[^A-Za-z0-9+_-])" + _ENCODED + rb"|\A" + _SHORT + rb"\z", options=over_bytes())
"""The same, five times as fast at saying no."""
_WITHOUT_ESCAPES: Final = bytes(set(range(128)) - set(b"%&\\+\x00"))
_MAY_HIDE = re2.compile(
    rb"(?i:0x|x'|char|chr\(|codepoint|[0-9]\.e[\s(),.*^/|&])|s:[0-9]{1,7}:\"|(?:^|[^A-Za-z0-9+_-])"
    + _ENCODED
    + rb"|\A(?:"
    + _SHORT
    + rb"|"
    + _BARE_HEX
    + rb")\z",
    options=over_bytes(),
)
"""What a text without escape characters must hold to be worth the steps: one test instead of twelve."""
HIDING = (
    (rb"(?:^|[^A-Za-z0-9+_-])" + _ENCODED, False),
    (rb"^" + _SHORT + rb"$", False),
    (rb"^" + _BARE_HEX + rb"$", False),
    (rb"s:\d{1,7}:\"", False),
    (rb"(?:0x|\bx')(?:[0-9A-Fa-f]{2}){4}", True),
    (rb"(?:fromCharCode|fromCodePoint|\bchar|\bchr)\s*\(", True),
    (rb"\d\.e\s{0,4}[(),.*^/|&]", True),
)
"""(pattern, caseless): a text of ASCII without `%`, `&`, `+`, backslash and null that matches none stays as it is."""
_HEX = re.compile(rb"(?:0x|\bx')((?:[0-9A-Fa-f]{2}){4,}+)", re.IGNORECASE)
_OVERLONG = re.compile(
    rb"[\xc0\xc1][\x80-\xbf]|\xe0\x80[\x80-\xbf]|\xe0\x81[\x80-\xbf]|\xf0\x80[\x80-\x81][\x80-\xbf]|\xf8\x80\x80[\x80-\x81][\x80-\xbf]|\xfc\x80\x80\x80[\x80-\x81][\x80-\xbf]"
)
_UTF7 = re.compile(rb"\+(A[A-P][A-Za-z0-9+/]{1,40})-?")
_FULLWIDTH = re.compile(rb"\xef\xbc[\x81-\xbf]|\xef\xbd[\x80-\x9e]|\xc5\xbf|\xe2\x84\xaa")
_LETTERS = {0x017F: ord("s"), 0x212A: ord("k")}
"""Long s and the sign for kelvin, of which upper or lower case is an ASCII letter: what names are compared by."""
_CHAR_CODES = re.compile(rb"(?:fromCharCode|fromCodePoint|\bchar|\bchr)\s*\(([0-9a-fA-Fx,\s]{4,4000})\)", re.IGNORECASE)
_SCIENTIFIC = re.compile(rb"\s{0,4}\b\d{1,9}\.e(?=\s{0,4}[(),.*^/|&])", re.IGNORECASE)
_PHP_STRING = re.compile(rb's:(\d{1,7}):"')
MAX_STRINGS = 64
"""Strings of a serialised value that are looked at."""
_SAYS = re.compile(rb"[a-z]{3}| |\.\.[/\\]")
"""What short texts have that somebody wrote, and few random bytes."""
_PRINTABLE = bytes(range(32, 127)) + b"\t\r\n"
_SIMPLE = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b"f": b"\f", b"b": b"\b"}


def decodings(value: bytes) -> Iterator[tuple[bytes, How]]:
    """Yield (text, how): the value itself with no steps, then what decoding gives; at most MAX_TEXTS, none twice."""
    return (found for found in decodings_in_turns(value) if found is not None)


def decodings_in_turns(value: bytes) -> Iterator[tuple[bytes, How] | None]:
    """Yield the same, and None between steps that gave nothing new: a long value takes its time."""
    yield value, ()
    if not value.translate(None, _WITHOUT_ESCAPES) and _MAY_HIDE.search(value) is None:
        return
    seen = {value}
    queue: list[tuple[bytes, How]] = [(value, ())]
    for text, how in queue:
        if len(how) >= MAX_DEPTH:
            continue
        for name, step in STEPS:
            found = step(text)
            if not found or found in seen:
                yield None
                continue
            seen.add(found)
            queue.append((found, (*how, name)))
            yield queue[-1]
            if len(seen) >= MAX_TEXTS:
                return


def _code_point(number: int) -> bytes:
    if number < 256:
        return bytes((number,))
    return chr(number).encode("utf-8", "replace") if number < 0x110000 else b"?"


def _url(text: bytes) -> bytes | None:
    return url_decode(text) if b"%" in text and _PERCENT.search(text) else None


def _percent_u(text: bytes) -> bytes | None:
    """IIS's %uHHHH; full-width forms fold to ASCII as its code pages do."""
    if b"%u" not in text and b"%U" not in text:
        return None
    return _PERCENT_U.sub(lambda found: _code_point(_narrow(int(found[1], 16))), text)


def _narrow(code: int) -> int:
    return code - 0xFEE0 if 0xFF01 <= code <= 0xFF5E else _LETTERS.get(code, code)


def _entities(text: bytes) -> bytes | None:
    if b"&" not in text:
        return None
    return _ENTITY.sub(lambda found: _entity(found[0]), text)


@lru_cache(_REMEMBERED)
def _entity(found: bytes) -> bytes:
    plain = html.unescape(found.decode("ascii"))
    if plain == "\xa0":
        return b" "
    return plain.encode("utf-8", "replace")


def _escapes(text: bytes) -> bytes | None:
    """Backslash escapes of JavaScript, C, JSON and the shell's $'...'."""
    return _ESCAPE.sub(_escape, text) if b"\\" in text else None


def _escape(found: re.Match[bytes]) -> bytes:
    rest()
    for group in (1, 2, 3):
        if found[group]:
            return _code_point(int(found[group], 16))
    if found[4]:
        return _code_point(int(found[4], 8) & 0xFF)
    return _SIMPLE.get(found[5], found[5])


def _css_escapes(text: bytes) -> bytes | None:
    return _CSS_ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), text) if b"\\" in text else None


def _overlong(text: bytes) -> bytes | None:
    """UTF-8 that spends more bytes than needed (CVE-2000-0884: %c0%af is a slash to a lax decoder)."""
    if text.isascii():
        return None
    return _OVERLONG.sub(lambda found: _overlong_byte(found[0]), text)


@lru_cache(_REMEMBERED)
def _overlong_byte(sequence: bytes) -> bytes:
    code = sequence[0] & (0x1F if len(sequence) == 2 else 0)
    for byte in sequence[1:]:
        code = code << 6 | byte & 0x3F
    return bytes((code & 0xFF,))


def _utf7(text: bytes) -> bytes | None:
    if b"+A" not in text:
        return None
    return _UTF7.sub(lambda found: _utf7_run(found[1], found[0]), text)


@lru_cache(_REMEMBERED)
def _utf7_run(run: bytes, written: bytes) -> bytes:
    try:
        units = binascii.a2b_base64(run + b"=" * (-len(run) % 4))
    except binascii.Error:
        return written
    return units[: len(units) & ~1].decode("utf-16-be", "replace").encode("utf-8", "replace")


def _full_width(text: bytes) -> bytes | None:
    """U+FF01..FF5E, and letters that case folds: many databases and frameworks make ASCII of them (NFKC)."""
    if text.isascii():
        return None
    return _FULLWIDTH.sub(lambda found: bytes((_narrow(ord(found[0].decode())),)), text)


def _base64(text: bytes) -> bytes | None:
    """Every run of Base64 that stands for readable text, in its place; tokens of random bytes stay as they are."""
    if _MAY_BE_BASE64.search(text) is None:
        return None
    return _BASE64.sub(_base64_run, text)


def _base64_run(found: re.Match[bytes]) -> bytes:
    run = found[0].rstrip(b"=")
    if len(run) % 4 == 1:
        run = run[:-1]
    try:
        plain = base64.b64decode(run + b"=" * (-len(run) % 4), altchars=b"-_" if b"-" in run or b"_" in run else None)
    except (binascii.Error, ValueError):
        return found[0]
    if plain[:2] in _DEFLATED and (inflated := _inflate(plain)):
        return inflated
    if plain[:4] in (b"\xac\xed\x00\x05", b"\x00\x01\x00\x00") or plain[:2] == b"\x04\x08":
        return plain
    return plain if _readable(plain) and (len(run) > 15 or _says_something(plain)) else found[0]


def _readable(text: bytes) -> bool:
    return len(text) > 4 and len(text.translate(None, _PRINTABLE)) <= len(text) // 10


def _says_something(text: bytes) -> bool:
    """Tell whether a short text is more than one word, and no random bytes."""
    return not text.isalnum() and _SAYS.search(text) is not None


def _inflate(data: bytes) -> bytes | None:
    try:
        return zlib.decompressobj(47).decompress(data, MAX_INFLATED)  # of gzip or zlib
    except zlib.error:
        return None


def _hex(text: bytes) -> bytes | None:
    """SQL's 0x6162 and x'6162', where they stand for readable text, and a value that is nothing but digits."""
    if _WHOLE_HEX.fullmatch(text):
        plain = bytes.fromhex(text.decode("ascii"))
        return plain if _says_something(plain) else None
    if b"0x" not in text and b"x'" not in text and b"X'" not in text:
        return None
    return _HEX.sub(_hex_run, text)


def _hex_run(found: re.Match[bytes]) -> bytes:
    plain = bytes.fromhex(found[1].decode("ascii"))
    return b"'" + plain + b"'" if not plain.translate(None, _PRINTABLE) else found[0]


def _char_codes(text: bytes) -> bytes | None:
    """String.fromCharCode(97,98), CHAR(97,98), chr(97)."""
    low = text.lower()
    if b"char" not in low and b"chr(" not in low and b"codepoint" not in low:
        return None
    return _CHAR_CODES.sub(_codes, text)


def _codes(found: re.Match[bytes]) -> bytes:
    try:
        return b'"' + b"".join(_code_point(int(code, 0)) for code in found[1].split(b",")) + b'"'
    except ValueError:
        return found[0]


def _scientific(text: bytes) -> bytes | None:
    """MySQL drops 1.e before a mark, so that `ascii 1.e(` is a call; gosecure.net, 2021-10-19."""
    return _SCIENTIFIC.sub(b"", text) if b".e" in text or b".E" in text else None


def _php_strings(text: bytes) -> bytes | None:
    """The strings in a serialised value of PHP, each as a line."""
    if b"s:" not in text:
        return None
    found: list[bytes] = []
    at = 0
    while len(found) < MAX_STRINGS and (head := _PHP_STRING.search(text, at)) is not None:
        at = head.end() + int(head[1])
        found.append(text[head.end() : at])
    return b"\n".join(found)


def _no_nulls(text: bytes) -> bytes | None:
    return text.replace(b"\x00", b"") if b"\x00" in text else None


STEPS: tuple[tuple[str, Callable[[bytes], bytes | None]], ...] = (
    ("url", _url),
    ("percent_u", _percent_u),
    ("html_entity", _entities),
    ("backslash", _escapes),
    ("css_escape", _css_escapes),
    ("overlong", _overlong),
    ("full_width", _full_width),
    ("utf7", _utf7),
    ("base64", _base64),
    ("hex", _hex),
    ("char_codes", _char_codes),
    ("scientific", _scientific),
    ("php_string", _php_strings),
    ("null_byte", _no_nulls),
)
"""Each step: the text decoded; the same text or None where it does not apply. Never raises."""
