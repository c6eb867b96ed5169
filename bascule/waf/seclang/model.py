"""What a loaded rule set is: rules, their links, targets and actions. Immutable after load."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bascule.waf.seclang.macros import Macro

if TYPE_CHECKING:
    from bascule.waf.seclang.variables import Variable

Transformation = Callable[[bytes], bytes]

REQUEST_HEADERS, REQUEST_BODY, RESPONSE_HEADERS, RESPONSE_BODY, LOGGING = 1, 2, 3, 4, 5
PHASES = {
    "1": 1, "2": 2, "3": 3, "4": 4, "5": 5,
    "request": 2, "response": 4, "logging": 5,
}  # fmt: skip
"""Phase names and numbers a rule may give."""

SEVERITIES = ("EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG")


@dataclass(frozen=True, slots=True)
class Target:
    """One variable a link inspects, or (`exclude`) does not. Selector names are lower case."""

    variable: Variable
    name: bytes | None = None
    pattern: Any = None
    xpath: str | None = None
    count: bool = False
    exclude: bool = False
    source: str = ""

    def selects(self, key: bytes) -> bool:
        """Whether the selector, if there is one, covers the member called `key`."""
        if self.name is not None:
            return key.lower() == self.name
        return self.pattern is None or self.pattern.search(key) is not None


@dataclass(frozen=True, slots=True)
class SetVar:
    """`setvar`: how is `=`, `+`, `-` (arithmetic) or `!` (unset)."""

    collection: str
    key: Macro
    how: str
    value: Macro


@dataclass(frozen=True, slots=True)
class Action:
    """A run-time action with its argument already parsed: `ctl`, `initcol`, `expirevar` and their kind."""

    name: str
    argument: Any


@dataclass(slots=True)
class Actions:
    """Everything the action list of one link says."""

    rule_id: int = 0
    phase: int = 2
    disruptive: str | None = None
    status: int | None = None
    redirect: Macro | None = None
    allow_scope: str = ""
    transformations: tuple[str, ...] = ()
    multi_match: bool = False
    capture: bool = False
    chain: bool = False
    skip: int = 0
    skip_after: str | None = None
    log: bool | None = None
    audit_log: bool | None = None
    setvars: tuple[SetVar, ...] = ()
    runtime: tuple[Action, ...] = ()
    sanitise: tuple[tuple[str, str], ...] = ()
    tags: tuple[Macro, ...] = ()
    message: Macro | None = None
    logdata: Macro | None = None
    severity: int | None = None
    version: str = ""
    revision: str = ""
    maturity: int = 0
    accuracy: int = 0
    xmlns: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Link:
    """One rule line: targets, transformations, operator, actions. A chain is a tuple of links."""

    targets: list[Target]
    operator_name: str
    argument: Macro
    negated: bool
    actions: Actions
    file: str
    line: int
    operator: Any = None
    functions: tuple[Transformation, ...] = ()
    bind: Callable[[bytes], Any] | None = None
    unconditional: bool = False
    source: str = ""
    missing: str = ""
    """What the operator lacks from the configuration: the rule may load only if no request can reach it."""


@dataclass(slots=True)
class Rule:
    """A chain of links (most have one) with the head's identity. `index` is its place in the phase."""

    links: list[Link]
    file: str
    line: int
    index: int = 0
    log: bool = True
    audit_log: bool = True
    tags: frozenset[bytes] = frozenset()
    tag_texts: tuple[str, ...] = ()

    @property
    def head(self) -> Link:
        return self.links[0]

    @property
    def rule_id(self) -> int:
        return self.links[0].actions.rule_id

    @property
    def phase(self) -> int:
        return self.links[0].actions.phase

    @property
    def namespaces(self) -> dict[str, str]:
        """The namespaces that `xmlns` declares for the XPaths of the chain, by prefix."""
        return {prefix: uri for link in self.links for prefix, uri in link.actions.xmlns.items()}


@dataclass(frozen=True, slots=True)
class Marker:
    """A `SecMarker`: where `skipAfter` lands."""

    name: str


@dataclass(slots=True)
class Config:
    """The settings directives carry, beside the rules. Sizes in bytes, times in seconds."""

    rule_engine: str = "DetectionOnly"
    request_body_access: bool = True
    response_body_access: bool = False
    request_body_limit: int = 128 * 1024
    request_body_no_files_limit: int = 0
    request_body_limit_action: str = "ProcessPartial"
    request_body_json_depth: int = 10_000
    response_body_limit: int = 512 * 1024
    response_body_limit_action: str = "ProcessPartial"
    response_mime_types: frozenset[bytes] = frozenset({b"text/plain", b"text/html"})
    arguments_limit: int = 0
    argument_separator: bytes = b"&"
    upload_file_limit: int = 0
    unicode_map: dict[int, int] | None = None
    sniff_bodies: bool = False
    parse_xml_into_args: str = "Off"
    geo_path: Any = None
    http_bl_key: str = ""
    pcre_match_limit: int | None = None
    collection_timeout: int = 3600
    web_app_id: bytes = b"default"
    audit_engine: str = "RelevantOnly"
    signatures: tuple[str, ...] = ()
    default_actions: dict[int, Actions] = field(default_factory=dict)
    accepted: list[str] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)
    """Directives that were read and say nothing here."""
    warnings: list[str] = field(default_factory=list)
    """Directives whose effect somebody may miss: file, line, and where to turn instead."""


@dataclass(slots=True)
class RuleSet:
    """A loaded rule set: per phase its rules and markers in order, and the settings."""

    phases: dict[int, list[Rule | Marker]]
    config: Config
    rules: dict[int, Rule]
    files: tuple[str, ...] = ()
