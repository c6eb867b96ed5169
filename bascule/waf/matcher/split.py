"""Take a regular expression apart that is too large for Hyperscan: `a(?:b|c)d` is `abd` or `acd`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

MAX_PIECES = 256
"""Most expressions one pattern may become."""


def split_until(pattern: bytes, fits: Callable[[bytes], bool]) -> list[bytes] | None:
    """Split `pattern` into pieces that `fits` accepts; together they match exactly what it matches.

    Returns None if a piece can be split no further, or there would be more than MAX_PIECES.
    """
    flags = b""
    if pattern[:2] == b"(?" and b")" in pattern and pattern[2 : pattern.index(b")")].isalpha():
        end = pattern.index(b")") + 1
        flags, pattern = pattern[:end], pattern[end:]
    pending, pieces = [pattern], []
    while pending:
        piece = pending.pop()
        if fits(flags + piece):
            pieces.append(flags + piece)
            continue
        halves = _halves(piece)
        if halves is None or len(pieces) + len(pending) > MAX_PIECES:
            return None
        pending.extend(halves)
    return pieces


def _halves(pattern: bytes) -> tuple[bytes, bytes] | None:
    """Split at the widest alternation that is neither quantified nor nested in something that is."""
    alternatives = list(_alternatives(pattern))
    if len(alternatives) > 1:
        middle = len(alternatives) // 2
        return b"|".join(alternatives[:middle]), b"|".join(alternatives[middle:])
    best: tuple[int, int, list[bytes]] | None = None
    for start, end, inner in _groups(pattern):
        choices = list(_alternatives(inner))
        if len(choices) == 1:
            flattened = pattern[:start] + inner + pattern[end:]
            return _halves(flattened)
        if best is None or end - start > best[1] - best[0]:
            best = (start, end, choices)
    if best is None:
        return None
    start, end, choices = best
    middle = len(choices) // 2
    before, after = pattern[:start], pattern[end:]
    return (
        before + b"(?:" + b"|".join(choices[:middle]) + b")" + after,
        before + b"(?:" + b"|".join(choices[middle:]) + b")" + after,
    )


def _tokens(pattern: bytes) -> Iterator[tuple[int, int]]:
    """Yield the (start, end) of each atom: an escape, a class, a whole group, or one byte."""
    at = 0
    while at < len(pattern):
        end = _atom_end(pattern, at)
        yield at, end
        at = end


def _atom_end(pattern: bytes, at: int) -> int:
    character = pattern[at : at + 1]
    if character == b"\\":
        return at + 2
    if character == b"[":
        end = at + 1
        end += pattern[end : end + 1] == b"^"
        end += pattern[end : end + 1] == b"]"
        while pattern[end : end + 1] != b"]":
            if pattern[end : end + 2] == b"[:":
                end = pattern.index(b":]", end) + 2
            else:
                end += 2 if pattern[end : end + 1] == b"\\" else 1
            if end >= len(pattern):
                return len(pattern)
        return end + 1
    if character == b"(":
        end = at + 1
        while end < len(pattern) and pattern[end : end + 1] != b")":
            end = _atom_end(pattern, end)
        return end + 1
    return at + 1


def _alternatives(pattern: bytes) -> Iterator[bytes]:
    start = 0
    for at, end in _tokens(pattern):
        if pattern[at:end] == b"|":
            yield pattern[start:at]
            start = end
    yield pattern[start:]


def _groups(pattern: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield the plain groups at the top that are not quantified: (start, end, what is inside)."""
    for at, end in _tokens(pattern):
        text = pattern[at:end]
        if text[:1] != b"(" or pattern[end : end + 1] in (b"*", b"+", b"?", b"{"):
            continue
        if text[:3] == b"(?:":
            yield at, end, text[3:-1]
        elif text[:2] != b"(?":
            yield at, end, text[1:-1]
