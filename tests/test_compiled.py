"""Compiled modules are used if they are those of the present sources, and all or none."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from bascule import compiled

ASK = "from bascule import compiled; from bascule.http.h1 import head; print(compiled.USED, head.__file__)"


def run(root: Path, **more: str) -> tuple[str, str]:
    """Ask a tree of sources whether it uses compiled modules, and where one of them came from."""
    environment = {key: value for key, value in os.environ.items() if key != "BASCULE_INTERPRETED"}
    environment |= {"PYTHONPATH": str(root), **more}
    answer = subprocess.run(
        [sys.executable, "-c", ASK], env=environment, cwd=root, capture_output=True, text=True, check=True, timeout=60
    )
    used, file = answer.stdout.split()
    return used, Path(file).suffix


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a copy of the sources with something in the place of compiled modules that is nothing of the kind."""
    shutil.copytree(compiled.ROOT / "bascule", tmp_path / "bascule", ignore=shutil.ignore_patterns("*.so", "*.pyc"))
    sources = (compiled.ROOT / "compiled.txt").read_text("utf-8").split()
    (tmp_path / "bascule/compiled.json").write_text(compiled.stamp_of(sources), "utf-8")
    return tmp_path


def put_in_place(tree: Path) -> None:
    """Let a module look compiled. To use it would be an ImportError."""
    (tree / f"bascule/http/h1/head{EXTENSION_SUFFIXES[0]}").write_bytes(b"no machine code")


def test_every_module_that_is_compiled_is_there() -> None:
    sources = (compiled.ROOT / "compiled.txt").read_text("utf-8").split()
    assert sources == sorted(set(sources))
    assert all((compiled.ROOT / source).is_file() for source in sources)


def test_no_slice_of_a_compiled_module_may_end_before_it_begins() -> None:
    """Compiled, that is a SystemError instead of empty bytes (mypyc 2.4): look at each new one, then count it here."""
    slices: dict[str, int] = {}
    for source in (compiled.ROOT / "compiled.txt").read_text("utf-8").split():
        for node in ast.walk(ast.parse((compiled.ROOT / source).read_text("utf-8"))):
            if isinstance(node, ast.Slice) and node.lower is not None and node.upper is not None:
                slices[source] = slices.get(source, 0) + 1
    assert slices == {
        "bascule/http/forwarded.py": 3,
        "bascule/http/h1/body.py": 3,
        "bascule/tls/clienthello.py": 6,
        "bascule/upstream/balance/consistent_hash.py": 1,
        "bascule/waf/bodies/percent.py": 1,
        "bascule/waf/logic/body_values.py": 2,
        "bascule/waf/logic/decode.py": 1,
        "bascule/waf/logic/facts/forms.py": 1,
        "bascule/waf/logic/screen.py": 3,
        "bascule/waf/matcher/ordinary.py": 1,
        "bascule/waf/request.py": 1,
    }


def test_what_was_compiled_of_these_sources_is_used(tree: Path) -> None:
    put_in_place(tree)
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run(tree)
    assert "ImportError" in caught.value.stderr


def test_a_changed_source_makes_all_of_them_run_from_source(tree: Path) -> None:
    put_in_place(tree)
    with (tree / "bascule/proxy/wire.py").open("a") as file:
        file.write("\n# changed\n")
    assert run(tree) == ("False", ".py")


def test_sources_can_be_asked_for(tree: Path) -> None:
    put_in_place(tree)
    assert run(tree, BASCULE_INTERPRETED="1") == ("False", ".py")


@pytest.mark.parametrize("stamp", [None, "", "no json", "[]", "5", json.dumps({"bascule/there/is/none.py": "00"})])
def test_a_stamp_that_says_nothing_of_these_sources_makes_them_run(tree: Path, stamp: str | None) -> None:
    put_in_place(tree)
    (tree / "bascule/compiled.json").unlink()
    if stamp is not None:
        (tree / "bascule/compiled.json").write_text(stamp)
    assert run(tree) == ("False", ".py")


@pytest.mark.skipif(not os.environ.get("CI"), reason="only where `make test` has to have compiled them (CI=true)")
def test_ci_runs_compiled_modules() -> None:
    assert compiled.USED
