"""The base of every configuration model: frozen, and a key it does not know is an error."""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

M = TypeVar("M", bound="Model")


class Model(BaseModel):
    """A part of the configuration. Immutable; unknown keys are refused."""

    # Deferred, since a part is built within each that holds it, too: a start takes 50 ms less.
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)

    short_forms: ClassVar[tuple[dict[str, Any], ...]] = ()
    """JSON Schemas of what may be written in place of the whole mapping."""
    short_keys: ClassVar[tuple[str, ...]] = ()
    """Keys of a part that may stand directly here."""
    null_is_a_value: ClassVar[bool] = False
    """Whether a key may have nothing behind it. Elsewhere None is only the default of what is not stated."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[BaseModel], handler: GetCoreSchemaHandler) -> CoreSchema:
        """Refuse a key with nothing behind it: ``sticky:`` would leave off what it seems to switch on."""
        schema = handler(source)
        fields: Any = schema
        while fields["type"] != "model-fields":
            fields = fields["schema"]
        for field in () if cls.null_is_a_value else fields["fields"].values():
            optional = field["schema"]
            if optional["type"] == "default" and optional["schema"]["type"] == "nullable":
                stated = optional["schema"] = optional["schema"]["schema"]
                if "serialization" in stated:  # of what is stated: what is not is None here, too
                    stated["serialization"]["when_used"] = "unless-none"
        return schema

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(core_schema)
        target = handler.resolve_ref_schema(schema)
        said = meanings(cls)
        for name, field in cls.model_fields.items():
            if name in said:
                target["properties"][field.alias or name]["description"] = said[name]
        if cls.short_forms:
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


@cache
def meanings(model: type[Model]) -> dict[str, str]:
    """Return what the docstrings below the keys of a model say, by field.

    pydantic could keep them (use_attribute_docstrings), but then every start would parse the source of every model.
    """
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if not issubclass(base, Model):
            continue
        tree = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        for key, below in pairwise(getattr(tree, "body", [])):
            match key, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = inspect.cleandoc(text)
    return found


def overlay(parent: M, child: M | None) -> M:
    """Return `parent` with the keys that `child` states put over it."""
    if child is None or not child.model_fields_set:
        return parent
    return parent.model_copy(update={name: getattr(child, name) for name in child.model_fields_set})
