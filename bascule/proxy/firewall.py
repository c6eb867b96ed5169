"""The firewalls of a plan: one rule set for each distinct WAF configuration, loaded before the fork."""

from __future__ import annotations

import asyncio
import datetime
from pathlib import Path

from bascule.config.errors import Problem
from bascule.config.plan import Plan, RoutePlan
from bascule.config.types import Address
from bascule.config.waf import WafConfig, WafExclusion
from bascule.proxy.blocklists import BlockLists
from bascule.state.locks import make_locks
from bascule.state.records import Records
from bascule.waf.engine import Waf, WafLoadError, WafSettings, crs_files, load_rules
from bascule.waf.policy import Exclusion
from bascule.waf.seclang.collections import CollectionStore

_COLLECTIONS = {"cookie": "REQUEST_COOKIES", "header": "REQUEST_HEADERS"}


class MisstatedError(WafLoadError):
    """A key of `waf` that cannot be honoured, with its place: `problem` has file, line, site and remedy."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.file, problem.line, problem.message)
        self.problem = problem

    def __str__(self) -> str:
        return self.problem.render()


class Firewalls:
    """Rule sets by configuration. Those of `previous` whose configuration and files are the same are taken over.

    Raises WafLoadError, with file and line, for a rule that cannot be honoured; MisstatedError for a key.
    """

    def __init__(self, plan: Plan, cache_dir: Path | None, previous: Firewalls | None = None) -> None:
        self.collections: CollectionStore = previous.collections if previous else CollectionStore(Records(make_locks()))
        """IP, SESSION and their kind: those of all rule sets, shared by the workers and kept over a reload."""
        self._lists: dict[Address | None, BlockLists] = previous._lists if previous else {}
        self._made: dict[tuple[str, tuple[object, ...]], Waf] = {}
        known = previous._made if previous else {}
        for route in plan.routes:
            config = route.waf
            if config.mode == "off":
                continue
            key = (_content(config), _signature(config))
            if key not in self._made:
                try:
                    self._made[key] = known.get(key) or self._load(config, cache_dir)
                except WafLoadError as error:
                    raise located(error, plan, route) from None

    def _load(self, config: WafConfig, cache_dir: Path | None) -> Waf:
        return Waf.load(settings_of(config), cache_dir, store=self.collections, resolver=self.lists_of(config))

    def lists_of(self, config: WafConfig) -> BlockLists:
        """Return the block lists as a configuration asks them."""
        return self._lists.setdefault(config.resolver, BlockLists(config.resolver))

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let this worker ask block lists."""
        for lists in self._lists.values():
            lists.open(loop)

    def close(self) -> None:
        """Ask block lists no more."""
        for lists in self._lists.values():
            lists.close()

    @property
    def warnings(self) -> list[str]:
        """What the rule sets have to remark about themselves, each once."""
        return list(dict.fromkeys(warning for waf in self._made.values() for warning in waf.warnings))

    def of(self, config: WafConfig) -> Waf | None:
        """Return the firewall of a configuration of this plan; None when it is off."""
        if config.mode == "off":
            return None
        text = _content(config)
        return next(waf for (known, _), waf in self._made.items() if known == text)


def located(error: WafLoadError, plan: Plan, route: RoutePlan) -> WafLoadError:
    """Return what a route's rules cannot honour; of a key of the configuration with the place that the route has it
    from."""
    if not error.key or isinstance(error, MisstatedError):
        return error
    paths = [(*level, "waf", *error.key) for level in route.waf_from]
    path = next((path for path in paths if plan.locator.states(path)), paths[0] if paths else ("waf", *error.key))
    return MisstatedError(plan.locator.problem(path, error.reason, error.hint))


def settings_of(config: WafConfig) -> WafSettings:
    """Return the engine's settings for a configuration.

    With logic rules alone nothing looks at responses, and a body that cannot be parsed is judged as one value.
    """
    crs = config.crs if config.rules != "logic" else ""
    signatures = bool(crs or config.directives)
    return WafSettings(
        mode=config.mode,
        logic=config.preset if config.rules != "crs" or config.preset == "bypass" else "",
        crs_dir=Path(crs) if crs else None,
        rules=tuple(Path(file) for file in config.directives),
        paranoia=config.paranoia,
        request_body_limit=config.body_limit,
        inspect_response=config.response_bodies and signatures,
        protocol_rules=signatures,
        time_budget=config.budget,
        on_budget=config.on_budget,
        texts=config.texts,
        rule_set=Path(config.rule_set) if config.rule_set else None,
        filters=config.filters,
        answers=tuple(config.answers.items()),
        response=config.response if config.response_bodies else config.response.model_copy(update={"cloak": "off"}),
        openapi=Path(config.openapi) if config.openapi else None,
        exclusions=tuple(_exclusion(exclusion) for exclusion in config.exclusions),
        today=datetime.datetime.now(datetime.UTC).date(),
    )


def refusals(plan: Plan, cache_dir: Path | None) -> list[WafLoadError]:
    """Return all that cannot be honoured in the rules of a plan that does not load, in their order."""
    found: dict[str, WafLoadError] = {}
    for route in {_content(route.waf): route for route in plan.routes if route.waf.mode != "off"}.values():
        config, refused = route.waf, list[WafLoadError]()
        try:
            load_rules(settings_of(config), refused)
            if not refused:
                Waf.load(settings_of(config), cache_dir)
        except WafLoadError as error:
            refused.append(located(error, plan, route))
        found.update({str(error): error for error in refused})
    return list(found.values())


def _exclusion(exclusion: WafExclusion) -> Exclusion:
    kind, _, name = exclusion.parameter.partition(":")
    if kind not in _COLLECTIONS:
        kind, name = "", exclusion.parameter
    return Exclusion(
        rules=tuple(rule.removeprefix("tag:") for rule in exclusion.rules),
        path=exclusion.path,
        parameter=f"{_COLLECTIONS.get(kind, 'ARGS')}:{name}" if exclusion.parameter else None,
        owner=exclusion.owner,
        reason=exclusion.reason,
        expires=exclusion.expires,
    )


def _content(config: WafConfig) -> str:
    """Identify what a rule set is made of: the profile is a matter of the route."""
    return config.model_dump_json(exclude={"profile"})


def _signature(config: WafConfig) -> tuple[object, ...]:
    """Identify the content of the rule files by their times and sizes."""
    files = [Path(file) for file in config.directives]
    files += [Path(file) for file in (config.openapi, config.rule_set) if file]
    if config.response.pages is not None:
        files += Path(config.response.pages.copies).glob("*.page")
    if config.crs:
        setup, rules = crs_files(Path(config.crs))
        files += [setup, *rules, *(Path(config.crs) / "rules").glob("*")]
    return tuple((str(file), stat.st_mtime_ns, stat.st_size) for file in sorted({*files}) if (stat := file.stat()))
