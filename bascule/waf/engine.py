"""The firewall: rules loaded and compiled once, shared by all transactions. Start reading here.

`Waf.load` reads the rules (`seclang/`), folds what never changes (`seclang/folding.py`), chooses gates and
compiles the scanners (`matcher/`). `Waf.begin` gives the `Transaction` that the proxy drives.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from bascule.http.h1.block import Block
from bascule.waf.answers import Answers
from bascule.waf.filters.inspector import FilterInspector
from bascule.waf.glance import Glance
from bascule.waf.logic.inspector import Inspector, named_logic_rules
from bascule.waf.matcher.database import (
    is_sound,
    keep_translations,
    load_patterns,
    recall_translations,
    store_patterns,
)
from bascule.waf.matcher.nominator import EveryRule, GateKeeper, Nominator
from bascule.waf.matcher.patterns import Known, Patterns
from bascule.waf.matcher.plan import build_plan, empty_plan
from bascule.waf.openapi.contract import Contract
from bascule.waf.policy import (
    OWN_IDS,
    SettingError,
    WafSettings,
    base_directives,
    exclusion_directives,
    paranoia_directives,
)
from bascule.waf.request import ConnectionFacts
from bascule.waf.response.inspector import ResponseInspector
from bascule.waf.response.pages import PageError
from bascule.waf.seclang.ahead import AskAhead
from bascule.waf.seclang.collections import CollectionStore
from bascule.waf.seclang.controls import parse_id_ranges
from bascule.waf.seclang.effects import NOTHING
from bascule.waf.seclang.folding import Folded, FoldedPhase, fold, unfolded, unprepared
from bascule.waf.seclang.loader import Loader
from bascule.waf.seclang.model import Rule, RuleSet
from bascule.waf.seclang.operators import NO_DNS, Resolver
from bascule.waf.seclang.phases import Program
from bascule.waf.seclang.syntax import SETTINGS, WafLoadError
from bascule.waf.signature_glance import SignatureGlance
from bascule.waf.steady import Steady, pairs_of
from bascule.waf.transaction import Transaction
from bascule.waf.verdict import Verdict

__all__ = ["ConnectionFacts", "Transaction", "Verdict", "Waf", "WafLoadError", "WafSettings"]

EXCLUSIONS = "<exclusions>"
"""The file that rules made of exclusions are said to be in."""
_NOBODY = ConnectionFacts(b"", 0, b"", 0)


class Waf:
    """A rule set ready to run. Immutable once built; build it before forking."""

    def __init__(
        self,
        rules: RuleSet,
        settings: WafSettings,
        cache_dir: Path | None = None,
        *,
        known: Known | None = None,
        store: CollectionStore | None = None,
        resolver: Resolver = NO_DNS,
        clock: Callable[[], float] = time.perf_counter,
        wall_clock: Callable[[], float] = time.time,
        cpu_clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self.rules, self.settings = rules, settings
        self.store = store if store is not None else CollectionStore()
        self.clock, self.wall_clock, self.cpu_clock = clock, wall_clock, cpu_clock
        self.time_budget = settings.time_budget
        self.first_look = settings.time_budget / 8
        """Seconds after which judging that is not divided looks at the thread's clock: more is counted by that."""
        self.logic = self._logic(cache_dir)
        self.named, self.answers = self._named_rules()
        on = settings.logic != "bypass"
        self.filters = self.named if on and self.named.on else None
        try:
            self.response = ResponseInspector(settings.response, self.named, self.answers) if on else None
        except PageError as error:
            raise WafLoadError(SETTINGS, 1, str(error), ("response", "pages", "copies")) from None
        self.contract = Contract(settings.openapi) if on and settings.openapi is not None else None
        self.nominator: Nominator = EveryRule()
        self.program = Program(
            Folded({n: FoldedPhase([], changes=[(-1, {})]) for n in range(1, 6)}, {}, {}, {}, NOTHING), {}
        )
        self.warnings: list[str] = []
        prefilter = settings.prefilter
        if prefilter and not is_sound():
            prefilter = False
            self.warnings.append(
                "this Hyperscan loses matches: the prefilter is off, and every rule is evaluated always"
            )
        if self.contract is not None:
            self.warnings += self.contract.warnings
        folded = fold(rules, self.scratch())
        live, dead = unprepared(folded)
        if live:
            raise live[0]
        self.warnings += config_warnings(rules, settings)
        every = [*rules.rules.values(), *self.named.rules, *(self.logic.rules if self.logic is not None else ())]
        self.warnings += exclusion_warnings(settings, every)
        self.warnings += [f"{error}; no request reaches the rule as it is set up, so it is left out" for error in dead]
        self.folded = folded if prefilter else unfolded(rules)
        patterns = Patterns(known if known is not None else load_patterns(cache_dir))
        known_before = len(patterns.known)
        self.plan = build_plan(self.folded, self.scratch(), patterns) if prefilter else empty_plan(patterns)
        keep_translations(patterns.known)
        if len(patterns.known) != known_before:
            store_patterns(cache_dir, patterns.known)
        self.program = Program(self.folded, self.plan.needs)
        if prefilter:
            self.nominator = GateKeeper(self.plan, self.scratch, cache_dir)
        self.ahead = AskAhead(rules, resolver)
        """What is to be asked of DNS block lists before a request is judged."""
        self.signatures = bool(rules.rules)
        """Whether there are rules in SecLang; else only logical and named rules run."""
        self.glance = self._glance()
        others = any(rule.head.file != EXCLUSIONS for rule in rules.rules.values())
        self.signature_glance = SignatureGlance.of(self, self._glance_of_logic()) if prefilter and others else None

    def _logic(self, cache_dir: Path | None) -> Inspector | None:
        preset, texts, file = self.settings.logic, self.settings.texts, self.settings.rule_set
        return Inspector.load(preset, cache_dir, texts, file) if preset not in ("", "bypass") else None

    def _glance(self) -> Glance | None:
        """Return what tells at a glance that a request passes; None where every request needs a transaction."""
        config, response = self.rules.config, self.response
        if config.rule_engine == "Off" or config.audit_engine == "On" or not config.request_body_access:
            return None
        if config.request_body_limit < self.settings.request_body_limit or self.contract is not None:
            return None
        if any(rule.head.file != EXCLUSIONS for rule in self.rules.rules.values()):
            return None  # exclusions only take away: where nothing is found, they change nothing
        if response is not None and response.judges_fields:
            return None
        return self._glance_of_logic()

    def _glance_of_logic(self) -> Glance | None:
        return Glance.of(self.filters, self.logic)

    @classmethod
    def load(cls, settings: WafSettings, cache_dir: Path | None = None, **services: Any) -> Waf:
        """Load and compile rules. `services` are `store`, `resolver` and the clocks (see `__init__`).

        Without a resolver no block list lists anybody.

        Raises:
            WafLoadError: with file, line and reason, for anything that cannot be honoured.
        """
        known = load_patterns(cache_dir)
        recall_translations(known)
        rules = load_rules(settings, resolver=services.get("resolver", NO_DNS))
        return cls(rules, settings, cache_dir, known=known, **services)

    def _named_rules(self) -> tuple[FilterInspector, Answers]:
        """Return the named rules, and the answers of all rules that have one."""
        settings = self.settings
        try:
            filters = FilterInspector(settings.filters, settings.logic)
            return filters, answers_of(settings, filters)
        except SettingError as error:
            raise WafLoadError(SETTINGS, 1, error.reason, error.key, error.hint) from None
        except (ValueError, OSError) as error:
            raise WafLoadError(SETTINGS, 1, str(error)) from None

    def begin(self, connection: ConnectionFacts) -> Transaction:
        """Begin a transaction on a client's connection."""
        return Transaction(self, connection)

    def steady(self, headers: list[tuple[bytes, bytes]]) -> Steady:
        """Judge header fields that requests have in common (lower-case names), for `Transaction.request_head`."""
        return self.nominator.steady(headers)

    def steady_response(self, headers: list[tuple[bytes, bytes]]) -> Steady:
        """As `steady`, for those of responses and `Transaction.response_head`."""
        return self.nominator.steady_response(headers)

    def known(self, block: Block) -> Steady:
        """Return what is known of the fields of a block of requests, which remembers it."""
        steady: Steady | None = block.notes.get(self)
        if steady is None:
            steady = self.steady(pairs_of(block.fields))
            block.note(self, steady)
        return steady

    def known_response(self, block: Block) -> Steady:
        """As `known`, for those of responses."""
        steady: Steady | None = block.notes.get(self)
        if steady is None:
            steady = self.steady_response(pairs_of(block.fields))
            block.note(self, steady)
        return steady

    def scratch(self) -> Transaction:
        """Return a transaction on which rules can be tried out."""
        transaction = Transaction(self, _NOBODY)
        transaction.set_head(b"", b"", b"", [])
        transaction.rule_engine = "DetectionOnly"
        transaction.pristine = False
        return transaction


