"""Facts: named booleans that say what a value means in one of the languages attackers write.

`facts_of(value, place)` is the interface, and `meant` what of them counts in a field of a name; `FACTS` names them all.
One file per language; `patterns.py` joins their patterns into Hyperscan databases, `recogniser.py` looks at a value
with them. No fact is a verdict: honest text trips single facts, rules need several.
"""

from .meaning import meant
from .patterns import ALL, DECISIVE, FACTS, TELLING, warm
from .recogniser import facts_in_turns, facts_of, facts_with_evidence
from .told import as_text, kept, loud

__all__ = [
    "ALL",
    "DECISIVE",
    "FACTS",
    "TELLING",
    "as_text",
    "facts_in_turns",
    "facts_of",
    "facts_with_evidence",
    "kept",
    "loud",
    "meant",
    "warm",
]
