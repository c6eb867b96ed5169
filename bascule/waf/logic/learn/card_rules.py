"""The model card's tables of what a rule set says of its rules and families."""

from __future__ import annotations

from bascule.waf.logic.rules import PRESETS, RuleBook, tags_of

RULES = "| rule | facts | CWE | points | attacks | harmless | us |"
FAMILIES = f"| family | rules | {' | '.join(PRESETS)} |"


def by_rule(book: RuleBook) -> list[str]:
    """Return what was measured of each rule; its rates by source are in the rule set, `bascule rules explain` tells them."""
    lines = [
        "",
        "## By rule",
        "",
        "In percent of the attacks of its family, and of harmless requests; us: what it takes to look for its facts alone",
        "in a browser's request (together with all others less). `bascule rules explain ID` has the rates by source, the",
        "words, risk, answer and OWASP categories. Named rules stand in [their own table](guide/named-rules.md).",
        "",
        RULES,
        "|---|---|---|--:|--:|--:|--:|",
    ]
    families = {family.name: family for family in book.families}
    for rule in book.rules:
        rates = rule.measured
        facts = ", ".join(rule.facts) + (" (strict)" if rule.strict else "")
        cwe = ", ".join(map(str, tags_of(rule, families[rule.family]).cwe))
        lines.append(
            f"| {rule.id} | {facts} | {cwe} | {rule.points} | {rates.attacks:g} | {rates.browsers:g} | {rates.microseconds:g} |"
        )
    return lines


def thresholds(book: RuleBook) -> list[str]:
    """Return how many rules each family has, and from how many points on a value is refused."""
    lines = [
        "",
        "## Thresholds",
        "",
        FAMILIES,
        f"|---|--:|{'--:|' * len(PRESETS)}",
    ]
    for family in book.families:
        count = sum(rule.family == family.name for rule in book.rules)
        points = " | ".join(str(family.thresholds.of(preset)) for preset in PRESETS)
        lines.append(f"| {family.title} | {count} | {points} |")
    return lines
