"""What `bascule explain` shows: the request, the rules that fired, the score's arithmetic, a way to an exception."""

from __future__ import annotations

import json
from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bascule.cli.exceptions import Proposal, default_expiry, is_report, number_of, points_of, proposals
from bascule.cli.texts import visible
from bascule.telemetry.eventfiles import Change, Fired, LoggedEvent, Matched
from bascule.telemetry.eventformats import SPELLED

MAX_OPERATOR = 200
"""Characters shown of an operator's argument; the whole of it is in the rule's file."""


def render(event: LoggedEvent) -> Iterator[RenderableType]:
    """Yield the parts to print."""
    yield from _head(event)
    found = sorted((rule for rule in event.rules if not is_report(rule)), key=_points, reverse=True)
    for number, rule in enumerate(found, 1):
        yield Text()
        yield from _rule(number, rule)
    reports = [rule for rule in event.rules if is_report(rule)]
    if reports:
        yield Text()
    for rule in reports:
        yield Text(f"rule {rule.id} only says what the others add up to: {visible(rule.message)}", "dim")
    if event.cut:
        yield Text("(the event was cut to fit where it was sent; some rules are missing)", "yellow")
    yield from _arithmetic(event)
    for note in event.notes:
        yield Text.assemble(("note: ", "yellow"), visible(note))
    yield from _exception(event)


def _head(event: LoggedEvent) -> Iterator[RenderableType]:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    table.add_row("reference", visible(event.reference))
    table.add_row("request", Text(visible(f"{event.method} {event.target}"), "bold"))
    table.add_row("site", visible(event.host))
    table.add_row("client", visible(event.client))
    table.add_row("time", visible(event.time))
    table.add_row("answer", str(event.status or "none"))
    table.add_row("verdict", _verdict(event))
    if event.engine_us:
        table.add_row("inspected", f"in {event.engine_us / 1000:.1f} ms")
    yield table


def _verdict(event: LoggedEvent) -> Text:
    verdict = event.verdict
    if event.action == "log" or verdict is None:
        return Text("none: it was noticed, and passed", "green")
    said = {"block": "refused", "redirect": "redirected", "drop": "cut", "challenge": "challenged"}.get(
        verdict.action, verdict.action
    )
    by = f"by rule {verdict.rule}: {visible(verdict.message)}" if verdict.rule else visible(verdict.message)
    if verdict.enforced:
        return Text(f"{said} with {verdict.status} {by}", "bold red")
    return Text(f"passed, for the firewall only detects; in block mode: {said} with {verdict.status} {by}", "yellow")


def _points(rule: Fired) -> int:
    return sum(points_of(rule, "in")) + sum(points_of(rule, "out"))


def _rule(number: int, rule: Fired) -> Iterator[RenderableType]:
    head = Text(f"{number}. ")
    head.append(str(rule.id), "bold cyan")
    head.append(f"  {visible(rule.message)}", "bold")
    head.append(f"  {visible(rule.severity)}" if rule.severity else "", "red")
    yield head
    if rule.file:
        yield Padding(Text(f"phase {rule.phase}, {visible(rule.file)}:{rule.line}", "dim"), (0, 0, 0, 3))
    for found in rule.matched:
        yield Padding(_matched(found), (0, 0, 0, 3))
    if rule.data:
        yield Padding(Text(visible(rule.data), "dim"), (0, 0, 0, 3))
    if rule.changes:
        yield Padding(Text(f"counts: {', '.join(_counts(rule.changes))}", "magenta"), (0, 0, 0, 3))


def _matched(found: Matched) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    table.add_row("on", Text.assemble((visible(found.variable), "green"), " ", (f'"{visible(found.value)}"', "bold")))
    if found.raw:
        table.add_row("sent", f'"{visible(found.raw)}"')
    if found.after:
        table.add_row("after", ", ".join(visible(SPELLED.get(name, name)) for name in found.after))
    if found.operator:
        table.add_row("by", _operator(found.operator))
    return table


