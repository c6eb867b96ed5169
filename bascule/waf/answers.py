"""How the firewall answers: by rule, by family, or as the rule's own default says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from bascule.config.errors import suggest
from bascule.config.filters import REWRITES, Answer
from bascule.waf.policy import SettingError

BLOCK = Answer()
REWRITTEN = frozenset((("mask", "privacy-output"), ("neutralise", "response-header")))
"""What is done to responses: these rules are about no value of a request."""


class Named:
    """A rule that answers can be given for. `rewritable`: it is about a single value."""

    __slots__ = ("family", "id", "name", "rewritable")

    def __init__(self, number: int, name: str, family: str, rewritable: bool) -> None:
        self.id, self.name, self.family, self.rewritable = number, name, family, rewritable


class Answers:
    """The answers of one firewall. `pages` are read once, so that a refusal reads no files."""

    def __init__(self, configured: Mapping[str, Answer], rules: Iterable[Named]) -> None:
        """Raises SettingError for a name that no rule or family has, or an answer that a rule cannot give."""
        every = list(rules)
        known = {key for rule in every for key in (str(rule.id), rule.name, rule.family)}
        for key in configured:
            if key not in known:
                raise SettingError(
                    ("answers", key),
                    f"there is no rule or family {key!r}",
                    suggest(key, known) or "`bascule rules list` has all, with their families",
                )
        self._of: dict[int, Answer] = {}
        for rule in every:
            keys = (str(rule.id), rule.name, rule.family)
            stated = [key for key in keys if key in configured]
            if not stated:
                continue
            key, answer = stated[0], configured[stated[0]]
            if answer.action in REWRITES and not rule.rewritable and (answer.action, rule.family) not in REWRITTEN:
                raise SettingError(
                    ("answers", key),
                    f"{rule.family} cannot {answer.action}: {rule.name} ({rule.id}) is not about a value",
                    "log, block, a status, drop, {redirect: ...}, {page: ...}, {tarpit: ...} or challenge",
                )
            self._of[rule.id] = answer
        self.challenges = any(answer.action == "challenge" for answer in self._of.values())
        """Whether any rule is answered with a challenge."""
        self.pages = {answer.page: Path(answer.page).read_bytes() for answer in configured.values() if answer.page}

    def has(self, rule_id: int) -> bool:
        """Whether the configuration says how a rule is answered."""
        return rule_id in self._of

    def of(self, rule_id: int) -> Answer:
        """Return the answer of a rule."""
        return self._of.get(rule_id, BLOCK)
