"""The operator of a rule as it is written, `!@rx foo`: its name, its argument, and whether it is negated."""

from __future__ import annotations

from collections.abc import Iterable

from bascule.waf.seclang.actions import macro
from bascule.waf.seclang.macros import Macro
from bascule.waf.seclang.model import Target

_PATTERNS = frozenset(("rx", "rxglobal"))
_TEXTS = frozenset(("streq", "strmatch", "contains", "containsword", "beginswith", "endswith", "within"))
_EXACT = _PATTERNS | _TEXTS
"""Operators whose argument is taken to the last space, as libmodsecurity takes it."""
_HEADER_NAMES = frozenset(("REQUEST_HEADERS_NAMES", "RESPONSE_HEADERS_NAMES"))


def split_operator(text: str) -> tuple[bool, str, str]:
    """Split `!@rx foo` into (negated, lower-case name, argument); no `@` means `@rx`."""
    body = text.lstrip() if text.lstrip()[:1] in ("!", "@") else text
    negated = body.startswith("!")
    if negated:
        body = body[1:].lstrip() if body[1:].lstrip().startswith("@") else body[1:]
    if not body.startswith("@"):
        return negated, "rx", body
    name, _, argument = body[1:].partition(" ")
    name = name.lower()
    return negated, name, argument if name in _EXACT else argument.strip()


def argument_of(name: str, text: str, targets: Iterable[Target]) -> Macro:
    """Parse an operator's argument; in a regular expression `%{...}` that names no variable is literal.

    Names of fields are seen in lower case (RFC 9113, section 8.2): what is said of nothing else is folded like them.

    Raises:
        ValueError: a reference to a variable that does not exist.
    """
    seen = {target.source.partition(":")[0].upper() for target in targets if not target.exclude}
    if seen <= _HEADER_NAMES:
        text = "(?i)" + text if name in _PATTERNS else text.lower() if name in _TEXTS else text
    try:
        return macro(text)
    except ValueError:
        if name not in _PATTERNS:
            raise
        literal = text.encode("latin-1")
        return Macro(text, (literal,), (literal,))
