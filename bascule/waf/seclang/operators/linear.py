"""Writes a pattern's tree in the dialect of google-re2, without changing what it matches or captures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

from .base import OperatorError
from .tree import ALL, Alt, Assert, Atomic, BackReference, Capture, Look, Node, Repeat, Seq, Set

RE2_MAX_REPEAT = 1000  # RE2's own bound, on the product of nested repetitions
_SETS = 4_096
"""How many sets stay written: a rule set has some hundred different ones, tens of thousands of times."""
_ASSERTIONS = {"^": "(?m:^)", "$": "(?m:$)", "A": r"\A", "z": r"\z", "b": r"\b", "B": r"\B"}


@dataclass(frozen=True, slots=True)
class LinearPattern:
    """A pattern for RE2. With `shifted`, group 1 is the real match and the rule's groups follow it."""

    text: bytes
    shifted: bool
    has_line_start: bool


class NoLinearFormError(OperatorError):
    """The pattern is good, but no linear-time engine can match it exactly."""


def translate(tree: Node) -> LinearPattern:
    """Write the tree for RE2. Raises NoLinearFormError for what has no exact linear-time form."""
    items = _merge_looks(tree.items if isinstance(tree, Seq) else (tree,))
    before = after = ""
    if items and isinstance(first := items[0], Look) and not first.ahead:
        before = _behind(first)
        del items[0]
    if items and isinstance(last := items[-1], Look) and last.ahead:
        after = _ahead(last)
        del items[-1]
    body = _write(Seq(tuple(items)), 0, 1)
    shifted = bool(before or after)
    text = f"{before}({body}){after}" if shifted else body
    return LinearPattern(text.encode("ascii"), shifted, "(?m:^)" in text)


def relaxed(node: Node) -> Node:
    """Return a tree that translates, captures nothing, and matches wherever `node` matches (and elsewhere)."""
    match node:
        case Look():
            return Seq(())
        case BackReference():
            return Repeat(Set(ALL), 0, None)
        case Atomic(inner) | Capture(inner):
            return relaxed(inner)
        case Seq(items):
            return Seq(tuple(map(relaxed, items)))
        case Alt(branches):
            return Alt(tuple(map(relaxed, branches)))
        case Repeat(inner, least, most, lazy):
            return Repeat(relaxed(inner), least, most, lazy)
    return node


def _merge_looks(items: tuple[Node, ...]) -> list[Node]:
    """Turn a look-around of one byte beside the byte it looks at into that byte's set."""
    merged: list[Node] = []
    for item in items:
        last = merged[-1] if merged else None
        if isinstance(last, Look) and last.ahead and isinstance(last.node, Set):
            allowed = ALL & ~last.node.bits if last.negative else last.node.bits
            if isinstance(item, Set):
                merged[-1] = Set(item.bits & allowed)
                continue
            if isinstance(item, Repeat) and isinstance(item.node, Set) and item.least > 0:
                merged[-1] = Set(item.node.bits & allowed)
                most = None if item.most is None else item.most - 1
                merged.append(Repeat(item.node, item.least - 1, most, item.lazy))
                continue
        if isinstance(item, Look) and not item.ahead and isinstance(item.node, Set) and isinstance(last, Set):
            merged[-1] = Set(last.bits & (ALL & ~item.node.bits if item.negative else item.node.bits))
            continue
        merged.append(item)
    return merged


def _behind(look: Look) -> str:
    """A look-behind of one byte that begins the pattern: the byte is consumed before the real match.

    The order of tries is kept: a match at offset 0 is tried before one behind the byte at 0.
    """
    if not isinstance(look.node, Set):
        _refuse("a look-behind of more than one byte")
    if look.negative:
        return rf"(?:\A|{_set(ALL & ~look.node.bits)})"
    return _set(look.node.bits)


def _ahead(look: Look) -> str:
    """A look-ahead that ends the pattern: it is matched after the real match."""
    if not look.negative:
        return f"(?:{_write(look.node, 0, 1)})"
    items = look.node.items if isinstance(look.node, Seq) else (look.node,)
    text = ""
    for item in reversed(items):
        if not isinstance(item, Set):
            _refuse("a negative look-ahead of more than literal text")
        further = f"|{_set(item.bits)}{text}" if text else ""
        others = f"|{_set(ALL & ~item.bits)}" if item.bits != ALL else ""
        text = rf"(?:\z{others}{further})"
    return text


def _refuse(what: str) -> NoReturn:
    raise NoLinearFormError(
        f"@rx: {what} has no linear-time form here; put the condition into a chained rule (with ! for negation)"
    )


def _write(node: Node, follow: int, product: int) -> str:
    """Write a node. `follow`: the bytes that may come after it; `product`: of the repetitions around it."""
    if isinstance(node, Set):
        return _set(node.bits)
    if isinstance(node, Assert):
        return _ASSERTIONS[node.kind]
    if isinstance(node, Capture):
        return f"({_write(node.node, follow, product)})"
    if isinstance(node, Alt):
        return "(?:" + "|".join(_write(branch, follow, product) for branch in node.branches) + ")"
    if isinstance(node, Seq):
        return _sequence(node, follow, product)
    if isinstance(node, Repeat):
        return _repeat(node, follow, product)
    if isinstance(node, Atomic):
        if not _keeps_nothing_back(node.node, follow):
            _refuse("an atomic group or possessive repetition that may have to give back")
        return _write(node.node, follow, product)
    _refuse("a back-reference" if isinstance(node, BackReference) else "a look-around assertion inside the pattern")


