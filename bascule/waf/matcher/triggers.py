"""Which bytes a transformation needs in order to change a text."""

from __future__ import annotations

PERCENT, BACKSLASH, AMPERSAND, HIGH, NUL, BLANK, SPACE, SPACES, SHELL, PATH, COMMENT, NEWLINE, BASE64 = (
    1 << n for n in range(13)
)

_BYTES: dict[int, bytes] = {
    PERCENT: b"%+",
    BACKSLASH: b"\\",
    AMPERSAND: b"&",
    HIGH: bytes(range(0x80, 0x100)),
    NUL: b"\0",
    BLANK: b"\t\v\f\r\xa0\x85",
    SHELL: b"\"'^,;",
}
_SEQUENCES: tuple[tuple[int, bytes], ...] = (
    (SPACE, b" "),
    (SPACES, b"  "),
    (SPACES, b" /"),
    (SPACES, b" ("),
    (PATH, b"//"),
    (PATH, b"/."),
    (PATH, b"./"),
    (PATH, b".."),
    (COMMENT, b"/*"),
    (COMMENT, b"*/"),
    (COMMENT, b"--"),
    (COMMENT, b"#"),
    (NEWLINE, b"\n"),
)
ALWAYS = 1 << 13
"""Set in the features of every text."""

ACTIVE: dict[str, int] = {
    "none": 0,
    "lowercase": 0,
    "base64decode": BASE64 | NUL,
    "urldecode": PERCENT,
    "urldecodeuni": PERCENT,
    "jsdecode": BACKSLASH,
    "cssdecode": BACKSLASH,
    "escapeseqdecode": BACKSLASH,
    "htmlentitydecode": AMPERSAND,
    "utf8tounicode": HIGH,
    "removenulls": NUL,
    "replacenulls": NUL,
    "removewhitespace": BLANK | SPACE | NEWLINE,
    "compresswhitespace": BLANK | SPACES | NEWLINE,
    "cmdline": BLANK | SPACES | NEWLINE | SHELL | BACKSLASH,
    "normalizepath": PATH,
    "normalisepath": PATH,
    "normalizepathwin": PATH | BACKSLASH,
    "normalisepathwin": PATH | BACKSLASH,
    "replacecomments": COMMENT,
    "removecomments": COMMENT,
    "removecommentschar": COMMENT,
}
"""Name -> the features of which a text must have one to be changed; others are always carried out (`ALWAYS`).

`lowercase` is listed as never active: see `CASE_NEUTRAL` and point 4 of the package's argument.
"""

CASE_FOLDING = frozenset({"lowercase", "cmdline"})
"""Steps after which a text has no upper-case ASCII letters."""

CASE_NEUTRAL = frozenset(
    {
        "none", "lowercase", "urldecode", "urldecodeuni", "removenulls", "replacenulls", "removewhitespace",
        "compresswhitespace", "cmdline", "normalizepath", "normalisepath", "normalizepathwin", "normalisepathwin",
        "replacecomments", "removecomments", "removecommentschar", "utf8tounicode", "htmlentitydecode",
    }
)  # fmt: skip
"""Transformations whose result, case aside, does not depend on the case of the text."""

_PLAIN = bytes(sorted(set(range(256)) - set(b"".join(_BYTES.values()))))
_CLASS_OF = [0] * 256
for _bit, _members in _BYTES.items():
    for _byte in _members:
        _CLASS_OF[_byte] |= _bit
_KNOWN: dict[bytes, int] = {b"": 0}
MAX_KNOWN = 4_096


def features(text: bytes, joined: bool = False) -> int:
    """Return the features of `text` as a bit set.

    Of texts `joined` by line feeds, NEWLINE and BASE64 (which depends on the length) are not told.
    """
    residue = text.translate(None, _PLAIN)
    found = _KNOWN.get(residue)
    if found is None:
        found = 0
        for bit, members in _BYTES.items():
            if len(residue) != len(residue.translate(None, members)):
                found |= bit
        if len(residue) <= 16:
            if len(_KNOWN) >= MAX_KNOWN:
                _KNOWN.clear()
                _KNOWN[b""] = 0
            _KNOWN[residue] = found
    for bit, sequence in _SEQUENCES:
        if sequence in text:
            found |= bit
    if joined:
        return (found | ALWAYS) & ~NEWLINE
    if not len(text) & 3 or found & (NEWLINE | SPACE | BLANK):
        found |= BASE64
    return found | ALWAYS
