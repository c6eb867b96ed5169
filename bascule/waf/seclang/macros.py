"""Macros `%{VARIABLE.key}` inside action and operator arguments."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bascule.waf.transaction import Transaction

_REFERENCE = re.compile(r"%\{([A-Za-z_][\w]*)(?:[.:]([^}]*))?\}(?:%(?!\{))?")
"""libmodsecurity takes a per cent sign after the brace for a part of the reference."""

Lookup = Callable[["Transaction"], bytes]


@dataclass(frozen=True, slots=True)
class Macro:
    """A text with references resolved at evaluation. `parts` holds literals and (variable, key) pairs."""

    source: str
    parts: tuple[bytes | tuple[str, str | None], ...]
    lookups: tuple[bytes | Lookup, ...]

    @property
    def literal(self) -> bytes | None:
        """The text if it holds no reference at all."""
        if not self.parts:
            return b""
        first = self.parts[0]
        return first if len(self.parts) == 1 and isinstance(first, bytes) else None

    @property
    def references(self) -> list[tuple[str, str | None]]:
        """Every (VARIABLE, key) the text refers to."""
        return [part for part in self.parts if not isinstance(part, bytes)]

    def expand(self, transaction: Transaction) -> bytes:
        """Return the text with every reference replaced by its first value, or nothing where absent."""
        return b"".join(part if isinstance(part, bytes) else part(transaction) for part in self.lookups)


def parse_macro(source: str, resolve: Callable[[str, str | None], Lookup]) -> Macro:
    """Parse `source`; `resolve` maps a reference to its lookup.

    Raises:
        ValueError: from `resolve`, for a variable that does not exist.
    """
    parts: list[bytes | tuple[str, str | None]] = []
    lookups: list[bytes | Lookup] = []
    at = 0
    for match in _REFERENCE.finditer(source):
        if match.start() > at:
            literal = source[at : match.start()].encode("latin-1")
            parts.append(literal)
            lookups.append(literal)
        name, key = match[1].upper(), match[2]
        parts.append((name, key))
        lookups.append(resolve(name, key))
        at = match.end()
    if at < len(source):
        literal = source[at:].encode("latin-1")
        parts.append(literal)
        lookups.append(literal)
    return Macro(source, tuple(parts), tuple(lookups))
