"""What is left of a pattern in texts of few characters: nothing at all, mostly.

A text without quotes cannot match a pattern that asks for one. `restricted` leaves out of a pattern what no text over
an alphabet can match, so it says the same of these texts; most patterns vanish and the others become cheap to look for.
"""

from __future__ import annotations

from functools import cache

from bascule.waf.seclang.operators.pcre import parse
from bascule.waf.seclang.operators.tree import Alt, Assert, Capture, Node, Repeat, Seq, Set, byte_set

_NOTHING = Seq(())
_ASSERTIONS = {"^": "^", "$": "$", "b": r"\b", "B": r"\B"}
_SHORT: dict[tuple[int, int | None], str] = {(0, None): "*", (1, None): "+", (0, 1): "?"}


def restricted(pattern: bytes, alphabet: bytes) -> bytes | None:
    """Return a pattern that matches the same texts over `alphabet`; None if the pattern matches none of them.

    Edges of lines stay edges of lines.

    Raises:
        ValueError: the pattern has a look-around or an atomic group, which facts do without.
    """
    left = _restrict(_tree(pattern), byte_set(alphabet))
    return None if left is None else _write(left).encode("ascii")


_tree = cache(parse)


def _restrict(node: Node, bits: int) -> Node | None:
    match node:
        case Set():
            return Set(node.bits & bits) if node.bits & bits else None
        case Seq():
            return _sequence([_restrict(item, bits) for item in node.items])
        case Alt():
            left = [branch for item in node.branches if (branch := _restrict(item, bits)) is not None]
            return Alt(tuple(left)) if len(left) > 1 else left[0] if left else None
        case Repeat():
            inner = _restrict(node.node, bits)
            if inner is None:
                return None if node.least else _NOTHING
            return inner if inner == _NOTHING else Repeat(inner, node.least, node.most)
        case Capture():
            return _restrict(node.node, bits)
        case Assert():
            return node
    raise ValueError(f"a pattern of a fact has a {type(node).__name__}")


def _sequence(items: list[Node | None]) -> Node | None:
    left = [item for item in items if item is not None]
    return None if len(left) < len(items) else Seq(tuple(item for item in left if item != _NOTHING))


def _write(node: Node) -> str:
    match node:
        case Set():
            return _class(node.bits)
        case Seq():
            return "".join(map(_write, node.items))
        case Alt():
            return "(?:" + "|".join(map(_write, node.branches)) + ")"
        case Repeat():
            inner = _write(node.node)
            least, most = node.least, node.most
            bounds = f"{{{least}}}" if least == most else f"{{{least},{'' if most is None else most}}}"
            return (inner if isinstance(node.node, Set | Alt) else f"(?:{inner})") + _SHORT.get((least, most), bounds)
        case Assert():
            return _ASSERTIONS[node.kind]
    raise ValueError(f"a pattern of a fact has a {type(node).__name__}")


@cache
def _class(bits: int) -> str:
    codes = [code for code in range(256) if bits >> code & 1]
    runs: list[list[int]] = []
    for code in codes:
        if runs and runs[-1][1] == code - 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    if len(codes) == 1:
        return f"\\x{codes[0]:02x}"
    return "[" + "".join(f"\\x{a:02x}" if a == b else f"\\x{a:02x}-\\x{b:02x}" for a, b in runs) + "]"
