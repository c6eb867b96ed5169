"""The target list of a rule: `ARGS|!ARGS:token|&REQUEST_HEADERS:Host|REQUEST_COOKIES:/^_ga/|XML:/*`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import re2

from bascule.config.grammar import over_bytes
from bascule.waf.bodies import check_xpath
from bascule.waf.seclang.model import Target
from bascule.waf.seclang.variables import find_variable


def parse_targets(text: str) -> list[Target]:
    """Parse a target list.

    Raises:
        ValueError: an unknown variable, or a selector that is malformed or not a regular expression.
    """
    targets = [_target(part) for part in _split(text)]
    if not targets:
        raise ValueError("the rule names no variable to inspect")
    return targets


def _split(text: str) -> list[str]:
    """Split at `|` and `,` outside quotes and /regular expressions/ (an XPath is not one)."""
    parts: list[str] = []
    at = start = 0
    while at < len(text):
        character = text[at]
        if character == ":" and at + 1 < len(text) and text[at + 1] in "/'":
            at = _selector_end(text, start, at + 1)
        elif character in "|,":
            parts.append(text[start:at].strip())
            start = at = at + 1
        else:
            at += 1
    parts.append(text[start:].strip())
    return [part for part in parts if part]


def _selector_end(text: str, start: int, at: int) -> int:
    """Return where the selector that opens at `at` ends."""
    if text[at] == "/" and text[start:at].lstrip("&!").upper().startswith("XML"):
        end = text.find("|", at)
        return len(text) if end < 0 else end
    quote = text[at]
    end = at + 1
    while end < len(text):
        if text[end] == "\\":
            end += 2
            continue
        if text[end] == quote and (end + 1 == len(text) or text[end + 1] in "|,"):
            return end + 1
        end += 1
    raise ValueError(f"the selector {text[at:]!r} is never closed")


def _target(part: str) -> Target:
    """Parse one target."""
    body, exclude, count = part, False, False
    while body[:1] in ("!", "&"):
        exclude, count = exclude or body[0] == "!", count or body[0] == "&"
        body = body[1:]
    name, colon, selector = body.partition(":")
    if not colon and "." in name:
        name, colon, selector = name.partition(".")
    variable = find_variable(name.strip().upper())
    if not colon:
        return Target(variable, count=count, exclude=exclude, source=part)
    if variable.name == "XML":
        return Target(variable, xpath=selector, count=count, exclude=exclude, source=part)
    if not variable.collection:
        raise ValueError(f"{variable.name} is a single value: it takes no selector, so {part!r} can match nothing")
    if selector[:1] == "'" and selector[-1:] == "'" and len(selector) > 1:
        selector = selector[1:-1]
    if len(selector) > 1 and selector[0] == "/" and selector[-1] == "/":
        return Target(variable, pattern=selector_regex(selector[1:-1]), count=count, exclude=exclude, source=part)
    key = selector.lower().encode("latin-1")
    return Target(variable, name=key, count=count, exclude=exclude, source=part)


def check_xpaths(targets: Iterable[Target], namespaces: Mapping[str, str]) -> None:
    """Raise ValueError where a target is no XPath: it would select nothing. Exclusions are compared as texts."""
    for target in targets:
        if target.xpath is not None and not target.exclude:
            check_xpath(target.xpath, namespaces)


def selector_regex(pattern: str) -> object:
    """Compile a selector's regular expression: caseless, linear time, on bytes."""
    try:
        return re2.compile(pattern.encode("latin-1"), over_bytes(case_sensitive=False))
    except re2.error as error:
        reason = f"the selector /{pattern}/ is not a linear-time regular expression: {error}"
        raise ValueError(reason) from None
