"""What is left of an expression for texts that consist of few different bytes: less, and often nothing.

On a text without the bytes B, an expression matches what it matches once B is taken out of all its sets: that is what
matching is. Most expressions of a rule set ask for a quote, a bracket, a semicolon; and those that find a command
however it is disguised shrink to the words they look for, which Hyperscan finds quickly.
"""

from __future__ import annotations

from bascule.waf.seclang.operators.tree import (
    ALL,
    LOWER,
    UPPER,
    Alt,
    Assert,
    Atomic,
    BackReference,
    Capture,
    Look,
    Node,
    Repeat,
    Seq,
    Set,
    fold,
)

EMPTY = Seq(())
_BLANK, _PLUS = 1 << ord(" "), 1 << ord("+")
SMALL = 48
"""Characters of an expression that is not worth taking apart."""


def restrict(node: Node, alphabet: int, caseless: bool = False, lowered: bool = False) -> Node | None:
    """Return what `node` can match in texts over `alphabet` (a set of bytes); None if that is nothing.

    `caseless`: it disregards case; `lowered`: the text is put into lower case before, perhaps. Look-arounds,
    back-references and possession are let go: what is returned may match more.
    """
    match node:
        case Set(bits):
            if caseless:
                bits = fold(bits)
            elif lowered:
                bits |= (bits & LOWER) >> 32
            return Set(bits & alphabet) if bits & alphabet else None
        case Look():
            return EMPTY
        case BackReference():
            return Repeat(Set(alphabet), 0, None)
        case Capture(inner) | Atomic(inner):
            return restrict(inner, alphabet, caseless, lowered)
        case Seq(items):
            left = [restrict(item, alphabet, caseless, lowered) for item in items]
            return None if None in left else _sequence([item for item in left if item is not None])
        case Alt(branches):
            found = [restrict(branch, alphabet, caseless, lowered) for branch in branches]
            possible = tuple(dict.fromkeys(branch for branch in found if branch is not None))
            return Alt(possible) if len(possible) > 1 else possible[0] if possible else None
        case Repeat(inner, least, most):
            rest = restrict(inner, alphabet, caseless, lowered)
            if rest is None:
                return None if least else EMPTY
            return rest if rest == EMPTY else Repeat(rest, least, most)
    return node


def with_plus(node: Node) -> Node:
    """Return an expression that also takes a plus wherever a blank would do."""
    match node:
        case Set(bits):
            return Set(bits | _PLUS) if bits & _BLANK else node
        case Seq(items):
            return Seq(tuple(map(with_plus, items)))
        case Alt(branches):
            return Alt(tuple(map(with_plus, branches)))
        case Repeat(inner, least, most):
            return Repeat(with_plus(inner), least, most)
    return node


def _sequence(items: list[Node]) -> Node:
    flat: list[Node] = []
    for item in items:
        flat += item.items if isinstance(item, Seq) else (item,)
    return flat[0] if len(flat) == 1 else Seq(tuple(flat))


def branches_of(node: Node) -> tuple[Node, ...]:
    """The alternatives that an expression consists of."""
    return node.branches if isinstance(node, Alt) else (node,)


def alternatives(node: Node, alphabet: int) -> list[Node]:
    """Expressions that are cheap to look for, one of which matches (a piece of) any text in which `node` does.

    Dear is a sequence that asks for one of many words behind something of any length, such as CRS's commands behind
    paths and assignments. Instead, each word is looked for behind the bytes that may stand before it at once; and
    where nearly any byte may, the words behind what is there before.
    """
    if not isinstance(node, Seq) or not node.items:
        return [node]
    sizes = [len(spell(item)) for item in node.items]
    middle = sizes.index(max(sizes))
    before, words = node.items[:middle], _shortened(node.items[middle:])
    if nullable(node.items[middle]) or not any(map(_rambles, before)):
        return [node]
    near, at_start = 0, False
    far: list[Node] = []
    for branch in branches_of(before[0]):
        way = _sequence([branch, *before[1:]])
        last, empty = _last(way)
        if empty:
            if not _starts(branch):
                return [node]
            at_start, near = True, near | last
        elif last & (LOWER | UPPER):
            if nullable(branch):
                return [node]
            far.append(_shortened((branch,)))
        else:
            near |= last
    edges: list[Node] = [Assert("^")] if at_start else []
    edges += [Set(near)] if near else []
    found = [_sequence([edge, word]) for edge in edges for word in small(words)]
    if far:
        way = _sequence([Alt(tuple(far)), Repeat(Set(alphabet), 0, None)])
        found += [_sequence([way, piece]) for piece in pieces_of(words) or [words]]
    return found


def _rambles(node: Node) -> bool:
    """Whether it goes on over any number of letters."""
    match node:
        case Seq(items):
            return any(map(_rambles, items))
        case Alt(branches):
            return any(map(_rambles, branches))
        case Repeat(inner, _, most):
            return _rambles(inner) or (most is None and isinstance(inner, Set) and inner.bits & LOWER == LOWER)
    return False


def _starts(node: Node) -> bool:
    """Whether it holds at the start of a text only."""
    return node in (Assert("^"), Assert("A")) or (isinstance(node, Seq) and _starts(node.items[0]))


