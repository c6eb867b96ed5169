"""Where the keys of the configuration can stand: key paths in which `HOST`, `PATH`, `NAME` and `KEY` are for names."""

from __future__ import annotations

from functools import cache
from typing import get_origin

from bascule.config.base import Model
from bascule.config.schema import Config
from bascule.config.walk import model_of, unwrap

TOP = "the top level"
_NEAREST = 3
"""Places that are named for a key that stands at the wrong one."""


@cache
def stands_at() -> dict[type[Model], list[str]]:
    """Return every model in order of appearance, with the key paths at which it can stand."""
    places: dict[type[Model], list[str]] = {Config: []}
    queue: list[tuple[type[Model], str]] = [(Config, "")]
    for model, path in queue:
        for name, field in model.model_fields.items():
            child = model_of(field.annotation)
            if child is not None:
                place = f"{path}{'.' if path else ''}{name}{_step(model, name)}"
                places.setdefault(child, []).append(place)
                queue.append((child, place))
    return places


def _step(model: type[Model], name: str) -> str:
    """Return what stands between a key and the model inside: a name in a mapping, nothing in a list."""
    if get_origin(unwrap(model.model_fields[name].annotation)) is dict:
        return {"sites": ".HOST", "routes": ".PATH", "pools": ".NAME"}.get(name, ".KEY")
    return ""


def elsewhere(key: str, model: type[Model]) -> list[str]:
    """Return where a key can stand that `model` does not have: within it at best, else nearest to the top level."""
    own = tuple(f"{place}." for place in stands_at()[model])
    found = [place for other, places in stands_at().items() if key in keys_of(other) for place in places or [TOP]]
    return sorted(found, key=lambda place: (not place.startswith(own), place.count(".")))[:_NEAREST]


def keys_of(model: type[Model]) -> list[str]:
    """Return the keys of a mapping as they are written."""
    return sorted([*(field.alias or name for name, field in model.model_fields.items()), *model.short_keys])
