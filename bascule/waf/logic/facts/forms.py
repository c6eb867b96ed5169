"""Other spellings of one text that mean the same to the language attacked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from bascule.waf.pace import rest

_SQL_COMMENT = re.compile(rb"/\*!\d*|/\*(?:(?!\*/).)*+(?:\*/)?|\*/", re.DOTALL)
_LINE_COMMENT = re.compile(rb"(?:--|#)[^\n]*+\n")
_SPACES = bytes(set(range(32)) - set(b"\n")) + b"+\xa0"
"""T-SQL takes every control character for white space."""
_SPACE_FOR: Final = bytes.maketrans(_SPACES, b" " * len(_SPACES))
_SHELL_NOISE = re.compile(
    rb"['\"`\\^$](?:(?<=\$)\{?IFS\}?(?:\$\d)?|(?<=[\w/].)(?:(?<=')'|(?<=\")\"|(?<=`)`|(?<=\\)(?=[a-z/])|(?<=\^)(?=\w)"
    rb"|(?<=\$)[@*1-9]|(?<=\$)\(\)|(?<=\$)\{\w{0,12}(?::-)?\}|(?<=['\"])(?=\w)))",
    re.IGNORECASE,
)
"""What a shell drops inside a word: quotes, backslashes, carets, empty expansions. ${IFS} is a space."""
_DOT_SEGMENT = re.compile(rb"/(?<!:/)(?:(?:\./)+|/+)|\\+")
_PERCENT_SIGNS = re.compile(rb"(?:%[^%\s]){5}")
"""IIS drops a percent sign that begins no escape, so ASP reads %S%E%L%E%C%T as SELECT."""
_TRIMMED = re.compile(rb"\{[{%][-~]|[-~][}%]\}")
"""Brackets of templates that drop the white space beside them."""
_CONTROLS: Final = bytes(set(range(32)) - set(b"\t\n\r")) + b"\x7f"
"""White space stays: patterns allow for it, and a line feed is where values meet."""


_LOOKUP = re.compile(rb"\$\{[^${}]{0,60}?(?::-|:)'?([^${}:']{0,20})'?\}")
MAX_LOOKUPS = 6
"""Log4j resolves nested lookups from the inside out; nobody nests deeper than this to spell four letters."""


def forms(text: bytes) -> Iterator[bytes]:
    """Yield the text and each of its other forms that differs: SQL, shell, path, and without control characters."""
    yield text
    seen = {text}
    for form in _others(text):
        if form not in seen:
            seen.add(form)
            yield form


def _others(text: bytes) -> Iterator[bytes]:
    spaced = text.translate(_SPACE_FOR)
    if b"/*" in text:
        spaced = _SQL_COMMENT.sub(b" ", spaced)
        yield _SQL_COMMENT.sub(b"", text)
    yield spaced
    if has_line_comment(text):
        yield _LINE_COMMENT.sub(b" ", spaced)
    if b"'" in text or b'"' in text or b"$" in text or b"\\" in text or b"^" in text:
        yield _SHELL_NOISE.sub(_shell_space, text)
    if b"\\" in text or b"/./" in text or text.count(b"//") > text.count(b"://"):
        yield _DOT_SEGMENT.sub(b"/", text)
    if b"%" in text and _PERCENT_SIGNS.search(text):
        yield text.replace(b"%", b"")
    if text.count(b"${") > 1:
        yield _resolved(text)
    if b"{" in text and _TRIMMED.search(text):
        yield _TRIMMED.sub(_bracket, text)
    if len(text.translate(None, _CONTROLS)) != len(text):
        yield text.translate(None, _CONTROLS)


def has_line_comment(text: bytes) -> bool:
    """Tell whether SQL could read a comment up to the end of a line, with more behind it."""
    return b"\n" in text and (b"--" in text or b"#" in text)


def _resolved(text: bytes) -> bytes:
    """Return what Log4j reads where lookups spell letters: ${${lower:j}ndi:...} is ${jndi:...}."""
    for _ in range(MAX_LOOKUPS):
        text, count = _LOOKUP.subn(rb"\1", text)
        if not count:
            break
    return text


def _bracket(trimmed: re.Match[bytes]) -> bytes:
    rest()
    return trimmed[0].replace(b"-", b"").replace(b"~", b"")


def _shell_space(noise: re.Match[bytes]) -> bytes:
    rest()
    return b" " if noise[0][:1] == b"$" and noise[0][1:4].upper().lstrip(b"{")[:1] == b"I" else b""