def _last(node: Node) -> tuple[int, bool]:
    """The bytes that a match may end with, and whether it may be empty."""
    match node:
        case Set(bits):
            return bits, False
        case Repeat(inner, least):
            bits, empty = _last(inner)
            return bits, empty or not least
        case Alt(branches):
            ends = [_last(branch) for branch in branches]
        case Seq(items):
            ends = []
            for item in reversed(items):
                ends.append(_last(item))
                if not ends[-1][1]:
                    break
            bits = 0
            for found, _ in ends:
                bits |= found
            return bits, all(empty for _, empty in ends)
        case _:
            return 0, True
    bits = 0
    for found, _ in ends:
        bits |= found
    return bits, any(empty for _, empty in ends)


def pieces_of(node: Node) -> list[Node]:
    """Smaller expressions of which one matches wherever `node` does: its alternatives, or those of its largest part."""
    if isinstance(node, Alt):
        return list(node.branches)
    if not isinstance(node, Seq) or not node.items:
        return []
    sizes = [len(spell(item)) for item in node.items]
    middle = sizes.index(max(sizes))
    before, after = list(node.items[:middle]), list(node.items[middle + 1 :])
    largest = node.items[middle]
    return [_sequence([*before, branch, *after]) for branch in largest.branches] if isinstance(largest, Alt) else []


def small(node: Node) -> list[Node]:
    """Expressions as small as may be, one of which matches wherever `node` does: Hyperscan looks for literals first."""
    if len(spell(node)) <= SMALL:
        return [_shortened((node,) if not isinstance(node, Seq) else node.items)]
    return [part for piece in pieces_of(node) for part in small(piece)] or [node]


def _shortened(items: tuple[Node, ...]) -> Node:
    """A sequence without what may be left out at its end."""
    end = len(items)
    while end and nullable(items[end - 1]):
        if isinstance(items[end - 1], Assert) and (end < 2 or not _rambles(items[end - 2])):
            break
        end -= 1
    return _sequence(list(items[:end]))


def nullable(node: Node) -> bool:
    """Whether a (restricted) expression may match without a byte."""
    match node:
        case Set():
            return False
        case Seq(items):
            return all(map(nullable, items))
        case Alt(branches):
            return any(map(nullable, branches))
        case Repeat(inner, least):
            return not least or nullable(inner)
    return True


def is_caseless(node: Node) -> bool:
    """Whether an expression disregards case everywhere."""
    match node:
        case Set(bits):
            return fold(bits) == bits
        case Seq(items):
            return all(map(is_caseless, items))
        case Alt(branches):
            return all(map(is_caseless, branches))
        case Repeat(inner):
            return is_caseless(inner)
    return True


def needle(node: Node) -> bytes:
    """Return the longest text, in lower case, that every match of an expression holds."""
    longest = run = b""
    for item in node.items if isinstance(node, Seq) else (node,):
        times, inner = 1, item
        if isinstance(item, Repeat):
            times, inner = item.least, item.node
        byte = one_byte(inner)
        if byte and times:
            run += byte * times
            longest = max(longest, run, key=len)
        if not (byte or isinstance(item, Assert)) or (isinstance(item, Repeat) and item.least != item.most):
            run = b""
    return longest


def one_byte(node: Node) -> bytes:
    """The only byte that a node stands for, case aside; empty if there is none."""
    lowered = bytes(range(256)).lower()
    found = {lowered[byte] for byte in range(256) if node.bits >> byte & 1} if isinstance(node, Set) else set()
    return bytes(found) if len(found) == 1 else b""


_ASSERTIONS = {"^": "^", "A": "^", "$": "$", "z": "$", "b": r"\b", "B": r"\B"}
"""Texts are joined: where one starts and ends, a line does."""
_COUNTS: dict[tuple[int, int | None], str] = {(0, None): "*", (1, None): "+", (0, 1): "?"}


def spell(node: Node, caseless: bool = False) -> str:
    """Write a restricted expression for Hyperscan, as shortly as may be; `caseless`: its flag says so."""
    match node:
        case Set(bits):
            return _spell_set(bits & ~UPPER if caseless else bits)
        case Assert(kind):
            return _ASSERTIONS[kind]
        case Seq(items):
            return "".join(spell(item, caseless) for item in items)
        case Alt(branches):
            return "(?:" + "|".join(spell(branch, caseless) for branch in branches) + ")"
        case Repeat(inner, least, most):
            text = spell(inner, caseless)
            if not isinstance(inner, Set | Alt):
                text = f"(?:{text})"
            bounds = f"{least}" if least == most else f"{least},{'' if most is None else most}"
            return text + (_COUNTS.get((least, most)) or f"{{{bounds}}}")
    raise TypeError(node)


def _spell_set(bits: int) -> str:
    if bits == ALL:
        return "(?s:.)"
    codes = [code for code in range(256) if bits >> code & 1]
    if len(codes) == 1:
        return _spell_byte(codes[0])
    ranges, start = [], codes[0]
    for code, following in zip(codes, [*codes[1:], 999], strict=True):
        if following != code + 1:
            between = "-" if code > start + 1 else ""
            ranges.append(_spell_byte(start) + (between + _spell_byte(code) if code > start else ""))
            start = following
    return "[" + "".join(ranges) + "]"


def _spell_byte(code: int) -> str:
    char = chr(code)
    if char.isascii() and (char.isalnum() or char in "_ /:;,=&%@~"):
        return char
    return "\\" + char if 32 < code < 127 else f"\\x{code:02x}"
