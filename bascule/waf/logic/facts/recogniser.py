"""What a value says, in whatever encoding it hides: decode, spell in other forms, scan, look closer where nominated."""

from __future__ import annotations

from collections.abc import Generator
from functools import lru_cache

from bascule.waf.libinjection import is_sqli, is_xss
from bascule.waf.logic.decode import How, decodings, decodings_in_turns

from . import context, doctype, encoding, html, nosql, paths, shown, ssrf
from .continuation import goes_on
from .fact import HIDDEN
from .forms import forms
from .idle import without_idle
from .leaving import leaves_string
from .patterns import DECISIVE, IN_UPLOAD, NAMES, UPLOADS, level_of
from .players import without_players, without_shown_tags
from .sqltokens import comparisons, marks_words
from .statement import operates

_NOTHING: frozenset[str] = frozenset()
MAX_TOKENISED = 4096
"""Bytes of a value that the SQL and HTML tokenisers look at; the patterns see all of it."""

MAX_REMEMBERED = 512
"""Bytes of a value whose facts are kept: 2 MiB of values at most."""

CLOSER = {
    "_sql.look": frozenset(
        (
            "sql.tautology",
            "sql.constant_comparison",
            "sql.fingerprint",
            "sql.goes_on",
            "sql.operates",
            "sql.operates_on_number",
        )
    ),
    "_sql.reads": frozenset(("sql.goes_on", "sql.operates", "sql.operates_on_number")),
    "_html.look": frozenset(("html.fingerprint", "html.breaks_out", "html.dangling")),
    "_js.look": frozenset(("js.acts_between_strings",)),
    "_xml.look": frozenset(
        ("xml.doctype", "xml.entity", "xml.internal_entity", "xml.external_entity", "xml.entity_bomb")
    ),
}
"""Hidden facts, and what a closer look may find where one is seen."""

_ONE_LINE = frozenset(
    (
        "code.whole_call",
        "code.whole_statement",
        "shell.word_behind_separator",
        "template.only_name",
        "ssrf.own_number",
        "ssrf.service_scheme",
        "http.formula_start",
    )
)
"""Facts of a value that is one line: in a longer text that line is no value."""

_ONLY_IN = {
    "scanner.user_agent": ("header:user-agent",),
    "scanner.probe_secret": ("path",),
    "path.climbs_in_path": ("path",),
    "path.trick_in_path": ("path",),
    "path.system_folder": ("query", "body", "cookie"),
    "path.system_tree": ("query", "body", "cookie"),
    "path.absolute": ("query", "body", "cookie", "name", "file"),
    "html.foreign_form": ("query", "cookie", "path", "name"),
    "html.markup": ("query", "cookie", "path", "name"),
    "html.handler_alone": ("query", "cookie", "path", "name"),
    "http.redirect_trick": ("query", "body", "cookie"),
    "http.leads_elsewhere": ("query",),
    "http.address_as_path": ("query", "body", "cookie", "path"),
    **dict.fromkeys(
        (fact.name for fact in ssrf.FACTS if fact.name not in ("ssrf.cloud_metadata", "ssrf.callback_host")),
        ("query", "body", "cookie", "name"),
    ),
    "ssrf.bare_name": ("query", "body", "cookie"),
    "path.odd_name": ("path",),
    "path.windows_tree": ("query", "cookie"),
    "path.climbs_oddly": ("path", "query", "cookie"),
    "http.field_after_line_end": ("path", "query", "cookie", "name"),
    **dict.fromkeys(_ONE_LINE, ("query", "body", "cookie")),
    "template.only_name": ("query",),
    "ssrf.own_number": ("query",),
    "ssrf.service_scheme": ("query", "cookie"),
}
"""Facts that mean something in some places only: every path is absolute, every page has an extension."""

_NOT_IN = {"scanner.probe_path": "header:referer"}
"""Facts that mean nothing in one place: the page that a request came from was asked for, and judged, before."""

_IN_DOCUMENT = ("xml.", "html.", "http.", "code.")
"""What a document of XML as a whole may do, of which each text is a value of its own."""
_OF_MARKS = frozenset(("sql.fingerprint", "sql.logic_literal", "sql.quote_then_logic"))
"""What words in quotes show that people mark: press 'n' or 'y'."""
_OF_DOCUMENTS = DECISIVE | {"html.script_url", "html.loads_foreign"}


def facts_of(value: bytes, place: str) -> frozenset[str]:
    """Return the names of the facts about a value, in whatever encoding it hides.

    `place` is 'path', 'query', 'name', 'cookie', 'header:<name>', 'body', 'document', 'file' or 'upload'. Never raises; time is linear
    in the length of the value.
    """
    return _remembered(value, place) if len(value) <= MAX_REMEMBERED else _look(value, place)


def facts_in_turns(value: bytes, place: str) -> Generator[None, None, frozenset[str]]:
    """Find the same bit by bit: a generator that yields where it may be left for a while, and returns the facts."""
    if place == "upload":
        return frozenset(_facts_of_text(value, place, UPLOADS.scan(value)))
    found: set[str] = set()
    if place == "body":
        value = without_shown_tags(value)
    for decoded in decodings_in_turns(value):
        if decoded is None:
            yield
            continue
        text, how = decoded
        text = without_players(text)
        hits: list[int] = []
        for form in forms(text):
            for some in level_of(form).scan_in_turns(form):
                hits += some
                yield
        here = _facts_of_text(text, place, hits)
        if here - found and how:
            found |= encoding.look(how)
        found |= here
    return frozenset(found) if found else _NOTHING


