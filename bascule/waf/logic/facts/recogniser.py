"""All facts at once: decode, spell in other forms, scan once each, look closer where nominated."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import hyperscan

from bascule.waf.libinjection import is_sqli, is_xss
from bascule.waf.logic.decode import MAX_TEXTS, How, decodings
from bascule.waf.logic.gate import is_plain
from bascule.waf.matcher.database import open_database
from bascule.waf.matcher.patterns import Expression

from . import code, encoding, html, http, ldap, nosql, paths, scanner, shell, sql, ssrf, template, xml
from .fact import HIDDEN, Fact
from .forms import forms
from .sqltokens import comparisons

_LANGUAGES = (sql, html, shell, paths, template, xml, ssrf, code, nosql, ldap, http, scanner, encoding)

ALL: tuple[Fact, ...] = tuple(
    fact for language in _LANGUAGES for fact in language.FACTS if not fact.name.startswith(HIDDEN)
)
FACTS: tuple[str, ...] = tuple(fact.name for fact in ALL)
"""The names, in an order that stays: rules and models refer to them."""

_PATTERNS = tuple(
    (fact.name, pattern) for language in _LANGUAGES for fact in language.FACTS for pattern in fact.patterns
)
_FLAGS = (
    hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_DOTALL | hyperscan.HS_FLAG_MULTILINE | hyperscan.HS_FLAG_SINGLEMATCH
)
_NEVER_ALONE = frozenset(
    place for place, (name, _) in enumerate(_PATTERNS) if name in ("ssrf.url_value", "path.absolute")
)
"""Patterns of facts that are too common to be worth a look unless another fact is there."""
_NOTHING: frozenset[str] = frozenset()
MAX_TOKENISED = 4096
"""Bytes of a value that the SQL and HTML tokenisers look at; the patterns see all of it."""

MAX_REMEMBERED = 512
"""Bytes of a value whose facts are kept: 2 MiB of values at most."""

_ONLY_IN = {
    "scanner.user_agent": ("header:user-agent", "query"),
    "path.absolute": ("query", "body", "cookie", "name", "file"),
    "http.redirect_trick": ("query", "body", "cookie", "path"),
    "ssrf.url_value": ("query", "body", "cookie", "name"),
}
"""Facts that mean something in some places only: every path is absolute, every page has an extension."""
SEAM = b"\n"
"""Joins values for `nominate`: patterns take `^` and `$` as of lines, so each value is a line to them."""


class _Database:
    """The patterns compiled: in seconds, or from the cache in milliseconds."""

    scan: Any = None

    @classmethod
    def load(cls, cache_dir: Path | None) -> Any:
        database = open_database([Expression(pattern, _FLAGS) for _, pattern in _PATTERNS], cache_dir)
        assert database is not None
        cls.scan = database.scan
        return cls.scan


def warm(cache_dir: Path | None = None) -> None:
    """Build the database before the first value needs it; `cache_dir` keeps it for the next start."""
    if _Database.scan is None:
        _Database.load(cache_dir)


def facts_of(value: bytes, place: str) -> frozenset[str]:
    """Return the names of the facts about a value, in whatever encoding it hides.

    `place` is 'path', 'query', 'name', 'cookie', 'header:<name>', 'body' or 'file'. Never raises; time is linear
    in the length of the value.
    """
    if is_plain(value):
        return _NOTHING
    return _remembered(value, place) if len(value) <= MAX_REMEMBERED else _look(value, place)


def _look(value: bytes, place: str) -> frozenset[str]:
    found: set[str] = set()
    for text, how in decodings(value):
        here = _facts_of_text(text, place)
        if here - found and how:
            found |= encoding.look(how)
        found |= here
    return frozenset(found) if found else _NOTHING


_remembered = lru_cache(maxsize=4096)(_look)
"""Browsers say the same again with every request: user agent, cookies, most headers."""


def nominate(values: list[bytes]) -> list[bytes]:
    """Return those of the values that may have facts; what is left out has none.

    All values are scanned joined, and halves of them where something is found: most requests end with one scan.
    For values of any place but 'file': what a file's name is called needs `facts_of`. Safe because decoding and other forms never look across a line feed; where they might (an SQL comment left
    open, more decodings than are kept) the values are nominated unseen.
    """
    if not values or not _may_have_facts(SEAM.join(values)):
        return []
    if len(values) == 1:
        return values
    middle = len(values) // 2
    return nominate(values[:middle]) + nominate(values[middle:])


def _may_have_facts(joined: bytes) -> bool:
    if b"/*" in joined:
        return True
    hits: list[int] = []
    scan = _Database.scan or _Database.load(None)
    for count, (text, _) in enumerate(decodings(joined), 1):
        for form in forms(text):
            scan(form, match_event_handler=_collect, context=hits)
        if count == MAX_TEXTS or (hits and not _NEVER_ALONE.issuperset(hits)):
            return True
    return False


def facts_with_evidence(value: bytes, place: str) -> list[tuple[str, bytes, How]]:
    """Return (fact, decoded text it was seen in, how that text was found), for explaining a verdict."""
    seen: dict[str, tuple[str, bytes, How]] = {}
    if not is_plain(value):
        for text, how in decodings(value):
            for name in _facts_of_text(text, place):
                seen.setdefault(name, (name, text, how))
    return list(seen.values())


def _facts_of_text(text: bytes, place: str) -> set[str]:
    hits: list[int] = []
    scan = _Database.scan or _Database.load(None)
    for form in forms(text):
        scan(form, match_event_handler=_collect, context=hits)
    uploads = {"path.script_upload"} if place == "file" and paths.is_script_name(text) else set()
    if not hits:
        return uploads
    found = {_PATTERNS[hit][0] for hit in hits} | uploads
    if "_sql.look" in found:
        found |= _look_sql(text[:MAX_TOKENISED])
    if "_html.look" in found and is_xss(text[:MAX_TOKENISED]):
        found.add("html.fingerprint")
    return {name for name in found if name[0] != HIDDEN and (name not in _ONLY_IN or place in _ONLY_IN[name])}


def _look_sql(text: bytes) -> set[str]:
    found: set[str] = set()
    equal, some = comparisons(text)
    if equal:
        found.add("sql.tautology")
    if some:
        found.add("sql.constant_comparison")
    if is_sqli(text):
        found.add("sql.fingerprint")
    return found


def _collect(identifier: int, start: int, end: int, flags: int, hits: list[int]) -> None:
    hits.append(identifier)
