"""How the firewall is configured, as plain data, and the directives that follow from it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

TIME_BUDGET = 0.25
"""Default seconds of inspection one transaction may take before the policy decides (DESIGN 6)."""

FIRST_EXCLUSION_ID = 9_990_000
PARANOIA_ID = 9_980_000


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Rules that are not to look at something on one site: scoped, owned, and perhaps ending.

    `rules` are ids, ranges ("942100-942199") or tags; `parameter` is a target such as "ARGS:comment"
    (none: the rules are off altogether there); `path` is a prefix of the file name ("" everywhere).
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
    by the Content-Type alone. `protocol_rules` adds the recommended rules 200002-200004 (a body that cannot be parsed).
    """

    mode: str = "block"
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
        "SecRequestBodyJsonDepthLimit 512",
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
    return (
        f'SecAction "id:{PARANOIA_ID},phase:1,pass,t:none,nolog,'
        f'setvar:tx.blocking_paranoia_level={blocking},setvar:tx.detection_paranoia_level={detection}"'
    )


def exclusion_directives(settings: WafSettings) -> str:
    """Return the rules that carry out the exclusions that have not ended, to be read before all others.

    Raises:
        ValueError: an exclusion that names no rules or holds characters that do not belong there.
    """
    today = settings.today or date.today()
    lines: list[str] = []
    for number, exclusion in enumerate(settings.exclusions):
        if exclusion.expires is not None and exclusion.expires < today:
            continue
        controls = [_control(rule, exclusion.parameter) for rule in exclusion.rules]
        if not controls:
            raise ValueError(f"exclusion {number + 1} ({exclusion.reason!r}) names no rules")
        path = _plain(exclusion.path, "path")
        actions = ",".join((f"id:{FIRST_EXCLUSION_ID + number}", "phase:1", "pass", "t:none", "nolog", *controls))
        if path:
            lines.append(f'SecRule REQUEST_FILENAME "@beginsWith {path}" "{actions}"')
        else:
            lines.append(f'SecAction "{actions}"')
    return "\n".join(lines)


def _control(rule: str, parameter: str | None) -> str:
    by = "Id" if re.fullmatch(r"\d+(-\d+)?", rule) else "Tag"
    text = _plain(rule, "rule")
    if parameter is None:
        return f"ctl:ruleRemoveBy{by}={text}"
    return f"ctl:ruleRemoveTargetBy{by}={text};{_plain(parameter, 'parameter')}"


def _plain(text: str, what: str) -> str:
    if re.search(r"[\"'\\,\s%{}]", text):
        raise ValueError(f"the {what} of an exclusion holds a character that cannot be written there: {text!r}")
    return text
