"""Texts of which every match of an expression holds one: where a text holds none of them, it is not scanned for it."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.waf.matcher.alphabet import one_byte
from bascule.waf.seclang.operators.tree import Alt, Assert, Atomic, Capture, Look, Node, Repeat, Seq, Set, byte_set

ASIDE = b" \t\n\v\f\r\xa0\xc2+\\"
"""Bytes that are left out of a text before such texts are looked for: blanks, and what is or may be turned into them
(`removewhitespace`, `urldecode`), or goes when escapes are decoded (`jsdecode`)."""
_ASIDE = byte_set(ASIDE)
_NONE: frozenset[bytes] = frozenset()


def factors(node: Node) -> frozenset[bytes]:
    """Return texts in lower case of which each match of `node` holds one, case and ASIDE aside; none if none is known.

    Of the sets there are, it is the one whose shortest text is longest.
    """
    return max((frozenset(found) for found in _candidates(node)), key=_worth, default=_NONE)


def _worth(found: frozenset[bytes]) -> tuple[int, int]:
    return min(map(len, found), default=0), -len(found)


def _candidates(node: Node) -> Iterator[frozenset[bytes]]:
    run = b""
    for item in _items(node):
        least, inner = (item.least, item.node) if isinstance(item, Repeat) else (1, item)
        if isinstance(inner, Assert | Look) or (isinstance(inner, Set) and not inner.bits & ~_ASIDE):
            continue  # nothing is left of it
        byte = one_byte(inner)
        if byte and least and byte not in ASIDE:
            run += byte * least
            yield frozenset((run,))
            if item is inner or (isinstance(item, Repeat) and item.most == least):
                continue
        run = b""
        if isinstance(inner, Alt) and least:
            each = [factors(branch) for branch in inner.branches]
            if all(each):
                yield frozenset().union(*each)
        elif isinstance(inner, Seq) and least:
            yield factors(inner)


def _items(node: Node) -> Iterator[Node]:
    """The parts of a sequence, those of groups in it among them."""
    if isinstance(node, Seq):
        for item in node.items:
            yield from _items(item)
    elif isinstance(node, Capture | Atomic):
        yield from _items(node.node)
    else:
        yield node
