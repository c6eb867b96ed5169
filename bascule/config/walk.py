"""Walks the models: which one stands at a key path, and what is inside a field's type."""

from __future__ import annotations

import types
from typing import Annotated, Any, Union, get_args, get_origin

from bascule.config.base import Model
from bascule.config.errors import KeyPath


def unwrap(kind: Any) -> Any:
    """Return a type without `Annotated` and without ``| None``."""
    while True:
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        elif get_origin(kind) in (Union, types.UnionType) and len(rest := _some(kind)) == 1:
            kind = rest[0]
        else:
            return kind


def _some(kind: Any) -> list[Any]:
    return [part for part in get_args(kind) if part is not type(None)]


def inner(kind: Any) -> Any:
    """Return the type of a list's items or of a mapping's values, or None for other types."""
    kind = unwrap(kind)
    if get_origin(kind) is tuple:
        return get_args(kind)[0]
    return get_args(kind)[1] if get_origin(kind) is dict else None


def model_of(kind: Any) -> type[Model] | None:
    """Return the model inside a type, through lists and mappings, or None."""
    kind = unwrap(kind)
    if isinstance(kind, type) and issubclass(kind, Model):
        return kind
    return model_of(item) if (item := inner(kind)) is not None else None


def _field_type(model: type[Model], key: str) -> Any:
    """Return the type of the field that is written as `key`, or None."""
    return next((field.annotation for name, field in model.model_fields.items() if (field.alias or name) == key), None)


def type_at(root: type[Model], path: KeyPath) -> Any:
    """Return the type that stands at a key path below a model, or None."""
    kind: Any = root
    for part in path:
        kind = unwrap(kind)
        kind = _field_type(kind, str(part)) if isinstance(kind, type) and issubclass(kind, Model) else inner(kind)
        if kind is None:
            return None
    return unwrap(kind)
