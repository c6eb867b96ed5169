"""Whole conditions, as search fields, reports and APIs take them: `status = 'paid' AND country IN ('DE', 'AT')`.

An injection continues a statement that is there: it begins behind a value, ends a string, compares constants, calls or
selects something. A condition that is complete from a field's name on, with nothing of that, asks for rows.
"""

from __future__ import annotations

import re

MAX_CONDITION = 512
"""Bytes of the longest condition that is read."""
_NAME = rb"[A-Za-z_][\w.]{0,60}"
_APOSTROPHE = (
    rb"(?<=[a-z])'(?=[a-z])(?!(?:or|and|xor|not|union|r?like|regexp|is|in|between|div|mod|having|where|order|group|limit|into"
    rb"|as|collate|select|case|if|when|then|else|end|sounds|glob|ilike|similar|except|intersect|minus|procedure|from)\b)"
)
"""Between the letters of a name, where no statement would go on if it ended a string."""
GOES_ON = (
    rb"(?![\s)]*(?:(?:or|and|xor|r?like|ilike|regexp|glob|similar|sounds|collate|div|mod|having|where|limit|into|procedure"
    rb"|between|except|intersect|minus)\b|union\s*(?:all|distinct|select|\()|(?:not\s+)?in\s*\(|(?:order|group)\s+by\b"
    rb"|not\s+(?:r?like|ilike|regexp|between|glob|similar)\b|is\s+(?:not\s+)?(?:null|true|false|distinct)\b|/\*"
    rb"|[-+*/%|&^<>=!~,][^'\"]{0,80}\(|[-+*|&^][^'\"]{0,80}[-+*|&^]\s{0,4}['\"]))"
)
"""No string begins as a statement goes on: put between quotes of a statement, what stands in the strings is code."""
QUOTED = (
    rb"(?:'"
    + GOES_ON
    + rb"[^'\"\\\n;]{0,80}'|\""
    + GOES_ON
    + rb"(?:[^\"'\\\n;]|"
    + _APOSTROPHE
    + rb"|\\{1,2}-){0,80}\")"
)
_ONE = rb"(?:" + QUOTED + rb"|-?\d[\d.:TZ+-]{0,40}[dhmw]?|" + _NAME + rb"(?:\(\))?)"
_SOME = rb"(?:" + _ONE + rb"|\(\s*" + _ONE + rb"(?:\s*,\s*" + _ONE + rb"){0,40}\s*\))"
_OPERATOR = rb"(?:\s*(?:[=<>]=?|<>|\?!?=|!=|!?~)\s*|\s+(?:eq|ne|gt|ge|lt|le|i?like|in|not\s+in|is|is\s+not|contains|has)(?:\s+|(?=\()))"
_TERM = rb"(?:not\s+)?(" + _NAME + rb")" + _OPERATOR + rb"(" + _SOME + rb")"
_ORDER = rb"(?:\s*order\s+by\s+" + _NAME + rb"(?:\s+(?:asc|desc))?(?:\s*,\s*" + _NAME + rb"(?:\s+(?:asc|desc))?){0,8})?"
_PHRASE = (
    rb"(?:[a-z][\w.]{0,30}:)?(?:\"" + GOES_ON + rb"[a-z](?:[^\"'\\\n;=]|" + _APOSTROPHE + rb"){2,80}\""
    rb"|(?!(?:true|false|null|not|and|or|user|current_user)\b)[a-z][\w.*-]{0,40})"
)
_SEARCH = re.compile(
    rb"\(?\s*"
    + _PHRASE
    + rb"(?:(?>\s*+\)\s++|\s++)(?:(?:and\s+)?not|and|or)\s++(?:\(\s*+)?"
    + _PHRASE
    + rb"){1,20}\s*+(?:\)\s*+)?",
    re.IGNORECASE,
)
"""Words and phrases with operators between them, as libraries and search engines take them. No term is a constant."""
_EACH = re.compile(_TERM, re.IGNORECASE)
_CONDITION = re.compile(
    rb"\(?\s*"
    + _TERM
    + rb"(?:\s*+(?:\)\s*+)?(?:\b(?:and|or)\b|&&|\|\|)\s*+(?:\(\s*+)?"
    + _TERM
    + rb"){0,20}\s*+(?:\)\s*+)?"
    + _ORDER
    + rb"\s*",
    re.IGNORECASE,
)


def is_search(text: bytes) -> bool:
    """Tell whether a text is one whole search for words and phrases, which closes all quotes and brackets it opens."""
    if len(text) > MAX_CONDITION or b'"' not in text or _SEARCH.fullmatch(text) is None:
        return False
    return text.count(b"(") == text.count(b")")


def is_condition(text: bytes) -> bool:
    """Tell whether a text is one whole condition on fields, none of which is compared to itself."""
    if len(text) > MAX_CONDITION or _CONDITION.fullmatch(text) is None:
        return False
    return all(found[1].lower() != found[2].lower() for found in _EACH.finditer(text))
