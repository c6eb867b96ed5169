"""What `bascule replay` counts and shows. Bounded: paths and examples beyond a number are only counted."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bascule.cli.texts import visible
from bascule.cli.units import counted

if TYPE_CHECKING:
    from bascule.waf.replay.judge import Judgement
    from bascule.waf.replay.records import Recorded

MAX_GROUPS = 10_000
"""Distinct groups (rules and path) that are kept; further ones count as one group."""
SHOWN = 40
"""Groups shown to people, the largest first."""

Key = tuple[tuple[int, ...], str, str]


@dataclass(slots=True)
class Group:
    """Requests to one path on which the same rules decided."""

    rules: tuple[int, ...]
    reason: str
    path: str
    count: int = 0
    examples: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"rules": self.rules, "reason": self.reason, "path": self.path, "count": self.count,
                "examples": self.examples}  # fmt: skip


class Report:
    """What became of the requests: all that are blocked, or only those whose fate differs."""

    def __init__(self, examples: int, *, compares: bool) -> None:
        self.compares = compares
        self.requests = self.blocked = self.new_blocks = self.new_passes = self.bad = 0
        self.lacking: Counter[str] = Counter()
        self.rules: Counter[int] = Counter()
        self.messages: dict[int, str] = {}
        self.groups: dict[str, dict[Key, Group]] = {"blocked": {}, "new_blocks": {}, "new_passes": {}}
        self._examples = examples

    def add(self, file: str, request: Recorded, now: Judgement, before: Judgement | None) -> None:
        """Count a request. `before` is what the configuration compared with says."""
        self.requests += 1
        self.lacking.update(request.lacks)
        if now.blocked:
            self.blocked += 1
            self.rules.update(now.rules)
            self._group("blocked", file, request, now)
        self._name(now)
        if before is None or before.blocked == now.blocked:
            return
        self._name(before)
        if now.blocked:
            self.new_blocks += 1
            self._group("new_blocks", file, request, now)
        else:
            self.new_passes += 1
            self._group("new_passes", file, request, before)

    def _name(self, judgement: Judgement) -> None:
        for fired in judgement.event.fired if judgement.event else ():
            self.messages.setdefault(fired.rule.rule_id, fired.message.decode("utf-8", "backslashreplace"))

    def _group(self, kind: str, file: str, request: Recorded, judgement: Judgement) -> None:
        groups = self.groups[kind]
        host = request.host.decode("utf-8", "backslashreplace")
        key: Key = (judgement.rules, judgement.reason, host + request.path)
        if key not in groups and len(groups) >= MAX_GROUPS:
            key = ((), "further groups", "")
        group = groups.setdefault(key, Group(*key))
        group.count += 1
        if len(group.examples) < self._examples:
            group.examples.append(f"{file}:{request.place}")

    def largest(self, kind: str) -> list[Group]:
        """Return the groups of a kind, the largest first."""
        return sorted(self.groups[kind].values(), key=lambda group: (-group.count, group.path, group.rules))


def print_json(report: Report) -> None:
    """Print the whole report as one JSON document."""
    document: dict[str, Any] = {
        "requests": report.requests,
        "bad_records": report.bad,
        "without": report.lacking,
        "blocked": report.blocked,
        "rules": [
            {"id": rule, "message": report.messages.get(rule, ""), "count": count}
            for rule, count in report.rules.most_common()
        ],
        "groups": [group.as_dict() for group in report.largest("blocked")],
    }
    if report.compares:
        for kind, count in (("new_blocks", report.new_blocks), ("new_passes", report.new_passes)):
            document[kind] = {"count": count, "groups": [group.as_dict() for group in report.largest(kind)]}
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document)).decode() + "\n")


def print_report(report: Report) -> None:
    """Print the report for people."""
    # Without a terminal there is no width to keep to, and a cut line would lose what it says.
    console = Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 160)
    console.print(Text(f"{_requests(report.requests)}, {report.blocked} blocked", "bold"))
    if report.bad:
        console.print(Text(f"{counted(report.bad, 'record')} could not be read", "yellow"))
    for what, count in report.lacking.items():
        console.print(Text(f"{_requests(count)} recorded without {what}: rules saw only the rest", "yellow"))
    if not report.compares:
        _rules(console, report)
        _groups(console, report, "blocked", "blocked", "red")
        return
    _groups(console, report, "new_blocks", f"{report.new_blocks} newly blocked", "red")
    _groups(console, report, "new_passes", f"{report.new_passes} newly let through (with what blocked before)", "green")


def _rules(console: Console, report: Report) -> None:
    if not report.rules:
        return
    table = Table("requests", "rule", "", box=None, pad_edge=False)
    table.columns[0].justify = "right"
    for rule, count in report.rules.most_common(SHOWN):
        table.add_row(str(count), str(rule), visible(report.messages.get(rule, "")))
    console.print(Text(), table)


def _groups(console: Console, report: Report, kind: str, title: str, color: str) -> None:
    groups = report.largest(kind)
    console.print()
    console.print(Text(title, f"bold {color}"))
    if not groups:
        return
    table = Table("requests", "rules", "path", "for example", box=None, pad_edge=False)
    table.columns[0].justify = "right"
    for column in table.columns[1:]:
        column.overflow = "fold"
    for group in groups[:SHOWN]:
        why = " ".join(map(str, group.rules)) or group.reason
        table.add_row(str(group.count), visible(why), visible(group.path), visible(" ".join(group.examples)))
    console.print(table)
    if len(groups) > SHOWN:
        rest = sum(group.count for group in groups[SHOWN:])
        console.print(Text(f"... and {_requests(rest)} in {len(groups) - SHOWN} more groups (--json shows all)", "dim"))


def _requests(count: int) -> str:
    return counted(count, "request")
