"""Judging that takes long: done in turns, while others are served; then what follows from the verdict, at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from greenlet import GreenletExit

from bascule.telemetry import causes
from bascule.waf.pace import PACE, TimeSpentError

if TYPE_CHECKING:
    from bascule.http.message import RequestHead
    from bascule.proxy.exchange import Exchange
    from bascule.waf.engine import Transaction, Verdict


CHEAP = 4096
"""Bytes of a head or body that is judged at once; a larger one waits for its turn."""


class Divided:
    """The divided work of one exchange, a piece at a time. `judging` is the transaction it is about at the moment."""

    __slots__ = ("_exchange", "judging")

    def __init__(self, exchange: Exchange, transaction: Transaction) -> None:
        self._exchange = exchange
        self.judging = transaction

    def begin(self, work: Callable[[], Verdict | None], then: Callable[[Verdict | None], None]) -> None:
        """Do work in turns; `then` gets its verdict, unless the exchange has ended meanwhile."""
        exchange = self._exchange

        def job() -> bool:
            if exchange.finished:
                return False
            try:
                verdict = work()
                self.judging.was_robbed(PACE.robbed())
            except TimeSpentError:
                verdict = self.judging.give_up()
            except Exception:
                PACE.hold()
                exchange.answer(500, causes.INTERNAL)
                raise
            PACE.hold()
            then(verdict)
            return False

        self._postpone()
        exchange.app.turns.add(job, self._back)

    def _back(self, away: float) -> TimeSpentError | None:
        """The work was left for others for some seconds. Raises GreenletExit if nobody wants to know any more."""
        if self._exchange.finished:
            raise GreenletExit
        self._postpone()
        return self.judging.was_away(away)

    def _postpone(self) -> None:
        """No deadline holds while a request waits for its turns."""
        exchange = self._exchange
        exchange.peer.deadline = exchange.app.now + exchange.route.times.response_idle


def is_long(head: RequestHead) -> bool:
    """Whether a head may take longer to judge than a turn."""
    size = len(head.line_target) + len(head.passed)
    if head.block.cleared is None and not head.block.notes:
        size += sum([len(field[1]) for field in head.block.fields])
    return size > CHEAP
