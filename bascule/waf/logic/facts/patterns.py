"""The patterns of all facts, compiled for every text, and again for texts of few characters.

Most values are words and numbers. Over those few characters most patterns match nothing, and what is left of the
others (`alphabet.py`) is scanned for ten times as fast. A `Level` is an alphabet with such a database; the last one
has every byte and the patterns as they are written. Each level reports exactly what the last one would.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import hyperscan

from bascule.waf.logic.decode import HIDING
from bascule.waf.matcher.database import open_database
from bascule.waf.matcher.patterns import Expression

from . import (
    code,
    continuation,
    encoding,
    html,
    http,
    ldap,
    nosql,
    paths,
    scanner,
    shell,
    sql,
    ssrf,
    statement,
    template,
    xml,
)
from .alphabet import restricted
from .fact import HIDDEN, Fact

_LANGUAGES = (
    sql, continuation, html, shell, paths, template, xml, ssrf, code, nosql, ldap, http, scanner, encoding, statement,
)  # fmt: skip

ALL: tuple[Fact, ...] = tuple(
    fact for language in _LANGUAGES for fact in language.FACTS if not fact.name.startswith(HIDDEN)
)
FACTS: tuple[str, ...] = tuple(fact.name for fact in ALL)
"""The names, in an order that stays: rules and models refer to them."""


def beginning(*names: str) -> frozenset[str]:
    """Return the facts whose names begin with one of these: those of a language, or of a part of one."""
    return frozenset(name for name in FACTS if name.startswith(names))


DECISIVE = frozenset(fact.name for fact in ALL if fact.decisive)
"""Facts that are an attack by themselves, unless harmless traffic says otherwise."""
TELLING = frozenset(fact.name for fact in ALL if fact.telling)
"""Facts that are an attack by themselves at strict presets, unless harmless traffic says otherwise."""

HIDES = "_hides"
"""A text of plain ASCII that some step of `decode.py` may change."""
SLASHES = "_slashes"
"""A path that may be spelled in another way (`forms.py`)."""
_BASE = hyperscan.HS_FLAG_DOTALL | hyperscan.HS_FLAG_MULTILINE | hyperscan.HS_FLAG_SINGLEMATCH
_CASELESS = _BASE | hyperscan.HS_FLAG_CASELESS

_PATTERNS = (
    tuple(
        (fact.name, pattern, _CASELESS)
        for language in _LANGUAGES
        for fact in language.FACTS
        for pattern in fact.patterns
    )
    + tuple((HIDES, pattern, _CASELESS if caseless else _BASE) for pattern, caseless in HIDING)
    + ((SLASHES, rb"//|/\./", _BASE),)
)
NAMES: Final[tuple[str, ...]] = tuple(name for name, _, _ in _PATTERNS)
"""The fact of each pattern: `Level.scan` reports patterns by their places here."""

_LETTERS = bytes((*range(ord("0"), ord("9") + 1), *range(ord("A"), ord("Z") + 1), *range(ord("a"), ord("z") + 1)))
WORDS: Final = _LETTERS + b" _-.,:/=?!@+"
"""What most values are made of: words, addresses, telephone numbers, times with an offset. No step of decoding begins
with one of these, nor does another form of a text, but that a plus may be a blank, or begin UTF-7 (`+A`)."""
MARKED: Final = WORDS.replace(b"+", b"") + b"|~;#()[]{}*"
"""The same of what most other values are made of, but for comments of SQL."""
_BYTES: Final = 256


class Level:
    """Scans texts over an alphabet. `parts`: databases of as many patterns; small ones compile much faster in all.

    `only` the patterns of these facts are looked for, if any are given.
    """

    def __init__(self, alphabet: bytes, parts: int = 1, only: frozenset[str] = frozenset()) -> None:
        self.alphabet = alphabet
        self._only = only
        self._count = parts
        self._parts: list[tuple[Any, tuple[int, ...]]] = []

    def load(self, cache_dir: Path | None) -> None:
        """Compile the patterns: in seconds, or from the cache in milliseconds."""
        found = [
            (place, Expression(text, flags))
            for place, (name, pattern, flags) in enumerate(_PATTERNS)
            if not (self._only and name not in self._only) and (text := self._text(pattern, flags)) is not None
        ]
        parts = []
        for number in range(self._count):
            part = found[number :: self._count]
            database = open_database([expression for _, expression in part], cache_dir)
            assert database is not None
            parts.append((database.scan, tuple(place for place, _ in part)))
        self._parts = parts

    def _text(self, pattern: bytes, flags: int) -> bytes | None:
        if len(self.alphabet) == _BYTES:
            return pattern
        return restricted(b"(?i:" + pattern + b")" if flags == _CASELESS else pattern, self.alphabet)

    def scan(self, text: bytes) -> list[int]:
        """Return the places in NAMES of the patterns that match; a pattern may be reported twice."""
        if not self._parts:
            self.load(None)
        found: list[int] = []
        for scan, places in self._parts:
            hits: list[int] = []
            scan(text, match_event_handler=_collect, context=hits)
            if hits:
                found += [places[hit] for hit in hits]
        return found

    def scan_in_turns(self, text: bytes) -> Iterator[list[int]]:
        """Yield them part by part."""
        if not self._parts:
            self.load(None)
        for scan, places in self._parts:
            hits: list[int] = []
            scan(text, match_event_handler=_collect, context=hits)
            yield [places[hit] for hit in hits] if hits else hits

    @property
    def loaded(self) -> bool:
        return bool(self._parts)


LEVELS: Final = (Level(WORDS), Level(MARKED, 2), Level(bytes(range(_BYTES)), 4))

IN_UPLOAD = frozenset(
    (
        "code.php_tag",
        "code.php_runs",
        "code.web_shell",
        "code.converted",
        "xml.external_entity",
        "xml.entity_bomb",
        "xml.include",
    )
)
"""What a file does where it is kept: it runs on the server, or makes who reads it fetch. The rest is what it is about."""
UPLOADS = Level(bytes(range(_BYTES)), only=IN_UPLOAD | {"_xml.look"})
"""Files are long, and act as they are written: they are neither decoded nor spelled in other forms."""


def level_of(text: bytes) -> Level:
    """Return the lowest level whose alphabet a text keeps to."""
    if not text.translate(None, WORDS):
        return LEVELS[0]
    return LEVELS[2] if text.translate(None, MARKED) else LEVELS[1]


def by_fact() -> dict[str, list[Expression]]:
    """Return the patterns of each fact, hidden ones too, to look for it alone."""
    found: dict[str, list[Expression]] = {}
    for name, pattern, flags in _PATTERNS:
        found.setdefault(name, []).append(Expression(pattern, flags))
    return found


def warm(cache_dir: Path | None = None) -> None:
    """Compile what is not compiled yet, before the first value needs it; `cache_dir` keeps it for the next start."""
    for level in (*LEVELS, UPLOADS):
        if not level.loaded:
            level.load(cache_dir)


def _collect(identifier: int, start: int, end: int, flags: int, hits: list[int]) -> None:
    hits.append(identifier)
