"""What is usual in a site, as far as enough was seen of it: small, and ready to judge by."""

from __future__ import annotations

import msgspec

from bascule.waf.profile.model import MAX_KEPT, Node, Operation, Parameter, Profile, Seen
from bascule.waf.profile.paths import key_of, segments_of, template_of
from bascule.waf.profile.traits import (
    BLANKS,
    CHOSEN,
    CODE,
    DECIMAL,
    EMPTY,
    INERT,
    INTEGER,
    MAX_BITS,
    MEMBERS,
    PRINTED,
    TEXT,
    WORDY,
)

DENSE = 255
"""Bytes that the longest usual value at a place of programs has at least."""
_WITHIN = {INTEGER: DECIMAL}
"""Kinds that are no change where another is usual."""


class Expected(msgspec.Struct, array_like=True):
    """What is usual for a parameter: kinds, bits of the length, sorts of characters as bits."""

    kinds: tuple[str, ...]
    bits: int
    alphabet: int
    required: bool
    many: bool
    # What judging takes, made by `prepare`:
    allowed: bytes = b""
    """The bytes of the alphabet."""
    longest: int = 0
    """Bytes of the longest usual value."""
    inert: bool = False
    """Whether usual values are written in characters of which no attack can be made alone."""
    free: bool = False
    """Whether people write there what they like: words, and two sorts of marks at least."""
    closed: bool = False
    """Whether usual values are single words of few sorts of characters, as programs choose them."""
    dense: bool = False
    """Whether people send programs there, and what is like them: long, of lines, with marks that all of them have."""

    def prepare(self) -> None:
        """Make what judging takes, once it is where it is used."""
        self.longest = (1 << self.bits) - 1
        self.dense = TEXT in self.kinds and self.longest >= DENSE and self.alphabet & CODE == CODE
        if self.dense:  # programs of other languages have other marks
            self.alphabet |= PRINTED
        self.inert = bool(self.alphabet) and not self.alphabet & ~INERT
        self.free = bool(self.alphabet & BLANKS) and (self.alphabet >> WORDY).bit_count() >= 2
        self.closed = TEXT in self.kinds and 0 < self.alphabet.bit_count() <= 2 and not self.alphabet & ~CHOSEN
        self.allowed = b"".join(MEMBERS[number] for number in range(len(MEMBERS)) if self.alphabet >> number & 1)

    def fits_kind(self, kind: str) -> bool:
        """Whether a value of this kind is usual."""
        return kind == EMPTY or kind in self.kinds or TEXT in self.kinds or _WITHIN.get(kind) in self.kinds


class Habit(msgspec.Struct, array_like=True):
    """What is usual for a method at a place. `entry`: also to come from nowhere; `open`: parameters of any name."""

    parameters: dict[str, Expected]
    content_types: tuple[str, ...]
    before: tuple[str, ...]
    entry: bool
    open: bool
    required_head: tuple[str, ...] = ()
    required_body: tuple[str, ...] = ()
    """Parameters of the query, and of the body, that are always there; made by `prepare`."""

    def prepare(self) -> None:
        """Make what judging takes, once it is where it is used."""
        for expected in self.parameters.values():
            expected.prepare()
        required = [key for key, expected in self.parameters.items() if expected.required]
        self.required_head = tuple(key for key in required if key.startswith("query:"))
        self.required_body = tuple(key for key in required if key.startswith(("body:", "file:")))


class Spot(msgspec.Struct, array_like=True):
    """A place. `methods` are those that enough clients used, `habits` what is known well enough to judge by."""

    children: dict[str, Spot]
    methods: tuple[str, ...]
    habits: dict[str, Habit]


class Usual(msgspec.Struct, array_like=True):
    """What is usual in a site."""

    root: Spot

    def spot(self, path: str) -> Spot | None:
        """Return what is known of a path; None if it was never learned."""
        spot: Spot | None = self.root
        for segment in segments_of(path):
            if spot is None:
                return None
            spot = spot.children.get(key_of(spot.children, segment))
        return spot

    def prepared(self) -> Usual:
        """Return it, ready to judge by."""
        _prepare(self.root)
        return self


def from_plain(payload: object) -> Usual:
    """Return what another process sent, ready to judge by. Raises msgspec.ValidationError."""
    return msgspec.convert(payload, Usual).prepared()


def _prepare(spot: Spot) -> None:
    for habit in spot.habits.values():
        habit.prepare()
    for child in spot.children.values():
        _prepare(child)


def usual_of(profile: Profile, clients: int, requests: int) -> Usual:
    """Return what is usual in a site: what `clients` have shown, at places that had as many `requests`."""
    root = _spot(profile, profile.root, clients, requests)
    return Usual(root if root is not None else Spot({}, (), {}))


def _spot(profile: Profile, node: Node, clients: int, requests: int) -> Spot | None:
    children = {name: _spot(profile, child, clients, requests) for name, child in node.children.items()}
    operations = node.operations
    methods = tuple(sorted(name for name, operation in operations.items() if len(operation.clients) >= clients))
    habits = {
        name: habit_of(profile, operations[name], clients)
        for name in methods
        if is_ripe(operations[name], clients, requests)
    }
    found = {name: child for name, child in children.items() if child is not None}
    return Spot(found, methods, habits) if found or methods else None


def is_ripe(operation: Operation, clients: int, requests: int) -> bool:
    """Whether enough is known of a method at a place to judge by."""
    return len(operation.clients) >= clients and operation.count >= requests


def habit_of(profile: Profile, operation: Operation, clients: int) -> Habit:
    """Return what is usual for a method at a place."""
    shown = {
        name: _expected(parameter, clients)
        for name, parameter in operation.parameters.items()
        if len(parameter.clients) >= clients
    }
    before = {template_of(profile.root, page) for page, seen in operation.before.items() if len(seen) >= clients}
    return Habit(
        parameters=shown,
        content_types=tuple(sorted(t for t, seen in operation.content_types.items() if len(seen) >= clients)),
        before=tuple(sorted(before)) if len(operation.before) < MAX_KEPT else (),
        entry=len(operation.entries) >= clients,
        open=operation.open,
    )


def _expected(parameter: Parameter, clients: int) -> Expected:
    alphabet = sum(1 << number for number, seen in parameter.alphabet.items() if len(seen) >= clients)
    bits = _usual_bits(parameter.lengths, clients)
    return Expected(
        kinds=tuple(sorted(kind for kind, seen in parameter.kinds.items() if len(seen) >= clients)),
        bits=bits,
        alphabet=alphabet,
        required=len(parameter.absent) < clients,
        many=len(parameter.many) >= clients,
        longest=(1 << bits) - 1,
    )


def _usual_bits(lengths: dict[int, Seen], clients: int) -> int:
    """Return the most bits of a length that enough clients reached."""
    reached: set[int] = set()
    for bits in sorted(lengths, reverse=True):
        reached.update(lengths[bits])
        if len(reached) >= clients:
            return min(bits, MAX_BITS)
    return 0
