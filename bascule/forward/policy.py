"""What a client of the forward proxy may reach: the rules of the configuration in their order, the first that holds.

`Policy.decide` is asked as often as something more becomes known. Start reading there.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import zoneinfo
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import maxminddb

from bascule.config.forward import Rule
from bascule.config.schema import Forward
from bascule.config.types import is_url
from bascule.forward.conditions import Answer, NamedTest, Need, compile_condition
from bascule.forward.domains import DomainTable
from bascule.forward.lists import DomainList, read_lists
from bascule.forward.target import Target
from bascule.http.fields import Field
from bascule.http.message import RequestHead, ResponseHead
from bascule.lists.remote import place_of

_NO_FIELDS: Final[list[Field]] = []
WeekTime = tuple[int, int]
"""Weekday (Monday is 0) and minute of the day."""


class Access:
    """One request for access: what is known of it.

    `user` is None while nobody was asked, and empty for somebody without a name.
    """

    __slots__ = (
        "_categories",
        "_country",
        "_policy",
        "address",
        "client",
        "groups",
        "head",
        "method",
        "response",
        "rule",
        "start",
        "target",
        "user",
    )

    def __init__(
        self, policy: Policy, client: bytes, target: Target, method: bytes, head: RequestHead | None = None
    ) -> None:
        self._policy = policy
        self._categories: tuple[str, ...] | None = None
        self._country: tuple[str, str] = ("", "")
        self.client = client
        self.target = target
        self.method = method
        self.head = head
        self.user: str | None = None
        self.groups: frozenset[str] = frozenset()
        self.address = target.address
        """The address that is dialled; empty until the name is resolved."""
        self.rule = -1
        """Index of the rule that lets it pass, as far as it was asked."""
        self.response: ResponseHead | None = None
        self.start = b""
        """What the response's content begins with, decoded; where a rule asks for it, known when the response is."""

    @property
    def is_tunnel(self) -> bool:
        """Whether what is inside is not to be seen."""
        return self.head is None

    @property
    def path(self) -> bytes:
        """Path and query; empty inside a tunnel."""
        return b"" if self.head is None else self.head.target

    def url_at(self, host: str, path: bytes) -> bytes:
        """Return the URL of a plain request, as another proxy is asked for it; `host` takes the place of its own."""
        authority = (dataclasses.replace(self.target, host=host)).authority.removesuffix(":80")
        return b"http://%b%b" % (authority.encode(), path)

    @property
    def fields(self) -> list[Field]:
        """The fields of the request; none inside a tunnel."""
        return _NO_FIELDS if self.head is None else self.head.fields

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories of the destination."""
        if self._categories is None:
            table = self._policy.table
            self._categories = () if table is None else table.categories(self.target.host.encode())
        return self._categories

    @property
    def country(self) -> str:
        """The country of `address`, in two letters; empty if it is not known."""
        if self._country[0] != self.address:
            self._country = (self.address, self._policy.country(self.address))
        return self._country[1]

    def used_up(self, quota: str) -> Answer:
        """Tell whether who asks has used up a budget."""
        return self._policy.used_up(quota, self)

    @property
    def week_time(self) -> WeekTime:
        """Now, in the time zone of the rules."""
        return self._policy.clock()


@dataclass(frozen=True, slots=True)
class Decision:
    """What the rules say. With a `need` they say nothing yet: find it out and ask again.

    `revise` tells that rules ask for the response: ask again when its head is here.
    """

    action: str
    """``allow``, ``deny``, ``redirect``, or empty where something is needed first."""
    rule: int = -1
    """Index of the rule that decided; -1: none held, and the default decides."""
    need: Need | None = None
    revise: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """How one rule was judged, for `bascule forward explain`."""

    rule: int
    answer: Answer
    condition: str
    """The condition that did not hold, or could not be known; empty where all did."""


class Policy:
    """The rules made ready. `table` are the categories, `clock` gives weekday and minute (for tests)."""

    def __init__(
        self, forward: Forward, table: DomainTable | None = None, clock: Callable[[], WeekTime] | None = None
    ) -> None:
        self.config = forward
        self.table = table
        zone = zoneinfo.ZoneInfo(forward.timezone) if forward.timezone else None
        self.clock = clock or (lambda: _week_time(zone))
        self.used_up: Callable[[str, Access], Answer] = lambda quota, access: False
        """Tells whether who asks has used up a budget; see `Quotas.used`."""
        self.sniffs = any(rule.condition.content for rule in forward.rules)
        """Whether rules ask what responses are by their first bytes."""
        self._default = Decision(forward.default)
        self._rules: Sequence[tuple[tuple[NamedTest, ...], Decision]] = [
            (compile_condition(rule.condition, forward.auth), Decision("allow" if rule.limit else rule.action, index))
            for index, rule in enumerate(forward.rules)
        ]
        self._countries = (
            maxminddb.open_database(forward.country_database, maxminddb.MODE_MMAP) if forward.country_database else None
        )

    def decide(self, access: Access) -> Decision:
        """Return what the first rule that holds says.

        A rule that cannot be decided without the user or the address stops the search: its `need` is returned. A rule
        that needs the response is passed over for now, and the decision marked to be revised; what would be denied
        but for such a rule is let through until then.
        """
        revise = hope = False
        for tests, decision in self._rules:
            answer = _judge(tests, access)[0]
            if answer is True:
                return _revisable(decision, hope) if revise else decision
            if answer is Need.RESPONSE:
                revise = True
                hope = hope or decision.action != "deny"
            elif answer is not False:
                return Decision("", need=answer)
        return _revisable(self._default, hope) if revise else self._default

    def trace(self, access: Access) -> list[Step]:
        """Return how each rule is judged, up to the one that decides."""
        steps = []
        for index, (tests, _) in enumerate(self._rules):
            answer, condition = _judge(tests, access)
            steps.append(Step(index, answer, condition))
            if answer is True:
                break
        return steps

    def rule(self, decision: Decision) -> Rule | None:
        """Return the rule that decided, or None for the default."""
        return self.config.rules[decision.rule] if decision.rule >= 0 else None

    def name(self, decision: Decision) -> str:
        """Return what the rule that decided is called."""
        rule = self.rule(decision)
        if rule is None:
            return f"default {decision.action}"
        return rule.name or f"rule {decision.rule + 1}"

    def country(self, address: str) -> str:
        """Return the country of an address, or empty."""
        if self._countries is None or not address:
            return ""
        record = self._countries.get(address)
        country = record.get("country") if isinstance(record, dict) else None
        code = country.get("iso_code") if isinstance(country, dict) else None
        return code if isinstance(code, str) else ""


def _judge(tests: tuple[NamedTest, ...], access: Access) -> tuple[Answer, str]:
    """Return whether all tests hold, or what is needed to know; with the name of the test that says so.

    A test that fails settles it whatever else is unknown; so nobody is asked for a password in vain.
    """
    needed: Need | None = None
    missing = ""
    for name, test in tests:
        answer = test(access)
        if answer is False:
            return False, name
        if answer is not True and (needed is None or needed is Need.RESPONSE):
            needed, missing = answer, name
    return (True, "") if needed is None else (needed, missing)


def _revisable(decision: Decision, hope: bool) -> Decision:
    return Decision("allow" if hope else decision.action, decision.rule, None, True)


def _week_time(zone: datetime.tzinfo | None) -> WeekTime:
    now = datetime.datetime.now(zone)
    return now.weekday(), now.hour * 60 + now.minute


def load_table(forward: Forward, folder: str = "") -> tuple[DomainTable | None, list[str]]:
    """Return the categories of a configuration and what of the lists could not be understood.

    `folder` is where lists of URLs are kept; one that was never fetched is left out, and told. Raises OSError
    and ValueError for lists that cannot be read.
    """
    if not forward.categories:
        return None, []
    notes = []
    lists: dict[str, list[DomainList]] = {}
    for name, paths in forward.categories.items():
        lists[name] = []
        files = [place_of(path, folder) if is_url(path) else path for path in paths]
        here = [file for file, path in zip(files, paths, strict=True) if not is_url(path) or os.path.exists(file)]
        if len(here) < len(files):
            notes.append(f"forward.categories.{name}: {len(files) - len(here)} lists were not fetched yet")
        for file, part in read_lists(here):
            lists[name].append(part)
            if part.skipped:
                notes.append(f"forward.categories.{name}: {file}: {part.skipped} lines say nothing about a domain")
    return DomainTable(lists), notes
