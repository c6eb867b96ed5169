"""The time that judging one transaction may take: what is spent, where it ends, and what the policy says then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from bascule.waf.decision import Decision
from bascule.waf.pace import PACE, TimeSpentError, rest
from bascule.waf.request import ConnectionFacts
from bascule.waf.verdict import Verdict

if TYPE_CHECKING:
    from bascule.waf.engine import Waf
    from bascule.waf.seclang.phases import PhaseProgram


class Budgeted(Decision):
    """The part of a transaction that reckons with time, in seconds of its `clock`."""

    waf: Waf
    clock: Callable[[], float]
    deadline: float = 0.0
    """When to leave off: the end of the time budget, or of the present turn."""
    _last: float = 0.0
    """Where the time budget ends, as far as it was looked; 0 before any phase."""
    _cpu: float = 0.0
    """The thread's clock when it was looked at last; 0 if it was not in this phase."""
    rest: tuple[PhaseProgram, Sequence[int], int] | None = None
    """Where the phase goes on, if only its turn was over: see `go_on`."""
    _searches: list[Iterator[None]]
    """Searches of the logical rules that were taken up."""
    exhausted: bool = False
    """Whether the budget is used up, so that nothing is judged any more."""

    def __init__(self, waf: Waf, connection: ConnectionFacts) -> None:
        """Begin with what the firewall's configuration says, and without a request."""
        config = waf.rules.config
        self.waf, self.config, self.connection, self.clock = waf, config, connection, waf.clock
        self.store = waf.store
        self.unread = None
        self.rule_engine, self.audit_engine = config.rule_engine, config.audit_engine
        self.body_limit, self.request_body_access = config.request_body_limit, config.request_body_access
        self.xml_into_args, self.response_body_access = config.parse_xml_into_args, config.response_body_access
        self.response_body_limit = config.response_body_limit

    def was_away(self, seconds: float) -> TimeSpentError | None:
        """Judging was left for others (`pace.py`): that time is none of the budget's.

        Return what to raise where it was left if the budget is used up nevertheless; then call `give_up`.
        """
        self.deadline += seconds
        self.spent -= seconds
        if self._last:
            self._last += seconds
            if self.clock() >= self._last and not self.exhausted:
                return TimeSpentError()
        return None

    def was_robbed(self, seconds: float) -> None:
        """Other programs had the core for some seconds of the turn that judging ended in: none of the budget."""
        self.spent = max(0.0, self.spent - seconds)

    def give_up(self) -> Verdict | None:
        """The budget was used up in the midst of something: what the policy says of that."""
        self.spent = self.waf.time_budget + self.clock() - self._last
        self._exhaust()
        return self.verdict

    def _set_deadline(self, began: float, turn: float) -> None:
        left = self.waf.time_budget - self.spent
        self.deadline = self._last = began + (left if PACE.leave is not None else min(left, self.waf.first_look))
        if turn and began + turn < self._last:
            self.deadline = began + turn

    def over_budget(self) -> bool:
        """Whether to leave off: the turn is over, or the time for this transaction is used up.

        The latter is noted, and blocks if the policy is closed.
        """
        rest()
        if self.exhausted:
            return True
        if self.phase == 5 or (now := self.clock()) < self.deadline:
            return False
        if self.deadline == self._last:
            if PACE.leave is None and self._is_left(now):
                return False
            self._exhaust()
        return True

    def _is_left(self, now: float) -> bool:
        """Whether the thread's clock, which is dear to ask, tells that other programs had the core meanwhile.

        Of judging in turns, `pace.py` knows.
        """
        cpu = self.waf.cpu_clock()
        self.spent += cpu - self._cpu if self._cpu else self.waf.first_look
        self._cpu = cpu
        left = self.waf.time_budget - self.spent
        self.deadline = self._last = now + left
        return left > 0

    def _spend(self, began: float) -> None:
        """Add to what is spent what judging took since `began`, where nothing of it was added so far."""
        took = self.clock() - began
        if took > self.waf.first_look and PACE.leave is None:
            took = self.waf.cpu_clock() - self._cpu if self._cpu else self.waf.first_look
            self._cpu = 0.0
        self.spent += took

    def _exhaust(self) -> None:
        """Leave off for good, note it, and do what the policy says."""
        self.exhausted = True
        self.rest = None
        self._searches.clear()
        policy = self.waf.settings.on_budget
        self.notes.append(f"time budget of {self.waf.time_budget:g} s used up in phase {self.phase}: fail {policy}")
        if policy == "closed":
            self.intervene("deny", 403, b"", 0, b"the inspection's time budget is used up")
