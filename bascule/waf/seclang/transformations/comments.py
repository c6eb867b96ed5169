"""Comments of SQL, C, shell and HTML."""

from __future__ import annotations

import re

_OPENING = re.compile(rb"/\*|<!--|--|#")
_CLOSING = re.compile(rb"\*/|-->")
_MARKS = re.compile(rb"/\*|\*/|<!--|-->|--|#")
_BLOCK = re.compile(rb"/\*(?:[\x00-\xFF]*?\*/|[\x00-\xFF]*\Z)")


def remove_comments(value: bytes) -> bytes:
    """Drop `/* */` and `<!-- -->` comments, and all from `--` or `#` on.

    As ModSecurity does: an unclosed comment leaves a blank, and the byte after a closed one is copied
    unseen (a NUL stands for it at the very end).
    """
    if b"--" not in value and b"/*" not in value and b"#" not in value:
        return value
    opening = _OPENING.search(value)
    out, position = [], 0
    while opening is not None:
        out.append(value[position : opening.start()])
        if opening[0] in (b"--", b"#"):
            return b"".join(out)
        closing = _CLOSING.search(value, opening.end())
        if closing is None:
            out.append(b" ")
            return b"".join(out)
        position = closing.end() + 1
        out.append(value[closing.end() : position] or b"\0")
        opening = _OPENING.search(value, position)
    out.append(value[position:])
    return b"".join(out)


def remove_comments_char(value: bytes) -> bytes:
    """Drop the marks that open or close comments, and keep what stands between them."""
    if b"--" not in value and b"/*" not in value and b"*/" not in value and b"#" not in value:
        return value
    return _MARKS.sub(b"", value)


def replace_comments(value: bytes) -> bytes:
    """Replace each `/* */` comment, closed or not, by a blank."""
    return _BLOCK.sub(b" ", value) if b"/*" in value else value