def _look(value: bytes, place: str) -> frozenset[str]:
    turns = facts_in_turns(value, place)
    while True:
        try:
            next(turns)
        except StopIteration as end:
            facts: frozenset[str] = end.value
            return facts


_remembered = lru_cache(maxsize=4096)(_look)
"""Browsers say the same again with every request: user agent, cookies, most headers."""


def facts_with_evidence(value: bytes, place: str) -> list[tuple[str, bytes, How]]:
    """Return (fact, decoded text it was seen in, how that text was found), for explaining a verdict."""
    seen: dict[str, tuple[str, bytes, How]] = {}
    if place == "body":
        value = without_shown_tags(value)
    for text, how in decodings(value) if place != "upload" else [(value, ())]:
        if place == "upload":
            hits = UPLOADS.scan(text)
        else:
            text = without_players(text)
            hits = _scan(text)
        for name in _facts_of_text(text, place, hits):
            seen.setdefault(name, (name, text, how))
    return list(seen.values())


def _facts_of_text(text: bytes, place: str, hits: list[int], whole: bool = True) -> set[str]:
    """Return the facts of a text; `whole`: nothing idle was taken out of it yet, which is done once."""
    uploads = {"path.script_upload"} if place == "file" and paths.is_script_name(text) else set()
    if not hits:
        return uploads
    found = {NAMES[hit] for hit in hits} | uploads
    if "_xml.look" in found:
        found |= doctype.look(text)
    if place == "upload":
        return context.acting(found & IN_UPLOAD, text, place, DECISIVE)
    if "_sql.look" in found:
        found |= _look_sql(text[:MAX_TOKENISED])
        if len(text) > MAX_TOKENISED:
            found |= _look_sql(text[-MAX_TOKENISED:])
    if "_sql.reads" in found or "_sql.look" in found:
        found |= _read_sql(text)
    if not found.isdisjoint(_OF_MARKS) and marks_words(text):
        found -= _OF_MARKS
    if "_html.look" in found:
        if is_xss(text[:MAX_TOKENISED]):
            found.add("html.fingerprint")
        if html.breaks_out(text[:MAX_TOKENISED]):
            found.add("html.breaks_out")
        if html.dangles(text):
            found.add("html.dangling")
    if "_js.look" in found and leaves_string(text):
        found.add("js.acts_between_strings")
    if not found.isdisjoint(nosql.OF_VARIABLES) and (rest := nosql.without_declared(text)) is not text:
        found -= nosql.OF_VARIABLES - {NAMES[hit] for hit in _scan(rest)}
    if "nosql.bracket_operator" in found and nosql.is_offered(text):
        found.discard("nosql.bracket_operator")
    found = {name for name in found if name[0] != HIDDEN and (name not in _ONLY_IN or place in _ONLY_IN[name])}
    found -= {name for name in found if _NOT_IN.get(name) == place}
    if place == "document":
        return {name for name in found & _OF_DOCUMENTS if name.startswith(_IN_DOCUMENT)}
    if not found.isdisjoint(_ONE_LINE) and b"\n" in text.strip():
        found -= _ONE_LINE
    if not found:
        return found
    if whole and (rest := without_idle(found, text)) is not text:
        return _facts_of_text(rest, place, _scan(rest), whole=False)
    found = context.acting(found, text, place, DECISIVE)
    found -= shown.only_shown(found, text, place)
    if "http.mail_header" in found and (head := shown.head_of_mail(text, place)) is not None:
        found -= {"http.mail_header"} - {NAMES[hit] for hit in _scan(head)}
    spared = set(filter(context.spared_in_posts, found))
    if spared and (beginning := context.beginning_of_post(text, place)) is not None:
        found -= spared - {NAMES[hit] for hit in _scan(beginning)}
    behind, first = shown.paths_behind(found, text, place)
    if behind:
        found -= behind - {NAMES[hit] for hit in _scan(first)}
    return found


def _scan(text: bytes) -> list[int]:
    return [hit for form in forms(text) for hit in level_of(form).scan(form)]


def _read_sql(text: bytes) -> set[str]:
    """Read a text by grammars of SQL, and once more with blanks for its pluses, if it has no other."""
    found = {"sql.goes_on"} if goes_on(text) else set()
    if (fact := operates(text)) is not None:
        found.add(fact)
    if b"+" in text and b" " not in text:
        found |= _read_sql(text.replace(b"+", b" "))
    return found


def _look_sql(text: bytes) -> set[str]:
    found: set[str] = set()
    if b"+" in text and b" " not in text:
        text = text.replace(b"+", b" ")
    equal, some = comparisons(text)
    if equal:
        found.add("sql.tautology")
    if some:
        found.add("sql.constant_comparison")
    if is_sqli(text):
        found.add("sql.fingerprint")
    return found
