"""A bounded table of results of pure functions."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

Key = TypeVar("Key")
Result = TypeVar("Result")

GENERATION: Final = 4_096
"""Entries of a generation; two are kept, so a table holds at most twice as many."""

MAX_KEY: Final = 1_024
"""Longest text, in bytes, that is worth remembering."""


class Memo(Generic[Key, Result]):
    """Two generations: what is used stays, what is not is forgotten when the next generation begins."""

    __slots__ = ("_new", "_old", "get")

    def __init__(self) -> None:
        self._new: dict[Key, Result] = {}
        self._old: dict[Key, Result] = {}
        self.get = self._new.get

    def recall(self, key: Key) -> Result | None:
        """Look in the older generation too (`get` looks in the newer one only, and is the fast path)."""
        found = self._new.get(key)
        if found is None:
            found = self._old.get(key)
            if found is not None:
                self.put(key, found)
        return found

    def put(self, key: Key, result: Result) -> None:
        if len(self._new) >= GENERATION:
            self._old = self._new
            self._new = {}
            self.get = self._new.get
        self._new[key] = result
