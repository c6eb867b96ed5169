"""A profile as an OpenAPI 3.1 document: what is usual, as a contract that people can read and edit, and enforce."""

from __future__ import annotations

import re
from typing import Any

from bascule.waf.profile.model import Operation, Profile
from bascule.waf.profile.traits import BOOLEAN, CONTROL, DECIMAL, EMAIL, EMPTY, INTEGER, MEMBERS, UUID
from bascule.waf.profile.usual import Expected, habit_of, is_ripe

METHODS = ("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE")
_TEMPLATE = re.compile(r"\{(int|uuid|date|hex|name|rest)\}")
_SEGMENTS: dict[str, dict[str, Any]] = {
    "int": {"type": "string", "pattern": "^[0-9]{1,20}$"},
    "uuid": {"type": "string", "format": "uuid"},
    "date": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}(-[0-9]{2})?$"},
    "hex": {"type": "string", "pattern": "^[0-9A-Fa-f]{12,80}$"},
    "name": {"type": "string", "maxLength": 512},
    "rest": {"type": "string", "maxLength": 4096},
}
_SORTS = {0: "0-9", 1: "a-z", 2: "A-Z", 3: " ", 4: "\x80-\U0010ffff", 5: r"_\-", 6: ".", 7: r"\t\r\n"}
"""Sorts of characters that are not a single mark, in a class of a pattern."""
_JSON, _MULTIPART, _FORM = "application/json", "multipart/form-data", "application/x-www-form-urlencoded"


def openapi(profile: Profile, clients: int, requests: int) -> dict[str, Any]:
    """Return the document: only what enough clients have shown, at places that had enough requests."""
    paths: dict[str, dict[str, Any]] = {}
    for template, node in profile.places():
        ripe = {
            method: operation
            for method, operation in node.operations.items()
            if method in METHODS and is_ripe(operation, clients, requests)
        }
        if ripe:
            path, parameters = _path(template)
            item = paths.setdefault(path, {})
            if parameters:
                item["parameters"] = parameters
            for method, operation in ripe.items():
                item[method.lower()] = _operation(profile, operation, clients)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": profile.site,
            "version": "1",
            "description": f"Learned by Bascule from {profile.learned} requests.",
        },
        "paths": paths,
    }


def _path(template: str) -> tuple[str, list[dict[str, Any]]]:
    """Return a path with its templates named apart, and their parameters."""
    parameters: list[dict[str, Any]] = []

    def name(found: re.Match[str]) -> str:
        kind = found[1]
        text = f"{kind}{len(parameters) + 1}"
        parameters.append({"name": text, "in": "path", "required": True, "schema": _SEGMENTS[kind]})
        return "{" + text + "}"

    return _TEMPLATE.sub(name, template), parameters


def _operation(profile: Profile, operation: Operation, clients: int) -> dict[str, Any]:
    habit = habit_of(profile, operation, clients)
    told: dict[str, Any] = {"responses": {"default": {"description": "as the server answers"}}}
    parameters = [
        {"name": name, "in": place, "required": expected.required and place == "query", "schema": _repeated(expected)}
        for place, name, expected in _parts(habit.parameters)
        if place in ("query", "cookie")
    ]
    if parameters:
        told["parameters"] = parameters
    if habit.content_types:
        body = [
            (place, name, expected) for place, name, expected in _parts(habit.parameters) if place in ("body", "file")
        ]
        told["requestBody"] = {
            "content": {kind: {"schema": _body(kind, body, habit.open)} for kind in habit.content_types if kind}
        }
        if not told["requestBody"]["content"]:
            del told["requestBody"]
    return told


def _parts(parameters: dict[str, Expected]) -> list[tuple[str, str, Expected]]:
    return [(*key.partition(":")[::2], expected) for key, expected in sorted(parameters.items())]


def _body(kind: str, fields: list[tuple[str, str, Expected]], is_open: bool) -> dict[str, Any]:
    if kind.endswith("json"):
        tree = _Tree()
        for _, name, expected in fields:
            if name == "json" or name.startswith(("json.", "json[")):
                tree.add(name.split(".")[1:], expected)
        return tree.schema(is_open)
    if kind not in (_FORM, _MULTIPART):
        return {}
    properties = {
        name: {"type": "string", "format": "binary"} if place == "file" else _repeated(expected)
        for place, name, expected in fields
    }
    required = [name for _, name, expected in fields if expected.required]
    schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": is_open}
    return {**schema, "required": required} if required else schema


class _Tree:
    """The leaves of JSON documents put together: what is a list, an object, or a value."""

    def __init__(self) -> None:
        self._children: dict[str, _Tree] = {}
        self._leaf: Expected | None = None

    def add(self, names: list[str], expected: Expected) -> None:
        if not names:
            self._leaf = expected
        else:
            self._children.setdefault(names[0], _Tree()).add(names[1:], expected)

    def schema(self, is_open: bool) -> dict[str, Any]:
        """Return the schema; leaves may be of any JSON type that is written so, for lengths are those of the text."""
        if not self._children:
            return {} if self._leaf is None else _leaf(self._leaf)
        if set(self._children) == {"array"}:
            return {"type": "array", "items": self._children["array"].schema(is_open)}
        required = [n for n, child in self._children.items() if child._leaf is not None and child._leaf.required]
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {name: child.schema(is_open) for name, child in self._children.items()},
            "additionalProperties": is_open,
        }
        return {**schema, "required": required} if required else schema


def _repeated(expected: Expected) -> dict[str, Any]:
    schema = _text(expected)
    return {"type": "array", "items": schema} if expected.many else schema


def _text(expected: Expected) -> dict[str, Any]:
    """Return the schema of a text value."""
    kinds = [kind for kind in expected.kinds if kind != EMPTY]
    if EMPTY not in expected.kinds:
        if kinds == [INTEGER]:
            most = 10 ** min(2 * expected.longest + 1, 19)
            return {"type": "integer", "minimum": -most, "maximum": most}
        if kinds and set(kinds) <= {INTEGER, DECIMAL}:
            return {"type": "number"}
        if kinds in ([UUID], [EMAIL]):
            return {"type": "string", "format": kinds[0], "maxLength": 4 * expected.longest}
    schema: dict[str, Any] = {"type": "string", "maxLength": 2 * expected.longest + 1}
    if pattern := _alphabet(expected):
        schema["pattern"] = pattern
    return schema


def _leaf(expected: Expected) -> dict[str, Any]:
    """Return the schema of a JSON leaf: numbers and truth values are texts in a profile."""
    text = _text(expected)
    if text["type"] == "string" and set(expected.kinds) & {INTEGER, DECIMAL, BOOLEAN, EMPTY}:
        return {**text, "type": ["string", "number", "boolean", "null"]}
    if text["type"] != "string":
        return {"anyOf": [text, {"type": "string", "pattern": "^-?[0-9.]*$", "maxLength": 2 * expected.longest + 1}]}
    return text


def _alphabet(expected: Expected) -> str:
    """Return a pattern of the characters that are usual; nothing where control characters are."""
    sorts = [number for number in range(len(MEMBERS)) if expected.alphabet >> number & 1]
    if not sorts or CONTROL in sorts:
        return ""
    return f"^[{''.join(_in_class(number) for number in sorts)}]*$"


def _in_class(sort: int) -> str:
    """Return a sort of characters as it stands in a class of a pattern."""
    if sort in _SORTS:
        return _SORTS[sort]
    mark = MEMBERS[sort].decode()
    return f"\\{mark}" if mark in "\\]^[" else mark
