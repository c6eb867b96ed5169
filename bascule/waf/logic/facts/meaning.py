"""What facts mean in a field by its name: fields for queries, fields that tell where somebody is, fields for documents."""

from __future__ import annotations

from .documents import quoted
from .queries import asked
from .whereabouts import told


def meant(facts: frozenset[str], place: str, name: bytes, text: bytes) -> frozenset[str]:
    """Return the facts of a text without those that mean nothing in a field of this name in this place."""
    return quoted(asked(told(facts, name, text), name, text), place, name, text)
