"""Parameters: texts of path, query, header and cookies, read as what their schemas are about (OpenAPI 3.1, 4.8.12)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import jsonschema_rs

from bascule.waf.openapi.document import Document, Pointer
from bascule.waf.openapi.schema import Schemas
from bascule.waf.openapi.strict_json import ContentError, read_json

_STYLES = {"path": ("simple",), "header": ("simple",), "cookie": ("form",),
           "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject")}  # fmt: skip
_SEPARATORS = {"simple": ",", "form": ",", "spaceDelimited": " ", "pipeDelimited": "|"}
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,30})(?:\.\d{1,30})?(?:[eE][+-]?\d{1,2})?")
_KNOWN = frozenset((
    "name", "in", "required", "schema", "content", "style", "explode", "deprecated", "description", "example",
    "examples", "allowEmptyValue", "allowReserved",
))  # fmt: skip
_CONVERSIONS = 8
"""Schemas that are put together by `allOf` and its kind, one in another, when looking for types."""


class Parameter:
    """One parameter. `name` is in lower case for a header field."""

    def __init__(self, given: Any, where: Pointer, document: Document, schemas: Schemas) -> None:
        """Raises WafLoadError."""
        if not isinstance(given, dict) or not isinstance(given.get("name"), str) or given.get("in") not in _STYLES:
            document.fail(where, "a parameter has a `name`, and is `in` path, query, header or cookie")
        for key in given:
            if key not in _KNOWN and not key.startswith("x-"):
                document.fail((*where, key), f"the keyword {key} is not supported")
        self.place: str = given["in"]
        self.name: str = given["name"].lower() if self.place == "header" else given["name"]
        self.required = given.get("required") is True
        self._empty = given.get("allowEmptyValue") is True
        self._style: str = given.get("style") or _STYLES[self.place][0]
        if self._style not in _STYLES[self.place]:
            document.fail((*where, "style"), f"the style {self._style} is not supported for a {self.place} parameter")
        self._explode = bool(given.get("explode", self._style == "form"))
        self._is_json = "content" in given
        schema, place = self._schema(given, where, document)
        self._types = types_of(schema, place, document)
        plain, at = document.resolve(schema, place)
        self._items = types_of(plain.get("items", True), (*at, "items"), document) if isinstance(plain, dict) else set()
        self.is_deep = self._style == "deepObject"
        if "object" in self._types and not (self.is_deep or self._is_json):
            document.fail(place, "an object as a parameter is supported with the style deepObject, or as JSON content")
        self._validator = schemas.compile(schema, place)

    def _schema(self, given: dict[str, Any], where: Pointer, document: Document) -> tuple[Any, Pointer]:
        if not self._is_json:
            if "schema" not in given:
                document.fail(where, "a parameter has a `schema`, or `content`")
            return given["schema"], (*where, "schema")
        content = given["content"]
        if not isinstance(content, dict) or list(content) != ["application/json"]:
            document.fail((*where, "content"), "the content of a parameter is supported as application/json alone")
        return content["application/json"].get("schema", True), (*where, "content", "application/json", "schema")

    def fault(self, texts: Sequence[str]) -> str:
        """Return what is wrong with the values given, decoded; nothing if nothing is."""
        if self._empty and list(texts) == [""]:
            return ""
        if self._is_json:
            return self._json_fault(texts)
        if "array" in self._types:
            parts = list(texts)
            if not (self._explode and self.place in ("query", "cookie")):
                if len(parts) > 1:
                    return "it is given twice"
                parts = parts[0].split(_SEPARATORS[self._style]) if parts[0] else []
            return first_error(self._validator, [next(readings(part, self._items)) for part in parts])
        if len(texts) > 1:
            return "it is given twice"
        return self._one(texts[0])

    def deep_fault(self, pairs: Sequence[tuple[str, str]]) -> str:
        """Return what is wrong with the properties of an object, by name."""
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            return "a property is given twice"
        return first_error(self._validator, {name: next(readings(text, set())) for name, text in pairs})

    def _one(self, text: str) -> str:
        faults = [first_error(self._validator, reading) for reading in readings(text, self._types)]
        return "" if "" in faults else faults[0]

    def _json_fault(self, texts: Sequence[str]) -> str:
        if len(texts) > 1:
            return "it is given twice"
        try:
            return first_error(self._validator, read_json(texts[0].encode()))
        except ContentError as error:
            return str(error)


def first_error(validator: jsonschema_rs.Validator, value: Any) -> str:
    """Return what is wrong with a value, without the value; nothing if nothing is."""
    if validator.is_valid(value):
        return ""
    error = next(iter(validator.iter_errors(value)))
    return error.message[:300]


def readings(text: str, types: set[str]) -> Iterator[Any]:
    """Yield what a text may be where these types (any, if none are known) are expected, the narrowest first."""
    any_type = not types
    if text in ("true", "false") and (any_type or "boolean" in types):
        yield text == "true"
    if (any_type or types & {"integer", "number"}) and _NUMBER.fullmatch(text):
        yield int(text) if "." not in text and "e" not in text.lower() else float(text)
    if text == "" and "null" in types:
        yield None
    yield text


def types_of(schema: Any, where: Pointer, document: Document, depth: int = 0) -> set[str]:
    """Return the types that a schema names, by itself or by those it is put together of."""
    schema, where = document.resolve(schema, where)
    if not isinstance(schema, dict) or depth > _CONVERSIONS:
        return set()
    types = schema.get("type", [])
    found = {types} if isinstance(types, str) else {str(each) for each in types}
    for key in ("allOf", "anyOf", "oneOf"):
        parts = schema.get(key)
        for index, part in enumerate(parts if isinstance(parts, list) else ()):
            found |= types_of(part, (*where, key, str(index)), document, depth + 1)
    if not found and "properties" in schema:
        found = {"object"}
    return found
