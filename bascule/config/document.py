"""YAML text to a tree of nodes that know their place, with every expansion bounded.

ruamel's composer reads the text; the tree is built here, so that duplicate keys, merge keys, aliases and
references are resolved under our own limits (CVE-2003-1564, "billion laughs": size, count and depth are capped).
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.tokens import ScalarToken

from bascule.config.errors import ConfigError, KeyPath, Problem
from bascule.config.references import References, Secrets, UnresolvedError, mask_line, names_secret
from bascule.config.types import Written

MAX_FILE_BYTES = 1 << 20
MAX_NODES = 100_000
"""Values after expansion of aliases, over all files: a thousand sites use about a tenth."""
MAX_TEXT = 16 << 20
"""Characters of all scalars after expansion."""
MAX_DEPTH = 40
_TAG = "tag:yaml.org,2002:"
_EXCERPT_WIDTH = 110


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int


@dataclass(slots=True)
class Node:
    """A value, where it stands, where its key stands, and whether it holds text from outside the file."""

    value: str | int | float | bool | dict[str, Node] | list[Node] | None
    place: Place
    key: Place
    outside: bool = False

    def plain(self) -> Any:
        """Return the value as plain data; text remembers the folder of its file (see `types.Written`)."""
        if isinstance(self.value, dict):
            return {name: child.plain() for name, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        if isinstance(self.value, str):
            return Written.at(self.value, os.path.dirname(self.place.file))
        return self.value

    def find(self, path: KeyPath) -> Node:
        """Return the node of a key path. Parts that a short form left unwritten are passed over."""
        node = self
        for part in path:
            node = node.child(part) or node
        return node

    def child(self, part: str | int) -> Node | None:
        """Return the node of a key or an index directly below, or None."""
        if isinstance(self.value, dict) and isinstance(part, str):
            return self.value.get(part)
        if isinstance(self.value, list) and isinstance(part, int) and part < len(self.value):
            return self.value[part]
        return None


class Sources:
    """The files that were read, for excerpts and watching, and the secrets in them."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self.secrets = Secrets()
        self.references = References(os.environ if environment is None else environment, self.secrets)
        self.lines: dict[str, list[str]] = {}
        self.folders: list[str] = []
        """Folders whose files an include pattern takes: a new file there changes the configuration."""
        self.warnings: list[Problem] = []
        """Doubts about how the files were put together."""
        self.nodes = 0
        self.characters = 0

    @property
    def files(self) -> list[str]:
        """All files read so far, and the folders of include patterns: whatever is worth watching."""
        return [*self.lines, *self.folders, *self.references.files]

    def problem(self, place: Place, message: str, path: KeyPath = (), hint: str = "") -> Problem:
        """Return a problem with the excerpt of its place, free of secrets."""
        clean = self.secrets.clean
        shown = tuple(clean(part) if isinstance(part, str) else part for part in path)
        excerpt = self._excerpt(place)
        return Problem(clean(message), shown, place.file, place.line, place.column, clean(hint), excerpt)

    def fail(self, place: Place, message: str, path: KeyPath = (), hint: str = "") -> ConfigError:
        """Return the error of one problem."""
        return ConfigError([self.problem(place, message, path, hint)])

    def warn(self, place: Place, message: str, path: KeyPath = (), hint: str = "") -> None:
        """Record a doubt."""
        self.warnings.append(self.problem(place, message, path, hint))

    def _excerpt(self, place: Place) -> str:
        lines = self.lines.get(place.file, [])
        if not 1 <= place.line <= len(lines):
            return ""
        line = "".join(char if char.isprintable() else " " for char in lines[place.line - 1])
        start = max(0, place.column - _EXCERPT_WIDTH // 2) if place.column > _EXCERPT_WIDTH else 0
        shown = self.secrets.clean(mask_line(line))[start : start + _EXCERPT_WIDTH]
        return f"{shown}\n{' ' * (place.column - 1 - start)}^"


def read(file: str, sources: Sources) -> Node:
    """Read one YAML file whose root must be a mapping. Raises ConfigError."""
    text = _text(file, sources)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ReusedAnchorWarning)
            root = YAML(typ="safe", pure=True).compose(text)
    except YAMLError as error:
        raise _syntax_error(error, file, sources) from None
    except ReusedAnchorWarning as warning:
        line, column = ([int(number) for number in re.findall(r"(?:line|column) (\d+)", str(warning))][2:4]) or (1, 1)
        raise sources.fail(Place(file, line, column), "an anchor of this name was given before") from None
    except RecursionError:
        raise sources.fail(Place(file, 1, 1), f"the file is nested deeper than {MAX_DEPTH} levels") from None
    except (ValueError, TypeError, AttributeError, LookupError) as error:  # ruamel on some malformed directives
        raise sources.fail(Place(file, 1, 1), f"the file is not valid YAML: {error}") from None
    top = Place(file, 1, 1)
    if root is None:
        raise sources.fail(top, "the file is empty", hint="the least is `listen:` and `sites:`; see docs/reference.md")
    if not isinstance(root, MappingNode):
        raise sources.fail(top, "a configuration is a mapping of keys such as `listen:` and `sites:`")
    return _Builder(file, sources).build(root)


