"""What a fact is: a name, what it means, and how it is seen in a text."""

from __future__ import annotations

from typing import NamedTuple


class Fact(NamedTuple):
    """A named boolean. `patterns` are matched regardless of case, `.` takes line feeds, `^` and `$` are of lines.

    A fact without patterns is found by its language's `look`. Patterns have neither look-around nor
    back-references: Hyperscan matches all of them in one pass, in linear time.
    """

    name: str
    says: str
    patterns: tuple[bytes, ...] = ()
    decisive: bool = False
    """Reviewed by hand: nothing honest means this, so it is an attack by itself unless harmless traffic shows it."""
    telling: bool = False
    """Reviewed by hand: browsers send nothing of the kind, though people may. Enough by itself at strict presets only."""


HIDDEN = "_"
"""Facts whose name starts with this only tell a `look` that it is worth running."""
