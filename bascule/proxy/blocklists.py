"""What DNS block lists say of clients: asked without anybody waiting but the request at hand, and it not for long.

The answers of one worker. A rule gets what is at hand; what is not is asked for, and counts from the next request on.
The names that rules will ask for a client's address are known before the rules run: the request waits for these.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

import dns.asyncresolver
import dns.exception
import dns.resolver

from bascule.config.types import Address
from bascule.http.errors import HttpError
from bascule.lists.resolver import resolver_at
from bascule.telemetry.sinks import complain
from bascule.waf.request import ConnectionFacts

if TYPE_CHECKING:
    from bascule.proxy.exchange import Exchange
    from bascule.waf.engine import Waf

WAIT = 0.5
"""Seconds that a request waits for answers. Lists answer within 0.05; a client is asked about once in minutes."""
LIFETIME = 3.0
"""Seconds until a question counts as unanswered: it may still help the next request."""
MAX_NAMES = 16_384
"""Answers of either kind that are kept: about 4 MiB. The one used longest ago goes first."""
MAX_ASKED = 256
"""Questions of either kind on their way at a time: a flood of addresses shall not become one at a name server."""
SHORTEST, LONGEST = 60.0, 3600.0
"""Bounds of the time an answer is used again, which the list itself says."""
NOT_LISTED_FOR = 300.0
UNANSWERED_FOR = 30.0
COMPLAIN_EVERY = 60.0
_LISTED = IPv4Network("127.0.0.0/8")
"""RFC 5782 2.1. What is outside is from somebody who answers for names that do not exist."""
_FAULTS = IPv4Network("127.255.255.0/24")
"""With these a list says that it does not answer to this resolver."""
_SLACK = 1.0
"""Seconds of a client's deadline beyond the wait."""
_NEVER: tuple[float, str | None] = (0.0, None)


class _Answers:
    """What is known of names, and the questions on their way."""

    __slots__ = ("asked", "known")

    def __init__(self) -> None:
        self.known: OrderedDict[str, tuple[float, str | None]] = OrderedDict()
        self.asked: dict[str, asyncio.Task[None]] = {}

    def keep(self, name: str, until: float, address: str | None) -> None:
        """Remember an answer."""
        self.known[name] = (until, address)
        if len(self.known) > MAX_NAMES:
            self.known.popitem(last=False)


class BlockLists:
    """See the module, and `Resolver` of waf/seclang/operators/base.py. Made before the fork, `open`ed by each worker.

    `server` is the DNS server to ask; by default those of the machine. What is known of clients
    has room of its own: names that requests bring along, as a domain in a form, cannot push it out.
    """

    def __init__(self, server: Address | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._server = server
        self._clock = clock
        self._clients, self._others = _Answers(), _Answers()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._resolver: dns.asyncresolver.Resolver | None = None
        self._complained = -COMPLAIN_EVERY

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Ask over this loop from now on."""
        self._loop = loop

    def close(self) -> None:
        """Ask no more."""
        self._loop = None
        for task in [*self._clients.asked.values(), *self._others.asked.values()]:
            task.cancel()

    def look_up(self, name: str) -> str | None:
        """Return the address that a list gives a name; None if it lists it not, or has not said so yet."""
        for answers in (self._clients, self._others):
            until, address = answers.known.get(name, _NEVER)
            if until > self._clock():
                answers.known.move_to_end(name)
                return address
        if name not in self._clients.asked:
            self._ask(name, self._others)
        return None

    def knows(self, name: str) -> bool:
        """Whether the answer about a client is at hand, if it is that there is none."""
        return self._clients.known.get(name, _NEVER)[0] > self._clock()

    def wait(self, names: Iterable[str], then: Callable[[], None]) -> bool:
        """Call `then` when the answers to all names of clients are at hand, or after `WAIT`.

        Return False if none can be had.
        """
        tasks = [task for name in names if (task := self._ask(name, self._clients)) is not None]
        if not tasks or self._loop is None:
            return False
        waiting = asyncio.gather(*map(asyncio.shield, tasks), return_exceptions=True)
        timer = self._loop.call_later(WAIT, waiting.cancel)

        def over(_: asyncio.Future[list[BaseException | None]]) -> None:
            timer.cancel()
            then()

        waiting.add_done_callback(over)
        return True

    def _ask(self, name: str, answers: _Answers) -> asyncio.Task[None] | None:
        """Return the question for a name that is on its way; None if it may not be asked now."""
        task = answers.asked.get(name)
        if task is None and self._loop is not None and len(answers.asked) < MAX_ASKED:
            task = answers.asked[name] = self._loop.create_task(self._answer(name, answers))
            task.add_done_callback(lambda _: answers.asked.pop(name, None))
        return task

    async def _answer(self, name: str, answers: _Answers) -> None:
        """Ask, and keep the answer."""
        address, seconds = None, NOT_LISTED_FOR
        try:
            self._resolver = self._resolver or resolver_at(self._server)
            answer = await self._resolver.resolve(name, "A", lifetime=LIFETIME, search=False)
            address = self._sense(name, [IPv4Address(record.address) for record in answer])
            seconds = min(LONGEST, max(SHORTEST, answer.chaining_result.minimum_ttl))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            pass
        except (dns.exception.DNSException, OSError, ValueError) as error:
            seconds = UNANSWERED_FOR
            self._complain(f"{name}: {error}; requests pass unasked")
        answers.keep(name, self._clock() + seconds, address)

    def _sense(self, name: str, addresses: list[IPv4Address]) -> str | None:
        """Return the first address that says that the name is listed."""
        for address in addresses:
            if address in _FAULTS or address not in _LISTED:
                self._complain(f"{name}: {address} is no answer of a block list; it may refuse this resolver")
            else:
                return str(address)
        return None

    def _complain(self, text: str) -> None:
        now = self._clock()
        if now - self._complained >= COMPLAIN_EVERY:
            self._complained = now
            complain(f"@rbl: {text}")


def holds(exchange: Exchange, waf: Waf) -> bool:
    """Whether a request has to wait for what block lists say of its client; then it goes on by itself."""
    if not waf.ahead.open_for(exchange.client):
        return False
    head = exchange.head
    transaction = waf.begin(ConnectionFacts(exchange.client, exchange.peer.port, b"", 0))
    transaction.set_head(head.method, head.line_target, b"1.1", [field[:2] for field in head.fields])
    lists = exchange.app.firewalls.lists_of(exchange.route.plan.waf)
    names = waf.ahead.names(transaction)
    if not names or not lists.wait(names, lambda: _go_on(exchange, waf)):
        return False
    exchange.peer.deadline = max(exchange.peer.deadline, exchange.app.now + WAIT + _SLACK)
    return True


def _go_on(exchange: Exchange, waf: Waf) -> None:
    if exchange.finished:
        return
    try:
        if exchange.judge(waf):
            exchange.try_server()
    except HttpError as error:
        exchange.answer(error.status, error.cause)
