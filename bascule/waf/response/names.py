"""Names of protected fields and parameters, under any spelling that some server takes for them."""

from __future__ import annotations

from collections.abc import Iterable

_AROUND = b" \t\0."
_AS_LINE = bytes.maketrans(b" .", b"__")


class Names:
    """Protected names. Programs fold case, take lists (``price[0]``), and read names as PHP does: blanks and full stops
    are ``_``, as is a bracket that is never closed, and a null byte is the end (main/php_variables.c)."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(_folded(name.encode()) for name in names)

    def protects(self, name: bytes) -> bool:
        """Whether a field or parameter is protected."""
        name = name.strip(_AROUND).partition(b"\0")[0]
        before = name.partition(b"[")[0]
        return _folded(before) in self._names or (
            len(before) < len(name) and _folded(name.replace(b"[", b"_", 1)) in self._names
        )


def _folded(name: bytes) -> bytes:
    return name.strip(_AROUND).lower().translate(_AS_LINE)
