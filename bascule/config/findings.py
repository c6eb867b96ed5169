"""Collects errors and warnings about a configuration that is well-formed, each at its place in the files."""

from __future__ import annotations

import os

from bascule.config.document import Node, Sources
from bascule.config.errors import ConfigError, KeyPath, Problem
from bascule.config.explain import written_path


class Locator:
    """Tells where keys stand. Without `sources` and `root` (no file) a problem has its key path only."""

    def __init__(self, sources: Sources | None = None, root: Node | None = None) -> None:
        self._sources = sources
        self._root = root

    def states(self, path: KeyPath) -> bool:
        """Whether a key is written, as it stands."""
        node = self._root
        for part in path:
            node = node.child(part) if node is not None else None
        return node is not None

    def problem(self, path: KeyPath, message: str, hint: str = "") -> Problem:
        """Return a problem at a key, or at the nearest above it that is written."""
        if self._sources is None or self._root is None:
            return Problem(message, path, hint=hint)
        node = self._root.find(path)
        # A mapping is pointed at by its key: its first value may stand lines below.
        place = node.key if isinstance(node.value, dict | list) else node.place
        return self._sources.problem(place, message, written_path(self._root, path), hint)


class Findings:
    """Errors and warnings so far, at the places that `locator` tells."""

    def __init__(self, locator: Locator) -> None:
        self._locator = locator
        self.errors: list[Problem] = []
        self.warnings: list[Problem] = []
        self.files: list[str] = []
        """Files beside the configuration that it takes: whoever watches it watches them, too."""

    def error(self, path: KeyPath, message: str, hint: str = "") -> None:
        """Record a mistake."""
        self.errors.append(self._locator.problem(path, message, hint))

    def warn(self, path: KeyPath, message: str, hint: str = "") -> None:
        """Record a doubt."""
        self.warnings.append(self._locator.problem(path, message, hint))

    def needs_file(self, path: KeyPath, file: str, what: str = "") -> None:
        """Record a file that is read when the program starts, or that it cannot be."""
        if os.path.isfile(file) and os.access(file, os.R_OK):
            self.files.append(file)
        else:
            self.error(path, f"{what}{' ' if what else ''}{file} cannot be read")

    def close(self) -> None:
        """Raise ConfigError if there are errors."""
        if self.errors:
            raise ConfigError(sorted(self.errors, key=lambda problem: (problem.file, problem.line, problem.column)))