def _sequence(node: Seq, follow: int, product: int) -> str:
    parts: list[str] = []
    for item in reversed(_merge_looks(node.items)):
        parts.append(_write(item, follow, product))
        first, empty = _first(item)
        follow = first | (follow if empty else 0)
    return "".join(reversed(parts))


def _repeat(node: Repeat, follow: int, product: int) -> str:
    inner_follow = follow | (_first(node.node)[0] if node.most != 1 else 0)
    lazy = "?" if node.lazy else ""
    most = node.least if node.most is None else node.most
    if most > 1 and most * product * _largest(node.node) > RE2_MAX_REPEAT:
        return _unrolled(node, inner_follow, product, lazy)
    inner = _write(node.node, inner_follow, product * max(most, 1))
    if not isinstance(node.node, Set | Capture | Alt):
        inner = f"(?:{inner})"
    if (node.least, node.most) in _SHORT:
        return inner + _SHORT[node.least, node.most] + lazy
    bounds = f"{node.least}" if node.least == node.most else f"{node.least},{'' if node.most is None else node.most}"
    return f"{inner}{{{bounds}}}{lazy}"


_SHORT: dict[tuple[int, int | None], str] = {(0, None): "*", (1, None): "+", (0, 1): "?"}
_MAX_UNROLLED = 1 << 20  # bytes of pattern text


def _unrolled(node: Repeat, follow: int, product: int, lazy: str) -> str:
    """Write a repetition that RE2 does not count that far as copies."""
    if _has_capture(node.node):
        _refuse("a group captured within more than a thousand repetitions")
    inner = f"(?:{_write(node.node, follow, product)})"
    copies = node.least if node.most is None else node.most
    if copies * len(inner) > _MAX_UNROLLED:
        _refuse("a repetition this large")
    if node.most is None:
        return inner * node.least + f"{inner}*{lazy}"
    optional = node.most - node.least
    if optional > RE2_MAX_REPEAT:
        # x{0,3000} as x{0,1000} three times: the same texts, tried in the same order for a set of bytes.
        if not isinstance(node.node, Set):
            _refuse("more than a thousand optional repetitions of a group")
        whole, rest = divmod(optional, RE2_MAX_REPEAT)
        tail = f"{inner}{{0,{RE2_MAX_REPEAT}}}{lazy}" * whole + f"{inner}{{0,{rest}}}{lazy}"
    else:
        tail = f"(?:{inner}" * optional + f"){'?' + lazy}" * optional
    whole, rest = divmod(node.least, RE2_MAX_REPEAT)
    if isinstance(node.node, Set):
        return f"{inner}{{{RE2_MAX_REPEAT}}}" * whole + f"{inner}{{{rest}}}" + tail
    return inner * node.least + tail


@lru_cache(_SETS)
def _set(bits: int) -> str:
    if bits == ALL:
        return "(?s:.)"
    if bits == 0:
        return r"[^\x00-\xff]"
    codes = [code for code in range(256) if bits >> code & 1]
    if len(codes) == 1:
        char = chr(codes[0])
        return char if char.isascii() and char.isalnum() else f"\\x{codes[0]:02x}"
    ranges, start = [], codes[0]
    for code, following in zip(codes, [*codes[1:], 999], strict=True):
        if following != code + 1:
            ranges.append(f"\\x{start:02x}" if start == code else f"\\x{start:02x}-\\x{code:02x}")
            start = following
    return "[" + "".join(ranges) + "]"


def _first(node: Node) -> tuple[int, bool]:
    """Return the bytes that may begin a match, and whether it may be empty. Assertions count as any byte."""
    if isinstance(node, Set):
        return node.bits, False
    if isinstance(node, Assert | Look | BackReference):
        return (0 if node == Assert("z") else ALL), True
    if isinstance(node, Capture | Atomic):
        return _first(node.node)
    if isinstance(node, Repeat):
        bits, empty = _first(node.node)
        return bits, empty or node.least == 0
    if isinstance(node, Alt):
        firsts = [_first(branch) for branch in node.branches]
        union = 0
        for bits, _ in firsts:
            union |= bits
        return union, any(empty for _, empty in firsts)
    union = 0
    for item in node.items:
        bits, empty = _first(item)
        union |= bits
        if not empty:
            return union, False
    return union, True


def _keeps_nothing_back(node: Node, follow: int) -> bool:
    """Tell whether giving back could never help what follows: then atomic and plain are the same."""
    if isinstance(node, Set | Assert):
        return True
    if isinstance(node, Capture):
        return _keeps_nothing_back(node.node, follow)
    if isinstance(node, Seq):
        return all(isinstance(item, Set | Assert) for item in node.items[:-1]) and (
            not node.items or _keeps_nothing_back(node.items[-1], follow)
        )
    if isinstance(node, Repeat) and isinstance(node.node, Set):
        return node.least == node.most or (not node.lazy and not node.node.bits & follow)
    return False


def _largest(node: Node) -> int:
    """Return the largest product of repetition counts within a node."""
    if isinstance(node, Repeat):
        count = max(node.least, node.most or 0, 1)
        return count * _largest(node.node)
    if isinstance(node, Capture | Atomic | Look):
        return _largest(node.node)
    children = node.items if isinstance(node, Seq) else node.branches if isinstance(node, Alt) else ()
    return max(map(_largest, children), default=1)


def _has_capture(node: Node) -> bool:
    if isinstance(node, Capture):
        return True
    if isinstance(node, Repeat | Atomic | Look):
        return _has_capture(node.node)
    children = node.items if isinstance(node, Seq) else node.branches if isinstance(node, Alt) else ()
    return any(map(_has_capture, children))
