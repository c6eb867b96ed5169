"""The rule set as data: families, rules that are conjunctions of facts, thresholds. Read from `rules.json`.

A rule says: where all these facts are seen in one value, so many points count against it. The points of a family
are added up for each value by itself; a value that reaches the family's threshold of the preset is an attack.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from bascule.waf.weaknesses import Tags, of_facts

PRESETS = ("basic", "standard", "advanced", "pci-dss")
"""Presets that are thresholds, from the most lenient on. `bypass`, `detect-only` and `block-all` need none."""
STRICT = ("advanced", "pci-dss")
"""Presets that count the rules that are `strict`, too."""
SHIPPED = Path(__file__).with_name("rules.json")
FORMAT = 1
MAX_BYTES = 1 << 20


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Points from which a value is refused, by preset."""

    basic: int
    standard: int
    advanced: int
    pci_dss: int = msgspec.field(name="pci-dss")

    def of(self, preset: str) -> int:
        """Return the threshold of one of `PRESETS`."""
        return int(getattr(self, preset.replace("-", "_")))


class Rates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was measured of a rule: the share, in percent, of attacks and of harmless requests in which it fires."""

    attacks: float
    browsers: float
    sources: dict[str, float] = {}
    """The share of the attacks of each source in which it fires, where there are any."""
    microseconds: float = 0.0
    """What it takes to look for its facts alone in a browser's request; together with all others it takes less."""


class Family(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules that tell one kind of attack. `number` is the thousand that the ids of its rules begin with."""

    name: str
    number: int
    title: str
    says: str
    risk: str
    answer: str
    owasp_2021: str
    owasp_2025: str
    cwe: tuple[int, ...]
    thresholds: Threshold


class LogicRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A conjunction of facts and the points it gives."""

    id: int
    family: str
    name: str
    facts: tuple[str, ...]
    points: int
    says: str
    measured: Rates
    enabled: bool = True
    strict: bool = False
    """It counts at the presets of `STRICT` only: weak evidence, though browsers hardly ever send it."""

    def counts_at(self, preset: str) -> bool:
        """Whether it gives its points at one of `PRESETS`."""
        return self.enabled and (preset in STRICT or not self.strict)


class RuleBook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole rule set. `recipe` says how it was made."""

    format: int
    version: str
    recipe: dict[str, str]
    families: tuple[Family, ...]
    rules: tuple[LogicRule, ...]


@dataclass(frozen=True, slots=True)
class RuleBookError(ValueError):
    """A rule set that cannot be used, and why."""

    file: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}"


def read(path: Path, known: frozenset[str]) -> RuleBook:
    """Read a rule set whose facts are among `known`.

    Raises:
        RuleBookError: it cannot be read, or a rule names a fact or family that there is not.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RuleBookError(str(path), f"cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise RuleBookError(str(path), f"is larger than {MAX_BYTES} bytes")
    try:
        book = msgspec.json.decode(data, type=RuleBook)
    except msgspec.DecodeError as error:
        raise RuleBookError(str(path), f"is no rule set: {error}") from None
    if book.format != FORMAT:
        raise RuleBookError(str(path), f"has format {book.format}; this version reads format {FORMAT}")
    families = {family.name for family in book.families}
    ids: set[int] = set()
    for rule in book.rules:
        if rule.family not in families:
            raise RuleBookError(str(path), f"rule {rule.id}: there is no family {rule.family!r}")
        if unknown := [fact for fact in rule.facts if fact not in known]:
            raise RuleBookError(str(path), f"rule {rule.id}: there is no fact {unknown[0]!r}")
        if not rule.facts or rule.points < 1 or rule.id in ids:
            raise RuleBookError(str(path), f"rule {rule.id} has no facts, no points or another rule's id")
        ids.add(rule.id)
    return book


def tags_of(rule: LogicRule, family: Family) -> Tags:
    """Return what a rule is tagged with: its facts' weaknesses, or its family's where they have none."""
    return of_facts(rule.facts) or Tags(family.cwe, family.owasp_2021, family.owasp_2025)


def write(path: Path, book: RuleBook) -> None:
    """Write a rule set, one rule a line group, so that a change shows in a diff."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(book), indent=1) + b"\n")