def answers_of(settings: WafSettings, filters: FilterInspector) -> Answers:
    """Return how the rules answer. Raises ValueError as `Answers` does."""
    logic = named_logic_rules(settings.rule_set) if settings.answers else ()
    return Answers(dict(settings.answers), (*filters.named(), *logic))


def load_rules(
    settings: WafSettings, refused: list[WafLoadError] | None = None, resolver: Resolver = NO_DNS
) -> RuleSet:
    """Read the rules `settings` name, in their order: base, exclusions, set-up, paranoia, CRS, own files.

    With a list as `refused`, what cannot be honoured is noted there and left out.

    Raises:
        WafLoadError: as `Waf.load`.
    """
    loader = Loader(refused=refused, resolver=resolver)
    here = Path()
    try:
        loader.load_text(base_directives(settings), SETTINGS, here)
        loader.load_text(exclusion_directives(settings), EXCLUSIONS, here)
        loader.load_text(settings.directives, "<directives>", here)
        if settings.crs_dir is not None:
            setup, files = crs_files(settings.crs_dir)
            loader.load_file(setup)
            loader.load_text(paranoia_directives(settings), "<paranoia>", here)
            for file in files:
                loader.load_file(file)
        for file in settings.rules:
            loader.load_file(file)
        loader.load_text(settings.directives_after, "<directives>", here)
    except ValueError as error:
        if isinstance(error, WafLoadError):
            raise
        raise WafLoadError(SETTINGS, 1, str(error)) from None
    loader.config.sniff_bodies = settings.body_policy == "sniff" and not settings.bare
    return loader.finish()


