"""Whatever is written, loading ends in a plan or in a ConfigError with places: never in another exception."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bascule.config.compile import compile_config
from bascule.config.errors import ConfigError
from bascule.config.loader import load
from bascule.config.view import view

from .test_documents import EXAMPLES, surroundings

FRAGMENTS = (
    "", "~", "null", "{}", "[]", "0", "-1", "1e999", ".nan", ".inf", "0x10", "9" * 400, "true", "off", "2030-13-45", "''", '"', "'",
    "*", "*a", "&a ", "<<: ", "!!set ", "!!binary x", "!x", ":", ": ", "- ", "? ", "|\n", ">\n", "{", "}", "[", "]", ",", "#", "\t",
    "\n", "\r", "\0", "\x85", "\u2028", "\ufeff", "\U0001f309", "${env:A}", "${env:B:-x}", "${file:x}", "${", "$${", "%", "@", "`", "---\n",
    "...\n", "%YAML 9.9\n---\n", "http://[::1", "https://", "unix:", "unix:/x", "syslog:", "[::1]:1", "1.2.3.4/99", "/..", "=/x", "~(", "~[", "\\9",
    "{host}", "{nope}", "5xx", "tcp", "999999999999999999999999h", "1e5", "../..", "/dev/null", "/proc/self/mem", ".", "a" * 300,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mutations")
    surroundings(folder)
    return folder


def mutate(text: str, rng: random.Random) -> str:
    """Insert, replace, delete, double or swap a few pieces of a text."""
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.choice((0, 0, 1, 3, 12)))
        piece = rng.choice(FRAGMENTS) if rng.random() < 0.8 else text[rng.randrange(len(text) + 1) :][:30]
        text = text[:start] + piece + text[end:]
    return text


def values(text: str, rng: random.Random) -> str:
    """Put odd values in the place of whole values, so that the text stays YAML more often."""
    lines = text.split("\n")
    for _ in range(rng.randint(1, 3)):
        index = rng.randrange(len(lines))
        key, separator, _ = lines[index].partition(": ")
        lines[index] = f"{key}{separator}{rng.choice(FRAGMENTS)}" if separator else lines[index]
    return "\n".join(lines)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 1 << 32), st.booleans())
def test_mutated_examples(folder: Path, seed: int, whole_values: bool) -> None:
    rng = random.Random(seed)
    text = rng.choice(EXAMPLES).read_text()
    text = values(text, rng) if whole_values else mutate(text, rng)
    path = folder / "mutated.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        plan = load(path, {"A": "1"})
    except ConfigError as error:
        problems = error.problems
    else:
        view(plan)
        assert compile_config(plan.config).pools == plan.pools
        return
    assert problems
    assert all(problem.message and problem.line > 0 for problem in problems)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=200))
def test_any_bytes(folder: Path, data: bytes) -> None:
    path = folder / "bytes.yaml"
    path.write_bytes(data)
    with pytest.raises(ConfigError):
        load(path, {})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.recursive(st.sampled_from(FRAGMENTS[:30]), lambda inner: st.lists(inner, max_size=3), max_leaves=6))
def test_any_value_of_any_key(folder: Path, value: object) -> None:
    path = folder / "value.yaml"
    for key in ("listen", "sites", "pools", "timeouts", "waf", "include", "trusted_proxies"):
        path.write_text(f"{key}: {value}\n")
        with pytest.raises(ConfigError):
            load(path, {})
