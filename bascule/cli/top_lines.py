"""The lines below the tables of ``bascule top``: what Bascule answered itself, what defence and cache do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from bascule.cli.top_numbers import deltas, number

_DECISION_STYLE: Final = {"refuse": "red", "pass": "green"}
_OUTCOME_STYLE: Final = {"failed": "red", "succeeded": "green"}
_SPARED: Final = frozenset(("hit", "stale", "collapsed"))
"""What the cache does without a server."""


def causes_line(before: dict[str, Any], now: dict[str, Any], seconds: float) -> RenderableType:
    """Return what Bascule answered or cut itself: now, and since the start."""
    old, new = before.get("causes", {}), now.get("causes", {})
    rates = deltas(old, new, seconds)
    ranked = sorted(new, key=lambda cause: (-rates.get(cause, 0.0), -new[cause], cause))[:8]
    text = Text("CAUSES  ", "bold dim")
    for cause in ranked:
        text.append(cause, "bold" if cause in rates else "")
        rate = f"{number(rates[cause])}/s, " if cause in rates else ""
        text.append(f" {rate}{number(new[cause])}   ", "yellow" if rate else "dim")
    if not ranked:
        text.append("none", "dim")
    if dropped := now.get("log", {}).get("dropped"):
        text.append(f"\n{dropped} access log lines dropped", "bold red")
    return Padding(text, (1, 0, 0, 0))


def defence_lines(before: dict[str, Any], now: dict[str, Any], seconds: float) -> Iterator[RenderableType]:
    """Yield what defence does now, to whom most, and how logins end; nothing while nobody needs it."""
    earlier = {(rule["defence"], rule["rule"]): rule["decisions"] for rule in before.get("defence", ())}
    decided: dict[tuple[str, str], float] = {}
    logins: dict[str, dict[str, float]] = {}
    for rule in now.get("defence", ()):
        defence, name = rule["defence"], rule["rule"]
        site, _, outcome = name.rpartition(" ")
        for decision, rate in deltas(earlier.get((defence, name), {}), rule["decisions"], seconds).items():
            if defence == "login" and decision == "pass":
                logins.setdefault(site, {})[outcome] = rate
            else:
                decided[f"{defence} {name}", decision] = rate
    if decided:
        text = Text("DEFENCE  ", "bold dim")
        for (rule, decision), rate in sorted(decided.items(), key=lambda item: -item[1])[:8]:
            text.append(f"{rule} ", "bold")
            text.append(f"{decision} {number(rate)}/s   ", _DECISION_STYLE.get(decision, "yellow"))
        yield Padding(text, (1, 0, 0, 0))
    if refused := now.get("refused_most"):
        text = Text("REFUSED MOST  ", "bold dim")
        for client, rate in refused[:6]:
            text.append(f"{client} ", "bold")
            text.append(f"{number(rate)}/s   ", "red")
        yield Padding(text, (1, 0, 0, 0))
    if logins:
        text = Text("LOGINS  ", "bold dim")
        for site, outcomes in sorted(logins.items(), key=lambda item: -item[1].get("failed", 0.0))[:4]:
            text.append(f"{site} ", "bold")
            for outcome, rate in outcomes.items():
                text.append(f"{outcome} {number(rate)}/s   ", _OUTCOME_STYLE.get(outcome, "yellow"))
        yield Padding(text, (1, 0, 0, 0))


def cache_line(before: dict[str, Any], now: dict[str, Any], seconds: float) -> Iterator[RenderableType]:
    """Yield what the cache does now, and how many requests it spares the servers; nothing while it is not asked."""
    sums: list[dict[str, int]] = [{}, {}]
    for reading, total in zip((before, now), sums, strict=True):
        for route in (route for site in reading.get("sites", ()) for route in site["routes"]):
            for outcome, count in route.get("cache", {}).items():
                total[outcome] = total.get(outcome, 0) + count
    rates = deltas(sums[0], sums[1], seconds)
    if not rates:
        return
    spared = sum(rate for outcome, rate in rates.items() if outcome in _SPARED) / sum(rates.values())
    text = Text("CACHE  ", "bold dim")
    text.append(f"{spared:.0%} spared   ", "bold green")
    for outcome, rate in sorted(rates.items(), key=lambda item: -item[1]):
        text.append(f"{outcome} ", "bold")
        text.append(f"{number(rate)}/s   ", "dim")
    yield Padding(text, (1, 0, 0, 0))
