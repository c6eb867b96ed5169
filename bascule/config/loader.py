"""Load a configuration: read the file and what it includes, validate, compile. Start at `load`."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from bascule.config.compile import compile_config
from bascule.config.document import Node, Place, Sources, read
from bascule.config.errors import ConfigError
from bascule.config.explain import explain
from bascule.config.plan import Plan
from bascule.config.schema import Config

MAX_FILES = 256
_MERGED = ("sites", "pools", "exclusions")
"""Keys whose entries are put together from all files."""


def load(path: str | Path, environment: Mapping[str, str] | None = None) -> Plan:
    """Return the plan of a configuration file. Raises ConfigError with every problem found.

    References to environment variables are resolved against `environment`, by default the process's own.
    """
    sources = Sources(environment)
    root = _read_all(os.path.abspath(path), sources)
    try:
        config = Config.model_validate(root.plain())
    except ValidationError as error:
        raise ConfigError(explain(error, root, sources, Config)) from None
    return compile_config(config, sources=sources, root=root)


def _read_all(path: str, sources: Sources) -> Node:
    root = read(path, sources)
    _Includes(sources).follow(root, root, (path,))
    return root


class _Includes:
    """Puts included files into the tree of the first one."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def follow(self, root: Node, current: Node, chain: tuple[str, ...]) -> None:
        """Merge what the file of `current` includes into `root`. `chain` are the files being read."""
        for pattern in self._patterns(current):
            for path in self._matches(pattern):
                if path in chain:
                    raise self._sources.fail(
                        pattern.place, f"the files include each other in a circle: {path} is being read", ("include",)
                    )
                if path in self._sources.lines:
                    continue  # two patterns may match one file
                if len(self._sources.lines) >= MAX_FILES:
                    raise self._sources.fail(pattern.place, f"more than {MAX_FILES} files", ("include",))
                included = self._read(path, pattern)
                self._merge(root, included)
                self.follow(root, included, (*chain, path))
        _drop_extensions(current)

    def _read(self, path: str, pattern: Node) -> Node:
        """Read an included file; where all of it is at fault, the place is that of the include."""
        try:
            return read(path, self._sources)
        except ConfigError as error:
            problem = error.problems[0]
            if problem.line:
                raise
            raise self._sources.fail(pattern.place, f"{path}: {problem.message}", ("include",)) from None

    def _patterns(self, current: Node) -> list[Node]:
        values = current.value if isinstance(current.value, dict) else {}
        node = values.get("include")
        if node is None:
            return []
        patterns = node.value if isinstance(node.value, list) else [node]
        for pattern in patterns:
            if not isinstance(pattern.value, str) or not pattern.value:
                raise self._sources.fail(
                    pattern.place, "an include is the name of a file, or a pattern such as sites/*.yaml", ("include",)
                )
        return patterns

    def _matches(self, pattern: Node) -> list[str]:
        folder = os.path.dirname(pattern.place.file)
        name = os.path.normpath(os.path.join(folder, os.path.expanduser(str(pattern.value))))
        if "\0" in name:
            raise self._sources.fail(pattern.place, "a file name holds no NUL character", ("include",))
        if not glob.has_magic(name):
            if not os.path.isfile(name):
                raise self._sources.fail(pattern.place, f"there is no file {name}", ("include",))
            return [name]
        if os.path.isdir(os.path.dirname(name)):
            self._sources.folders.append(os.path.dirname(name))
        found = sorted(match for match in glob.iglob(name) if os.path.isfile(match))
        if not found:  # it may be meant so: a folder in which files will be put
            self._sources.warn(pattern.place, f"no file matches {name}", ("include",))
        return found

    def _merge(self, root: Node, included: Node) -> None:
        assert isinstance(root.value, dict)
        assert isinstance(included.value, dict)
        for name, node in included.value.items():
            if name == "include" or name.startswith("x-"):
                continue
            there = root.value.get(name)
            if there is None:
                root.value[name] = node
            elif name in _MERGED and isinstance(there.value, dict) and isinstance(node.value, dict):
                for key, child in node.value.items():
                    if key in there.value:
                        raise self._twice(child.key, (name, key), there.value[key].key)
                    there.value[key] = child
            else:
                raise self._twice(node.key, (name,), there.key)

    def _twice(self, place: Place, path: tuple[str, ...], first: Place) -> Exception:
        message = f"this is said twice: it was said before in {first.file}:{first.line}:{first.column}"
        return self._sources.fail(place, message, path, "keep one of them")


def _drop_extensions(node: Node) -> None:
    """Take out the top-level keys that begin with ``x-``, which hold anchors for use elsewhere."""
    assert isinstance(node.value, dict)
    for name in [name for name in node.value if name.startswith("x-")]:
        del node.value[name]
