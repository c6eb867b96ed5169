"""What is told at a glance of requests and responses where there are rules in SecLang: that none has to be evaluated.

The prefilter says so of nearly all of them, before any rule is looked at. A `Sketch` is enough for that: what the
message says, without what rules write. Nothing is lost by it:

1. The sketch is a transaction's own view of the message, and what nominates rules for a transaction nominates them for
   the sketch: same code, same texts, same gates.
2. A transaction evaluates nothing while `Program.is_idle` holds for its gates: no phase has a candidate that does
   anything by itself. So it would end as it began, without an event, and nobody would know that it was.
3. Whoever needs one later (a response that is of interest) makes it then, from the same head and body.

There is no glance where something keeps an account of every request, or looks further than the gates do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bascule.waf.budget import Budgeted
from bascule.waf.matcher.nominator import GateKeeper
from bascule.waf.request import ConnectionFacts
from bascule.waf.steady import Steady, pairs_of
from bascule.waf.transaction import Transaction

if TYPE_CHECKING:
    from bascule.http.message import RequestHead, ResponseHead
    from bascule.waf.engine import Waf
    from bascule.waf.glance import Glance

MOST: Final = 4096
"""Bytes of a body, or of a response's, that are told at a glance; longer ones are judged in turns."""
CODING: Final = b"content-encoding"


class Sketch(Transaction):
    """A transaction of which there is only what the messages say. See the module; made by `SignatureGlance`."""

    head_mask: int
    """The gates that the request's head opens."""

    def __init__(self, waf: Waf, connection: ConnectionFacts) -> None:
        Budgeted.__init__(self, waf, connection)  # no more: what rules write is not needed
        self.tx, self.tx_shared = waf.program.template, True


class SignatureGlance:
    """The glance of one firewall with rules in SecLang; `of` returns it where there can be one."""

    def __init__(self, waf: Waf, nominator: GateKeeper, logic: Glance | None) -> None:
        self._waf, self._nominator, self._logic = waf, nominator, logic
        self._is_idle = waf.program.is_idle

    @classmethod
    def of(cls, waf: Waf, logic: Glance | None) -> SignatureGlance | None:
        """Return the glance of a firewall; `logic` is that of its logical and named rules, if it has some."""
        config = waf.rules.config
        nominator = waf.nominator
        if not isinstance(nominator, GateKeeper) or config.rule_engine == "Off" or config.audit_engine == "On":
            return None
        if not config.request_body_access or config.request_body_limit < waf.settings.request_body_limit:
            return None
        if waf.contract is not None or (waf.response is not None and waf.response.judges_fields):
            return None
        if logic is None and (waf.logic is not None or waf.filters is not None):
            return None
        return cls(waf, nominator, logic)

    def look(self, head: RequestHead, connection: ConnectionFacts) -> Sketch:
        """Return a sketch of a request's head, which is `idle` if nothing is found in it; `mask` are its gates."""
        waf = self._waf
        block = head.block
        steady: Steady | None = block.notes.get(waf)
        if steady is None:
            steady = waf.known(block)
        sketch = Sketch(waf, connection)
        sketch.set_head(head.method, head.line_target, version_of(head), pairs_of(head.varying), steady)
        sketch.choose_processor()
        mask = sketch.mask = sketch.head_mask = self._nominator.head(sketch)
        if self._is_idle(mask):
            logic = self._logic
            sketch.idle = logic is None or logic.passes(head) is not None
        return sketch

    def passes_body(self, sketch: Sketch, body: bytes) -> bool:
        """Whether nothing is found in the body of a request that was looked at."""
        steady, logic = sketch.steady, self._logic
        if logic is not None and (steady is None or not logic.passes_body(sketch.method, steady, body)):
            sketch.idle = False
            return False
        sketch.request_body(body)
        sketch.process_body()
        mask = sketch.mask | self._nominator.body(sketch)
        sketch.mask = mask
        sketch.idle = not sketch.inbound_data_error and self._is_idle(mask)
        return sketch.idle

    def passes_response(self, sketch: Sketch, head: ResponseHead, content: bytes | None, complete: bool) -> bool:
        """Whether nothing is found in the response to a request in which nothing was found.

        `content` is what came of it so far, and `complete` whether that is all; None if there can be none.
        """
        waf = self._waf
        block = head.block
        steady: Steady | None = block.notes.get(waf)
        if steady is None:
            steady = waf.known_response(block)
        varying = pairs_of(head.varying)
        sketch.set_response(head.status, varying, steady)
        mask = sketch.mask | self._nominator.response_head(sketch)
        if content is not None and sketch.wants_response_body:
            if not complete or len(content) > MOST or steady.encoded or CODING in [name for name, _ in varying]:
                return False
            sketch.response_body(content)
            mask |= self._nominator.response_body(sketch)
        return not sketch.outbound_data_error and self._is_idle(mask)


def version_of(head: RequestHead) -> bytes:
    """The version of HTTP as rules know it."""
    return b"1.1" if head.minor else b"1.0"
