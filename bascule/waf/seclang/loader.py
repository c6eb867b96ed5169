"""Carry out directives: files in, a `RuleSet` out. Whatever cannot be honoured raises `WafLoadError`."""

from __future__ import annotations

import glob
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from bascule.waf.seclang.actions import macro, merge_defaults, parse_actions, split_actions, updated
from bascule.waf.seclang.controls import IDLE_CONTROLS, parse_id_ranges
from bascule.waf.seclang.model import Actions, Config, Link, Marker, Rule, RuleSet, Target
from bascule.waf.seclang.operands import argument_of, split_operator
from bascule.waf.seclang.operators import NO_DNS, OPERATORS, LoadContext, NotSetUpError, Resolver
from bascule.waf.seclang.settings import SETTINGS
from bascule.waf.seclang.syntax import Directive, WafLoadError, directives
from bascule.waf.seclang.targets import check_xpaths, parse_targets
from bascule.waf.seclang.transformations import TRANSFORMATIONS, make_url_decode_uni

MAX_INCLUDE_DEPTH = 16
MAX_RULES = 100_000
NEED_SET_UP = ("geolookup", "rbl")
"""Operators that need something of the configuration, whatever their argument."""
BOUND_OPERATORS = 256
"""How many expansions of one macro argument keep their compiled operator."""


