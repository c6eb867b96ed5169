"""How the firewall is configured, as plain data, and the directives that follow from it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import unquote_to_bytes

from bascule.config.filters import Answer, WafFilters
from bascule.config.response import WafResponse

TIME_BUDGET = 0.25
"""Default seconds of inspection one transaction may take before the policy decides."""

NO_FILTERS = WafFilters()
NO_RESPONSE = WafResponse(cloak="off", headers="off")
OWN_IDS = range(700_000, 900_000)
"""Ids of Bascule's own rules."""
FIRST_EXCLUSION_ID = 9_990_000
PARANOIA_ID = 9_980_000

_RULE = re.compile(r"\d+(?:-\d+)?|[A-Za-z][\w./-]*")
_PLAIN = re.compile(r"[\w.\[\]-]+", re.ASCII)
_SAFE = frozenset("/_-ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")


class SettingError(ValueError):
    """What a key of `waf` says that cannot be honoured: the key's path below `waf`, why, and the remedy."""

    def __init__(self, key: tuple[str | int, ...], reason: str, hint: str = "") -> None:
        super().__init__(f"{'.'.join(map(str, key))}: {reason}")
        self.key, self.reason, self.hint = key, reason, hint


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Rules that are not to look at something on one site: scoped, owned, and perhaps ending.

    `rules` are ids, ranges ("942100-942199") or tags; `parameter` is a target such as "ARGS:comment", which stands
    for ARGS_GET and ARGS_POST as well (none: the rules are off altogether there); `path` is a path in normal form,
    with everything below it ("" everywhere).
    """

    rules: tuple[str, ...]
    path: str = ""
    parameter: str | None = None
    owner: str = ""
    reason: str = ""
    expires: date | None = None


@dataclass(frozen=True, slots=True)
class WafSettings:
    """Everything `Waf.load` needs.

    `mode` is "block" or "detect". `crs_dir` holds `crs-setup.conf[.example]` and `rules/` (or is Debian's
    `/usr/share/modsecurity-crs`); `rules` are further files, read after it. `directives` is SecLang text that
    is read first, `directives_after` last. Limits are bytes, `time_budget` seconds; `on_budget` says
    whether a request whose time is used up passes ("open") or is refused ("closed"). `body_policy` "sniff"
    inspects a body by what it looks like where its Content-Type is missing, unknown or lies; "declared" goes
    by the Content-Type alone. `logic` is the preset of the logic rules (`logic/engine.py`); empty: they do not run.
    `rule_set` is the file of these rules, the shipped one unless given; `texts` are patterns of parameters that hold
    texts of any language.
    `filters` is what the named rules hold requests to, `response` what responses may tell; `answers` says how findings
    of all of these are answered.
    `openapi` is a document that requests are held to.
    `protocol_rules` adds the recommended rules 200002-200004 (a body that cannot be parsed).
    """

    mode: str = "block"
    logic: str = ""
    crs_dir: Path | None = None
    rules: tuple[Path, ...] = ()
    paranoia: int | None = None
    detection_paranoia: int | None = None
    directives: str = ""
    directives_after: str = ""
    request_body_limit: int = 128 * 1024
    response_body_limit: int = 512 * 1024
    inspect_response: bool = True
    time_budget: float = TIME_BUDGET
    on_budget: str = "open"
    body_policy: str = "sniff"
    protocol_rules: bool = True
    bare: bool = False
    prefilter: bool = True
    exclusions: tuple[Exclusion, ...] = ()
    texts: tuple[str, ...] = ()
    rule_set: Path | None = None
    filters: WafFilters = NO_FILTERS
    answers: tuple[tuple[str, Answer], ...] = ()
    response: WafResponse = NO_RESPONSE
    openapi: Path | None = None
    today: date | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for name, allowed in (("mode", ("block", "detect")), ("on_budget", ("open", "closed")),
                              ("body_policy", ("sniff", "declared"))):  # fmt: skip
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {getattr(self, name)!r}")
        if self.paranoia is not None and not 1 <= self.paranoia <= 4:
            raise ValueError(f"paranoia must be 1 to 4, not {self.paranoia}")


def base_directives(settings: WafSettings) -> str:
    """Return the directives every rule set starts from (after ModSecurity's recommended configuration)."""
    if settings.bare:
        return ""
    engine = "On" if settings.mode == "block" else "DetectionOnly"
    lines = [
        f"SecRuleEngine {engine}",
        "SecRequestBodyAccess On",
        f"SecRequestBodyLimit {settings.request_body_limit}",
        "SecRequestBodyLimitAction ProcessPartial",
        "SecRequestBodyJsonDepthLimit 64",
        "SecArgumentsLimit 1000",
        f"SecResponseBodyAccess {'On' if settings.inspect_response else 'Off'}",
        f"SecResponseBodyLimit {settings.response_body_limit}",
        "SecResponseBodyLimitAction ProcessPartial",
        "SecResponseBodyMimeType text/xml application/json application/xml application/xhtml+xml text/javascript",
    ]
    if settings.protocol_rules:
        lines += _PROTOCOL_RULES
    return "\n".join(lines)


_PROTOCOL_RULES = [
    'SecRule REQBODY_ERROR "!@eq 0" "id:200002,phase:2,t:none,log,deny,status:400,'
    "msg:'Failed to parse request body',logdata:'%{reqbody_error_msg}',severity:2\"",
    'SecRule MULTIPART_STRICT_ERROR "!@eq 0" "id:200003,phase:2,t:none,log,deny,status:400,'
    "msg:'Multipart request body failed strict validation',severity:2\"",
    'SecRule MULTIPART_UNMATCHED_BOUNDARY "@eq 1" "id:200004,phase:2,t:none,log,deny,status:400,'
    "msg:'Multipart parser detected a possible unmatched boundary',severity:2\"",
]


def paranoia_directives(settings: WafSettings) -> str:
    """Return the rule that sets CRS's paranoia levels, to be read between crs-setup and the rules."""
    if settings.paranoia is None and settings.detection_paranoia is None:
        return ""
    blocking = settings.paranoia or 1
    detection = max(settings.detection_paranoia or blocking, blocking)
    names = (("blocking", blocking), ("detection", detection))
    older = (("", blocking), ("executing_", detection))  # CRS 3
    levels = [f"setvar:tx.{name}_paranoia_level={level}" for name, level in names]
    levels += [f"setvar:tx.{name}paranoia_level={level}" for name, level in older]
    return f'SecAction "id:{PARANOIA_ID},phase:1,pass,t:none,nolog,{",".join(levels)}"'


def exclusion_directives(settings: WafSettings) -> str:
    """Return the rules that carry out the exclusions that have not ended, to be read before all others.

    An exclusion of a path never holds where the path climbs (``/shop/../admin``): the server gets another path then.

    Raises:
        ValueError: an exclusion that names no rules, or one that cannot be a rule.
    """
    today = settings.today or datetime.now(UTC).date()
    lines: list[str] = []
    for number, exclusion in enumerate(settings.exclusions):
        if exclusion.expires is not None and exclusion.expires < today:
            continue
        controls = [control for rule in exclusion.rules for control in _controls(rule, exclusion.parameter)]
        if not controls:
            raise ValueError(f"exclusion {number + 1} ({exclusion.reason!r}) names no rules")
        head = f"id:{FIRST_EXCLUSION_ID + number},phase:1,pass,t:none,nolog"
        if exclusion.path:
            lines.append(f'SecRule REQUEST_FILENAME "@rx {_below(exclusion.path)}" "{head},chain"')
            lines.append(f'    SecRule REQUEST_FILENAME "!@contains .." "t:none,{",".join(controls)}"')
        else:
            lines.append(f'SecAction "{head},{",".join(controls)}"')
    return "\n".join(lines)


def _controls(rule: str, parameter: str | None) -> list[str]:
    if not _RULE.fullmatch(rule):
        raise ValueError(f"{rule!r} in an exclusion is neither a rule's id, nor a range of them, nor a tag")
    by = "Id" if rule[0].isdigit() else "Tag"
    if parameter is None:
        return [f"ctl:ruleRemoveBy{by}={rule}"]
    collection, _, name = parameter.partition(":")
    collections = ("ARGS", "ARGS_GET", "ARGS_POST") if collection == "ARGS" else (collection,)
    return [f"ctl:ruleRemoveTargetBy{by}={rule};{each}{_selector(name)}" for each in collections]


def _selector(name: str) -> str:
    """Return what selects a member by its name: the name, or where that cannot be written, a regular expression."""
    if not name or _PLAIN.fullmatch(name):
        return f":{name}" if name else ""
    return f":/^{_literal(name.lower().encode())}$/"


def _below(path: str) -> str:
    """Return a regular expression for a path and what is below it; REQUEST_FILENAME is URL-decoded."""
    decoded = unquote_to_bytes(path)
    return f"^{_literal(decoded)}" + ("" if decoded.endswith(b"/") else "(?:/|$)")


def _literal(text: bytes) -> str:
    """Return a regular expression for a text, without any character that means something in a directive."""
    return "".join(chr(c) if chr(c) in _SAFE else f"\\x{c:02x}" for c in text)
