"""``bascule rules``: what a rule set covers, what a rule means, and how rules are installed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from bascule.cli import rules_install
from bascule.cli.folders import cache_dir
from bascule.cli.rules_list import list_rules, shipped
from bascule.cli.texts import fail
from bascule.config.errors import suggest
from bascule.waf import weaknesses
from bascule.waf.engine import Waf, WafLoadError, WafSettings, config_warnings, load_rules
from bascule.waf.logic.rules import SHIPPED
from bascule.waf.seclang.model import Rule, RuleSet
from bascule.waf.seclang.operators.backtracking import MAX_STEPS, MAX_TEXT
from bascule.waf.seclang.words import tell

app = typer.Typer(help="List, check, explain and install the firewall's rules.", no_args_is_help=True)
app.command("list")(list_rules)

Folder = Annotated[Path, typer.Argument(help="A CRS folder, a folder of .conf files, or one file.")]
Paranoia = Annotated[int, typer.Option(min=1, max=4, help="Paranoia level of the Core Rule Set.")]


def settings_for(place: Path, paranoia: int) -> WafSettings:
    """Return settings that load the rules in `place`."""
    if place.is_file():
        return WafSettings(rules=(place,))
    if (place / "rules").is_dir():
        return WafSettings(crs_dir=place, paranoia=paranoia)
    files = tuple(sorted(place.glob("*.conf")))
    if not files:
        fail(f"there are no rules in {place}: no folder rules/ and no file *.conf")
    return WafSettings(rules=files)


@app.command()
def check(place: Folder, paranoia: Paranoia = 1) -> None:
    """Report what a rule set holds, what of it can be honoured, and how it runs."""
    console = Console(highlight=False, soft_wrap=True)
    refused: list[WafLoadError] = []
    settings = settings_for(place, paranoia)
    try:
        rules = load_rules(settings, refused)
    except WafLoadError as error:
        fail(str(error))
    _report(console, rules)
    if not refused:
        try:
            waf = Waf.load(settings, cache_dir(""))
        except WafLoadError as error:
            refused.append(error)
        else:
            _compiled(console, waf, paranoia)
    if refused:
        for warning in config_warnings(rules, settings):
            console.print(f"warning: {warning}", style="yellow", markup=False)
    for refusal in refused:
        console.print(f"refused: {refusal}", style="red", markup=False)
    console.print(f"{len(refused)} of the directives cannot be honoured" if refused else "everything can be honoured")
    raise typer.Exit(1 if refused else 0)


def _report(console: Console, rules: RuleSet) -> None:
    every = [rule for entries in rules.phases.values() for rule in entries if isinstance(rule, Rule)]
    links = [link for rule in every for link in rule.links]
    operators = Counter(("!" if link.negated else "") + "@" + link.operator_name for link in links if link.targets)
    chains = {link.actions.transformations for link in links if link.targets}
    phases = ", ".join(f"phase {n}: {sum(rule.phase == n for rule in every)}" for n in sorted(rules.phases))
    console.print(f"{len(every)} rules in {len(rules.files)} files ({phases})")
    console.print(f"{len(links)} conditions, {sum(len(rule.links) > 1 for rule in every)} chained rules")
    console.print(f"{len(chains)} distinct transformation chains")
    console.print("operators: " + ", ".join(f"{name} {count}" for name, count in operators.most_common()))
    console.print("settings: " + (", ".join(sorted(set(rules.config.accepted))) or "none"))


def _compiled(console: Console, waf: Waf, paranoia: int) -> None:
    dropped = Counter(waf.folded.dropped.values())
    console.print(
        f"at paranoia level {paranoia}: " + ", ".join(f"{count} rules {why}" for why, count in dropped.most_common())
    )
    always = [
        program.rules[index].rule.rule_id
        for program in waf.program.phases.values() for index, need in program.needs if not need
    ]  # fmt: skip
    gated = sum(bool(need) for program in waf.program.phases.values() for _, need in program.needs)
    console.print(f"{gated} rules wait for the prefilter; evaluated always: {always or 'none'}")
    for name, scanner in getattr(waf.nominator, "scanners", {}).items():
        console.print(f"scanner {name}: {len(scanner.expressions)} expressions")
    for link in (link for rule in waf.rules.rules.values() for link in rule.links):
        if getattr(link.operator, "backtracks", False):
            console.print(
                f"warning: {link.file}:{link.line}: this pattern has no linear-time form: it backtracks, within "
                f"{MAX_STEPS} steps and on at most {MAX_TEXT} bytes; beyond that the rule counts as matching",
                style="yellow", markup=False,
            )  # fmt: skip
    for warning in waf.warnings:
        console.print(f"warning: {warning}", style="yellow", markup=False)


@app.command()
def explain(
    rule: Annotated[str, typer.Argument(help="The rule's id, or the name of one that Bascule brings.")],
    place: Annotated[
        Path | None,
        typer.Option("--rules", "--crs", help="A CRS folder, a folder of .conf files, one file; or Bascule's own."),
    ] = None,
    paranoia: Paranoia = 4,
) -> None:
    """Tell a rule in words, with its compiled form."""
    console = Console(highlight=False, soft_wrap=True)
    if place is None:
        _explain_shipped(console, rule)
        return
    try:
        waf = Waf.load(settings_for(place, paranoia), cache_dir(""))
    except WafLoadError as error:
        fail(str(error))
    found = waf.rules.rules.get(int(rule)) if rule.isdecimal() else None
    if found is None:
        fail(f"there is no rule {rule} in {place}")
    console.print(f"Rule {rule}  {found.file}:{found.line}", style="bold", markup=False)
    if found.tag_texts:
        console.print("tags: " + ", ".join(found.tag_texts), markup=False)
    for line in tell(found):
        console.print(line, markup=False)
    console.print("Compiled:", style="bold")
    for line in _compiled_form(waf, found):
        console.print(f"  {line}", markup=False)


def _explain_shipped(console: Console, asked: str) -> None:
    rows = list(shipped())
    row = next((row for row in rows if asked in (str(row["id"]), row["name"])), None)
    if row is None:
        hint = "" if asked.isdecimal() else suggest(asked, {each["name"] for each in rows})
        fail(f"Bascule brings no rule {asked}{f' ({hint})' if hint else ''}; one of a rule set is explained with "
             "--rules PLACE, and `bascule rules list` has all")  # fmt: skip
    console.print(f"Rule {row['id']}  {row['title']}: {row['name']}", style="bold", markup=False)
    console.print(f"{'A value:' if 'facts' in row else 'The request'} {row['says']}.", markup=False)
    console.print(f"risk {row['risk']}, answered with {row['answer']} unless waf.answers says otherwise", markup=False)
    console.print(f"OWASP 2021 {row['owasp_2021']}; 2025 {row['owasp_2025']}", markup=False)
    known = weaknesses.table().weaknesses
    console.print("; ".join(f"CWE-{number} {known[number].title}" for number in row["cwe"]), markup=False)
    if "facts" in row:
        console.print(f"{row['points']} points where a value shows: {', '.join(row['facts'])}", markup=False)
    else:
        console.print(row["when"], markup=False)
    _tell_measured(console, row["measured"], "of its family" if "facts" in row else "of all kinds")


def _tell_measured(console: Console, measured: dict[str, Any], which: str) -> None:
    found, attacks, browsers = (measured.get(name) for name in ("found", "attacks", "browsers"))
    if given := measured.get("given"):
        console.print(f"measured with waf: {{{given}}}", markup=False)
    fires = [
        *([f"{attacks:g} % of attacks {which}"] if attacks is not None else []),
        *(
            [f"{browsers:g} % of {measured.get('harmless', 'recorded browser requests')}"]
            if browsers is not None
            else []
        ),
    ]
    told = [
        *([f"finds {found:g} % of made-up cases of what it is for"] if found is not None else []),
        *([f"fires in {', in '.join(fires)}"] if fires else []),
    ]
    if told:
        console.print(f"measured: {', '.join(told)}", markup=False)
    if why := measured.get("why"):
        console.print(why, markup=False)
    console.print(f"costs {measured['microseconds']:g} us a request or answer by itself")
    for source, share in measured.get("sources", {}).items():
        console.print(f"  {share:g} % of the attacks from {source}", markup=False)


def _compiled_form(waf: Waf, rule: Rule) -> list[str]:
    why = waf.folded.dropped.get(rule.rule_id)
    if why is not None:
        return [f"not run for requests at this paranoia level: {why}"]
    program = waf.program.phases[rule.phase]
    fixed = {program.rules[index].rule.rule_id for index in program.folded.fixed}
    if rule.rule_id in fixed:
        return ["depends on TX alone: run only once some other rule has written to TX"]
    gates = waf.plan.gates.get(rule.rule_id)
    if not gates:
        return ["evaluated for every transaction: nothing that could be scanned for is necessary for it"]
    lines = [f"gate {number}: opened by {gate}" for number, gate in enumerate(gates, 1)]
    need = waf.plan.needs.get(id(rule), 0)
    for name, scanner in getattr(waf.nominator, "scanners", {}).items():
        found = scanner.expressions_of(need)
        if found:
            shown = found[0].text.decode("latin-1")
            lines.append(
                f"scanned for in {name} by {'RE2' if found[0].linear else 'Hyperscan'}: {len(found)} expressions, "
                f"such as {shown[:100]}{'...' if len(shown) > 100 else ''}"
            )
    return lines


@app.command()
def export(file: Annotated[Path, typer.Argument(help="File to write; one that is there is left alone.")]) -> None:
    """Write the logic rules to a file, to be edited and named as `waf.rule_set`."""
    try:
        with file.open("xb") as out:
            out.write(SHIPPED.read_bytes())
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}")
    typer.echo(f"{file}: written. `enabled: false` takes a rule out; name the file as waf.rule_set")


@app.command()
def install(
    name: Annotated[str, typer.Argument(help="What to install: crs.")],
    source: Annotated[str, typer.Option("--from", help="The release: a .tar.gz file or its https URL.")],
    sha256: Annotated[str, typer.Option(help="Its SHA-256 in hexadecimal, from a place you trust.")],
    to: Annotated[Path, typer.Option(help="The folder to make.")],
) -> None:
    """Install a release of the OWASP Core Rule Set: verified, unpacked, and loaded once to see that it works."""
    if name != "crs":
        fail(f"there is nothing called {name!r} to install; there is: crs")
    try:
        files = rules_install.install(source, sha256, to)
    except (rules_install.InstallError, WafLoadError) as error:
        fail(str(error))
    typer.echo(f"{files} files in {to}: use it with --crs {to}")
