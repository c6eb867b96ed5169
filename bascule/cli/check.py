"""``bascule check FILE``: say what would run, or what is wrong and where."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from bascule.cli.folders import cache_dir
from bascule.cli.problems import print_problems
from bascule.cli.units import counted
from bascule.config.errors import ConfigError, Problem
from bascule.config.loader import load
from bascule.config.plan import Plan
from bascule.config.view import problem_data, view
from bascule.proxy.firewall import Firewalls, MisstatedError, refusals
from bascule.waf.engine import WafLoadError


def check(
    file: Annotated[Path, typer.Argument(help="The configuration file.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a configuration with its rules and print what would run. Exit status 0 if it is good, 1 if not.

    What the rules compile to is kept, as a start does: the first check of a rule set may take a minute.
    """
    try:
        plan = load(file)
        remarks = _check_rules(plan, file)
    except ConfigError as error:
        if as_json:
            _print_json({"ok": False, "errors": [problem_data(problem) for problem in error.problems]})
        else:
            print_problems(error.problems, "error")
        raise typer.Exit(1) from None
    shown = view(plan)
    warnings = [*plan.warnings, *remarks]
    shown["warnings"] = [problem_data(warning) for warning in warnings]
    if as_json:
        _print_json({"ok": True, **shown})
        return
    # Without a terminal there is no width to keep to, and a cut line would lose what it says.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 500)
    for tree in trees(shown):
        console.print(tree)
    print_problems(warnings, "warning")
    console.print(Text(f"{file}: good, {counted(len(warnings), 'warning') if warnings else 'no warnings'}", "green"))


def _check_rules(plan: Plan, file: Path) -> list[Problem]:
    """Load the rules of every firewall; return what they have to remark. Raises ConfigError for what is refused."""
    cache = cache_dir(plan.config.cache_dir)
    try:
        firewalls = Firewalls(plan, cache)
    except WafLoadError:
        raise ConfigError([_problem(fault, file) for fault in refusals(plan, cache)]) from None
    return [Problem(warning) for warning in firewalls.warnings]


def _problem(fault: WafLoadError, file: Path) -> Problem:
    """Tell the place of a refusal: a rule file's, or the configuration for what stands in it."""
    if isinstance(fault, MisstatedError):
        return fault.problem
    own = fault.file.startswith("<")
    return Problem(fault.reason, file=str(file) if own else fault.file, line=0 if own else fault.line)


def trees(shown: Mapping[str, Any]) -> list[Tree]:
    """Return the parts of a view (`config.view`) as trees for a terminal."""
    parts = [_listeners(shown), *(_site(site, shown) for site in shown["sites"])]
    if shown["pools"]:
        parts.append(_pools(shown))
    if shown["forward"]:
        parts.append(_forward(shown["forward"]))
    return parts


def _listeners(shown: Mapping[str, Any]) -> Tree:
    tree = Tree(Text(f"listeners ({shown['workers']} worker{'s' if shown['workers'] != 1 else ''})", "bold"))
    for listener in shown["listeners"]:
        tls = "TLS" if listener.get("tls") is not None else "plain"
        branch = tree.add(Text(f"{listener['address']}  {tls}"))
        _details(branch, {key: value for key, value in listener.items() if key != "address" and value})
    if shown["settings"]:
        _details(tree.add(Text("settings that differ from the defaults")), shown["settings"])
    return tree


def _site(site: Mapping[str, Any], shown: Mapping[str, Any]) -> Tree:
    tree = Tree(Text(", ".join(site["hosts"]), "bold"))
    if site["tls"]:
        _details(tree.add(Text("TLS")), site["tls"])
    _details(tree, {f"path.{key}": value for key, value in site["path"].items()})
    pools = {pool["name"]: pool for pool in shown["pools"]}
    for route in site["routes"]:
        branch = tree.add(_route_line(route, pools))
        if route["waf"]["mode"] != "off":
            _details(branch, {f"waf.{key}": value for key, value in route["waf"].items() if value})
        if route["maintenance"]:
            _details(branch, {f"maintenance.{key}": value for key, value in route["maintenance"].items() if value})
        _details(branch, route["differs"])
    return tree


def _route_line(route: Mapping[str, Any], pools: Mapping[str, Any]) -> Text:
    sign = {"prefix": "", "exact": "=", "pattern": "~"}[route["kind"]]
    line = Text(f"{sign}{route['path']}", "cyan")
    answer = route["answer"]
    if "pool" in answer:
        pool = pools[answer["pool"]]
        members = ", ".join(str(server["address"]) for server in pool["servers"]) or "discovered servers"
        line.append(f"  to {members}  ({pool['balance']}, pool {pool['name']})", "default")
    elif "redirect" in answer:
        line.append(f"  redirect {answer['redirect']['status']} {answer['redirect']['to']}", "default")
    else:
        line.append(f"  answer {answer['respond']['status']}", "default")
    line.append(f"  waf {route['waf']['mode']}", "magenta" if route["waf"]["mode"] != "off" else "dim")
    return line


def _pools(shown: Mapping[str, Any]) -> Tree:
    tree = Tree(Text("pools", "bold"))
    for pool in shown["pools"]:
        branch = tree.add(Text(f"{pool['name']}  {pool['balance']}"))
        for server in pool["servers"]:
            extra = ", ".join(f"{key} {_value(value)}" for key, value in server.items() if key != "address")
            branch.add(Text(f"{server['address']}{'  ' + extra if extra else ''}"))
        if pool["discover"]:
            _details(branch.add(Text("discovery")), pool["discover"])
        branch.add(Text(_health_line(pool["health"])))
        _details(branch, pool["differs"])
    return tree


def _forward(forward: Mapping[str, Any]) -> Tree:
    tree = Tree(Text("forward proxy", "bold"))
    for rule in forward["rules"]:
        line = Text(f"{rule['action']}  ", "cyan")
        line.append(f"{_about(rule['condition'])}  ({rule['name']})", "default")
        branch = tree.add(line)
        _details(branch, {key: rule[key] for key in ("to", "reason") if key in rule})
    tree.add(Text(f"{forward['default']}  what no rule is about", "cyan"))
    for way in forward["ways"]:
        line = Text(f"through {', '.join(way['through'])}  ", "cyan")
        tree.add(line.append(_about({key: value for key, value in way.items() if key != "through"}), "default"))
    for name, quota in forward["quotas"].items():
        tree.add(Text(f"quota {name}  ", "cyan").append(_about(quota), "default"))
    _details(tree, forward["differs"])
    return tree


def _about(condition: Mapping[str, Any]) -> str:
    """Return what a rule, a way or a quota is about, on a line."""
    return ", ".join(f"{key}: {_value(value)}" for key, value in condition.items()) or "everything"


def _health_line(health: Mapping[str, Any] | None) -> str:
    if not health:
        return "no active check"
    what = f"{health['method']} {health['path']}" if health["kind"] == "http" else "TCP connect"
    return (
        f"check: {what} every {health['interval']:g} s, up after {health['rise']} good, down after {health['fall']} bad"
    )


def _details(tree: Tree, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        tree.add(Text(f"{key}: {_value(value)}", "dim"))


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _print_json(data: Any) -> None:
    sys.stdout.write(json.dumps(data, indent=2) + "\n")
