"""The screen: values are looked at together, and dismissed together where no rule could find anything in any of them.

Values are joined by line feeds and scanned once. Why nothing is lost by it:

1. The joined text shows every fact that one of the values shows. Patterns take `^` and `$` as of lines, the edge of a
   word is the same beside a line feed as at the end of a text, and the patterns of a level see no further than the
   characters of its alphabet, or than a match reaches. What matches across a seam only makes suspects of the innocent.
2. Words and marks hide nothing: no step of decoding and no other spelling changes a text of these alphabets, but for
   what `HIDES` and slashes tell, and that a plus may be a blank, which is another spelling, or begin UTF-7. All other
   values are decoded one by one, and each of their texts is scanned.
3. Other spellings (`forms`) are made of lines as of texts, but for comments of SQL and lookups of Log4j; a text that
   may have one is spelled by itself.
4. Rules only ever ask for facts to be there, and points are positive: what no rule finds in more facts, it does not
   find in fewer. So the facts of all together stand for those of each; a closer look is taken to find what it may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from bascule.waf.logic.decode import MAX_DECODED, decodings
from bascule.waf.logic.facts import encoding
from bascule.waf.logic.facts.fact import HIDDEN
from bascule.waf.logic.facts.forms import forms, has_line_comment
from bascule.waf.logic.facts.patterns import HIDES, LEVELS, MARKED, NAMES, SLASHES, WORDS, Level, level_of
from bascule.waf.logic.facts.recogniser import CLOSER
from bascule.waf.matcher.cut import spans

SEAM: Final = b"\n"
MEMORY = 4096
"""Distinct sets of patterns of which the meaning is remembered."""
_NONE: Final[list[bytes]] = []
_WORDS_AND_SEAM: Final = WORDS + SEAM
_PLUS: Final = b"+"[0]
_SLASHES: Final = NAMES.index(SLASHES)
MAX_LINES: Final = 1 << 13
"""Bytes of lines that are screened in one go where some have to be decoded."""
MANY: Final = 64
"""Characters beside words in lines up to which the lines that have some are cut out of the text."""
FEW: Final = 6
"""So many different characters are looked for in values one after the other: each takes a fifth of a `translate`."""


class Screen:
    """Sorts values out for rules that `find` nothing in most sets of facts."""

    def __init__(self, find: Callable[[frozenset[str]], object]) -> None:
        self._find = find
        self._facts: dict[frozenset[int], frozenset[str]] = {}

    def clears(self, lines: bytes) -> bool:
        """Whether rules find nothing in any line of a text. False where it is not of words and marks, or they may."""
        level = LEVELS[0]
        rest = lines.translate(None, _WORDS_AND_SEAM)
        if rest:
            if rest.translate(None, MARKED) or b"/*" in lines or _PLUS in lines:
                return False
            level = LEVELS[1]
        elif _may_be_utf7(lines):
            return False
        hits = _scan(level, lines)
        return not hits or not self._finds(hits)

    def clears_values(self, lines: bytes) -> bool:
        """As `clears` where the lines are values as they are: those of other characters are decoded by themselves."""
        rest = lines.translate(None, _WORDS_AND_SEAM)
        if rest.translate(None, MARKED) and (
            len(lines) > MAX_LINES or lines.startswith((b"{", b"[")) or b"\n{" in lines or b"\n[" in lines
        ):
            return False  # which takes its time, or is a document in JSON with values of its own
        if len(rest) > MANY or _may_be_utf7(lines):
            return not self.suspects(lines.split(SEAM))
        words, unlike = _cut_out(lines, set(rest)) if rest else (lines, _NONE)
        hits = _scan(LEVELS[0], words)
        return not (hits and self._finds(hits)) and not (unlike and self.suspects(unlike))

    def _finds(self, hits: Iterable[int]) -> bool:
        facts = self._facts_of(hits)
        return HIDES in facts or bool(self._find(facts))

    def suspects(self, values: list[bytes]) -> list[bytes]:
        """Return those of the values in which rules may find something. In the others they find nothing.

        Not for names of files: what is wrong with one is not in a pattern.
        """
        joined = SEAM.join(values)
        words, marked, others = values, _NONE, _NONE
        rest = joined.translate(None, _WORDS_AND_SEAM)
        if joined.count(SEAM) != max(len(values) - 1, 0):
            rest += SEAM
        if rest or _may_be_utf7(joined):
            words, marked, others = _sorted_out(values, rest)
            joined = SEAM.join(words)
        found: list[bytes] = []
        for level, plain in ((LEVELS[0], words), (LEVELS[1], marked)):
            if not plain:
                continue
            hits = _scan(level, joined if plain is words else SEAM.join(plain))
            if hits:
                facts = self._facts_of(hits)
                if HIDES in facts:
                    others = [*others, *plain]
                elif self._find(facts):
                    found += plain
        if others:
            found += self._decoded(others)
        return found

    def _decoded(self, values: list[bytes]) -> list[bytes]:
        """Return the suspects among values that may hide something."""
        long = [value for value in values if len(value) > MAX_DECODED]
        short = [value for value in values if len(value) <= MAX_DECODED] if long else values
        plain: dict[Level, list[bytes]] = {}
        spelled: dict[Level, list[bytes]] = {}
        how_found: set[str] = set()
        for value in short:
            for text, how in decodings(value):
                if how:
                    how_found |= encoding.look(how)
                if b"/*" in text or b"${" in text or has_line_comment(text):
                    for form in forms(text):
                        spelled.setdefault(level_of(form), []).append(form)
                else:
                    plain.setdefault(level_of(text), []).append(text)
        hits: set[int] = set()
        for level, group in plain.items():
            hits.update(_scan(level, SEAM.join(group)))
        for level, group in spelled.items():
            hits.update(level.scan(SEAM.join(group)))
        if hits and self._find(self._facts_of(hits) | how_found):
            return values
        return long

    def _facts_of(self, hits: Iterable[int]) -> frozenset[str]:
        """Return the facts that patterns may mean."""
        key = frozenset(hits)
        facts = self._facts.get(key)
        if facts is None:
            names = {NAMES[hit] for hit in key}
            for look, what in CLOSER.items():
                if look in names:
                    names |= what
            facts = frozenset(name for name in names if name[0] != HIDDEN or name == HIDES)
            if len(self._facts) < MEMORY:
                self._facts[key] = facts
        return facts


def _cut_out(lines: bytes, codes: Iterable[int]) -> tuple[bytes, list[bytes]]:
    """Return a text without the lines that have one of some characters, and those lines."""
    found = spans(lines, codes, SEAM)
    kept: list[bytes] = []
    start = 0
    for begin, end in found:
        kept.append(lines[start:begin])
        start = end + 1
    return b"".join([*kept, lines[start:]]), [lines[begin:end] for begin, end in found]


def _sorted_out(values: list[bytes], rest: bytes) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Part values into those of words, with marks, and others; `rest` is what they have beside words."""
    codes = set(rest)
    if len(codes) <= FEW:
        unlike = {value for code in codes for value in values if code in value}
    else:
        unlike = {value for value in values if value.translate(None, WORDS)}
    unlike.update(filter(_may_be_utf7, values))
    marked: list[bytes] = []
    others: list[bytes] = []
    for value in unlike:
        (others if value.translate(None, MARKED) or b"/*" in value else marked).append(value)
    return [value for value in values if value not in unlike], marked, others


def _may_be_utf7(text: bytes) -> bool:
    """Tell whether a text may be UTF-7 in which marks are encoded."""
    return _PLUS in text and text.find(b"+A") >= 0


def _scan(level: Level, joined: bytes) -> list[int]:
    """Scan texts without comments in all their forms."""
    hits: list[int] = []
    if level is not LEVELS[-1]:
        if _PLUS in joined:
            signed = [joined[begin:end].replace(b"+", b" ") for begin, end in spans(joined, (_PLUS,), SEAM)]
            joined = SEAM.join([joined, *signed])
        hits = level.scan(joined)
        if _SLASHES in hits:
            for form in forms(joined):
                hits += level.scan(form) if form is not joined else []
        return hits
    for form in forms(joined):
        hits += level.scan(form)
    return hits
