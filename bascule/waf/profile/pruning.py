"""What makes room in a full profile: of what is not confirmed yet, that which fewest clients have shown.

Among what one client alone has shown goes first what is of the client with most of it: who invents places or parameters
loses his own, and not what others are about to confirm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from bascule.waf.profile.model import Node, Operation, Seen


class _Place(NamedTuple):
    """A node with those above it, the root first, and the names that lead from one to the next."""

    nodes: tuple[Node, ...]
    names: tuple[str, ...]


def drop_places(root: Node, clients: int, count: int, way: Iterable[Node]) -> int:
    """Drop at least so many nodes, as far as fewer clients than `clients` asked for them. Return how many went.

    The nodes of `way` are being entered, and stay.
    """
    kept = {id(node) for node in way}
    places = [
        place for place in _places(root) if id(place.nodes[-1]) not in kept and not _is_needed(place.nodes[-1], clients)
    ]
    shown = [_shown(place.nodes[-1]) for place in places]
    alone = Counter(next(iter(each)) for each in shown if len(each) == 1)

    def rank(number: int) -> tuple[int, int, float]:
        operations = places[number].nodes[-1].operations.values()
        last = max((operation.last for operation in operations), default=0.0)
        return *_rank(shown[number], alone), last

    gone = 0
    for number in sorted(range(len(places)), key=rank):
        if gone >= count:
            break
        nodes, names = places[number]
        nodes[-1].operations.clear()
        for depth in range(len(names) - 1, -1, -1):
            node = nodes[depth + 1]
            if node.children or node.operations or id(node) in kept:
                break
            if nodes[depth].children.pop(names[depth], None) is not None:
                gone += 1
    return gone


def fewest_shown(known: dict[str, Seen], clients: int, count: int) -> list[str]:
    """Return so many of the names as make room, of those that fewer than `clients` have shown."""
    few = {name: seen for name, seen in known.items() if len(seen) < clients}
    alone = Counter(seen[0] for seen in few.values() if len(seen) == 1)
    return sorted(few, key=lambda name: _rank(few[name], alone))[:count]


def drop_parameters(operations: Iterable[Operation], clients: int, count: int) -> None:
    """Drop so many parameters of a site, as far as fewer clients than `clients` have shown them."""
    every = list(operations)
    few = [
        (operation, name, known.clients)
        for operation in every
        for name, known in operation.parameters.items()
        if len(known.clients) < clients
    ]
    alone = Counter(seen[0] for _, _, seen in few if len(seen) == 1)
    for operation, name, _ in sorted(few, key=lambda each: _rank(each[2], alone))[:count]:
        del operation.parameters[name]


def _rank(seen: Iterable[int], alone: Counter[int]) -> tuple[int, int]:
    every = list(seen)
    return len(every), -alone[every[0]] if len(every) == 1 else 0


def _shown(node: Node) -> set[int]:
    return {client for operation in node.operations.values() for client in operation.clients}


def _is_needed(node: Node, clients: int) -> bool:
    """Whether enough clients asked for a place or for one that it leads to: it stays, so nothing is gained by it."""
    return any(len(operation.clients) >= clients for operation in node.operations.values()) or any(
        _is_needed(child, clients) for child in node.children.values()
    )


def _places(root: Node) -> Iterator[_Place]:
    """Yield the nodes below the root, but those that only lead to others."""
    waiting = [_Place((root,), ())]
    while waiting:
        nodes, names = waiting.pop()
        node = nodes[-1]
        if names and (node.operations or not node.children):
            yield _Place(nodes, names)
        waiting += [_Place((*nodes, child), (*names, name)) for name, child in node.children.items()]
