"""The document: YAML or JSON with the line of every value, references resolved within the file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from bascule.waf.seclang.syntax import WafLoadError

MAX_BYTES = 4 << 20
MAX_DEPTH = 64
MAX_VALUES = 200_000
MAX_REFERENCES = 32
"""References one after the other."""

Pointer = tuple[str, ...]
"""Where a value stands, as keys and indices."""


class Document:
    """A document. `value` is plain data; `fail` says what is wrong with a place of it."""

    def __init__(self, file: Path) -> None:
        """Raises WafLoadError with the line."""
        self.file = str(file)
        self._lines: dict[Pointer, int] = {}
        self._construct = YAML(typ="safe", pure=True).constructor.construct_object
        try:
            data = file.read_bytes()
            if len(data) > MAX_BYTES:
                raise WafLoadError(self.file, 1, f"the document is larger than {MAX_BYTES >> 20} MiB")
            root = YAML(typ="safe", pure=True).compose(data.decode("utf-8-sig"))
        except OSError as error:
            raise WafLoadError(self.file, 1, f"the document cannot be read: {error.strerror}") from None
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark is not None else 1
            raise WafLoadError(self.file, line, f"neither YAML nor JSON: {error.problem or error.context}") from None
        except (YAMLError, UnicodeDecodeError, RecursionError) as error:
            raise WafLoadError(self.file, 1, f"neither YAML nor JSON: {error}") from None
        self.value = self._plain(root, ())
        if not isinstance(self.value, dict):
            raise WafLoadError(self.file, 1, "not an OpenAPI document")

    def fail(self, where: Iterable[str | int], reason: str) -> NoReturn:
        """Raise a WafLoadError about the value at `where`, or about what is there of the way."""
        pointer = tuple(map(str, where))
        shown = ".".join(pointer)
        while pointer and pointer not in self._lines:
            pointer = pointer[:-1]
        raise WafLoadError(self.file, self._lines.get(pointer, 1), f"{shown}: {reason}" if shown else reason)

    def line(self, where: Pointer) -> int:
        """Return the line of a value."""
        return self._lines.get(where, 1)

    def resolve(self, value: Any, where: Pointer) -> tuple[Any, Pointer]:
        """Return what a value stands for, references followed, and where that is. Raises WafLoadError."""
        count = 0
        while isinstance(value, dict) and "$ref" in value:
            count += 1
            if count > MAX_REFERENCES:
                self.fail(where, "the reference leads in a circle")
            target = self.target(value["$ref"], (*where, "$ref"))
            value, where = self.at(target, (*where, "$ref")), target
        return value, where

    def target(self, reference: Any, where: Pointer) -> Pointer:
        """Return the place that a reference names. Raises WafLoadError unless it is within this document."""
        if not isinstance(reference, str) or not reference.startswith("#/"):
            self.fail(where, f"the reference {reference!r} leads out of the document: put what it means into it")
        return tuple(part.replace("~1", "/").replace("~0", "~") for part in reference[2:].split("/"))

    def at(self, target: Pointer, where: Pointer) -> Any:
        """Return the value at a place that `where` refers to. Raises WafLoadError if there is none."""
        value: Any = self.value
        for part in target:
            if isinstance(value, dict) and part in value:
                value = value[part]
            elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
                value = value[int(part)]
            else:
                self.fail(where, f"the reference #/{'/'.join(target)} leads nowhere")
        return value

    def _plain(self, node: Any, where: Pointer) -> Any:
        if len(self._lines) >= MAX_VALUES or len(where) > MAX_DEPTH:
            raise WafLoadError(self.file, node.start_mark.line + 1, "the document is nested too deeply, or too large")
        self._lines[where] = node.start_mark.line + 1
        if isinstance(node, MappingNode):
            found: dict[str, Any] = {}
            for key, value in node.value:
                if not isinstance(key, ScalarNode) or str(key.tag).endswith(":merge"):
                    raise WafLoadError(self.file, key.start_mark.line + 1, "a key is a plain word")
                if key.value in found:
                    raise WafLoadError(self.file, key.start_mark.line + 1, f"{key.value} is said twice")
                found[key.value] = self._plain(value, (*where, key.value))
            return found
        if isinstance(node, SequenceNode):
            return [self._plain(item, (*where, str(index))) for index, item in enumerate(node.value)]
        value = self._construct(node, deep=True)
        if isinstance(value, str) and not value.isascii():
            value = self._joined(value, node.start_mark.line + 1)
        return value if isinstance(value, str | int | float | bool | None) else node.value

    def _joined(self, text: str, line: int) -> str:
        """Return a text with each pair of surrogates, as JSON writes characters beyond 16 bits, as one character."""
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise WafLoadError(self.file, line, "half of a pair of surrogates, which is no character") from None
