"""What facts mean in a field by its name: there are fields for queries, documents, texts, and for where somebody is."""

from __future__ import annotations

from .documents import quoted
from .queries import asked
from .told import told
from .whereabouts import whereabouts


def meant(facts: frozenset[str], place: str, name: bytes, text: bytes) -> frozenset[str]:
    """Return the facts of a text without those that mean nothing in a field of this name in this place."""
    facts = quoted(asked(whereabouts(facts, name, text), name, text), place, name, text)
    return told(facts, name, text) if place == "body" else facts
