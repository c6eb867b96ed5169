"""What every operator offers, and what it may use while rules are loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol


class OperatorError(ValueError):
    """An operator cannot be made; the message says what is wrong and the remedy."""


class NotSetUpError(OperatorError):
    """An operator lacks what it needs from the configuration; a rule that no request reaches may go without."""


class LimitExceededError(Exception):
    """An operator left off at its bound. The rule counts as matching: what cannot be judged is not let through."""


class Match(NamedTuple):
    """What an operator found.

    `text` is the part of the value that matched (for logs). `groups` is what the action `capture` stores in
    TX.0 to TX.9: the whole match first; empty for operators that ModSecurity lets capture nothing. A group
    that took no part in the match is b"".
    """

    text: bytes
    groups: tuple[bytes, ...] = ()


class Scope(Protocol):
    """Given by the engine at evaluation time."""

    def expand(self, macro: object) -> bytes:
        """Return a macro's text within the running transaction."""
        ...


class Operator(Protocol):
    """A condition on one value. Pure, total, and bounded in time by the value's length."""

    def evaluate(self, value: bytes) -> Match | None:
        """Return what matched, or None. Raises LimitExceededError."""
        ...


class Resolver(Protocol):
    """Asks DNS, and makes nobody wait for the answer (`proxy/blocklists.py`)."""

    def look_up(self, name: str) -> str | None:
        """Return a name's IPv4 address; None where there is none, or where the answer is not here yet."""

    def knows(self, name: str) -> bool:
        """Whether the answer is here."""


class NoDns:
    """Stands in where nobody asks: no name has an address."""

    def look_up(self, name: str) -> str | None:
        return None

    def knows(self, name: str) -> bool:
        return True


NO_DNS = NoDns()


def _read(name: str) -> bytes:
    raise OperatorError(f"cannot read {name!r}: no file reader was given; load the rules from a folder")


@dataclass(frozen=True, slots=True)
class LoadContext:
    """What operators may use while they are made.

    `read_file` returns a data file named relative to `base_dir` and raises OSError. `http_bl_key` is
    SecHttpBlKey, `match_limit` SecPcreMatchLimit.
    """

    base_dir: Path = Path()
    read_file: Callable[[str], bytes] = _read
    unicode_map: Mapping[int, int] | None = None
    geo_path: Path | None = None
    resolver: Resolver = NO_DNS
    http_bl_key: str = ""
    match_limit: int | None = None

    def file(self, name: str, operator: str) -> bytes:
        """Read a data file. Raises OperatorError."""
        try:
            return self.read_file(name)
        except OSError as error:
            reason = error.strerror or str(error)
            raise OperatorError(
                f"@{operator} cannot read {name!r} ({reason}); put the file into {self.base_dir}"
            ) from error


OperatorFactory = Callable[[bytes, LoadContext], Operator]
