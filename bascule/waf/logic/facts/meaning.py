"""What facts mean in a field by its name: there are fields for queries, and fields that tell where somebody is."""

from __future__ import annotations

from .queries import asked
from .whereabouts import told


def meant(facts: frozenset[str], name: bytes, text: bytes) -> frozenset[str]:
    """Return the facts of a text without those that mean nothing in a field of this name."""
    return asked(told(facts, name, text), name, text)
