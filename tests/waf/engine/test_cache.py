"""Compiled rules on disk: reused, replaced when damaged, and never the reason for a failure."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bascule.waf import engine
from bascule.waf.engine import Waf, WafSettings
from bascule.waf.matcher import database
from bascule.waf.matcher.patterns import BASE, Expression
from tests.waf.engine.world import Request, fired, send

RULES = 'SecRule ARGS "@rx (?i)union\\s+select" "id:1,phase:2,deny"\nSecRule ARGS "@pm one two" "id:2,phase:2,deny"\n'
ATTACK = Request(target=b"/?q=union+select")


def load(folder: Path | None) -> Waf:
    return Waf.load(WafSettings(directives=RULES), folder)


def test_a_second_start_reads_what_the_first_one_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(tmp_path)
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert any(name.endswith(".hsdb") for name in kept)
    monkeypatch.setattr(database, "_store", None)  # what is compiled is stored, so nothing may be
    assert fired(send(load(tmp_path), ATTACK)[0]) == [1]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == kept


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_damaged_cache_is_replaced(tmp_path: Path, damage: bytes | None) -> None:
    load(tmp_path)
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if damage is None else damage)
    assert fired(send(load(tmp_path), ATTACK)[0]) == [1]
    assert fired(send(load(tmp_path), ATTACK)[0]) == [1]


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("in the way")
    assert fired(send(load(place), ATTACK)[0]) == [1]


def test_other_expressions_have_another_file(tmp_path: Path) -> None:
    for text, flags in ((b"a", BASE), (b"b", BASE), (b"a", BASE | 1)):
        database.open_database([Expression(text, flags)], tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_what_nobody_used_for_a_month_is_removed(tmp_path: Path) -> None:
    load(tmp_path)
    used = set(tmp_path.iterdir())
    old, other = tmp_path / "0123.hsdb", tmp_path / "lists"
    for path in (old, other):
        path.write_text("x")
    for path in tmp_path.iterdir():
        os.utime(path, times=(0, 0))
    load(tmp_path)
    database.open_database([Expression(b"new", BASE)], tmp_path)
    assert not old.exists()
    assert other.exists()
    assert all(path.exists() for path in used)


def test_a_hyperscan_that_loses_matches_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert database.is_sound()
    monkeypatch.setattr(engine, "is_sound", lambda: False)
    waf = load(None)
    assert waf.warnings
    assert fired(send(waf, ATTACK)[0]) == [1]
