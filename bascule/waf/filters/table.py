"""The table of named rules: what each is called, looks for and answers. Read from `table.json`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

FILE = Path(__file__).with_name("table.json")
MEASURED = Path(__file__).with_name("measured.json")
"""What `bascule train --named` measured of the rules."""
LEVELS = ("basic", "standard", "advanced", "pci-dss")
"""Presets from the most lenient on; a rule of one is on in those after it too."""
ENABLE = "enable"
"""In place of a preset: the rule errs so often that no preset turns it on; `waf.filters.enable` does."""
CONFIGURED = "configured"
"""In place of a preset: the rule does nothing until the configuration says what it is to hold requests to."""
DEFAULT = "default"
"""In place of a preset: the rule is about responses, and runs unless a key of `waf.response` takes it out."""


class Family(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules of one kind. `number` is the thousand that the ids of its rules begin with."""

    name: str
    number: int
    title: str
    risk: str
    answer: str


class NamedRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule. `preset` is the lowest one it is on at, `ENABLE`, `CONFIGURED` or `DEFAULT`; `says` goes on after "the
    request". `keys` of `waf` say what it is held to, `runs` when it does where they do not tell; `answer` is its own
    where it is not its family's."""

    id: int
    name: str
    family: str
    says: str
    preset: str
    keys: tuple[str, ...] = ()
    runs: str = ""
    answer: str = ""

    @property
    def when(self) -> str:
        """Say when it runs, and which keys it goes by."""
        if self.runs:
            return self.runs
        if self.preset == CONFIGURED:
            return f"on once configured: see {' and '.join(f'waf.{key}' for key in self.keys)}"
        if self.preset == ENABLE:
            return "on where waf.filters.enable names it"
        return f"on from the preset {self.preset}; waf.filters.enable turns it on below"

    def is_on(self, preset: str) -> bool:
        """Whether the rule runs at a preset without being configured."""
        level = "standard" if preset == "detect-only" else preset
        return self.preset in LEVELS and level in LEVELS and LEVELS.index(self.preset) <= LEVELS.index(level)


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it."""

    families: tuple[Family, ...]
    rules: tuple[NamedRule, ...]

    def family(self, name: str) -> Family:
        """Return a family by its name."""
        return next(family for family in self.families if family.name == name)


class NamedRates(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What was measured of a rule. Shares are percent; one that has no meaning is None, and `why` says so.

    `found` is the share of made-up cases of what the rule is for in which it fires, `attacks` that of the corpora's
    attacks of all kinds (by source: `sources`), `browsers` that of what is harmless, which `harmless` names. `given`
    are the keys of `waf` that it was measured with. `microseconds` is what it takes by itself, for each request or
    answer.
    """

    microseconds: float
    found: float | None = None
    attacks: float | None = None
    browsers: float | None = None
    harmless: str = ""
    sources: dict[str, float] = {}
    given: str = ""
    why: str = ""


@cache
def measured() -> dict[int, NamedRates]:
    """Return what was measured of rules, by id."""
    return msgspec.json.decode(MEASURED.read_bytes(), type=dict[int, NamedRates])


@cache
def table() -> Table:
    """Return the shipped table."""
    return msgspec.json.decode(FILE.read_bytes(), type=Table)
