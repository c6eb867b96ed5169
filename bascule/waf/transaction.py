"""One request and its response under inspection: what the proxy drives, and what rules read and write.

The proxy calls, in this order: `request_head`, `request_body` (any number of times), `request_end`,
`response_head`, `response_body`, `response_end`, `finish`. A Verdict ends the exchange.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bascule.waf.budget import Budgeted
from bascule.waf.events import Event
from bascule.waf.logic.body_values import is_file
from bascule.waf.logic.inspector import type_of_body
from bascule.waf.openapi import inspector as openapi
from bascule.waf.pace import PACE
from bascule.waf.request import ConnectionFacts, Pairs
from bascule.waf.steady import Steady
from bascule.waf.verdict import Verdict

if TYPE_CHECKING:
    from bascule.http.h1.block import Block
    from bascule.waf.bodies import PieceReader
    from bascule.waf.engine import Waf
    from bascule.waf.openapi.contract import Operation
    from bascule.waf.profile.inspector import Held
    from bascule.waf.seclang.phases import PhaseProgram

HEAD_TURN = 0.002
"""Seconds after which the search in a head is left for the turns at the end of the request."""


class Transaction(Budgeted):
    """See the module. Not thread-safe; made by `Waf.begin`."""

    started: float
    matched_rules: list[int]
    skip: int = 0
    skip_after: str | None = None
    pristine: bool = True
    idle: bool = False
    """Nothing is nominated so far that any phase would have to look at: none of them was run."""
    pending: tuple[tuple[PhaseProgram, tuple[int, ...]], ...] = ()
    """Rules that wait until some other is evaluated."""
    mask: int = 0
    cookie_faults: Sequence[tuple[int, bytes]] = ()
    """Protected cookies that were not as they were set, left out before the rules saw the head: (rule, name)."""
    operation: Operation | None = None
    """What the request is held to, where there is a contract (`openapi/`)."""
    profile: Held | None = None
    """What the request is held to, where a profile of its site was learned."""

    def __init__(self, waf: Waf, connection: ConnectionFacts) -> None:
        super().__init__(waf, connection)
        self.started = self.clock()
        self.fired = []
        self.matched_rules = []
        self.notes = []
        self.rewrites = []
        self._searches = []
        self.reset_state(waf.wall_clock(), waf.program.template)

    # -- what the proxy calls --------------------------------------------------------------------

    def request_head(
        self,
        method: bytes,
        target: bytes,
        version: bytes,
        headers: Pairs,
        steady: Steady | None = None,
        block: Block | None = None,
        nominated: int | None = None,
    ) -> Verdict | None:
        """Phase 1. Header names are lower case; `version` is b"1.1", b"2" or with `HTTP/` before it.

        Where part of the fields is known from before (`Waf.steady`), `headers` are the others, which come after them.
        `block` is what the first of the headers come from, where others may come from the same. `nominated`: what the
        nominator says of the head, if it was asked already.
        """
        began = self.clock()
        self.set_head(method, target, version, headers, steady)
        waf = self.waf
        if waf.signatures:
            self.choose_processor()
            if self.rule_engine == "Off":
                return None
            mask = self.mask = waf.nominator.head(self) if nominated is None else nominated
            if self.pristine and waf.program.is_idle(mask):
                self.idle = True
            elif self._run(1, began) is not None:
                return self.verdict
            else:
                began = self.clock()
        self.phase = 1
        if self.cookie_faults and waf.response is not None:
            waf.response.judge_cookies(self, self.cookie_faults)
            if self.verdict is not None:
                return self.verdict
        if waf.filters is not None:
            waf.filters.judge_head(self, waf.answers)
        if waf.contract is not None and self.verdict is None:
            openapi.judge_head(self, waf.contract)
        if self.profile is not None and self.verdict is None:
            self.profile.judge_head(self)
        if waf.logic is not None and self.verdict is None:
            waf.logic.judge_head(self, block)
            if self._searches:
                self._set_deadline(began, HEAD_TURN)
                self._search_on()
        self._spend(began)
        return self.verdict

    @property
    def wants_request_body(self) -> bool:
        """Whether `request_body` should be given the body."""
        return self.request_body_access and self.rule_engine != "Off"

    def request_end(self, turn: float = 0.0) -> Verdict | None:
        """Phase 2: call it once the body is complete, or at once if there is none.

        With `turn`, it leaves off after about so many seconds, is `unfinished`, and `go_on` is to be called.
        """
        if self.rule_engine == "Off":
            return None
        response = self.waf.response
        fields = response is not None and response.judges_fields
        if not (self.body_seen or self._searches or fields or (self.waf.signatures and not self.idle)):
            return self.verdict
        began = self.clock()
        self._set_deadline(began, turn)
        if response is not None and fields and self.verdict is None and self.piece is None:
            self.phase = 2
            response.judge_fields(self, bytes(self._buffer))
        if self.body_seen:
            self._judge_body()
        self._set_deadline(began, turn)
        return self._finish_request(began, turn)

    def reader_of_rest(self, limit: int) -> PieceReader:
        """Return what reads a body on after its start, of `limit` bytes, which was judged."""
        start = bytes(self._buffer[:limit])
        return self.piece_reader(start, is_file(type_of_body(self), start))

    def _judge_body(self) -> None:
        """Show the body to the named rules, the logical rules and what nominates signatures."""
        waf = self.waf
        logic = waf.logic if self.verdict is None else None
        piece = bool(self.piece or self.message or self.inbound_data_error)
        self.phase = 2
        if waf.filters is not None and self.verdict is None and self.piece is None:
            waf.filters.judge_body(self, waf.answers, bytes(self._buffer))
        if self.operation is not None and self.verdict is None and not (self.piece or self.message):
            openapi.judge_body(self, bytes(self._buffer))
        held = self.profile if self.verdict is None and not piece else None
        if piece or waf.signatures or waf.logic is None or (held is not None and held.known):
            if not waf.signatures:
                self.choose_processor()
            self.process_body()
        if waf.filters is not None and self.piece is not None and self.verdict is None:
            waf.filters.judge_piece(self, waf.answers, self.piece)
        if held is not None:
            held.judge_body(self, bytes(self._buffer))
        if logic is not None:
            (logic.judge_piece if piece else logic.judge_body)(self, bytes(self._buffer))
        if waf.signatures:
            self._open(waf.nominator.body(self), 2)
        if self.inbound_data_error and self.config.request_body_limit_action == "Reject":
            self._too_large(2, b"the request body is larger than SecRequestBodyLimit")

    def _finish_request(self, began: float, turn: float) -> Verdict | None:
        """Search on, then run phase 2, as far as the turn goes."""
        if self._searches and not self._search_on():
            self._spend(began)
            return self.verdict
        if self.waf.signatures and not self.idle:
            return self._run(2, began, turn)
        self._spend(began)
        return self.verdict

    def go_on(self, turn: float) -> Verdict | None:
        """Go on with what is `unfinished` for another turn."""
        began = self.clock()
        self._set_deadline(began, turn)
        if self._searches:
            return self._finish_request(began, turn)
        self.waf.program.go_on(self)
        self._spend(began)
        return self.verdict

    @property
    def unfinished(self) -> bool:
        """Whether only a turn is over, and `go_on` is to be called."""
        return self.rest is not None or bool(self._searches)

    def search(self, steps: Iterator[None]) -> None:
        """Take up a search of the logical rules: its steps are taken as far as the turn goes, others at later turns."""
        self._searches.append(steps)

    def _search_on(self) -> bool:
        """Take further steps. False: the turn is over. After a verdict, or without time, nothing is searched."""
        while self._searches:
            for _ in self._searches[0]:
                if self.verdict is not None:
                    break
                if self.over_budget():
                    if not self.exhausted:
                        return False
                    break
            if self.verdict is not None or self.exhausted:
                self._searches.clear()
            else:
                del self._searches[0]
        return True

    def response_head(self, status: int, headers: Pairs, steady: Steady | None = None) -> Verdict | None:
        """Phase 3. Header names are lower case; `steady` (of `Waf.steady_response`) as for the request's."""
        self.set_response(status, headers, steady)
        response = self.waf.response
        if response is not None and not response.passes(status):
            self.response_watched = response.looks_at(self)
        if self.rule_engine == "Off":
            return None
        if not self.waf.signatures:
            return self.verdict
        began = self.clock()
        if PACE.leave is not None:  # else two more attributes, see `of`
            self._set_deadline(began, 0.0)
        if gates := self.waf.nominator.response_head(self):
            self._open(gates, 3)
        return self.verdict if self.idle else self._run(3, began)

    def response_end(self) -> Verdict | None:
        """Phase 4: call it when the response body is complete, or its window is full."""
        if self.rule_engine == "Off":
            return None
        if not (self.waf.signatures or self.response_watched):
            return self.verdict
        began = self.clock()
        if PACE.leave is not None:
            self._set_deadline(began, 0.0)
        self.phase = 4
        if self.response_watched and self.waf.response is not None and self.verdict is None:
            self.waf.response.judge_body(self, self.response_body_variable)
        if gates := self.waf.nominator.response_body(self):
            self._open(gates, 4)
        if self.outbound_data_error and self.config.response_body_limit_action == "Reject":
            self._too_large(4, b"the response body is larger than SecResponseBodyLimit")
        if self.idle:
            self._spend(began)
            return self.verdict
        return self._run(4, began)

    def _too_large(self, phase: int, message: bytes) -> None:
        """Sec...BodyLimitAction Reject, with libmodsecurity's status."""
        self.phase = phase
        self.intervene("deny", 403, b"", 0, message)

    def finish(self) -> Event | None:
        """Phase 5. Returns the audit event if anything is worth one."""
        if self.rule_engine == "Off" and not self.fired:
            return None
        if self.waf.signatures and not self.idle:
            self._run(5, self.clock())
        worth = self.fired or self.would or self.notes or self.audit_engine == "On"
        if not worth or self.audit_engine == "Off":
            return None
        if self.idle:
            self._catch_up(6)
        return self.event()

    def enter(self, tx: dict[bytes, bytes]) -> None:
        """Start afresh on `tx`: for transactions that only try out rules at load or on first sight."""
        self.tx, self.tx_shared = tx, True
        self.fired.clear()
        self.matched_rules.clear()
        self.would = self.verdict = self.skip_after = self.allow_scope = self.removals = None
        self.skip = 0

    # -- running ---------------------------------------------------------------------------------

    def _open(self, gates: int, phase: int) -> None:
        """Open further gates before a phase."""
        mask = self.mask | gates
        if self.idle and mask != self.mask and not self.waf.program.is_idle(mask):
            self._catch_up(phase)
        self.mask = mask

    def _catch_up(self, phase: int) -> None:
        """Go through the phases before `phase` that were left out."""
        self.idle = False
        for earlier in range(1, phase):
            self.waf.program.passes(self, earlier)

    def _run(self, phase: int, began: float, turn: float = 0.0) -> Verdict | None:
        if phase != 5 and self.verdict is not None:
            return self.verdict
        self.phase = phase
        self.rest = None
        if not self.waf.program.passes(self, phase):
            self._set_deadline(began, turn)
            self.waf.program.run(self, phase)
        self._spend(began)
        return self.verdict
