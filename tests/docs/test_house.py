"""Each room says at its door what it is for, where to begin, and truly what it imports (that it may, import-linter holds)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[2] / "bascule"
ROOMS = sorted(door.parent.name for door in HOUSE.glob("*/__init__.py"))
DOORS = sorted(HOUSE.glob("*/**/__init__.py"))


def said(door: Path) -> str:
    return ast.get_docstring(ast.parse(door.read_text())) or ""


def imported(room: str) -> set[str]:
    trees = (ast.parse(file.read_text()) for file in (HOUSE / room).rglob("*.py"))
    nodes = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    modules = ((node.module or "").split(".") for node in nodes)
    return {module[1] for module in modules if module[0] == "bascule" and len(module) > 1} & set(ROOMS) - {room}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_names_what_it_imports(room: str) -> None:
    text = said(HOUSE / room / "__init__.py")
    if "every room" not in text and "everything below" not in text:
        assert {name for name in imported(room) if name not in text} == set()


@pytest.mark.parametrize("door", DOORS, ids=lambda door: str(door.parent.relative_to(HOUSE)))
def test_the_files_that_a_door_names_exist(door: Path) -> None:
    named = {word.strip("`,.;:()'") for word in said(door).split()}
    files = {word for word in named if word.endswith((".py", ".json"))}
    assert [file for file in files if not (HOUSE.parent / file).exists() and not [*HOUSE.rglob(file)]] == []
    assert said(door)
