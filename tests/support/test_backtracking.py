"""No pattern of the program that reads what strangers send backtracks without end (CWE-1333).

Each is put to long texts that it nearly matches: what makes a backtracking engine try all ways to divide them.
"""

from __future__ import annotations

import importlib
import pkgutil
import random
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import pytest

ROOMS = ("cache", "defence", "forward", "http", "proxy", "tls", "upstream", "waf")
SIZE = 8000
MOST = 0.25
"""Seconds of CPU that a text may take."""
GIVES_UP = 1.0
"""Seconds of CPU after which a text is given up."""
SAMPLES = 60
"""Texts per pattern; of each there are two more forms."""


def modules(room: str) -> Iterator[Any]:
    package = importlib.import_module(f"bascule.{room}")
    yield package
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if ".learn" not in found.name:
            yield importlib.import_module(found.name)


def patterns(value: object) -> Iterator[re.Pattern[Any]]:
    """Patterns in a value: itself, what it holds, and whose method it is."""
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from patterns(item)
    elif isinstance(value, dict):
        yield from patterns(tuple(value.values()))
    elif isinstance(owner := getattr(value, "__self__", None), re.Pattern):
        yield owner


def sample(tree: Any, draw: random.Random, size: int = SIZE) -> str:
    """Return a text that a pattern is likely to match, with some of its repetitions long."""
    text = ""
    for kind, value in tree:
        name = str(kind)
        if name == "LITERAL":
            text += chr(value)
        elif name in ("IN", "NOT_LITERAL", "ANY"):
            text += draw.choice([*signs(value)]) if name == "IN" else "a"
        elif name == "BRANCH":
            text += sample(draw.choice(value[1]), draw, size // 8)
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            low, high, inner = value
            times = min(draw.choice((low, low, low + 1, 20, size)), int(high))
            alike = sample(inner, draw, size // 64) if times > 20 else ""
            text += alike * times or "".join(sample(inner, draw, size // 64) for _ in range(times))
        elif name == "SUBPATTERN":
            text += sample(value[-1], draw, size)
        elif name == "ATOMIC_GROUP":
            text += sample(value, draw, size)
    return text[: max(size, 1)]


def signs(members: Any) -> Iterator[str]:
    for kind, value in members:
        if str(kind) == "LITERAL":
            yield chr(value)
        elif str(kind) == "RANGE":
            yield chr(value[0])
        elif str(kind) == "CATEGORY":
            yield {"CATEGORY_DIGIT": "1", "CATEGORY_WORD": "a", "CATEGORY_SPACE": " "}.get(str(value), "!")
        else:
            yield "!"


def texts(pattern: re.Pattern[Any]) -> Iterator[Any]:
    """Texts that match almost, and such that repeat one thing."""
    tree = parser.parse(pattern.pattern, pattern.flags)
    draw = random.Random(1)
    for number in range(SAMPLES):
        text = sample(tree, draw, SIZE if number % 2 else 300)
        for each in (text, text[: draw.randint(1, 8)] * (SIZE // 8), text[-1:] * SIZE):
            broken = (each + "\x01").encode("latin-1", "ignore")
            yield broken if isinstance(pattern.pattern, bytes) else broken.decode("latin-1")


@contextmanager
def given_up_after(seconds: float) -> Iterator[None]:
    def give_up(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def slow(pattern: re.Pattern[Any]) -> Any:
    """Return the text at which a pattern takes too long, if there is one."""
    for text in texts(pattern):
        begun = time.process_time()
        try:
            with given_up_after(GIVES_UP):
                pattern.match(text)
        except TimeoutError:
            return text[:40]
        if time.process_time() - begun > MOST:
            return text[:40]
    return None


@pytest.mark.parametrize("room", ROOMS)
def test_no_pattern_backtracks_without_end(room: str) -> None:
    found = {
        pattern: f"{module.__name__}.{name}"
        for module in modules(room)
        for name, value in list(vars(module).items())
        for pattern in patterns(value)
    }
    assert {name: text for pattern, name in found.items() if (text := slow(pattern)) is not None} == {}


def test_one_that_does_is_found() -> None:
    assert slow(re.compile(r"(?:\w+\s?)+x")) is not None
    assert slow(re.compile(rb"(?:\s*;?\s*)*x")) is not None
