"""The way of one request through the forward proxy: may this client use it, where does it want to go, who is it,
what do the rules say, is the very address allowed, and off it goes. From there on it is an exchange as any other.

Start at `ForwardExchange.begin`.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, ClassVar, cast

from bascule.forward import chain, direct, login, own_pages, pages, sniffing, throttle
from bascule.forward.conditions import Need
from bascule.forward.parents import DIRECT_WAY, Tunnels
from bascule.forward.policy import Access, Decision
from bascule.forward.target import target_of
from bascule.http.errors import HttpError
from bascule.http.message import RequestHead, ResponseHead
from bascule.proxy import answers, attempts, gate, waits
from bascule.proxy.exchange import Exchange
from bascule.telemetry import causes
from bascule.upstream.pool import Outcome

if TYPE_CHECKING:
    import asyncio

    from bascule.forward.client import ForwardClient
    from bascule.forward.outgoing import Source
    from bascule.forward.service import ForwardService
    from bascule.forward.throttle import Throttle
    from bascule.upstream.connection import OriginConnection
    from bascule.upstream.connector import Connector, Done

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_UNDECIDED = Decision("")
_TO_PROVIDER = Decision("allow")


class ForwardExchange(Exchange):
    """One request of a client on its way out."""

    own_site: ClassVar[bool] = False
    __slots__ = (
        "access",
        "by_address",
        "decision",
        "held_start",
        "is_tunnel",
        "path_sent",
        "service",
        "throttle",
        "way",
    )

    def __init__(self, peer: ForwardClient, head: RequestHead) -> None:
        super().__init__(peer, head)
        self.service: ForwardService = peer.service
        self.is_tunnel = head.method == b"CONNECT"
        """Whether the client asks for a connection, and not for a resource."""
        if self.is_tunnel:
            head.keep_alive = False  # what follows a CONNECT is no request, be it refused: see `answer`
        self.access: Access | None = None
        self.decision = _UNDECIDED
        self.by_address = False
        """Whether the rules ask for the address, so that each that may be dialled is judged."""
        self.way = DIRECT_WAY
        """Parents that are left to try, the present one first."""
        self.path_sent = b""
        """Path and query as they leave, on whatever way."""
        self.held_start: sniffing.HeldStart | None = None
        """The response, while its first bytes are awaited."""
        self.throttle: Throttle | None = None
        """What measures it and lets it wait, where there are quotas about it."""
        self.user = peer.user

    # The phases ------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Decide what becomes of the request whose head is complete."""
        service = self.service
        self.route, self.site, self.routed = service.route, service.site, True
        self.peer.times = self.route.times
        try:
            if (shield := self.app.shield) is not None and (wait := gate.admit_early(self, shield)):
                if wait != gate.REFUSED:
                    waits.hold(self, wait, self._enter)
                return
            self._enter()
        except HttpError as error:
            self.answer(error.status, error.cause)

    def _enter(self) -> None:
        """Find out what is asked for, and by whom. Raises HttpError."""
        if self.peer.address not in self.service.clients:
            raise HttpError(403, causes.EGRESS_CLIENT)
        if own_pages.answer(self):
            return
        self.access = self._read_target()
        self._check_way()
        if login.identify(self):
            self.decide()

    @property
    def asked(self) -> Access:
        """What is asked for; known from `begin` on."""
        assert self.access is not None
        return self.access

    @property
    def url(self) -> bytes:
        """The URL of the resource that is asked for, which is no tunnel."""
        scheme = b"https" if self.asked.target.secure else b"http"
        return b"%b://%b%b" % (scheme, self.head.authority, self.head.target)

    def _read_target(self) -> Access:
        head = self.head
        target = target_of(head)
        if target is None:
            raise HttpError(400, causes.NOT_FOR_A_PROXY)
        if self.is_tunnel and head.has_body:
            raise HttpError(400, causes.BAD_REQUEST, "CONNECT with a body")
        return Access(self.service.policy, self.peer.address, target, self.method, None if self.is_tunnel else head)

    def _check_way(self) -> None:
        """Refuse ports that are not reached, loops, and what the limits forbid. Raises HttpError."""
        service, route, head = self.service, self.route, self.head
        if cause := service.port_fault(self.asked.target, self.is_tunnel):
            raise HttpError(403, cause)
        if service.has_passed(head):
            raise HttpError(508, causes.EGRESS_LOOP)
        if route.own_limits:
            answers.check_limits(self)
        if route.body_limit and head.length > route.body_limit:
            raise HttpError(413, causes.BODY_TOO_LARGE)
        block = head.block
        if block.upgrade:
            offered = block.upgrade.lower().partition(b"/")[0]
            self.upgrading = offered in route.upgrades and b"upgrade" in block.options and head.minor == 1

    # What the rules say ------------------------------------------------------------------------------

    def identified(self) -> None:
        """Go on: who asks was found out meanwhile."""
        self.decide()

    def decide(self) -> None:
        """Ask the rules, as far as they can be asked before the name is resolved."""
        access = self.asked
        decision = _TO_PROVIDER if login.leads_to_provider(self) else self.service.policy.decide(access)
        self.decision = decision
        access.rule = decision.rule
        self.by_address = decision.need is Need.ADDRESS
        if decision.need is Need.USER:
            login.challenge(self)
            return
        if decision.action in ("deny", "redirect"):
            self.refuse(decision)
            return
        if (ways := self.service.ways) is not None:
            self.way = ways.of(access)
        if (quotas := self.service.quotas) is None or throttle.admit(self, quotas):
            self.proceed()

    def proceed(self) -> None:
        """Be on the way, after the firewall."""
        if not self.is_tunnel:
            if self.service.policy.sniffs:
                self.head = self.head.without(sniffing.PARTS)
            if (privacy := self.service.privacy) is not None:
                self.head, self.target = privacy.request(self.head, self.asked.target, self.target)
            if self.route.waf is not None and not self._inspect(self.route.waf):
                return
        self.try_server()

    def refuse(self, decision: Decision) -> None:
        """Answer as the rule says that refuses or redirects."""
        policy = self.service.policy
        rule, target = policy.rule(decision), self.asked.target
        self.rule = policy.name(decision)
        if decision.action == "redirect" and rule is not None and not self.is_tunnel:
            place = rule.to.encode().replace(b"{host}", target.host.encode()).replace(b"{url}", self.url)
            answers.redirect(self, place, 302, causes.EGRESS_REDIRECT)
            return
        answers.error(self, 403, causes.EGRESS_DENIED, advice=pages.reason(rule, self.asked))

    # The way out -------------------------------------------------------------------------------------

    def try_server(self) -> None:
        """See Exchange. Rules that ask for the address have their say when one is dialled, so no cache comes before."""
        if self.route.cache is None or self.by_address or self.is_tunnel or self._leaves_no_trace:
            self.ask_server()
        else:
            self.rule = self.service.policy.name(self.decision)
            self.route.cache.take(self)

    def ask_server(self) -> None:
        """Send the request over a kept connection, or over a new one."""
        if self.way is not DIRECT_WAY:
            chain.take(self)
            return
        direct.take(self)

    @property
    def source(self) -> Source | None:
        """Where connections come from, where that is chosen."""
        if (outgoing := self.service.outgoing) is None:
            return None
        return outgoing.source(self.user or self.peer.address.decode(), self.asked.target.host)

    def judge_address(self, address: str) -> str:
        """Say by which cause an address must not be dialled; empty if it may be."""
        access = self.asked
        if cause := self.service.address_fault(address, access.target.port):
            return cause
        if not self.by_address:
            return ""
        access.address = address
        decision = self.decision = self.service.policy.decide(access)
        if decision.action == "allow":
            return ""
        return causes.PROXY_AUTHENTICATION if decision.need is Need.USER else causes.EGRESS_DENIED

    def open_tunnel(self, connection: OriginConnection) -> None:
        """Pass on bytes both ways from now on, once what they begin with was looked at where tunnels are opened."""
        self.origin = connection
        connection.tunnel(self)
        self.wait = perf_counter() - self.started
        self.status = 200
        self.responding = self.close = True
        peer = self.peer
        peer.write(self._established())
        peer.deadline = self.app.now + self.route.times.response_idle
        if (interception := self.service.interception) is not None:
            client = cast("ForwardClient", peer)
            client.peek = interception.peek(client, self)
        peer.begin_tunnel()

    def _established(self) -> bytes:
        return ESTABLISHED

    # Through a parent: see chain.py ------------------------------------------------------------------

    def dial(self, connector: Connector, preface: bytes, done: Done) -> asyncio.Task[None]:
        """See Exchange."""
        if isinstance(connector, Tunnels):
            return chain.dial(self, connector, done)
        return super().dial(connector, preface, done)

    def use(self, connection: OriginConnection) -> None:
        """See Exchange."""
        if self.is_tunnel:
            self.open_tunnel(connection)
        else:
            attempts.send(self, connection)

    @property
    def uri(self) -> bytes:
        """What parents are balanced by with ``hash: {key: uri}``."""
        return self.head.authority + self.head.target

    # What comes back ---------------------------------------------------------------------------------

    def on_response(self, head: ResponseHead, content: bytes, complete: bool) -> None:
        """See OriginUser. Rules about responses have their say here."""
        if head.status == 407 and self.route is not self.service.route:
            self.detach(Outcome.CLIENT_ABORT)  # it is not the client whom the parent asks
            self.answer(502, causes.PARENT_AUTHENTICATION)
            return
        if self.decision.revise and self.service.policy.sniffs and not complete and len(content) < sniffing.ENOUGH:
            self.held_start = sniffing.HeldStart(self, head, content)
            return
        self.judge_response(head, content, complete)

    def judge_response(self, head: ResponseHead, content: bytes, complete: bool) -> None:
        """Let a response go on, or refuse it, by what can be known of it now."""
        if self.decision.revise:
            access = self.asked
            access.response = head
            if self.service.policy.sniffs:
                access.start = sniffing.plain_start(head, content)
            decision = self.service.policy.decide(access)
            if decision.action != "allow":
                self.detach(Outcome.CLIENT_ABORT)
                self.refuse(decision)
                return
        if (privacy := self.service.privacy) is not None:
            head = privacy.response(head, self.head, self.asked.target)
        super().on_response(head, content, complete)

    def on_content(self, content: bytes, complete: bool) -> None:
        """See OriginUser."""
        if self.held_start is not None:
            self.held_start.take(content, complete)
            return
        super().on_content(content, complete)
        if self.throttle is not None:
            self.throttle.charge()

    def on_tunnel_data(self, data: bytes) -> None:
        """See OriginUser."""
        if (peek := cast("ForwardClient", self.peer).peek) is not None:
            peek.no_tls()
            if self.finished:
                return
        super().on_tunnel_data(data)
        if self.throttle is not None:
            self.throttle.charge()

    def on_request_content(self, content: bytes) -> None:
        """See Exchange."""
        super().on_request_content(content)
        if self.throttle is not None and self.throttle.begun:
            self.throttle.charge()

    def on_client_blocked(self, blocked: bool) -> None:
        """See Exchange."""
        if blocked or self.throttle is None or not self.throttle.waits:
            super().on_client_blocked(blocked)

    def on_origin_blocked(self, blocked: bool) -> None:
        """See OriginUser."""
        if self.throttle is not None:
            self.throttle.origin_blocked = blocked
        if blocked or self.throttle is None or not self.throttle.waits:
            super().on_origin_blocked(blocked)

    def record(self) -> None:
        """See Facts. Of some users nothing is written down."""
        if self.service.no_log and self._leaves_no_trace:
            self.route, self.user = self.service.unlogged, ""
        super().record()

    @property
    def version(self) -> bytes:
        """See Facts. A whole URL may be one of https; then it is we who speak TLS."""
        access = self.access
        secure = access is not None and access.target.secure and not self.is_tunnel
        return b"HTTPS" if secure else super().version

    @property
    def place(self) -> tuple[bytes, bytes, int, bytes]:
        """See Facts. It is where the connection leads that counts, not what the request says of its host."""
        target = self.asked.target
        host = f"[{target.host}]" if ":" in target.host else target.host
        path = self.target.partition(b"?")[0]
        return b"https" if target.secure else b"http", host.encode(), target.port, path

    @property
    def _leaves_no_trace(self) -> bool:
        """Whether nothing is written down of its user."""
        hidden = self.service.no_log
        groups = frozenset() if self.access is None else self.access.groups
        return bool(hidden) and (self.user in hidden or not hidden.isdisjoint(groups))

    def finish(self, outcome: Outcome | None, cause: str, status: int, cut: bool = False) -> None:
        """See Exchange."""
        if self.held_start is not None:
            self.held_start.cancel()
            self.held_start = None
        if self.throttle is not None:
            self.throttle.close()
            self.throttle = None  # the two refer to each other: only the garbage collector would free them
        super().finish(outcome, cause, status, cut)

    def on_origin_lost(self) -> None:
        """See OriginUser."""
        origin = self.origin
        stale = origin is not None and not origin.fresh and self.way is DIRECT_WAY and not self.is_tunnel
        if stale and not self.responding and not self._is_held():
            self.detach(Outcome.CLIENT_ABORT)  # closed as the request left: the fate of kept connections
            self.ask_server()
        else:
            super().on_origin_lost()

    def _is_held(self) -> bool:
        """See Exchange."""
        return self.held_start is not None or super()._is_held()

    def on_deadline(self) -> None:
        """The time for the present step is over."""
        if self.connecting is None or self.route.pool is not None:
            super().on_deadline()
        else:
            self.answer(504, causes.CONNECT_TIMEOUT)

    def answer(self, status: int, cause: str, fields: bytes = b"", advice: str = "") -> None:
        """Answer with a page that says in plain words what is the matter; or go on to the next on the way.

        What a client sent ahead is for the tunnel, and others may have made it up: where that is refused it must not be
        taken for requests. So the connection ends, but for logins, which may take steps on one connection.
        """
        if self.is_tunnel and status == 407 and not self.peer.held:
            self.head.keep_alive = cast("ForwardClient", self.peer).only_tunnels = self.head.block.keep_alive
        if not chain.goes_on(self, cause):
            answers.error(self, status, cause, fields, advice or pages.advice(cause, self.access))
