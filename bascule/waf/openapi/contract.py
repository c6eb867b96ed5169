"""The contract: paths to operations, and what each of them takes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import jsonschema_rs
import re2

from bascule.waf.openapi.content import Form
from bascule.waf.openapi.document import Document, Pointer
from bascule.waf.openapi.parameters import Parameter
from bascule.waf.openapi.schema import Schemas
from bascule.waf.openapi.strict_json import ContentError, read_json

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
MAX_FAULTS = 8
"""Faults of a body that are told."""
_IGNORED_HEADERS = ("accept", "content-type", "authorization")
"""A parameter of such a name is ignored (OpenAPI 3.1, 4.8.12)."""
_ITEM_KEYS = frozenset(("parameters", "summary", "description", "servers", "$ref", *METHODS))
_PARAMETER = re.compile(r"\{([^{}/]+)\}")


class Fault(NamedTuple):
    """What is wrong with a parameter or a body: its place and name, and in words. `name` is empty for a whole body."""

    place: str
    name: str
    words: str


class Body:
    """What an operation takes as a body, of one media type. `validator` is None where any content does."""

    def __init__(self, kind: str, schema: Any, where: Pointer, document: Document, schemas: Schemas) -> None:
        self.kind = kind
        reads = kind.endswith("json") or kind in ("application/x-www-form-urlencoded", "multipart/form-data")
        self._validator: jsonschema_rs.Validator | None = None
        self._form: Form | None = None
        if reads and schema is not None:
            self._validator = schemas.compile(schema, where)
            if not kind.endswith("json"):
                self._form = Form(schema, where, document)

    @property
    def is_read(self) -> bool:
        """Whether the content is checked, so that it must be here whole."""
        return self._validator is not None

    def faults(self, content_type: bytes, content: bytes) -> Iterator[Fault]:
        """Yield what is wrong with a body."""
        if self._validator is None:
            return
        try:
            value = self._form.read(content_type, content) if self._form is not None else read_json(content)
        except ContentError as unreadable:
            yield Fault("body", "", str(unreadable))
            return
        for count, error in enumerate(self._validator.iter_errors(value)):
            if count >= MAX_FAULTS:
                return
            yield Fault("body", self._named(error.instance_path), error.message[:300])

    def _named(self, path: Sequence[str | int]) -> str:
        """Return a place in a body as the arguments of rules are called."""
        if self._form is not None:
            return str(path[0]) if path else ""
        return ".".join(["json", *(f"array_{part}" if isinstance(part, int) else part for part in path)])


class Operation:
    """One operation: its parameters and bodies."""

    def __init__(
        self, given: Any, shared: dict[tuple[str, str], Parameter], where: Pointer, document: Document, schemas: Schemas
    ) -> None:
        if not isinstance(given, dict):
            document.fail(where, "an operation is a mapping")
        own = _parameters(given.get("parameters", []), (*where, "parameters"), document, schemas)
        every = [p for p in {**shared, **own}.values() if not (p.place == "header" and p.name in _IGNORED_HEADERS)]
        self._by_place = {
            place: {p.name: p for p in every if p.place == place} for place in ("path", "query", "header", "cookie")
        }
        self._deep = [p for p in every if p.is_deep]
        self.bodies: list[Body] = []
        self.body_required = False
        if "requestBody" in given:
            body, place = document.resolve(given["requestBody"], (*where, "requestBody"))
            self._bodies(body, place, document, schemas)

    def _bodies(self, body: Any, where: Pointer, document: Document, schemas: Schemas) -> None:
        if not isinstance(body, dict) or not isinstance(body.get("content"), dict):
            document.fail(where, "a request body has `content`")
        self.body_required = body.get("required") is True
        for kind, media in body["content"].items():
            place = (*where, "content", kind)
            schema = media.get("schema") if isinstance(media, dict) else None
            self.bodies.append(
                Body(kind.partition(";")[0].strip().lower(), schema, (*place, "schema"), document, schemas)
            )

    def body_of(self, kind: str) -> Body | None:
        """Return what is taken of a media type, or None."""
        ranges = (kind, f"{kind.partition('/')[0]}/*", "*/*")
        return next((body for wanted in ranges for body in self.bodies if body.kind == wanted), None)

    def faults(self, place: str, pairs: Sequence[tuple[str, str]]) -> Iterator[Fault]:
        """Yield what is wrong with the parameters at a place: of the query, those that are not known too."""
        given: dict[str, list[str]] = {}
        for name, text in pairs:
            given.setdefault(name, []).append(text)
        if place == "query" and self._deep:
            yield from self._deep_faults(given)
        known = self._by_place[place]
        for name, parameter in known.items():
            texts = given.get(name)
            if texts is None:
                if parameter.required and not parameter.is_deep:
                    yield Fault(place, name, "it is missing")
            elif words := parameter.fault(texts):
                yield Fault(place, name, words)
        if place == "query":
            for name in given:
                if name not in known:
                    yield Fault("unknown", name, "the contract has no such parameter")

    def _deep_faults(self, given: dict[str, list[str]]) -> Iterator[Fault]:
        """Yield what is wrong with the objects among the parameters, and take them out."""
        for parameter in self._deep:
            start = parameter.name + "["
            names = [name for name in given if name.startswith(start) and name.endswith("]")]
            pairs = [(name[len(start) : -1], text) for name in names for text in given.pop(name)]
            if not pairs and parameter.required:
                yield Fault("query", parameter.name, "it is missing")
            elif pairs and (words := parameter.deep_fault(pairs)):
                yield Fault("query", parameter.name, words)


class Route(NamedTuple):
    """A path of the contract: its pattern, the names of its parameters, and its operations by method."""

    pattern: Any
    names: tuple[str, ...]
    operations: dict[str, Operation]


class Contract:
    """A document made ready to check requests."""

    def __init__(self, file: Path) -> None:
        """Raises WafLoadError, with file and line."""
        document = Document(file)
        version = document.value.get("openapi")
        if not isinstance(version, str) or not version.startswith(("3.0", "3.1")):
            document.fail(("openapi",), f"an OpenAPI document of version 3.0 or 3.1 is needed, this is {version!r}")
        schemas = Schemas(document)
        self._bases = _bases(document)
        self._exact: dict[str, Route] = {}
        self._patterns: list[Route] = []
        paths = document.value.get("paths")
        if not isinstance(paths, dict) or not paths:
            document.fail(("paths",), "the document has no `paths`")
        for path, item in paths.items():
            if not path.startswith("x-"):
                self._add(path, item, document, schemas)
        self._patterns.sort(key=lambda route: len(route.names))
        self.warnings = schemas.warnings

    def _add(self, path: str, item: Any, document: Document, schemas: Schemas) -> None:
        item, where = document.resolve(item, ("paths", path))
        if not path.startswith("/") or not isinstance(item, dict):
            document.fail(where, "a path begins with a slash, and is a mapping of methods")
        for key in item:
            if key not in _ITEM_KEYS and not key.startswith("x-"):
                document.fail((*where, key), f"{key} is not a method")
        shared = _parameters(item.get("parameters", []), (*where, "parameters"), document, schemas)
        operations = {
            method.upper(): Operation(item[method], shared, (*where, method), document, schemas)
            for method in METHODS
            if method in item
        }
        names = tuple(_PARAMETER.findall(path))
        if not names:
            self._exact[path] = Route(None, (), operations)
            return
        parts = _PARAMETER.split(path)
        text = "".join(re2.escape(part) if index % 2 == 0 else "([^/]+)" for index, part in enumerate(parts))
        self._patterns.append(Route(re2.compile(text), names, operations))

    def find(self, path: str) -> tuple[Route, list[tuple[str, str]]] | None:
        """Return the route of a path in normal form, with its parameters, decoded; None if the contract has none."""
        for base in self._bases:
            if base and not path.startswith(base + "/"):
                continue
            rest = path[len(base) :]
            if (route := self._exact.get(rest)) is not None:
                return route, []
            for route in self._patterns:
                if (found := route.pattern.fullmatch(rest)) is not None:
                    return route, [(n, unquote(v)) for n, v in zip(route.names, found.groups(), strict=True)]
        return None


def _bases(document: Document) -> list[str]:
    """Return the path that each server's URL adds before those of the document."""
    servers = document.value.get("servers") or [{"url": "/"}]
    bases = []
    for index, server in enumerate(servers if isinstance(servers, list) else [servers]):
        where = ("servers", str(index), "url")
        if not isinstance(server, dict) or not isinstance(server.get("url"), str):
            document.fail(where, "a server has a `url`")
        path = urlsplit(server["url"]).path.rstrip("/")
        if "{" in path:
            document.fail(where, "variables in the path of a server's URL are not supported")
        bases.append(path if path.startswith("/") else "")
    return sorted(set(bases), key=len, reverse=True)


def _parameters(given: Any, where: Pointer, document: Document, schemas: Schemas) -> dict[tuple[str, str], Parameter]:
    if not isinstance(given, list):
        document.fail(where, "parameters are a list")
    found: dict[tuple[str, str], Parameter] = {}
    for index, each in enumerate(given):
        plain, place = document.resolve(each, (*where, str(index)))
        parameter = Parameter(plain, place, document, schemas)
        found[parameter.place, parameter.name] = parameter
    return found