def _operator(text: str) -> str:
    name, _, argument = visible(text).partition(" ")
    sign, _, plain = name.partition("@")
    shown = argument if len(argument) <= MAX_OPERATOR else f"{argument[:MAX_OPERATOR]}..."
    return f"{sign}@{SPELLED.get(plain, plain)} {shown}".rstrip()


def _counts(changes: list[Change]) -> Iterator[str]:
    """Yield each variable with what was added to it and what it was then."""
    by_name: dict[str, list[Change]] = {}
    for change in changes:
        by_name.setdefault(change.name, []).append(change)
    for name, made in by_name.items():
        steps = [change.by for change in made if change.by not in ("=", "!")]
        end = "unset" if made[-1].by == "!" else f"= {made[-1].to}"
        yield visible(" ".join((name, *steps, end)))


def _arithmetic(event: LoggedEvent) -> Iterator[RenderableType]:
    """The anomaly scores of CRS: what each rule added, the sum, and what it is compared with."""
    for way, name in (("in", "inbound"), ("out", "outbound")):
        rows = [(rule, points) for rule in event.rules if (points := points_of(rule, way))]
        older = "anomaly_score" if way == "in" else "outbound_anomaly_score"  # CRS 3
        total = number_of(event.scores.get(f"blocking_{name}_anomaly_score") or event.scores.get(older))
        detected = max(number_of(event.scores.get(f"detection_{name}_anomaly_score")), total)
        if not rows and not detected:
            continue
        table = Table(box=None, pad_edge=False, title=f"{name} anomaly score", title_justify="left", title_style="bold")
        for column in ("rule", "adds", "sum"):
            table.add_column(column, justify="right")
        table.add_column("for", overflow="fold")
        reached = 0
        for rule, points in rows:
            reached += sum(points)
            added = " ".join(f"{point:+d}" for point in points)
            table.add_row(str(rule.id), added, str(reached), visible(rule.message))
        if detected > reached:
            table.add_row("others", f"{detected - reached:+d}", str(detected), "rules that do not log")
        yield Text()
        yield table
        yield _comparison(total, detected, number_of(event.scores.get(f"{name}_anomaly_score_threshold")))


def _comparison(total: int, detected: int, threshold: int) -> Text:
    text = Text()
    if detected > total:
        text.append(f"{total} of these {detected} points are of the paranoia levels that block. ")
    if threshold:
        text.append(
            f"{total} {'reaches' if total >= threshold else 'stays below'} the threshold of {threshold}.", "bold"
        )
    return text


def _exception(event: LoggedEvent) -> Iterator[RenderableType]:
    """What to paste into the configuration if the request was harmless."""
    wanted = proposals(event)
    if not wanted:
        return
    yield Text()
    site = visible(event.host) or "the site"
    yield Text(f"If this request is harmless, put this under the site that serves {site} (or its route):", "bold")
    lines = ["waf:", "  exclusions:"]
    for each in wanted:
        lines.append(f"    - path: {json.dumps(each.path)}")
        if each.parameter:
            lines.append(f"      parameter: {json.dumps(each.parameter)}")
        lines += [
            f"      rules: [{_listed(each)}]",
            "      owner: your name",
            f'      reason: "why it is harmless (event {visible(event.reference)})"',
            f"      expires: {default_expiry()}",
        ]
    yield Padding(Text("\n".join(lines), "green"), (0, 0, 0, 2))
    for each in wanted:
        if not each.parameter:
            yield Text(
                f"Without `parameter` a rule is off on the whole path: {_listed(each)} looked at more than one named "
                "value.",
                "dim",
            )
    yield Text(f"bascule feedback {visible(event.reference)} --false-positive writes it for you.", "dim")


def _listed(proposal: Proposal) -> str:
    return ", ".join(f'"{rule}"' if isinstance(rule, str) else str(rule) for rule in proposal.rules)