@dataclass(slots=True)
class Loader:
    """Collects rules and settings over any number of texts and files, then `finish`es the rule set.

    The first thing that cannot be honoured is raised; with a list as `refused` it is noted there instead and left out.
    """

    config: Config = field(default_factory=Config)
    resolver: Resolver = NO_DNS
    refused: list[WafLoadError] | None = None
    _entries: list[Rule | Marker] = field(default_factory=list)
    _rules: dict[int, Rule] = field(default_factory=dict)
    _files: list[str] = field(default_factory=list)
    _chain: Rule | None = None
    _abandoned: bool = False
    _edits: list[Callable[[], None]] = field(default_factory=list)
    _removed: set[int] = field(default_factory=set)

    def load_file(self, path: Path, depth: int = 0) -> None:
        """Read one rule file.

        Raises:
            WafLoadError: the file cannot be read, or holds something that cannot be honoured.
        """
        if depth > MAX_INCLUDE_DEPTH:
            raise WafLoadError(str(path), 1, f"files include one another more than {MAX_INCLUDE_DEPTH} deep")
        try:
            text = path.read_bytes().decode("latin-1")
        except OSError as error:
            raise WafLoadError(str(path), 1, f"cannot be read: {error.strerror}") from None
        self._files.append(str(path))
        self.load_text(text, str(path), path.parent, depth)

    def load_text(self, text: str, file: str, base_dir: Path, depth: int = 0) -> None:
        """Carry out the directives of `text`; relative file names are looked up in `base_dir`."""
        for directive in directives(text, file, base_dir):
            if self._abandoned:
                self._abandoned = continues_chain(directive)
                continue
            try:
                self._carry_out(directive, depth)
            except WafLoadError as error:
                self._refuse(error, directive)
            except (ValueError, OSError) as error:
                self._refuse(directive.error(f"{directive.name}: {error}"), directive)
        if self._chain is not None and depth == 0:
            raise WafLoadError(file, self._chain.line, "the chain that starts here has no last rule")

    def _refuse(self, error: WafLoadError, directive: Directive) -> None:
        """Raise, or note it and leave out the rule with the rest of its chain."""
        if self.refused is None:
            raise error from None
        self.refused.append(error)
        if directive.name.lower() == "secrule":
            self._abandoned = continues_chain(directive)
            if self._chain is not None:
                self._entries.remove(self._chain)
                self._rules.pop(self._chain.rule_id, None)
                self._chain = None

    def finish(self) -> RuleSet:
        """Apply defaults, removals and updates, compile operators, and order the rules by phase."""
        for edit in self._edits:
            edit()
        phases: dict[int, list[Rule | Marker]] = {phase: [] for phase in range(1, 6)}
        for entry in self._entries:
            if isinstance(entry, Marker):
                for entries in phases.values():
                    entries.append(entry)
            elif id(entry) not in self._removed:
                self._complete(entry)
                phases[entry.phase].append(entry)
        for entries in phases.values():
            for index, entry in enumerate(entries):
                if isinstance(entry, Rule):
                    entry.index = index
        rules = {r.rule_id: r for entries in phases.values() for r in entries if isinstance(r, Rule) and r.rule_id}
        return RuleSet(phases, self.config, rules, tuple(self._files))

    def _carry_out(self, directive: Directive, depth: int) -> None:
        name = directive.name.lower()
        handler = _HANDLERS.get(name)
        if handler is not None:
            handler(self, directive, depth)
            return
        if self._chain is not None:
            raise ValueError(f"a chain (line {self._chain.line}) must be followed by its next SecRule")
        setting = SETTINGS.get(name)
        if setting is None:
            raise ValueError("there is no such directive; check the spelling, or remove it")
        setting(self.config, directive)
        self.config.accepted.append(directive.name)

    # -- rules -----------------------------------------------------------------------------------

    def _sec_rule(self, directive: Directive, depth: int) -> None:
        arguments = directive.arguments
        if len(arguments) not in (2, 3):
            raise ValueError(f"takes variables, an operator and actions; found {len(arguments)} arguments")
        negated, name, argument = split_operator(arguments[1])
        actions = parse_actions(arguments[2] if len(arguments) == 3 else "")
        targets = parse_targets(arguments[0])
        link = Link(
            targets, name, argument_of(name, argument, targets), negated, actions, directive.file,
            directive.line, source=" ".join(repr(a)[1:-1] for a in arguments[:2]),
        )  # fmt: skip
        self._operator(link, directive)
        self._add(link, directive)

    def _sec_action(self, directive: Directive, depth: int) -> None:
        if len(directive.arguments) != 1:
            raise ValueError("takes one list of actions")
        actions = parse_actions(directive.arguments[0])
        link = Link([], "unconditionalmatch", macro(""), False, actions, directive.file, directive.line)
        link.unconditional = True
        self._add(link, directive)

    def _operator(self, link: Link, directive: Directive) -> None:
        """Compile the operator now, or arrange that it is compiled when its macros are known."""
        make = OPERATORS.get(link.operator_name)
        if make is None:
            raise ValueError(f"there is no operator @{link.operator_name}; check the spelling")
        if link.operator_name == "unconditionalmatch":
            link.unconditional = not link.negated
        context = LoadContext(
            base_dir=directive.base_dir, read_file=lambda name: (directive.base_dir / name).read_bytes(),
            unicode_map=self.config.unicode_map, geo_path=self.config.geo_path, resolver=self.resolver,
            http_bl_key=self.config.http_bl_key,
            match_limit=self.config.pcre_match_limit,
        )  # fmt: skip
        literal = link.argument.literal
        try:
            if literal is None and link.operator_name in NEED_SET_UP:
                make(b"example.invalid", context)
            if literal is not None:
                link.operator = make(literal, context)
        except NotSetUpError as error:
            link.missing, link.operator = str(error), OPERATORS["nomatch"](b"", context)
            return
        if literal is None:
            link.bind = lru_cache(BOUND_OPERATORS)(lambda text: make(text, context))

    def _add(self, link: Link, directive: Directive) -> None:
        actions = link.actions
        if self._chain is not None:
            self._chain.links.append(link)  # an id or a phase of its own says nothing in a chain
            if not actions.chain:
                self._chain = None
            return
        if not actions.rule_id and link.targets:
            raise ValueError("every rule needs an id, as in id:1001")
        if actions.rule_id and actions.rule_id in self._rules:
            raise ValueError(f"Rule id: {actions.rule_id} is duplicated; first at {self._rules[actions.rule_id].file}")
        if len(self._rules) >= MAX_RULES:
            raise ValueError(f"more than {MAX_RULES} rules")
        actions.phase = actions.phase or 2
        rule = Rule([link], directive.file, directive.line)
        if actions.rule_id:
            self._rules[actions.rule_id] = rule
        self._entries.append(rule)
        if actions.chain:
            self._chain = rule

    def _complete(self, rule: Rule) -> None:
        """Merge SecDefaultAction, resolve transformations, and settle what is logged."""
        default = self.config.default_actions.get(rule.phase)
        for link in rule.links:
            self._note_idle(link.actions)
            try:
                check_xpaths(link.targets, rule.namespaces)
            except ValueError as error:
                raise WafLoadError(link.file, link.line, str(error)) from None
            names = merge_defaults(link.actions, default)
            link.actions.transformations = names
            link.functions = tuple(self._transformation(name, link) for name in names)
            opened = {action.argument[0] for action in link.actions.runtime if action.name == "initcol"}
            for collection in opened.intersection(setvar.collection for setvar in link.actions.setvars):
                self.config.warnings.append(
                    f"{link.file}:{link.line}: rule {rule.rule_id} writes to {collection} before it opens it, as in "
                    "ModSecurity 3; let a rule of its own do the initcol"
                )
        head = rule.head.actions
        rule.log = next((log for log in (head.log, default.log if default else None) if log is not None), True)
        audit = next(
            (log for log in (head.audit_log, default.audit_log if default else None) if log is not None), rule.log
        )
        rule.audit_log = audit and not (head.log is False and head.audit_log is None)
        rule.tag_texts = tuple(tag.source for link in rule.links for tag in link.actions.tags)
        rule.tags = frozenset(tag.encode("latin-1") for tag in rule.tag_texts)

    def _note_idle(self, actions: Actions) -> None:
        for action in actions.runtime:
            name = IDLE_CONTROLS.get(action.argument.name) if action.name == "ctl" else None
            if name is not None and name not in self.config.idle:
                self.config.idle.append(name)

    def _transformation(self, name: str, link: Link) -> Callable[[bytes], bytes]:
        if name == "urldecodeuni" and self.config.unicode_map is not None:
            function: Callable[[bytes], bytes] = make_url_decode_uni(self.config.unicode_map)
            return function
        try:
            found: Callable[[bytes], bytes] = TRANSFORMATIONS[name]
        except KeyError:
            raise WafLoadError(
                link.file, link.line, f"there is no transformation t:{name}; check the spelling"
            ) from None
        return found

    # -- structure and edits ---------------------------------------------------------------------

    def _marker(self, directive: Directive, depth: int) -> None:
        if len(directive.arguments) != 1:
            raise ValueError("takes one name")
        self._entries.append(Marker(directive.arguments[0]))

    def _include(self, directive: Directive, depth: int) -> None:
        if len(directive.arguments) != 1:
            raise ValueError("takes one file name or pattern")
        pattern = str(directive.base_dir / directive.arguments[0])
        paths = sorted(glob.glob(pattern))
        if not paths and directive.name.lower() == "include":
            raise ValueError(f"Looking at: '{pattern}': no such file; IncludeOptional tolerates that")
        for path in paths:
            self.load_file(Path(path), depth + 1)

    def _default_action(self, directive: Directive, depth: int) -> None:
        if len(directive.arguments) != 1:
            raise ValueError("takes one list of actions")
        actions = parse_actions(directive.arguments[0], default=True)
        if actions.disruptive in (None, "block") or not actions.phase:
            raise ValueError("SecDefaultAction must specify a phase and a disruptive action.")
        if actions.phase in self.config.default_actions:
            raise ValueError(
                "SecDefaultActions can only be placed once per phase and configuration context. "
                f"Phase {actions.phase} was informed already."
            )
        self.config.default_actions[actions.phase] = actions

    def _select(self, how: str, text: str) -> Callable[[Rule], bool]:
        if how == "id":
            ranges = parse_id_ranges(text)
            return lambda rule: any(low <= rule.rule_id <= high for low, high in ranges)
        wanted = text.strip("'\"").encode("latin-1")
        return lambda rule: rule_has(rule, how, wanted)

    def _remove(self, directive: Directive, depth: int) -> None:
        how = directive.name.lower().removeprefix("secruleremoveby")
        tests = [self._select(how, text) for text in directive.arguments]
        if not tests:
            raise ValueError("takes at least one argument")

        def edit() -> None:
            for text, test in zip(directive.arguments, tests, strict=True):
                chosen = [id(rule) for rule in self._rules.values() if test(rule)]
                self._removed.update(chosen)
                if not chosen:
                    self._chooses_nothing(directive, text)

        self._edits.append(edit)

    def _chooses_nothing(self, directive: Directive, text: str) -> None:
        whole = "" if directive.name.lower().endswith("byid") else " (tags and messages are compared as a whole)"
        self.config.warnings.append(
            f"{directive.file}:{directive.line}: {directive.name} {text!r} has no effect: there is no such rule{whole}"
        )

    def _update_target(self, directive: Directive, depth: int) -> None:
        if len(directive.arguments) not in (2, 3):
            raise ValueError("takes a selection and a list of variables")
        test = self._select(directive.name.lower().removeprefix("secruleupdatetargetby"), directive.arguments[0])
        targets = parse_targets(directive.arguments[1])
        replaced = parse_targets(directive.arguments[2]) if len(directive.arguments) == 3 else []

        def edit() -> None:
            chosen = [rule for rule in self._rules.values() if test(rule)]
            for rule in chosen:
                update_targets(rule, targets, replaced)
            if not chosen:
                self._chooses_nothing(directive, directive.arguments[0])

        self._edits.append(edit)

    def _update_action(self, directive: Directive, depth: int) -> None:
        if len(directive.arguments) != 2:
            raise ValueError("takes a rule id (id:offset for a link of a chain) and a list of actions")
        identifier, _, offset = directive.arguments[0].partition(":")
        test = self._select("id", identifier)
        link_number = int(offset) if offset.isdecimal() else 0

        def edit() -> None:
            chosen = [rule for rule in self._rules.values() if test(rule) and link_number < len(rule.links)]
            for rule in chosen:
                link = rule.links[link_number]
                link.actions = updated(link.actions, directive.arguments[1])
            if not chosen:
                self._chooses_nothing(directive, directive.arguments[0])

        updated(Actions(), directive.arguments[1])
        self._edits.append(edit)