def config_warnings(rules: RuleSet, settings: WafSettings) -> list[str]:
    """What the directives say that has no effect, or less than somebody may believe."""
    config, found = rules.config, list(rules.config.warnings)
    if config.request_body_limit > settings.request_body_limit and not settings.bare:
        found.append(
            f"SecRequestBodyLimit {config.request_body_limit} is more than the proxy holds of a body: "
            f"waf.body_limit is {settings.request_body_limit}; raise that"
        )
    if config.idle:
        found.append(f"without effect, for the matter is settled elsewhere: {', '.join(config.idle)}")
    return found


def exclusion_warnings(settings: WafSettings, rules: Iterable[Rule]) -> list[str]:
    """Which rules and tags the exclusions name that no rule has: whoever wrote them believes that they hold.

    Exclusions of a site hold for routes with other rule sets, too: what may be of one that is not loaded, passes.
    """
    numbers, tags = {rule.rule_id for rule in rules}, {tag for rule in rules for tag in rule.tag_texts}
    found = []
    for exclusion in settings.exclusions:
        for text in exclusion.rules:
            ranges = parse_id_ranges(text) if text[0].isdigit() else ()
            own = ranges[0][0] in OWN_IDS if ranges else text.startswith("logic/")
            if not (settings.logic if own else settings.crs_dir or settings.rules):
                continue
            if text not in tags and not any(low <= n <= high for low, high in ranges for n in numbers):
                what = f"the exclusion for {exclusion.path}" if exclusion.path else "the exclusion"
                found.append(f"{what} ({exclusion.reason or 'no reason given'}) names {text}: no such rule")
    return found


DEBIAN_SETUP = Path("/etc/modsecurity/crs")
"""Where Debian's package modsecurity-crs has what its users edit."""


def crs_files(folder: Path) -> tuple[Path, list[Path]]:
    """Return the set-up file and the rule files of a CRS folder, in the order in which they are read.

    Understands the release's layout and Debian's (/usr/share/modsecurity-crs, with the set-up and the users' own
    exclusions in /etc/modsecurity/crs).

    Raises:
        WafLoadError: there is no set-up file or no rules.
    """
    debian = (folder / "owasp-crs.load").is_file()
    places = [DEBIAN_SETUP] if debian else []
    names = ("crs-setup.conf", "crs-setup.conf.example")
    found = [place / name for place in (*places, folder) for name in names if (place / name).is_file()]
    if not found:
        raise WafLoadError(
            str(folder), 1, "there is no crs-setup.conf[.example]; name the folder that CRS was unpacked to"
        )
    files = sorted((folder / "rules").glob("*.conf"))
    if not files:
        raise WafLoadError(str(folder), 1, "there are no rules/*.conf; name the folder that CRS was unpacked to")
    if debian:
        before, after = (
            sorted(DEBIAN_SETUP.glob("REQUEST-900-*.conf")),
            sorted(DEBIAN_SETUP.glob("RESPONSE-999-*.conf")),
        )
        files = [*before, *files, *after]
    return found[0], files
