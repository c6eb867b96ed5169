"""The positive model of a site, learned from its traffic: `waf.profile`."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from bascule.config.base import Model
from bascule.config.types import Duration, FileField


class WafProfile(Model):
    """What the requests of a site usually look like, learned from them; a bare word is short for its `stage`.

    All routes of a site share one profile; each may be at a stage of its own.
    """

    short_forms: ClassVar = ({"enum": ["off", "learning", "shadow", "enforced", False]},)

    stage: Literal["off", "learning", "shadow", "enforced"] = "off"
    """``learning`` only learns. ``shadow`` also tells by events what would be refused. ``enforced`` refuses it, and
    judges values that are unusual more strictly by the logic rules. Places that too little is known of are not judged
    and go on learning, at any stage."""
    clients: Annotated[int, Field(ge=1, le=64)] = 5
    """Distinct clients that must have shown a thing before it counts as usual."""
    requests: Annotated[int, Field(ge=1, le=100_000)] = 50
    """Requests with the same method to a place before it is judged."""
    points: Annotated[int, Field(ge=1, le=50)] = 5
    """How far a request may be from the usual: it is refused from so many points on."""
    unknown_paths: Literal["pass", "refuse"] = "pass"
    """What becomes of paths that were never asked for while learning."""
    hold: Duration = 60.0
    """How long what a client showed waits until it is learned: if one of its requests is found to be an attack
    meanwhile, nothing of it is."""
    rate: Annotated[int, Field(ge=1, le=1000)] = 50
    """Requests a second, by worker, that are learned from; of more some are."""
    drift: Annotated[float, Field(gt=0, le=1)] = 0.05
    """Share of the requests to a place that, if they are unusual and of enough distinct clients, raises an alarm: the
    application has changed."""
    folder: FileField = ""
    """Where profiles are kept, a JSON file for each site; by default ``/var/lib/bascule/profiles`` for root, else below
    $XDG_STATE_HOME. The same for all sites."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if data is False:  # YAML 1.1 habits: a bare `off`
            return {"stage": "off"}
        return {"stage": data} if isinstance(data, str) else data
