"""SQL injection: does the text, in any context, read like a piece of SQL that does not belong there?"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from .folding import Folder
from .tokens import Tokenizer
from .vocabulary import KEYWORDS, Token, data

FINGERPRINTS: Final = frozenset(data()["fingerprints"].split())
MEMO_SIZE: Final = 4096  # texts of at most MEMO_TEXT bytes: about 1 MiB
MEMO_TEXT: Final = 256

_KEYWORD_PARTS: Final = frozenset(part for word in KEYWORDS for part in word.split())
_PLAIN = re.compile(rb"(?:[A-Za-z_][A-Za-z0-9_]*+|[0-9]++(?![A-Za-z_.])|[ ,]|\.(?= |\Z))*+")
_WORDS = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")


def is_plain(text: bytes) -> bool:
    """Tell cheaply that a text cannot be SQL injection.

    Safety: _PLAIN admits only words, whole numbers, blanks, commas, and full stops before a blank or the end.
    If no word is part of a keyword, the tokeniser sees bare words (n), numbers (1), commas and dots only, and
    nothing merges. No fingerprint consists of those kinds alone (a test holds the table to that), and a
    text without quotes or comment marks is read only once.
    """
    if _PLAIN.fullmatch(text) is None:
        return False
    return _KEYWORD_PARTS.isdisjoint(_WORDS.findall(text.upper()))


def is_sqli(text: bytes) -> bytes | None:
    """Return the fingerprint of SQL injection, or None. Linear in the text's length."""
    if is_plain(text):
        return None
    return _memo(text) if len(text) <= MEMO_TEXT else _detect(text)


def _detect(text: bytes) -> bytes | None:
    """Try the text as it is, then as if it began inside single and double quotes."""
    for quote, mysql_only in ((b"", False), (b"'", False), (b'"', True)):
        if quote and quote not in text:
            continue
        tokenizer = Tokenizer(text, quote, mysql=mysql_only)
        found = _check(tokenizer)
        if found is None and not mysql_only and (tokenizer.dashes or tokenizer.hashes):
            found = _check(Tokenizer(text, quote, mysql=True))
        if found is not None:
            return found.encode("ascii")
    return None


_memo = lru_cache(maxsize=MEMO_SIZE)(_detect)


def fingerprint(tokenizer: Tokenizer) -> tuple[str, list[Token]]:
    """Fold a text; return its fingerprint and tokens."""
    tokens = Folder(tokenizer).fold()
    if len(tokens) > 2:
        last = tokens[-1]
        if last.kind == "n" and last.opening == "`" and not last.text and not last.closing:
            last.kind = "c"  # PHP's backquote comment
    kinds = "".join([token.kind for token in tokens])
    return ("X", tokens) if "X" in kinds else (kinds, tokens)


def _check(tokenizer: Tokenizer) -> str | None:
    kinds, tokens = fingerprint(tokenizer)
    if kinds.upper() not in FINGERPRINTS or _is_harmless(kinds, tokens, tokenizer):
        return None
    return kinds


def _is_harmless(kinds: str, tokens: list[Token], tokenizer: Tokenizer) -> bool:
    """Weed out texts whose fingerprint is listed but common in plain language."""
    if len(kinds) > 1 and kinds[-1] == "c" and b"sp_password" in tokenizer.text:
        return False  # hides the statement from SQL Server's audit log
    if len(kinds) == 2:
        return _is_harmless_pair(kinds, tokens, tokenizer)
    if len(kinds) == 3:
        return _is_harmless_triple(kinds, tokens, tokenizer)
    return False


def _is_harmless_pair(kinds: str, tokens: list[Token], tokenizer: Tokenizer) -> bool:
    first, second = tokens
    if kinds[1] == "U":
        return tokenizer.tokens == 2
    if second.text[:1] == b"#":
        return True
    if kinds == "nc" and second.text[:1] != b"/":
        return True
    if kinds == "1c":
        if second.text[:1] == b"/" or tokenizer.tokens > 2:
            return False
        # A number, then a blank or a comment at once; 1234-ABC-- is some identifier.
        following = tokenizer.text[len(first.text) : len(first.text) + 2]
        return not (following[:1] <= b" " or following[:1] >= b"\x80" or following in (b"/*", b"--"))
    return len(second.text) > 2 and second.text[:1] == b"-"


def _is_harmless_triple(kinds: str, tokens: list[Token], tokenizer: Tokenizer) -> bool:
    if kinds in ("sos", "s&s"):  # ...foo" + "bar... is an injection, a whole expression is not
        first, last = tokens[0], tokens[2]
        return not (not first.opening and not last.closing and first.closing == last.opening)
    if kinds in ("s&n", "n&1", "1&1", "1&v", "1&s"):
        return tokenizer.tokens == 3
    if kinds[1] == "k":
        return len(tokens[1].text) < 5 or tokens[1].text[:4].upper() != b"INTO"
    return False
