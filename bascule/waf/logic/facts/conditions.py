"""Whole conditions, as search fields, reports and APIs take them: `status = 'paid' AND country IN ('DE', 'AT')`.

An injection continues a statement that is there: it begins behind a value, ends a string, compares constants, calls or
selects something. A condition that is complete from a field's name on, with nothing of that, asks for rows.
"""

from __future__ import annotations

import re

MAX_CONDITION = 512
"""Bytes of the longest condition that is read."""
_NAME = rb"[A-Za-z_][\w.]{0,60}"
_ONE = rb"(?:'[^'\"\\\n;]{0,80}'|\"[^\"'\\\n;]{0,80}\"|-?\d[\d.:TZ+-]{0,40}|" + _NAME + rb"(?:\(\))?)"
_SOME = rb"(?:" + _ONE + rb"|\(\s*" + _ONE + rb"(?:\s*,\s*" + _ONE + rb"){0,40}\s*\))"
_OPERATOR = rb"(?:\s*(?:[=<>]=?|<>|!=|!?~)\s*|\s+(?:eq|ne|gt|ge|lt|le|i?like|in|not\s+in|is|is\s+not|contains|has)(?:\s+|(?=\()))"
_TERM = rb"(?:not\s+)?(" + _NAME + rb")" + _OPERATOR + rb"(" + _SOME + rb")"
_ORDER = rb"(?:\s*order\s+by\s+" + _NAME + rb"(?:\s+(?:asc|desc))?(?:\s*,\s*" + _NAME + rb"(?:\s+(?:asc|desc))?){0,8})?"
_EACH = re.compile(_TERM, re.IGNORECASE)
_CONDITION = re.compile(
    rb"\(?\s*" + _TERM + rb"(?:\s*\)?\s*\b(?:and|or)\b\s*\(?\s*" + _TERM + rb"){0,20}\s*\)?" + _ORDER + rb"\s*",
    re.IGNORECASE,
)


def is_condition(text: bytes) -> bool:
    """Tell whether a text is one whole condition on fields, none of which is compared to itself."""
    if len(text) > MAX_CONDITION or _CONDITION.fullmatch(text) is None:
        return False
    return all(found[1].lower() != found[2].lower() for found in _EACH.finditer(text))