def continues_chain(directive: Directive) -> bool:
    """Whether a SecRule, even one that cannot be honoured, says that the next one belongs to it."""
    actions = directive.arguments[2] if len(directive.arguments) == 3 else ""
    try:
        return any(name == "chain" for name, _ in split_actions(actions))
    except ValueError:
        return False


def rule_has(rule: Rule, how: str, wanted: bytes) -> bool:
    """Whether a rule carries the tag, or its message is the text, that `how` ("tag" or "msg") asks for."""
    if how == "tag":
        text = wanted.decode("latin-1")  # of the links: the rule's own list is made when all edits are done
        return any(text == tag.source for link in rule.links for tag in link.actions.tags)
    messages = [link.actions.message.source for link in rule.links if link.actions.message]
    return wanted.decode("latin-1") in messages


def update_targets(rule: Rule, targets: list[Target], replaced: list[Target]) -> None:
    """Add targets and exclusions to the first link, dropping those named as replaced."""
    names = {target.source.upper() for target in replaced}
    kept = [target for target in rule.head.targets if target.source.upper() not in names]
    rule.head.targets = [*kept, *targets]


_HANDLERS: dict[str, Callable[[Loader, Directive, int], None]] = {
    "secrule": Loader._sec_rule,
    "secaction": Loader._sec_action,
    "secmarker": Loader._marker,
    "include": Loader._include,
    "includeoptional": Loader._include,
    "secdefaultaction": Loader._default_action,
    "secruleremovebyid": Loader._remove,
    "secruleremovebytag": Loader._remove,
    "secruleremovebymsg": Loader._remove,
    "secruleupdatetargetbyid": Loader._update_target,
    "secruleupdatetargetbytag": Loader._update_target,
    "secruleupdatetargetbymsg": Loader._update_target,
    "secruleupdateactionbyid": Loader._update_action,
}
