"""Schemas of OpenAPI 3.0 and 3.1 as JSON Schema 2020-12, checked keyword by keyword.

A keyword that has no effect here fails the load: nobody is to believe that it protects. Patterns run in linear time
(Rust's regex), so one with look-around or back-references fails, too.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import jsonschema_rs

from bascule.waf.openapi.document import Document, Pointer

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_BASE = "bascule:contract"
MAX_PATTERN = 1 << 20
"""Bytes of a compiled pattern."""

_PLAIN = frozenset((
    "type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems", "minContains", "maxContains",
    "minProperties", "maxProperties", "required", "dependentRequired",
))  # fmt: skip
_ONE = frozenset((
    "additionalProperties", "items", "not", "propertyNames", "contains", "if", "then", "else", "unevaluatedItems",
    "unevaluatedProperties",
))  # fmt: skip
_LISTS = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
_MAPS = frozenset(("properties", "patternProperties", "dependentSchemas", "$defs"))
_TOLD = frozenset((
    "title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly", "externalDocs",
    "xml", "discriminator", "$comment", "nullable", "format", "contentMediaType", "contentEncoding", "$ref",
))  # fmt: skip
"""What only tells people, or is translated. (What a discriminator chooses among, `oneOf` and `anyOf` say.)"""
_CHECKED = frozenset((
    "date", "date-time", "time", "duration", "email", "idn-email", "hostname", "idn-hostname", "ipv4", "ipv6",
    "uri", "uri-reference", "iri", "iri-reference", "uuid", "uri-template", "json-pointer", "relative-json-pointer",
    "regex", "byte", "int32", "int64", "float", "double", "binary", "password",
))  # fmt: skip
_RANGES = {"int32": (-(1 << 31), (1 << 31) - 1), "int64": (-(1 << 63), (1 << 63) - 1)}


class Schemas:
    """The schemas of one document. `warnings` are about formats that are not checked."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._old = str(document.value.get("openapi", "")).startswith("3.0")
        self._shared: dict[str, Any] = {}
        """Schemas that others refer to."""
        self._targets: dict[str, Pointer] = {}
        """Where each of them stands."""
        self._waiting: list[tuple[str, Pointer, Pointer]] = []
        self.warnings: list[str] = []

    def compile(self, schema: Any, where: Pointer) -> jsonschema_rs.Validator:
        """Return what validates values by a schema. Raises WafLoadError."""
        converted = self.convert(schema, where)
        while self._waiting:
            name, target, named_by = self._waiting.pop()
            self._shared[name] = self.convert(self._document.at(target, named_by), target)
        try:
            registry = jsonschema_rs.Registry([(_BASE, {"$schema": DIALECT, "$defs": self._shared})])
            return jsonschema_rs.validator_for(
                {"$schema": DIALECT, **converted} if isinstance(converted, dict) else converted,
                registry=registry,
                pattern_options=jsonschema_rs.RegexOptions(size_limit=MAX_PATTERN),
                validate_formats=True,
                formats={"byte": _is_base64},
                mask="it",
                offline=True,
            )
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            place = [*where, *getattr(error, "instance_path", ())]
            if len(place) > len(where) + 1 and place[len(where)] == "$defs":
                place = [*self._targets[str(place[len(where) + 1])], *place[len(where) + 2 :]]
            self._document.fail(place, str(getattr(error, "message", error)).replace("it is not", "this is not"))

    def convert(self, schema: Any, where: Pointer) -> Any:
        """Return a schema as JSON Schema. Raises WafLoadError for what cannot be honoured."""
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict):
            self._document.fail(where, "a schema is a mapping")
        if "$ref" in schema and self._old:
            return self._reference(schema, where)
        found = {
            key: self._keyword(key, value, (*where, key)) for key, value in schema.items() if self._keeps(key, where)
        }
        if "$ref" in schema:
            found |= self._reference(schema, where)
        self._translate(schema, found, where)
        return found

    def _reference(self, schema: dict[str, Any], where: Pointer) -> dict[str, Any]:
        target = self._document.target(schema["$ref"], (*where, "$ref"))
        self._document.at(target, (*where, "$ref"))
        name = ".".join(part.replace("~", "~0").replace("/", "~1") for part in target)
        if name not in self._shared:
            self._shared[name], self._targets[name] = True, target
            self._waiting.append((name, target, (*where, "$ref")))
        return {"$ref": f"{_BASE}#/$defs/{name.replace('~', '~0')}"}

    def _keeps(self, key: str, where: Pointer) -> bool:
        if key in _PLAIN or key in _ONE or key in _LISTS or key in _MAPS:
            return True
        if key not in _TOLD and not key.startswith("x-"):
            self._document.fail((*where, key), f"the keyword {key} is not supported")
        return False

    def _keyword(self, key: str, value: Any, where: Pointer) -> Any:
        if key in _ONE:
            return self.convert(value, where)
        if key in _LISTS:
            if not isinstance(value, list):
                self._document.fail(where, "this is a list of schemas")
            return [self.convert(item, (*where, str(index))) for index, item in enumerate(value)]
        if key in _MAPS:
            if not isinstance(value, dict):
                self._document.fail(where, "this is a mapping of names to schemas")
            return {name: self.convert(item, (*where, name)) for name, item in value.items()}
        return value

    def _translate(self, schema: dict[str, Any], found: dict[str, Any], where: Pointer) -> None:
        """Say in JSON Schema what only OpenAPI says so."""
        if self._old:
            for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
                if isinstance(found.get(exclusive), bool) and found.pop(exclusive) and limit in found:
                    found[exclusive] = found.pop(limit)
            if schema.get("nullable") is True and isinstance(found.get("type"), str):
                found["type"] = [found["type"], "null"]
                if isinstance(found.get("enum"), list) and None not in found["enum"]:
                    found["enum"] = [*found["enum"], None]
        self._format(schema.get("format"), found, where)
        if isinstance(found.get("required"), list) and isinstance(schema.get("properties"), dict):
            kept = [name for name in found["required"] if not self._is_answer(schema["properties"].get(name), where)]
            found["required"] = kept

    def _format(self, name: Any, found: dict[str, Any], where: Pointer) -> None:
        if name is None:
            return
        if name not in _CHECKED:
            file, line = self._document.file, self._document.line((*where, "format"))
            self.warnings.append(f"{file}:{line}: the format {name!r} is not checked")
        elif name in _RANGES:
            low, high = _RANGES[name]
            found.setdefault("allOf", [])
            found["allOf"] = [*found["allOf"], {"minimum": low, "maximum": high}]
        elif name not in ("float", "double", "binary", "password"):
            found["format"] = name

    def _is_answer(self, schema: Any, where: Pointer) -> bool:
        """Whether a property is `readOnly`: then it is not required of requests (OpenAPI 3.0.3, 4.7.24.1)."""
        plain, _ = self._document.resolve(schema, where)
        return isinstance(plain, dict) and plain.get("readOnly") is True


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
