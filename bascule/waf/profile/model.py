"""What is learned of a site: a tree of places, and of each what several clients have shown.

Nothing counts before enough *distinct clients* have shown it: a value's kind, its length, each sort of character in it,
the parameter, the method, the content type, the page before. Of each such thing the first few clients are kept, as
salted hashes, and nothing more once they are enough. So one client, however much it sends, widens nothing; and the
memory has a bound.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from itertools import pairwise

import msgspec

from bascule.waf.profile.observation import Observation, Trait
from bascule.waf.profile.paths import EMPTY, crowded, key_of, segments_of, slug_of, template_of
from bascule.waf.profile.pruning import drop_parameters, drop_places, fewest_shown

FORMAT = 1
MAX_PLACES = 2_000
"""Nodes of a site's tree. When they are used up, those that fewest clients asked for make room."""
ROOM = 8
"""The part of all places, or parameters, that makes room at once: an eighth."""
PATIENCE = 64
"""New places, or parameters, that find none before room is looked for again where there was next to none."""
MAX_PARAMETERS = 128
"""Parameters of one place and method: where several clients show more, their names are data, and none is unusual."""
MAX_LEARNED = 4_000
"""Parameters of a site."""
MAX_METHODS = 12
MANY, SELDOM = 64, 8
"""Children of a node beyond which it is asked at every eighth only whether they are data."""
MAX_KEPT = 16
"""Content types, and pages before, of one place and method."""

Seen = list[int]
"""Hashes of the first clients that have shown something."""


class ProfileError(ValueError):
    """A profile cannot be read."""


class Parameter(msgspec.Struct, omit_defaults=True):
    """What is known of a parameter. `absent` are clients that did without it, `many` those that repeated it."""

    count: int = 0
    clients: Seen = msgspec.field(default_factory=list)
    absent: Seen = msgspec.field(default_factory=list)
    many: Seen = msgspec.field(default_factory=list)
    kinds: dict[str, Seen] = msgspec.field(default_factory=dict)
    lengths: dict[int, Seen] = msgspec.field(default_factory=dict)
    alphabet: dict[int, Seen] = msgspec.field(default_factory=dict)


class Operation(msgspec.Struct, omit_defaults=True):
    """What is known of a method at a place. `entries` are clients that came there from no page of the site."""

    count: int = 0
    clients: Seen = msgspec.field(default_factory=list)
    first: float = 0.0
    last: float = 0.0
    content_types: dict[str, Seen] = msgspec.field(default_factory=dict)
    parameters: dict[str, Parameter] = msgspec.field(default_factory=dict)
    before: dict[str, Seen] = msgspec.field(default_factory=dict)
    entries: Seen = msgspec.field(default_factory=list)
    open: bool = False
    """There are more parameters than are kept, or more content types."""


class Node(msgspec.Struct, omit_defaults=True):
    """A place, with those below it."""

    children: dict[str, Node] = msgspec.field(default_factory=dict)
    operations: dict[str, Operation] = msgspec.field(default_factory=dict)


class Profile(msgspec.Struct):
    """All that is known of a site."""

    site: str
    format: int = FORMAT
    salt: str = msgspec.field(default_factory=lambda: secrets.token_hex(16))
    learned: int = 0
    root: Node = msgspec.field(default_factory=Node)

    @classmethod
    def from_json(cls, text: bytes) -> Profile:
        """Read a profile. Raises ProfileError."""
        try:
            found = msgspec.json.decode(text, type=cls)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise ProfileError(f"not a profile: {error}") from None
        if found.format != FORMAT:
            raise ProfileError(f"the profile has format {found.format}, this version reads {FORMAT}")
        return found

    def to_json(self) -> bytes:
        """Return the profile as JSON."""
        return msgspec.json.encode(self)

    def places(self) -> Iterator[tuple[str, Node]]:
        """Yield each place with its path template."""
        yield from _below("", self.root)


def _below(path: str, node: Node) -> Iterator[tuple[str, Node]]:
    if node.operations:
        yield path or "/", node
    for name, child in node.children.items():
        yield from _below(f"{path}/{'' if name == EMPTY else name}", child)


