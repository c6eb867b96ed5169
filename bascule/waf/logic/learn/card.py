"""The model card: what the rules were made from, and how they do on what they have not seen. No row of a corpus in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from bascule.waf.logic.learn.card_rules import by_rule, thresholds
from bascule.waf.logic.learn.matrix import Row
from bascule.waf.logic.learn.measure import Rate, Rules, Thresholds, rates
from bascule.waf.logic.learn.recipe import FOLDS, cross_validate
from bascule.waf.logic.learn.thresholds import BUDGETS
from bascule.waf.logic.rules import PRESETS, RuleBook

_HEAD = """# Model card: the logic rules

Version {version}: {rules} rules in {families} families, learned by `bascule train` (seed {seed}) from {samples} samples.
A rule is a conjunction of facts with points; a value whose points in one family reach the preset's threshold is refused.
Rules that are *strict* count at `advanced` and `pci-dss` only.

## Made from

Attack payloads and requests of public lists, harmless values, browser traffic recorded on {hosts} hosts, and texts of
this project's own grammars, by source as in the table below. Rows marked as weak (nobody knows whether they are attacks)
were left out. The corpora are not part of the program; their licences (MIT, BSD-3-Clause, Apache-2.0, CC-BY, GPL-3.0,
MPL-2.0, and none stated) allow learning from them, not shipping them.

## How it was measured

*Shown* are rates on the very samples the rules were learned from. *Unseen* are rates cross-validated in {folds} parts: a
source of attacks, or a host of the browser traffic, was either all in what was learned from or all in what was measured.
A class that only one source has is then found only by what other classes taught: those unseen rates are pessimistic.
Thresholds were chosen in the same way, within what was learned from: from the highest on, the family's is lowered that
finds most for the hosts it refuses, until the budget is spent: {budgets} of the browsers' requests, and of those of
each host alike.
"""

_TAIL = """
## Where it errs

- **Missed**: payloads that show no fact by themselves (a lone quote, a bare number, a single word that is a command, a
  path of an application that is not known for secrets); SQL that only a statement around it would complete; single facts
  that honest traffic shows as often (one quote followed by a word, a lone tag, a null byte in a path).
- **Refused though harmless**: templates and scripts sent as values (a page builder that posts its markup, an advertising
  script that posts its source), addresses of scripts on other hosts as parameters, integers in the place of addresses.
- Label noise: about half of the attacks that are missed show no fact (see the column above). Many of them are templates that
  were never filled in (`;{cmd}`, `/../{file}`), or requests of published exploits that only log in or upload something
  harmless; others are headings and comments of the lists, plain markup, and CSIC's harmless values.
- Attacks that are ordinary requests (broken authorisation, guessed passwords, business logic) show no facts at all.
"""


def card(book: RuleBook, rules: Rules, limits: Thresholds, rows: Sequence[Row], seed: int) -> str:
    """Return the model card as Markdown."""
    shown = rates(rules, limits, rows, "standard")
    unseen = cross_validate(rows, seed)
    hosts = len({row.host for row in rows if row.whole and not row.attack})
    head = _HEAD.format(
        version=book.version, rules=len(book.rules), families=len(book.families), seed=seed, samples=len(rows), hosts=hosts,
        folds=FOLDS, budgets=", ".join(f"{100 * BUDGETS[preset].requests:g} % at `{preset}`" for preset in PRESETS),
    )  # fmt: skip
    return "\n".join(
        [
            head,
            *_summary(unseen, _showing_nothing(rows)),
            *_table(shown, unseen),
            *thresholds(book),
            _TAIL.rstrip(),
            *by_rule(book),
            "",
        ]
    )


def _showing_nothing(rows: Sequence[Row]) -> Counter[str]:
    """Return, by class, how many rows show no fact: most are no attacks by themselves, and no rule can find them."""
    return Counter(row.label for row in rows if row.attack and not row.shown)


def _summary(unseen: Mapping[str, Mapping[tuple[str, str], Rate]], nothing: Counter[str]) -> list[str]:
    """Return the rates by class alone, unseen, at every preset."""
    lines = [
        "## By class, unseen",
        "",
        "In percent; *without facts*: of the samples labelled attacks, how many show no fact, so that no rule can find them.",
        "",
        f"| class | samples | without facts | {' | '.join(PRESETS)} |",
        f"|---|--:|--:|{'--:|' * len(PRESETS)}",
    ]
    for kind in sorted({key[0] for key in unseen["standard"]}):
        sums = [_sum(unseen[preset], kind) for preset in PRESETS]
        bare = str(nothing[kind]) if kind not in ("requests", "values") else ""
        shares = " | ".join(f"{each.percent:.2f}" for each in sums)
        lines.append(f"| {_named(kind)} | {sums[0].total} | {bare} | {shares} |")
    return [*lines, "", "## By class and source", ""]


def _sum(rates_: Mapping[tuple[str, str], Rate], kind: str) -> Rate:
    some = [rate for (label, _), rate in rates_.items() if label == kind]
    return Rate(sum(rate.refused for rate in some), sum(rate.total for rate in some))


def _named(kind: str) -> str:
    return {"requests": "harmless requests", "values": "harmless values"}.get(kind, kind)


def _table(shown: Mapping[tuple[str, str], Rate], unseen: Mapping[str, Mapping[tuple[str, str], Rate]]) -> list[str]:
    """Return the rates by class and source, in percent."""
    lines = [
        "| class | source | samples | standard, shown | standard, unseen | advanced, unseen |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for key in sorted(shown):
        cells = [f"{rate.percent:.2f}" for rate in (shown[key], unseen["standard"][key], unseen["advanced"][key])]
        lines.append(f"| {_named(key[0])} | {key[1]} | {shown[key].total} | {' | '.join(cells)} |")
    return lines
