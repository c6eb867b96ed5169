"""What weaknesses rules guard: each rule's own CWE numbers, and the OWASP Top 10 categories of 2021 and 2025.

One table, `weaknesses.json`: CWE numbers of named rules (``family/name``) and of facts (or their languages), of which
learned rules have those of theirs. A category is the one whose list of mapped CWEs (owasp.org/Top10) has the number; of
a number that a list lacks, it is that of the weakness it comes `after`: its parent in CWE, or the nearest listed one.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec

FILE = Path(__file__).with_name("weaknesses.json")


class Weakness(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A CWE entry: its name, its categories, and the entry whose place in OWASP's lists it has, if not its own."""

    title: str
    owasp_2021: str
    owasp_2025: str
    after: int = 0


class Weaknesses(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole table."""

    owasp_2021: dict[str, str]
    owasp_2025: dict[str, str]
    weaknesses: dict[int, Weakness]
    facts: dict[str, tuple[int, ...]]
    rules: dict[str, tuple[int, ...]]


class Tags(NamedTuple):
    """What a rule is tagged with. The categories are those of its first CWE."""

    cwe: tuple[int, ...]
    owasp_2021: str
    """Number and name, such as ``A03 Injection``."""
    owasp_2025: str

    @property
    def texts(self) -> tuple[str, ...]:
        """As tags of rules are written."""
        numbers = (f"CWE-{number}" for number in self.cwe)
        return (f"OWASP-2021/{self.owasp_2021[:3]}", f"OWASP-2025/{self.owasp_2025[:3]}", *numbers)


@cache
def table() -> Weaknesses:
    """Return the shipped table."""
    return msgspec.json.decode(FILE.read_bytes(), type=Weaknesses)


@cache
def of_named(family: str, name: str) -> Tags:
    """Return the tags of a named rule; one that the configuration makes has those of its family. Raises KeyError."""
    rules = table().rules
    return _tags(rules[f"{family}/{name}"] if f"{family}/{name}" in rules else rules[family])


def of_facts(facts: Iterable[str]) -> Tags | None:
    """Return the tags of a learned rule: those of its facts, in their order; None where no fact has any.

    How a value was encoded is no weakness.
    """
    numbers = tuple(dict.fromkeys(number for fact in facts for number in _of_fact(fact)))
    return _tags(numbers) if numbers else None


def _of_fact(fact: str) -> tuple[int, ...]:
    """Return a fact's own numbers, or those of its language."""
    known = table().facts
    return known[fact] if fact in known else known.get(fact.partition(".")[0], ())


def _tags(numbers: tuple[int, ...]) -> Tags:
    book = table()
    first = book.weaknesses[numbers[0]]
    return Tags(
        numbers,
        f"{first.owasp_2021} {book.owasp_2021[first.owasp_2021]}",
        f"{first.owasp_2025} {book.owasp_2025[first.owasp_2025]}",
    )
