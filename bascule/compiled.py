"""Which modules run as machine code: the hot ones, compiled from their own sources by mypyc, where `setup.py` could.

Compiled modules call each other without asking whether one has been changed since. So they are used all or none: where
a source differs from what was compiled, or BASCULE_INTERPRETED is set, all run from source, as everything else does.
See docs/decisions/compiled-hot-path.md.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from importlib.abc import MetaPathFinder
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
)
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent
STAMP = Path(__file__).with_suffix(".json")


def stamp_of(sources: Iterable[str]) -> str:
    """Return what tells these sources, paths below the root, from any other state of theirs."""
    return json.dumps({path: blake2b((ROOT / path).read_bytes(), digest_size=16).hexdigest() for path in sources})


def usable() -> bool:
    """Say whether there are compiled modules, and whether they are those of the present sources."""
    if os.environ.get("BASCULE_INTERPRETED"):
        return False
    try:
        said = STAMP.read_text("utf-8")
        return said == stamp_of(json.loads(said))
    except (OSError, ValueError, TypeError):
        return False


class _Sources(MetaPathFinder):
    """Finds Bascule's modules in their sources only."""

    def __init__(self) -> None:
        self._folders: dict[str, FileFinder] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See importlib.abc.MetaPathFinder."""
        if path is None or not fullname.startswith("bascule."):
            return None
        for folder in path:
            finder = self._folders.get(folder)
            if finder is None:
                finder = self._folders[folder] = FileFinder(folder, (SourceFileLoader, SOURCE_SUFFIXES))
            if (spec := finder.find_spec(fullname, target)) is not None:
                return spec
        return None


USED = usable()
"""Whether the hot modules run compiled."""


class _Shared(MetaPathFinder):
    """Finds what the compiled modules have in common: it lies beside the package, wherever that is imported from."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See importlib.abc.MetaPathFinder."""
        if fullname != "bascule__mypyc":
            return None
        return FileFinder(str(ROOT), (ExtensionFileLoader, EXTENSION_SUFFIXES)).find_spec(fullname, target)


def begin() -> None:
    """Let what is imported from now on be found accordingly."""
    sys.meta_path.insert(0, _Shared() if USED else _Sources())
