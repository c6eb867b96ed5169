"""Compiles the modules of compiled.txt to machine code by mypyc, where BASCULE_COMPILE is set: `make setup` sets it.

With BASCULE_COMPILE=1 it is an error that it cannot be done; with any other value but 0 all modules are interpreted
then. See docs/decisions/compiled-hot-path.md; everything else of the build stands in pyproject.toml.
"""

from __future__ import annotations

import os
import runpy
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Any

from setuptools import setup
from setuptools.command.build_ext import build_ext

WANTED = os.environ.get("BASCULE_COMPILE", "0")
SOURCES = Path("compiled.txt").read_text("utf-8").split()
STAMP = "bascule/compiled.json"


def compilable() -> bool:
    """Say whether there are a compiler and Python's headers."""
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")[0]
    return bool(shutil.which(compiler)) and Path(sysconfig.get_path("include"), "Python.h").exists()


def give_up(error: object) -> None:
    """Go on without, unless it was insisted on."""
    print(f"Bascule's hot modules are not compiled, but interpreted: {error}", file=sys.stderr)
    if WANTED == "1":
        sys.exit(1)


class Compile(build_ext):
    """Builds all of them or none, and writes down of which sources."""

    def run(self) -> None:
        """See setuptools."""
        if not self.extensions:
            return
        if self.inplace:
            Path(STAMP).unlink(missing_ok=True)
        try:
            super().run()
        except Exception as error:  # whatever a compiler may come up with
            give_up(error)
            self.extensions = []
            return
        stamp = Path(STAMP) if self.inplace else Path(self.build_lib, STAMP)
        stamp.write_text(runpy.run_path("bascule/compiled.py")["stamp_of"](SOURCES), "utf-8")


def modules() -> list[Any]:
    """Return the extension modules to build."""
    if WANTED in ("", "0"):
        return []
    if not compilable():
        give_up("there is no C compiler, or Python's headers are missing (Debian: apt-get install gcc python3-dev)")
        return []
    try:
        from mypyc.build import mypycify

        return mypycify([*SOURCES, "--ignore-missing-imports"], group_name="bascule", opt_level="2", debug_level="0")
    except (ImportError, SystemExit) as error:
        give_up(error)
        return []


setup(ext_modules=modules(), cmdclass={"build_ext": Compile})
