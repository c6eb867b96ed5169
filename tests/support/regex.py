"""Makes texts that a pattern matches, or nearly: walks the tree that `pcre.parse` returns."""

from __future__ import annotations

import random

from bascule.waf.seclang.operators.tree import Alt, Assert, Atomic, Capture, Look, Node, Repeat, Seq, Set


def generate(node: Node, draw: random.Random) -> bytes:
    """Return a text that probably matches; assertions are ignored."""
    if isinstance(node, Set):
        members = [code for code in range(256) if node.bits >> code & 1]
        printable = [code for code in members if 32 <= code < 127]
        return bytes([draw.choice(printable if printable and draw.random() < 0.9 else members)])
    if isinstance(node, Seq):
        return b"".join(generate(item, draw) for item in node.items)
    if isinstance(node, Alt):
        return generate(draw.choice(node.branches), draw)
    if isinstance(node, Capture | Atomic):
        return generate(node.node, draw)
    if isinstance(node, Repeat):
        most = node.least + 2 if node.most is None else min(node.most, node.least + 3)
        return b"".join(generate(node.node, draw) for _ in range(draw.randint(node.least, most)))
    assert isinstance(node, Assert | Look)
    return b""


def mutate(text: bytes, draw: random.Random) -> bytes:
    """Return the text with a few bytes dropped, doubled, changed in case, or put before, between or after."""
    out = bytearray(text)
    for _ in range(draw.randrange(3)):
        at = draw.randrange(len(out) + 1)
        kind = draw.randrange(5)
        if kind == 0 and at < len(out):
            del out[at]
        elif kind == 1 and at < len(out):
            out[at] ^= 0x20
        elif kind == 2:
            out[at:at] = draw.choice([b"\n", b"\v", b" ", b"\xc9", b"\xe9", b"a", b"0", b"\0", b"/", b"'"])
        elif kind == 3:
            out[at:at] = out[at : at + 3]
        else:
            out += draw.choice([b"\n", b"x", b"\n\n"])
    return bytes(out)