def _text(file: str, sources: Sources) -> str:
    try:
        with open(file, "rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError([Problem(f"the file cannot be read: {error.strerror}", file=file)]) from None
    except ValueError:
        raise ConfigError([Problem("the file name holds a NUL character", file=repr(file))]) from None
    if len(data) > MAX_FILE_BYTES:
        message = f"the file is larger than {MAX_FILE_BYTES >> 20} MiB; split it with `include:`"
        raise ConfigError([Problem(message, file=file)])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        message = "the file is not UTF-8 text"
        raise ConfigError([Problem(message, file=file, line=line, column=column)]) from None
    sources.lines[file] = text.split("\n")
    return text


_QUOTED = "while scanning a quoted scalar"
_QUOTES = ("'", '"')
_SYNTAX_HINTS = (
    ("undefined alias", 'a text that begins with * is an alias in YAML; put it in quotes, as in "*.a.example"'),
    ("cannot start any token", "indent with spaces, and put text that begins with @ ` % or a tab in quotes"),
    ("mapping values are not allowed", "put text that holds `: ` in quotes, and indent the keys of a mapping alike"),
    ("could not find expected ':'", "every key is followed by a colon and a space"),
    ("expected <block end>", "the keys of one mapping begin in the same column"),
    ("expected a single document", "a file holds one document; remove the `---` or use `include:`"),
    (_QUOTED, "a quote is not closed"),
)  # fmt: skip


def _syntax_error(error: YAMLError, file: str, sources: Sources) -> ConfigError:
    place, message = Place(file, 1, 1), "a character that YAML does not allow"
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        if error.context == _QUOTED and error.problem == "found unexpected end of stream":
            mark = error.context_mark  # where it opens, rather than the end of the file
        if mark is not None:
            last = max(1, len(sources.lines[file]))
            place = Place(file, min(mark.line + 1, last), mark.column + 1)
        message = ", ".join(str(part) for part in (error.context, error.problem) if part)
    elif isinstance(position := getattr(error, "position", None), int):
        before = "\n".join(sources.lines[file])[:position]
        place = Place(file, before.count("\n") + 1, position - before.rfind("\n"))
    hint = _quote_before(place, sources) or next((hint for sign, hint in _SYNTAX_HINTS if sign in message), "")
    line = sources.lines[file][place.line - 1]
    if message.startswith("while parsing a flow") and "${" in line:
        hint = 'inside { } and [ ] a reference stands in quotes: "${env:NAME}"'
    return sources.fail(place, f"not valid YAML: {message}", hint=hint)


def _quote_before(place: Place, sources: Sources) -> str:
    """Return a hint where the text before `place` is quoted and goes over lines: then a quote before it is missing."""
    last = None
    try:
        for token in YAML(typ="safe", pure=True).scan("\n".join(sources.lines[place.file])):
            if (token.start_mark.line + 1, token.start_mark.column + 1) >= (place.line, place.column):
                break
            if isinstance(token, ScalarToken) and token.style in _QUOTES:
                last = token
    except (YAMLError, ValueError, TypeError, AttributeError, LookupError):  # it cannot be read beyond the mistake
        pass
    if last is None or last.start_mark.line == last.end_mark.line or last.end_mark.line + 1 != place.line:
        return ""
    opened = f"line {last.start_mark.line + 1}, column {last.start_mark.column + 1}"
    return f"the quote that opens in {opened} closes only in this line: is one missing?"


class _Builder:
    """Turns composed nodes of one file into `Node`s."""

    def __init__(self, file: str, sources: Sources) -> None:
        self._file = file
        self._folder = os.path.dirname(file)
        self._sources = sources
        self._open: set[int] = set()
        self._construct = YAML(typ="safe", pure=True).constructor.construct_object

    def build(self, source: Any, path: KeyPath = (), key: Place | None = None) -> Node:
        place = self._place(source)
        self._sources.nodes += 1
        if self._sources.nodes > MAX_NODES:
            raise self._sources.fail(place, f"more than {MAX_NODES} values once aliases are expanded", path[:8])
        if isinstance(source, ScalarNode):
            return self._scalar(source, path, key or place)
        if id(source) in self._open:
            raise self._sources.fail(place, "an anchor holds an alias of itself", path[:8])
        if len(path) > MAX_DEPTH:
            raise self._sources.fail(place, f"nested deeper than {MAX_DEPTH} levels", path[:8])
        self._open.add(id(source))
        node = Node(None, place, key or place)
        if isinstance(source, MappingNode):
            node.value = self._mapping(source, path)
        elif isinstance(source, SequenceNode):
            node.value = [self.build(item, (*path, index)) for index, item in enumerate(source.value)]
        self._open.discard(id(source))
        return node

    def _place(self, source: Any) -> Place:
        return Place(self._file, source.start_mark.line + 1, source.start_mark.column + 1)

    def _mapping(self, source: MappingNode, path: KeyPath) -> dict[str, Node]:
        self._check_tag(source, path, "map")
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key_source, value_source in source.value:
            place = self._place(key_source)
            if not isinstance(key_source, ScalarNode):
                raise self._sources.fail(place, "a key is a plain word, not a list or a mapping", path)
            if key_source.tag == f"{_TAG}merge":
                for name, node in self._merge(value_source, path).items():
                    merged.setdefault(name, node)
                continue
            # The text of a key is kept as it is written: 503 is a fine name of an error page.
            name, _ = self._resolve(key_source.value, place, path)
            if name in own:
                first = own[name].key
                raise self._sources.fail(
                    place, f"the key stands here again; it was given in line {first.line}", (*path, name)
                )
            own[name] = self.build(value_source, (*path, name), place)
            if isinstance(text := own[name].value, str) and names_secret(name, text):
                self._sources.secrets.add(text)
        return {**merged, **own}

    def _merge(self, source: Any, path: KeyPath) -> dict[str, Node]:
        node = self.build(source, (*path, "<<"))
        parts = node.value if isinstance(node.value, list) else [node]
        result: dict[str, Node] = {}
        for part in parts:
            if not isinstance(part.value, dict):
                raise self._sources.fail(
                    part.place, "a merge key `<<:` takes an alias of a mapping, or a list of such", path
                )
            for name, child in part.value.items():
                result.setdefault(name, child)
        return result

    def _scalar(self, source: ScalarNode, path: KeyPath, key: Place) -> Node:
        place = self._place(source)
        tag = source.tag or f"{_TAG}str"
        if "${" in source.value:
            text, outside = self._resolve(source.value, place, path)
            self._count(text, place, path)
            if outside:
                self._sources.secrets.add(text)
            return Node(text, place, key, outside)
        self._count(source.value, place, path)
        kind = tag.removeprefix(_TAG)
        if kind in ("str", "timestamp"):
            return Node(source.value, place, key)
        if kind not in ("int", "float", "bool", "null"):
            self._check_tag(source, path, "str")
            return Node(source.value, place, key)
        try:
            return Node(self._construct(source), place, key)
        except (ValueError, TypeError, LookupError, YAMLError, OverflowError):
            raise self._sources.fail(place, f"{source.value[:40]!r} is not a number", path) from None

    def _resolve(self, text: str, place: Place, path: KeyPath) -> tuple[str, bool]:
        if any("\ud800" <= char <= "\udfff" for char in text):
            raise self._sources.fail(place, "half of a surrogate pair is not a character", path)
        if "${" not in text:
            return text, False
        try:
            return self._sources.references.resolve(text, self._folder)
        except UnresolvedError as error:
            raise self._sources.fail(place, str(error), path) from None

    def _count(self, text: str, place: Place, path: KeyPath) -> None:
        self._sources.characters += len(text)
        if self._sources.characters > MAX_TEXT:
            raise self._sources.fail(place, f"more than {MAX_TEXT >> 20} MiB of text once aliases are expanded", path)
        if any("\ud800" <= char <= "\udfff" for char in text):
            raise self._sources.fail(place, "half of a surrogate pair is not a character", path)

    def _check_tag(self, source: Any, path: KeyPath, kind: str) -> None:
        tag = str(source.tag or "")
        if tag not in ("", f"{_TAG}{kind}"):
            shown = tag.replace(_TAG, "!!")
            raise self._sources.fail(
                self._place(source), f"the YAML tag {shown} has no meaning here", path, "remove it"
            )
