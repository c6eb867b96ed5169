"""`ctl:` — changes of configuration for the rest of one transaction."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from bascule.waf.seclang.model import Target
from bascule.waf.seclang.targets import parse_targets

ENGINE = {"on": "On", "off": "Off", "detectiononly": "DetectionOnly"}
IDLE_CONTROLS = {"auditlogparts": "ctl:auditLogParts", "debugloglevel": "ctl:debugLogLevel"}
"""Options that are read and have nothing to do here: an event has always the same parts, and there is no debug log."""
PROCESSORS = ("URLENCODED", "MULTIPART", "XML", "JSON")


@dataclass(frozen=True, slots=True)
class Control:
    """One parsed `ctl`: the option's name and its value in the form the engine uses."""

    name: str
    value: Any


def parse_control(text: str) -> Control:
    """Parse the argument of `ctl`.

    Raises:
        ValueError: no such option, or a value it does not take.
    """
    name, equals, value = text.partition("=")
    parser = _PARSERS.get(name.strip().lower())
    if parser is None or not equals:
        raise ValueError(f"ctl takes option=value with option one of {', '.join(sorted(_PARSERS))}; not {text!r}")
    return Control(name.strip().lower(), parser(value.strip()))


def parse_id_ranges(text: str) -> tuple[tuple[int, int], ...]:
    """Parse `1`, `1-9` or several of them separated by commas or blanks into inclusive ranges."""
    ranges = []
    for part in re.split(r"[,\s]+", text.strip().strip('"')):
        match = re.fullmatch(r"(\d{1,12})(?:-(\d{1,12}))?", part)
        if match is None:
            raise ValueError(f'The input "{part}" does not seem to be a valid rule id.')
        low, high = int(match[1]), int(match[2] or match[1])
        if high < low:
            raise ValueError(f"the range {part} is the wrong way round")
        ranges.append((low, high))
    return tuple(ranges)


def _switch(value: str) -> bool:
    if value.lower() not in ("on", "off"):
        raise ValueError(f"expected On or Off, not {value!r}")
    return value.lower() == "on"


def _engine(value: str) -> str:
    if value.lower() not in ENGINE:
        raise ValueError(f"expected On, Off or DetectionOnly, not {value!r}")
    return ENGINE[value.lower()]


def _processor(value: str) -> str:
    if value.upper() not in PROCESSORS:
        raise ValueError(f"the request body processors are {', '.join(PROCESSORS)}; not {value!r}")
    return value.upper()


def _audit_engine(value: str) -> str:
    names = {"on": "On", "off": "Off", "relevantonly": "RelevantOnly"}
    if value.lower() not in names:
        raise ValueError(f"expected On, Off or RelevantOnly, not {value!r}")
    return names[value.lower()]


def _xml_into_args(value: str) -> str:
    names = {"on": "On", "off": "Off", "onlyargs": "OnlyArgs"}
    if value.lower() not in names:
        raise ValueError(f"expected On, Off or OnlyArgs, not {value!r}")
    return names[value.lower()]


def _ids_with_target(value: str) -> tuple[tuple[tuple[int, int], ...], list[Target]]:
    ids, semicolon, target = value.partition(";")
    if not semicolon:
        raise ValueError(f"expected id;VARIABLE:selector, not {value!r}")
    return parse_id_ranges(ids), parse_targets(target)


def _text_with_target(value: str) -> tuple[bytes, list[Target]]:
    text, semicolon, target = value.partition(";")
    if not semicolon:
        raise ValueError(f"expected tag;VARIABLE:selector, not {value!r}")
    return text.strip().encode("latin-1"), parse_targets(target)


def _limit(value: str) -> int:
    if not re.fullmatch(r"\d{1,12}", value):
        raise ValueError(f"expected a number of bytes, not {value!r}")
    return int(value)


_PARSERS: dict[str, Any] = {
    "ruleengine": _engine,
    "auditengine": _audit_engine,
    "auditlogparts": str,
    "debugloglevel": str,
    "requestbodyaccess": _switch,
    "responsebodyaccess": _switch,
    "forcerequestbodyvariable": _switch,
    "requestbodyprocessor": _processor,
    "requestbodylimit": _limit,
    "responsebodylimit": _limit,
    "parsexmlintoargs": _xml_into_args,
    "ruleremovebyid": parse_id_ranges,
    "ruleremovebytag": lambda value: value.encode("latin-1"),
    "ruleremovebymsg": lambda value: value.encode("latin-1"),
    "ruleremovetargetbyid": _ids_with_target,
    "ruleremovetargetbytag": _text_with_target,
    "ruleremovetargetbymsg": _text_with_target,
}
