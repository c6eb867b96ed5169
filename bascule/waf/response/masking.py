"""Mask a stream: identifiers and words made asterisks as the content flows, also where it is cut between two pieces.

The end of each piece in which something could begin is kept back until the next one comes: at most `WINDOW` bytes, and
nothing where the piece ends in a line end, a tag or a quote, as events of a stream do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from bascule.config.grammar import compile_pattern
from bascule.waf.filters.values import words_pattern
from bascule.waf.response.identifiers import LONGEST, Finder, starred

WINDOW = LONGEST
"""Bytes kept back at most; no identifier and no word is longer."""
WORD = "word"
_ENDS = b'\n\r<>"\0\t{}[]'
_BEFORE_NUMBER, _AFTER_NUMBER = frozenset(b":,["), frozenset(b",}] \r\n\t")


class Masker:
    """What one route masks. Immutable; `stream` gives the state of one response."""

    def __init__(self, kinds: Iterable[str], words: Iterable[str]) -> None:
        names, texts = tuple(kinds), tuple(words)
        self.finder = Finder(names) if names else None
        self.words: Any = compile_pattern(words_pattern(texts)) if texts else None
        used = "".join(texts).encode()
        self.ends = tuple(bytes((byte,)) for byte in _ENDS if byte not in used)
        """After any of these nothing can go on that began before it."""

    def stream(self, json: bool = False) -> MaskedStream:
        """Begin a response. In JSON, a number outside of quotes becomes ones instead of asterisks: it stays JSON."""
        return MaskedStream(self, json)


class MaskedStream:
    """The content of one response on its way through. `found` counts what was masked, by kind."""

    __slots__ = ("_json", "_kept", "_masker", "found", "measure")

    def __init__(self, masker: Masker, json: bool) -> None:
        self._masker = masker
        self._json = json
        self._kept = b""
        self.found: Counter[str] = Counter()
        self.measure: Callable[[bytes], int] = len
        """Returns how many asterisks stand for a word."""

    @property
    def holds(self) -> bool:
        """Whether something is kept back."""
        return bool(self._kept)

    def feed(self, data: bytes, last: bool = False) -> bytes:
        """Take a piece, return what may go out: of the same length in all as what was taken, once it was the last."""
        text = self._kept + data if self._kept else data
        spans = self._spans(text)
        cut = len(text) if last else self._cut(text, spans)
        self._kept = text[cut:]
        pieces: list[bytes] = []
        at = 0
        for start, end, kind, instead in spans:
            if end > cut:
                break
            self.found[kind] += 1
            pieces += (text[at:start], instead)
            at = end
        return b"".join((*pieces, text[at:cut])) if pieces else text[:cut] if cut < len(text) else text

    def _spans(self, text: bytes) -> list[tuple[int, int, str, bytes]]:
        masker = self._masker
        spans: list[tuple[int, int, str, bytes]] = []
        if masker.finder is not None:
            for start, end, kind in masker.finder.find(text):
                bare = self._json and _is_bare(text, start, end)
                instead = b"1" * (end - start) if bare else starred(text[start:end], kind)
                spans.append((start, end, kind.name, instead))
        if masker.words is not None:
            spans += [(*found.span(), WORD, b"*" * self.measure(found[0])) for found in masker.words.finditer(text)]
            spans.sort()
            spans = [span for index, span in enumerate(spans) if not index or span[0] >= spans[index - 1][1]]
        return spans

    def _cut(self, text: bytes, spans: list[tuple[int, int, str, bytes]]) -> int:
        """Return up to where the text may go out although more of it comes."""
        start = max(0, len(text) - WINDOW)
        cut = max(start, *(text.rfind(end, start) + 1 for end in self._masker.ends))
        for begin, end, _, _ in spans:
            if begin < cut and (end > cut or end == len(text)):
                return begin
        return cut


def _is_bare(text: bytes, start: int, end: int) -> bool:
    """Whether a number stands in JSON outside of quotes, as far as its neighbours tell."""
    before = text[:start].rstrip(b" \r\n\t")[-1:]
    return bool(before) and before[0] in _BEFORE_NUMBER and (end >= len(text) or text[end] in _AFTER_NUMBER)
