"""The base of every configuration model: frozen, and a key it does not know is an error."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict

M = TypeVar("M", bound="Model")


class Model(BaseModel):
    """A part of the configuration. Immutable; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, use_attribute_docstrings=True)


def overlay(parent: M, child: M | None) -> M:
    """Return `parent` with the keys that `child` states put over it."""
    if child is None or not child.model_fields_set:
        return parent
    return parent.model_copy(update={name: getattr(child, name) for name in child.model_fields_set})
