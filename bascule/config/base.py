"""The base of every configuration model: frozen, and a key it does not know is an error."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

M = TypeVar("M", bound="Model")


class Model(BaseModel):
    """A part of the configuration. Immutable; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, use_attribute_docstrings=True)

    short_forms: ClassVar[tuple[dict[str, Any], ...]] = ()
    """JSON Schemas of what may be written in place of the whole mapping."""
    short_keys: ClassVar[tuple[str, ...]] = ()
    """Keys of a part that may stand directly here."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(core_schema)
        if cls.short_forms:
            target = handler.resolve_ref_schema(schema)
            whole = dict(target)
            target.clear()
            target.update(title=whole.pop("title"), description=whole.pop("description", ""))
            target["anyOf"] = [*cls.short_forms, whole]
        return schema


class Switched(Model):
    """A part with a `mode`; a bare word in its place is short for that."""

    short_forms: ClassVar = ({"enum": ["off", "detect", "block", False]},)

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if data is False:  # YAML 1.1 habits: a bare `off`
            return {"mode": "off"}
        return {"mode": data} if isinstance(data, str) else data


def overlay(parent: M, child: M | None) -> M:
    """Return `parent` with the keys that `child` states put over it."""
    if child is None or not child.model_fields_set:
        return parent
    return parent.model_copy(update={name: getattr(child, name) for name in child.model_fields_set})
