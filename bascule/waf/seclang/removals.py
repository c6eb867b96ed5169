"""What `ctl:ruleRemove*` took away for the rest of one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bascule.waf.seclang.model import Rule, Target
from bascule.waf.seclang.resolve import excluder

MAX_REMOVALS = 1_024
"""Most removals one transaction keeps; the rules that add them are the operator's, not the client's."""


class Removals:
    """Rules and targets removed so far. Asked before each rule that is evaluated exactly."""

    __slots__ = ("_ids", "_messages", "_tags", "_targets")

    def __init__(self) -> None:
        self._ids: list[tuple[int, int]] = []
        self._tags: list[bytes] = []
        self._messages: list[bytes] = []
        self._targets: list[tuple[Callable[[Rule], bool], list[Target]]] = []

    def add(self, how: str, what: Any) -> None:
        """Remove rules by "id" (ranges), "tag" or "msg" (text)."""
        if how == "id":
            self._ids.extend(what[: MAX_REMOVALS - len(self._ids)])
        elif how == "tag" and what not in self._tags and len(self._tags) < MAX_REMOVALS:
            self._tags.append(what)
        elif how == "msg" and what not in self._messages and len(self._messages) < MAX_REMOVALS:
            self._messages.append(what)

    def add_targets(self, how: str, what: Any, targets: list[Target]) -> None:
        """Remove targets from the rules that `how` and `what` select."""
        if len(self._targets) >= MAX_REMOVALS:
            return
        if how == "id":
            self._targets.append((lambda rule: any(low <= rule.rule_id <= high for low, high in what), targets))
        elif how == "tag":
            self._targets.append((lambda rule: what in rule.tags, targets))
        else:
            self._targets.append((lambda rule: what in _messages(rule), targets))

    def covers(self, rule: Rule) -> bool:
        """Whether the whole rule is removed."""
        if any(low <= rule.rule_id <= high for low, high in self._ids):
            return True
        if any(tag in rule.tags for tag in self._tags):
            return True
        return bool(self._messages) and any(message in _messages(rule) for message in self._messages)

    def targets_for(self, rule: Rule) -> Callable[[bytes], bool] | None:
        """Return a test for the value names removed from `rule`, or None."""
        if not self._targets:
            return None
        removed = [target for covers, targets in self._targets if covers(rule) for target in targets]
        return excluder(removed) if removed else None


def _messages(rule: Rule) -> list[bytes]:
    return [link.actions.message.source.encode("latin-1") for link in rule.links if link.actions.message]
