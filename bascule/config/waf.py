"""The web application firewall: mode, rules, exclusions, budgets."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, WithJsonSchema, model_validator

from bascule.config.base import Model
from bascule.config.filters import Answer, WafFilters
from bascule.config.profile import WafProfile
from bascule.config.response import WafResponse
from bascule.config.types import Digits, FileField, NameServerField, PositiveDuration, Size

RuleName = Annotated[
    str,
    Digits,
    WithJsonSchema({"title": "rule", "type": ["integer", "string"], "examples": [942100, "942100-942199", "tag:x"]}),
]


class WafExclusion(Model):
    """Rules that are not applied to a path or a parameter, with who answers for it, why, and until when."""

    path: str = ""
    """Path it holds for, in the normal form, with all that is below it; empty means every path of the site or route."""
    parameter: str = ""
    """Parameter, cookie (``cookie:name``) or field (``header:name``) that the rules do not look at; empty switches them
    off there altogether."""
    rules: Annotated[tuple[RuleName, ...], Field(min_length=1)]
    """Rule ids (``942100``), ranges (``942100-942199``) or tags (``tag:attack-sqli``)."""
    owner: str = ""
    """Who answers for it."""
    reason: str = ""
    """Why it is needed."""
    expires: datetime.date | None = None
    """Last day it holds, as in ``2030-12-31``; from the next day on a start or reload leaves it out, with a warning."""


class WafConfig(Model):
    """The web application firewall of a site or route; a bare word is short for its `mode`."""

    short_forms: ClassVar = ({"enum": ["off", "detect", "block", False]},)

    mode: Literal["off", "detect", "block"] = "off"
    """``detect`` records what it would refuse and changes nothing; ``block`` refuses with 403."""
    rules: Literal["logic", "crs", "both"] = "logic"
    """Which rules decide: Bascule's own (``logic``), the OWASP Core Rule Set (``crs``), or both. Where only `crs` is
    stated, it is ``crs``."""
    preset: Literal["bypass", "detect-only", "basic", "standard", "advanced", "pci-dss", "block-all"] = "standard"
    """How much the logic rules take for an attack: higher presets find more and err more; ``bypass`` looks at nothing,
    ``detect-only`` records and refuses nothing, ``block-all`` refuses every request."""
    rule_set: FileField = ""
    """Rule set that takes the place of the shipped logic rules: one that ``bascule train`` wrote, or a copy that was
    edited (``bascule rules export``)."""
    texts: tuple[Annotated[str, Field(min_length=1, max_length=256)], ...] = ()
    """Parameters (``*`` stands for anything: ``json.actions.*.content``) that hold programs, queries, pages or
    commands, which the application keeps and shows: there, at any preset, the logic rules refuse only what reaches out
    or hides."""
    crs: FileField = ""
    """Folder of the OWASP Core Rule Set: ``crs-setup.conf`` (or its ``.example``) and ``rules/``."""
    paranoia: Annotated[int, Field(ge=1, le=4)] = 1
    """Paranoia level of the Core Rule Set: higher finds more and errs more."""
    directives: tuple[FileField, ...] = ()
    """Further SecLang files (``.conf``), read after the Core Rule Set in this order. They run with ``logic`` too."""
    exclusions: tuple[WafExclusion, ...] = ()
    """Exceptions. A route has those of its site as well as its own."""
    filters: WafFilters = WafFilters()
    """What named rules hold requests to. A lower level overrides the keys it states, but for `patterns`, which add
    up."""
    answers: dict[Annotated[str, Digits], Answer] = Field(default_factory=dict)
    """From a rule (id or name) or family of rules to how it is answered; what is not named here is refused with 403. A
    rule's own answer wins over its family's. A route has those of its site as well as its own."""
    response: WafResponse = WafResponse()
    """What of responses clients may see. A lower level overrides the keys it states."""
    profile: WafProfile = WafProfile()
    """What requests usually look like, learned from them. A lower level overrides the keys it states."""
    openapi: FileField = ""
    """OpenAPI 3.0 or 3.1 document (YAML or JSON) that requests are held to: what it does not have is refused."""
    body_limit: Annotated[Size, Field(ge=1024, le=1 << 27)] = 131072
    """Request body held back until it is judged."""
    large_body: Literal["stream", "reject", "inspect-start"] = "stream"
    """A body larger than that: all of it is judged, in windows, each before it is passed on, and a verdict cuts the
    exchange (``stream``); or it is refused with 413 (``reject``); or its start is judged and the rest passed on unseen,
    which the event tells (``inspect-start``)."""
    websocket: bool = True
    """Judge the text messages of WebSockets that clients send, each as the parameter ``websocket`` or by its JSON
    members (``websocket.name``), before they are passed on. False passes them on unseen."""
    resolver: NameServerField | None = None
    """DNS server that ``@rbl`` asks; by default those of the machine. Block lists do not answer to public resolvers."""
    budget: PositiveDuration = 0.25
    """CPU time the rules may take for one request."""
    on_budget: Literal["open", "closed"] = "closed"
    """What becomes of a request that used up its budget: let through, or refused. Both are recorded."""
    response_bodies: bool = True
    """Look for leaks in response bodies too, in a bounded window; streams are never held back."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if data is False:  # YAML 1.1 habits: a bare `off`
            return {"mode": "off"}
        if isinstance(data, str):
            return {"mode": data}
        if isinstance(data, dict) and data.get("crs") and "rules" not in data:
            return {**data, "rules": "crs"}
        return data
