"""Forms read as what schemas are about."""

from __future__ import annotations

from typing import Any

from bascule.waf.bodies import Limits, parse_multipart, parse_urlencoded
from bascule.waf.openapi.document import Document, Pointer
from bascule.waf.openapi.parameters import readings, types_of
from bascule.waf.openapi.strict_json import ContentError, read_json

MAX_FIELDS = 1000
_LIMITS = Limits(fields=MAX_FIELDS)


class Form:
    """A form by its schema: fields become properties of an object."""

    def __init__(self, schema: Any, where: Pointer, document: Document) -> None:
        self._types: dict[str, set[str]] = {}
        self._items: dict[str, set[str]] = {}
        self._collect(schema, where, document, 0)

    def _collect(self, schema: Any, where: Pointer, document: Document, depth: int) -> None:
        schema, where = document.resolve(schema, where)
        if not isinstance(schema, dict) or depth > 8:
            return
        properties = schema.get("properties")
        for name, each in (properties if isinstance(properties, dict) else {}).items():
            place = (*where, "properties", name)
            self._types[name] = types_of(each, place, document)
            plain, at = document.resolve(each, place)
            if isinstance(plain, dict):
                self._items[name] = types_of(plain.get("items", True), (*at, "items"), document)
        parts = schema.get("allOf")
        for index, part in enumerate(parts if isinstance(parts, list) else ()):
            self._collect(part, (*where, "allOf", str(index)), document, depth + 1)

    def read(self, content_type: bytes, body: bytes) -> dict[str, Any]:
        """Return a form's fields as an object. Raises ContentError."""
        fields: dict[str, list[str]] = {}
        for name, value in self._fields(content_type, body):
            fields.setdefault(name.decode("utf-8", "backslashreplace"), []).append(value)
        return {name: self._value(name, texts) for name, texts in fields.items()}

    @staticmethod
    def _fields(content_type: bytes, body: bytes) -> list[tuple[bytes, str]]:
        if content_type[:10].lower() == b"multipart/":
            found = parse_multipart(body, content_type, _LIMITS)
            if found.error:
                raise ContentError(f"it is not a form: {found.error}")
            return [
                (part.name, "(file)" if part.filename else part.content.decode("utf-8", "backslashreplace"))
                for part in found.parts
            ]
        form = parse_urlencoded(body, limits=_LIMITS)
        if form.error:
            raise ContentError(f"it is not a form: {form.error}")
        return [(name, value.decode("utf-8", "backslashreplace")) for name, value in form.pairs]

    def _value(self, name: str, texts: list[str]) -> Any:
        types = self._types.get(name, set())
        if "array" in types:
            return [next(readings(text, self._items.get(name, set()) or {"string"})) for text in texts]
        if len(texts) > 1:
            raise ContentError(f"it has the field {name[:64]} twice")
        if "object" in types:
            return read_json(texts[0].encode())
        return next(readings(texts[0], types or {"string"}))