class Learner:
    """Adds to one profile. `clients` is how many have to show a thing."""

    def __init__(self, profile: Profile, clients: int) -> None:
        self.profile, self.clients = profile, clients
        self._salt = profile.salt.encode()
        self._waiting = {"places": 0, "parameters": 0}
        self._nodes = _nodes(profile.root)
        self._parameters = sum(len(o.parameters) for _, n in profile.places() for o in n.operations.values())

    def learn(self, seen: Observation, now: float) -> bool:
        """Learn from a request. Return whether there was room for it."""
        node = self.profile.root
        way = [node]
        for segment in segments_of(seen.path):
            key = self._enter(way, segment)
            if not key:
                return False
            node = node.children[key]
            way.append(node)
        if seen.method not in node.operations and not self._method_fits(node):
            return False
        client = self.hash_of(seen.client)
        operation = node.operations.setdefault(seen.method, Operation(first=now))
        self._note(operation, seen, client, now)
        self.profile.learned += 1
        return True

    def hash_of(self, client: str) -> int:
        """Return what stands for a client."""
        return int.from_bytes(hashlib.blake2b(client.encode(), digest_size=6, key=self._salt).digest(), "big")

    def forget(self, template: str) -> int:
        """Forget a place and all below it. Return how many places that were."""
        parts = template.split("/")[1:]
        node: Node | None = self.profile.root
        for part in parts[:-1]:
            node = None if node is None else node.children.get(part or EMPTY)
        gone = None if node is None or not parts else node.children.pop(parts[-1] or EMPTY, None)
        if gone is None:
            return 0
        self._recount()
        return _nodes(gone)

    def _enter(self, way: list[Node], segment: str) -> str:
        """Return the child that a segment leads to from the last node of a way, made if need be; nothing where there is
        no room.
        """
        node = way[-1]
        key = key_of(node.children, segment)
        if key in node.children:
            return key
        if self._nodes >= MAX_PLACES:
            if self._is_time("places"):
                room = MAX_PLACES // ROOM
                self._note_room("places", drop_places(self.profile.root, self.clients, room, way), room)
            if self._nodes >= MAX_PLACES:
                self._sweep(way)
                return ""
        node.children[key] = Node()
        self._nodes += 1
        if key[0] != "{" and (data := self._data(node.children, slug_of(segment))):
            key = slug_of(segment)
            self._join(node, data, key)
        return key

    def _data(self, children: dict[str, Node], slug: str) -> list[str]:
        """Return the children of one extension that have become data.

        What enough clients asked for counts apart: no client can make one place of several such by inventing others;
        and of what fewer asked for, several clients must have been the first.
        """
        if len(children) > MANY and len(children) % SELDOM:
            return []
        beside = [name for name in children if name[0] != "{" and slug_of(name) == slug]
        known = [name for name in beside if _is_known(children[name], self.clients)]
        unknown = [name for name in beside if name not in known]
        if crowd := crowded(known):
            return crowd + unknown
        others = crowded(unknown)
        first = {_first_client(children[name]) for name in others} - {0}
        return others if len(first) >= self.clients else []

    def _join(self, node: Node, names: list[str], key: str) -> None:
        """Make one place of children that have become data."""
        joined = Node()
        for name in names:
            _merge(joined, node.children.pop(name), self.clients)
        node.children[key] = joined
        self._recount()

    def _note(self, operation: Operation, seen: Observation, client: int, now: float) -> None:
        earlier = list(operation.clients)
        operation.count += 1
        operation.last = now
        self._add(operation.clients, client)
        if kind := seen.content_type:
            if kind in operation.content_types or self._room(operation.content_types, MAX_KEPT):
                self._add(operation.content_types.setdefault(kind, []), client)
            else:
                operation.open = True
        if seen.before:
            page, pages = template_of(self.profile.root, seen.before), operation.before
            if page in pages or self._room(pages, MAX_KEPT - 1) or len(pages) < MAX_KEPT:  # as many are any
                self._add(pages.setdefault(page, []), client)
        else:
            self._add(operation.entries, client)
        here = {trait.key for trait in seen.parameters}
        for name, parameter in operation.parameters.items():
            if name not in here:
                self._add(parameter.absent, client)
        for trait in seen.parameters:
            known = operation.parameters.get(trait.key)
            if known is None:
                if not self._parameter_fits(operation):
                    operation.open = True
                    continue
                known = operation.parameters[trait.key] = Parameter(absent=earlier)
                self._parameters += 1
            self._value(known, trait, client)

    def _value(self, parameter: Parameter, trait: Trait, client: int) -> None:
        parameter.count += 1
        self._add(parameter.clients, client)
        if trait.many:
            self._add(parameter.many, client)
        for kind in trait.kinds:
            self._add(parameter.kinds.setdefault(kind, []), client)
        self._add(parameter.lengths.setdefault(trait.bits, []), client)
        alphabet = trait.alphabet
        while alphabet:
            lowest = alphabet & -alphabet
            self._add(parameter.alphabet.setdefault(lowest.bit_length() - 1, []), client)
            alphabet ^= lowest

    def _method_fits(self, node: Node) -> bool:
        if len(node.operations) >= MAX_METHODS:
            known = {name: operation.clients for name, operation in node.operations.items()}
            for name in fewest_shown(known, self.clients, 1):
                self._parameters -= len(node.operations.pop(name).parameters)
        return len(node.operations) < MAX_METHODS

    def _parameter_fits(self, operation: Operation) -> bool:
        if len(operation.parameters) >= MAX_PARAMETERS:
            known = {name: each.clients for name, each in operation.parameters.items()}
            for name in fewest_shown(known, self.clients, MAX_PARAMETERS // ROOM) if self._few(known) else ():
                del operation.parameters[name]
                self._parameters -= 1
        if self._parameters >= MAX_LEARNED and not operation.open and self._is_time("parameters"):
            before, room = self._parameters, MAX_LEARNED // ROOM
            operations = [each for _, node in self.profile.places() for each in node.operations.values()]
            drop_parameters(operations, self.clients, room)
            self._recount()
            self._note_room("parameters", before - self._parameters, room)
        return len(operation.parameters) < MAX_PARAMETERS and self._parameters < MAX_LEARNED

    def _room(self, known: dict[str, Seen], most: int) -> bool:
        """Whether one more fits, when what few have shown has made room."""
        if len(known) >= most:
            for name in self._few(known):
                del known[name]
        return len(known) < most

    def _few(self, known: dict[str, Seen]) -> list[str]:
        """Return what fewer clients have shown than have to; nothing where as many were the first: it must be data."""
        few = {name: seen for name, seen in known.items() if len(seen) < self.clients}
        return list(few) if len({seen[0] for seen in few.values()}) < self.clients else []

    def _add(self, seen: Seen, client: int) -> None:
        if len(seen) < self.clients and client not in seen:
            seen.append(client)

    def _is_time(self, what: str) -> bool:
        """Whether room is to be looked for: that takes a walk through all of the profile."""
        self._waiting[what] -= 1
        return self._waiting[what] < 0

    def _note_room(self, what: str, found: int, wanted: int) -> None:
        self._waiting[what] = 0 if found >= wanted else PATIENCE
        self._recount()

    def _sweep(self, way: list[Node]) -> None:
        """Take back what was made of a way that came to an end for want of room."""
        for above, node in reversed(list(pairwise(way))):
            if node.children or node.operations:
                return
            above.children = {name: child for name, child in above.children.items() if child is not node}
            self._nodes -= 1

    def _recount(self) -> None:
        self._nodes = _nodes(self.profile.root)
        self._parameters = sum(len(o.parameters) for _, node in self.profile.places() for o in node.operations.values())


def _nodes(node: Node) -> int:
    return 1 + sum(map(_nodes, node.children.values()))


def _is_known(node: Node, clients: int) -> bool:
    """Whether enough clients asked for a place, or for one below it."""
    if any(len(operation.clients) >= clients for operation in node.operations.values()):
        return True
    return any(_is_known(child, clients) for child in node.children.values())


def _first_client(node: Node) -> int:
    """Return who asked first for a place or for one below it; 0 for one that is just being made."""
    for operation in node.operations.values():
        return operation.clients[0]
    return next((found for child in node.children.values() if (found := _first_client(child))), 0)


def _merge(into: Node, other: Node, clients: int) -> None:
    """Add what is known of one place to another."""
    for name, child in other.children.items():
        _merge(into.children.setdefault(name, Node()), child, clients)
    for method, operation in other.operations.items():
        mine = into.operations.get(method)
        if mine is None:
            into.operations[method] = operation
        else:
            _merge_operation(mine, operation, clients)


def _merge_operation(mine: Operation, other: Operation, clients: int) -> None:
    for name, parameter in other.parameters.items():
        if name not in mine.parameters:
            mine.parameters[name] = parameter
            _union(parameter.absent, mine.clients, clients)
        else:
            _merge_parameter(mine.parameters[name], parameter, clients)
    for name, parameter in mine.parameters.items():
        if name not in other.parameters:
            _union(parameter.absent, other.clients, clients)
    mine.first = min(mine.first, other.first)
    mine.last = max(mine.last, other.last)
    mine.count += other.count
    mine.open |= other.open or len(mine.parameters) > MAX_PARAMETERS
    for seen, more in ((mine.clients, other.clients), (mine.entries, other.entries)):
        _union(seen, more, clients)
    for known, found in ((mine.content_types, other.content_types), (mine.before, other.before)):
        for name, seen in found.items():
            _union(known.setdefault(name, []), seen, clients)


def _merge_parameter(mine: Parameter, other: Parameter, clients: int) -> None:
    mine.count += other.count
    for seen, more in ((mine.clients, other.clients), (mine.absent, other.absent), (mine.many, other.many)):
        _union(seen, more, clients)
    for kind, seen in other.kinds.items():
        _union(mine.kinds.setdefault(kind, []), seen, clients)
    for known, found in ((mine.lengths, other.lengths), (mine.alphabet, other.alphabet)):
        for number, seen in found.items():
            _union(known.setdefault(number, []), seen, clients)


def _union(seen: Seen, more: Seen, clients: int) -> None:
    for client in more:
        if len(seen) < clients and client not in seen:
            seen.append(client)
