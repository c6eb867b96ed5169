"""An exchange under inspection: what the firewall sees of it, and when it is waited for.

The request body is held until it is judged, up to the limit of the configuration; of a larger one the start is
judged, and `waf.large_body` says what becomes of it: it streams on and the event says so, it is refused, or it is
judged window by window (largebody.py). A response body is held only where its media type is inspected (held.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from bascule.http.coding import MAX_RATIO, CodingError, decode, grows_beyond
from bascule.http.fields import list_tokens
from bascule.proxy import challenge, refusal
from bascule.proxy.amending import amend, open_cookies
from bascule.proxy.divided import CHEAP, Divided, is_long
from bascule.proxy.held import HeldResponse
from bascule.proxy.largebody import LargeBody
from bascule.proxy.parking import ask_for_body
from bascule.proxy.turns import TURN
from bascule.telemetry import causes
from bascule.waf.engine import ConnectionFacts, Verdict, Waf
from bascule.waf.events import risk_of
from bascule.waf.response.inspector import DECOYS
from bascule.waf.signature_glance import Sketch, version_of
from bascule.waf.steady import pairs_of

if TYPE_CHECKING:
    from bascule.http.message import RequestHead, ResponseHead
    from bascule.proxy.exchange import Exchange
    from bascule.proxy.masking import ResponseMask
    from bascule.waf.engine import Transaction
    from bascule.waf.steady import Steady

NOTICED = "waf_noticed"
"""The offence of a request that rules fired on and that passed."""
NO_CODINGS: Final[list[bytes]] = []


class Inspection:
    """The firewall's part in one exchange."""

    # What most requests never touch is a default of the class, so that it costs them nothing.
    holding = False
    """The request body is awaited before a server is asked."""
    rest: LargeBody | None = None
    """Judges what follows the start of a large body."""
    mask: ResponseMask | None = None
    """What the response's content goes through on its way."""
    _transaction: Transaction | None = None
    _glanced: Steady | None = None
    """What is known of the fields of a head that passed at a glance."""
    _sketch: Sketch | None = None
    """What was seen at a glance of a request whose head passed, where there are rules in SecLang."""
    _seen = 0
    _long = False
    """The head is judged in turns."""
    _cut = False
    """The body is larger than the limit: its start is judged first."""
    _codings: list[bytes] = NO_CODINGS
    _as_sent = False
    """The body could not be decoded: it is judged as it came."""
    _held: HeldResponse | None = None
    _leave_tarpit: Callable[[], None] | None = None

    def __init__(self, exchange: Exchange, waf: Waf, large_body: str) -> None:
        self._exchange = exchange
        self.waf = waf
        self._large_body = large_body

    @property
    def transaction(self) -> Transaction:
        """What rules know of the request, made when it is first needed: that is never, for most."""
        transaction = self._transaction
        if transaction is None:
            transaction = self._transaction = self.begin()
            if (profile := self._exchange.route.profile) is not None:
                transaction.profile = profile.hold(self._exchange)
            sketch = self._sketch
            if sketch is not None:
                self.show_head(transaction, sketch)
                if sketch.idle and sketch.body_seen:
                    transaction.request_body(sketch.raw_body)
                    transaction.request_end()
                    return transaction
            elif self._glanced is not None and self.waf.signatures:
                self.show_head(transaction)  # for exclusions of rules for responses
            elif self._glanced is not None:
                transaction.set_head(*_told(self._exchange.head), self._glanced)
                transaction.phase = 1
            if self._seen and not self._codings:
                transaction.request_body(b"".join(self._exchange.parts))
                transaction.body_length = self._seen  # though a server has it already
        return transaction

    def begin(self) -> Transaction:
        """Return a transaction: that of the request, or one for a part of what follows, a window or a message."""
        transaction = self.waf.begin(self._facts())
        if self.waf.answers.challenges:
            transaction.has_passed = partial(challenge.has_passed, self._exchange)
        return transaction

    def _facts(self) -> ConnectionFacts:
        """Who talks to whom: the same for all requests of a connection, unless another proxy stands before this one."""
        peer = self._exchange.peer
        facts = peer.facts
        if facts is None or facts[0] != peer.address:
            facts = peer.facts = ConnectionFacts(peer.address, peer.port, peer.local[0].encode(), peer.local[1])
        return facts

    # The request -----------------------------------------------------------------------------------

    def judge_head(self) -> bool:
        """Judge the head, and the whole request if it has no body. True: a server may be asked now."""
        exchange = self._exchange
        long = is_long(exchange.head)
        if not long and (glance := exchange.route.glance) is not None:
            steady = self._glanced = glance.passes(exchange.head)
            if steady is not None:
                return (exchange.request_done and not exchange.kept) or self._await_body(steady)
        sketch: Sketch | None = None
        if not long and (closer := exchange.route.signature_glance) is not None:
            sketch = closer.look(exchange.head, self._facts())
            if sketch.idle:
                self._sketch = sketch
                return (exchange.request_done and not exchange.kept) or self._await_body(sketch.steady)
        transaction = self.transaction
        if (guard := exchange.route.cookie_guard) is not None:
            open_cookies(exchange, transaction, guard)
        if long:
            self._long = True
            Divided(exchange, transaction).begin(partial(self.show_head, transaction), self._long_head_judged)
            return False
        return self._head_judged(self.show_head(transaction, sketch))

    def _long_head_judged(self, verdict: Verdict | None) -> None:
        if self._head_judged(verdict):
            self._exchange.try_server()

    def _head_judged(self, verdict: Verdict | None) -> bool:
        """Carry out the verdict on a head. True: a server may be asked now."""
        exchange = self._exchange
        transaction = self.transaction
        if verdict is not None and self.refuse(verdict):
            return False
        if (exchange.request_done and not exchange.kept) or not transaction.wants_request_body:
            if not self._long:
                verdict = transaction.request_end(TURN)
            if self._long or transaction.unfinished:
                self._wait_for_turn(begun=not self._long)
                return False
            refused = verdict is not None and self.refuse(verdict)
            return not refused and amend(exchange, transaction, self.waf)
        return self._await_body(transaction.steady)

    def _await_body(self, steady: Steady | None) -> bool:
        """Hold the body until it is judged. False, for no server may be asked yet."""
        exchange = self._exchange
        head = exchange.head
        if head.length > self.waf.settings.request_body_limit and self._too_large(head.length):
            return False
        self.holding = True
        if steady is None or steady.encoded or b"content-encoding" in [field[0] for field in head.varying]:
            self._codings = [coding for value in head.values(b"content-encoding") for coding in list_tokens(value)]
        ask_for_body(exchange)
        if exchange.kept:
            self._take_what_came()
        return False

    def _take_what_came(self) -> None:
        """Take the body as far as it came while the request had to wait for its turn, or for an answer about it."""
        exchange = self._exchange
        exchange.peer.resume_reading()
        for content in tuple(exchange.parts):
            if self.holding and not exchange.finished:
                self.on_content(content)
        if self.holding and exchange.request_done and not exchange.finished:
            self.judge_body()

    def on_content(self, content: bytes) -> None:
        """Take body content while it is held."""
        self._seen += len(content)
        if self._transaction is not None and not self._codings:
            self._transaction.request_body(content)
        if self._seen > self.waf.settings.request_body_limit and not self._too_large(self._seen):
            self._cut = True
            self.judge_body()

    def judge_body(self) -> None:
        """Judge what is here of the body, and let the request go to a server if it passes."""
        self.holding = False
        if self._transaction is None and self._body_passes():
            self._exchange.try_server()
            return
        if self._codings and self._decode():
            return
        if self._long or self.transaction.body_length > CHEAP:
            self._exchange.peer.pause_reading()
            self._wait_for_turn(begun=False)
            return
        verdict = self.transaction.request_end(TURN)
        if not self.transaction.unfinished:
            self._judged(verdict)
        else:
            self._wait_for_turn(begun=True)

    def _body_passes(self) -> bool:
        """Whether the body passes at a glance, as the head did."""
        exchange, steady, glance = self._exchange, self._glanced, self._exchange.route.glance
        if self._codings or self._cut or self._seen > CHEAP:
            return False
        if (sketch := self._sketch) is not None and (closer := exchange.route.signature_glance) is not None:
            return not self._seen or closer.passes_body(sketch, b"".join(exchange.parts))
        if steady is None or glance is None:
            return False
        return not self._seen or glance.passes_body(exchange.head.method, steady, b"".join(exchange.parts))

    def _wait_for_turn(self, begun: bool) -> None:
        """Judge the request, or go on with it, in turns."""
        transaction = self.transaction
        work = partial(transaction.go_on, 0.0) if begun else transaction.request_end
        Divided(self._exchange, transaction).begin(work, self._judged_late)

    def _judged_late(self, verdict: Verdict | None) -> None:
        self._exchange.peer.resume_reading()
        self._judged(verdict)

    def _judged(self, verdict: Verdict | None) -> None:
        """Carry out the verdict on a request."""
        exchange = self._exchange
        encoded, whole = bool(self._codings), not (self._cut or self._as_sent)
        if self.refuse(verdict) or not amend(exchange, self.transaction, self.waf, encoded, whole):
            return
        if not self._cut or self._beyond():
            exchange.try_server()

    def show_head(self, transaction: Transaction, sketch: Sketch | None = None) -> Verdict | None:
        """Judge the head of the request on a transaction. `sketch`: what was seen of it at a glance."""
        head = self._exchange.head
        mask = None if sketch is None else sketch.head_mask
        return transaction.request_head(*_told(head), self.waf.known(head.block), head.block, mask)

    def _too_large(self, size: int) -> bool:
        """Refuse a body larger than the limit, if that is the policy. Return whether that ended the exchange."""
        if self._large_body != "reject":
            return False
        if self.transaction.rule_engine != "On":
            limit = self.waf.settings.request_body_limit
            self.transaction.note(f"request body beyond {limit} bytes passed on uninspected; it would be refused")
            return False
        self.transaction.note(f"request body of {size} bytes or more refused: large_body: reject")
        self._exchange.answer(413, causes.BODY_TOO_LARGE)
        return True

    def _beyond(self) -> bool:
        """The start of a large body passed: judge what came with it from beyond the limit, or note that nothing will.

        Return whether the request may go to a server.
        """
        exchange, limit = self._exchange, self.waf.settings.request_body_limit
        codings = [] if self._as_sent else self._codings
        if self._large_body == "inspect-start":
            if grows_beyond(b"".join(exchange.parts), codings):
                why = f"Content-Encoding: it decodes to more than {MAX_RATIO} times its size"
                return self.passes_unjudged(why, 400)
            self.transaction.note(
                f"request body{' decoded' * bool(codings)} beyond {limit} bytes passed on uninspected"
            )
        if self._large_body != "stream" or self.transaction.would is not None:
            return True
        self.rest = LargeBody(exchange, self, limit, codings)
        return self.rest.asked

    def found_in_window(self, window: Transaction, verdict: Verdict | None) -> bool:
        """Take over a window's findings; return whether it may be passed on."""
        self._transaction = window
        return not self.refuse(verdict)

    def passes_unjudged(self, why: str, status: int) -> bool:
        """The rest of the body cannot be judged: refuse it, unless the firewall only detects."""
        if self.transaction.rule_engine != "On":
            self.transaction.note(f"the rest of the request body passed on uninspected, for {why}; it would be refused")
            return True
        self.transaction.note(f"request body refused: {why}")
        self._exchange.answer(status, causes.WAF if status == 400 else causes.BODY_TOO_LARGE)
        return False

    def _decode(self) -> bool:
        """Show the rules what the server will see once it has decoded the body (RFC 9110 8.4).

        Return whether the policy for large bodies refused it.
        """
        encoded = b"".join(self._exchange.parts)
        try:
            plain = decode(encoded, self._codings, self.waf.settings.request_body_limit + 1)
        except CodingError as error:
            self.transaction.fail_body(f"Content-Encoding: {error}".encode())
            self._as_sent, plain = True, encoded
        self.transaction.request_body(plain)
        self._cut = len(plain) > self.waf.settings.request_body_limit
        return self._cut and self._too_large(len(plain))

    def refuse(self, verdict: Verdict | None) -> bool:
        """Carry out a verdict. Return whether it ended the exchange."""
        if verdict is None or verdict.action == "allow":
            return False
        held = refusal.refuse(self._exchange, verdict, may_hold=self._leave_tarpit is None)
        self._leave_tarpit = held or self._leave_tarpit
        return True

    # The response ----------------------------------------------------------------------------------

    def judge_response(self, head: ResponseHead, content: bytes, complete: bool) -> bool:
        """Judge a response's head, and its body where that is inspected. True: it may go out now.

        Otherwise it is refused, or held: then the exchange's `respond` is called once it is judged.
        """
        waf = self.waf
        plain = waf.response is None or waf.response.passes(head.status)
        if plain and (waf.glance is not None or not waf.signatures):
            return True
        bodiless = self._exchange.method == b"HEAD" or head.length == 0
        sketch, seen = self._sketch, None if bodiless else content
        closer = self._exchange.route.signature_glance if plain and self._transaction is None else None
        if closer is not None and sketch is not None and closer.passes_response(sketch, head, seen, complete):
            return True
        transaction = self.transaction
        steady = waf.known_response(head.block)
        varying = pairs_of(head.varying)
        verdict = transaction.response_head(head.status, varying, steady)
        if verdict is not None and self.refuse(verdict):
            return False
        if not transaction.wants_response_body or bodiless:
            return not self.refuse(transaction.response_end())
        plain = not steady.encoded and b"content-encoding" not in [name for name, _ in varying]
        if complete and plain and len(content) <= CHEAP:
            transaction.response_body(content)
            verdict = transaction.response_end()
            return verdict is None or not self.refuse(verdict)
        self._held = HeldResponse(self._exchange, self, head)
        return self._held.take(content, complete)

    @property
    def holds_response(self) -> bool:
        """Whether response content is being held."""
        return self._held is not None and self._held.waits

    def on_response_content(self, content: bytes, complete: bool) -> None:
        """Take response content while it is held."""
        if self._held is not None and self._held.take(content, complete):
            self._held.let_go(complete)

    # The end ---------------------------------------------------------------------------------------

    def offence(self, cause: str) -> tuple[str, str]:
        """Return what a request that ended for `cause` has done: the offence (`defence.bans.of`), and its risk."""
        if self._transaction is None:
            return cause, ""
        fired = self._transaction.fired
        if cause == causes.WAF and not DECOYS.isdisjoint(self._transaction.matched_rules):
            return causes.TRAP, ""
        if cause == causes.WAF:
            return cause, risk_of(fired)
        return (NOTICED, risk_of(fired)) if fired else (cause, "")

    def finish(self) -> None:
        """Run the last phase and hand the event to the log."""
        if self._transaction is None:
            return
        if self._held is not None and self._held.timer is not None:
            self._held.timer.cancel()
        self._held = self.rest = None  # they refer to this: only the garbage collector would free them
        if self.mask is not None:
            self.mask.finish()
            self.mask = None
        if self._leave_tarpit is not None:
            self._leave_tarpit()
        if (profile := self._exchange.route.profile) is not None:
            profile.watch(self._exchange, self._transaction)
        self.write_event(self._transaction)

    def write_event(self, transaction: Transaction) -> None:
        """End a transaction, and hand its event to the log."""
        exchange = self._exchange
        event = transaction.finish()
        if event is not None and exchange.app.events is not None:
            event.reference = exchange.reference()
            event.status = exchange.status
            exchange.app.events.write(event.to_json())


def _told(head: RequestHead) -> tuple[bytes, bytes, bytes, list[tuple[bytes, bytes]]]:
    """Return what a transaction is told of a head, beside the fields that clients repeat."""
    return head.method, head.line_target, version_of(head), pairs_of(head.varying)
