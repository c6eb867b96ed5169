"""Whole queries, where a field takes them: `SELECT host, avg(load) FROM metrics WHERE host IN ('a', 'b') GROUP BY host`.

An injection continues a statement that is there. A query that is complete from its first word on, whose strings and
brackets close, leaves nothing: whoever has a field for it runs it for people who may ask. What reads files, waits,
calls out, describes the database or joins a second query is an attack there, too, and so is what changes anything.
"""

from __future__ import annotations

import re

from .conditions import GOES_ON, QUOTED
from .patterns import beginning

MAX_QUERY = 1 << 14
"""Bytes of the longest query that is read."""
_NAMES = frozenset(
    b"""sql query q tq soql stmt statement rawsql rawquery sqlquery sqltext sql_query querytext nativequery native_query
    expr expression""".split()
)
"""What fields for queries are called, in lower case: of consoles, dashboards, APIs of tables."""
_CONDITIONS = frozenset(b"jql cql wiql kql fetchxml tq".split())
"""Fields for conditions in languages that are like SQL's and are no part of a statement: Jira's, Confluence's, Dynamics',
those of Google's charts."""
_CONDITION_BEGINS = re.compile(rb"\s*+(?:\(\s*+)?(?:[a-z]|<fetch[\s>])", re.IGNORECASE)
_BEGINS = re.compile(rb"\s*(?:select\s|with\s+\w{1,60}\s+as\s*\()", re.IGNORECASE)
_FROM = re.compile(rb"\sfrom\s*[\w(\[]", re.IGNORECASE)
_GOES_ON = re.compile(
    rb"(?:\b(?:where|and|or|xor|not|from|by|in|like|between|is|as|on|join|having|limit|offset|select|union|all|case|when|then"
    rb"|else)|[-=<>+*/|&^%~!,.])\Z",
    re.IGNORECASE,
)
"""No query ends in one of these: it is the beginning of something else."""
_STRING = re.compile(
    rb"'[{\[](?:[^'\\]|\\.)*+'(?<=[}\]]')|'[\w+/]*+={0,2}'|"
    + QUOTED
    + rb"|'"
    + GOES_ON
    + rb"(?:[^'\"\\\n;]|\\['\"\\%_]){0,80}+'",
    re.IGNORECASE | re.DOTALL,
)
"""A string: a document of JSON, Base64, words, or words with escapes, as Salesforce has them."""
_BEYOND = re.compile(rb"['\"`\\#;]|--|/\*|@@|\b0x", re.IGNORECASE)
"""What is none of a plain query, outside of strings."""
_ASKS = frozenset(
    f"sql.{name}"
    for name in (
        "select_from", "select_literals", "subselect", "bare_select", "whole_statement", "where_clause", "conditional",
        "order_by_number", "having", "logic_literal", "quote_then_logic", "number_then_logic", "quoted_condition",
        "continues", "fingerprint", "ends_statement",
    )
)  # fmt: skip
"""What a query does that only asks."""
_SELECTS = frozenset(
    f"sql.{name}" for name in ("select_from", "select_literals", "subselect", "bare_select", "whole_statement")
)
_OTHERS = beginning("sql.") - _ASKS


def asked(facts: frozenset[str], name: bytes, text: bytes) -> frozenset[str]:
    """Return the facts without those of a query, if the text is a whole one that only asks, in a field for queries."""
    if facts.isdisjoint(_ASKS) or not facts.isdisjoint(_OTHERS):
        return facts
    field = name.rpartition(b".")[2].lower()
    if (field in _NAMES and is_query(text)) or (field in _CONDITIONS and _is_own_condition(facts, text)):
        return facts - _ASKS
    return facts


def _is_own_condition(facts: frozenset[str], text: bytes) -> bool:
    """Tell whether a text selects nothing, begins with a name, and closes all strings and brackets that it opens."""
    if len(text) > MAX_QUERY or not facts.isdisjoint(_SELECTS) or _CONDITION_BEGINS.match(text) is None:
        return False
    rest = _STRING.sub(b" a ", text)
    return _BEYOND.search(rest) is None and rest.count(b"(") == rest.count(b")")


def is_query(text: bytes) -> bool:
    """Tell whether a text is one whole query, which closes all strings and brackets that it opens."""
    if len(text) > MAX_QUERY or _BEGINS.match(text) is None:
        return False
    rest = _STRING.sub(b" a ", text).rstrip().removesuffix(b";").rstrip()
    if _FROM.search(rest) is None or _GOES_ON.search(rest) or _BEYOND.search(rest):
        return False
    return rest.count(b"(") == rest.count(b")")
