"""A client of the forward proxy: its first byte says whether it speaks SOCKS or HTTP; from there on it is as any."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from bascule.forward.association import Association
from bascule.forward.exchange import ForwardExchange
from bascule.forward.guesses import LockedOutError
from bascule.forward.identity import DirectoryError
from bascule.forward.login import known_user
from bascule.forward.socks import VERSIONS, SocksError, SocksHandshake, SocksRequest
from bascule.forward.socks_exchange import SocksExchange
from bascule.http.h1.block import Block
from bascule.http.message import RequestHead
from bascule.proxy.client import ClientConnection
from bascule.proxy.phase import BUSY, CLOSED, HEAD, TUNNEL
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.forward.negotiate import Negotiation
    from bascule.forward.peek import Peek
    from bascule.forward.service import ForwardService
    from bascule.tls.filter import TlsFilter


class ForwardClient(ClientConnection):
    """See the module."""

    __slots__ = ("_handshake", "_login", "negotiation", "only_tunnels", "peek", "service", "user")

    exchange_type = ForwardExchange

    def __init__(self, service: ForwardService, tls: TlsFilter | None) -> None:
        super().__init__(service.app, tls)
        self.service = service
        self.requests = service.parser
        self.user = ""
        """Who logged in on this connection (SOCKS, Negotiate)."""
        self.negotiation: Negotiation | None = None
        """An exchange of tokens that is not over."""
        self.peek: Peek | None = None
        """Looks at what a tunnel begins with, before anything is passed on."""
        self.only_tunnels = False
        """Whether it was asked to log in for a tunnel: it may ask for that again, and for nothing else."""
        self._handshake: SocksHandshake | None = None
        self._login: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self.peek is not None:
            self.peek.feed(data)
            return
        if self.state == HEAD and not self.served and self._begins_otherwise(data):
            return
        super().data_received(data)
        if self.state == TUNNEL and (throttle := cast(ForwardExchange, self.exchange).throttle) is not None:
            throttle.charge()

    def _begins_otherwise(self, data: bytes) -> bool:
        """Take what a connection begins with, if that is not HTTP. Return whether it was."""
        if self._handshake is not None:
            self._shake_hands(data)
        elif not self.held and data[0] in VERSIONS:
            self._begin_socks(data)
        elif not self.service.http:
            self._end(causes.BAD_SOCKS)
        else:
            return False
        return True

    def _begin(self, head: RequestHead, rest: bytes) -> None:
        """See ClientConnection."""
        if self.only_tunnels and head.method != b"CONNECT":
            self.refuse(400, causes.BAD_REQUEST)
        else:
            super()._begin(head, rest)

    def eof_received(self) -> bool:
        """See ClientConnection."""
        if self.peek is not None:
            self.peek.client_ended()
        return super().eof_received()

    def leave(self) -> None:
        """Let another protocol have the connection."""
        self.peek = None
        self.state = CLOSED
        self.app.forget(self)

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.Protocol."""
        if self._login is not None:
            self._login.cancel()
        super().connection_lost(error)

    # SOCKS -----------------------------------------------------------------------------------------

    def _begin_socks(self, data: bytes) -> None:
        if data[0] not in self.service.socks:
            self._end(causes.BAD_SOCKS)
            return
        identity = self.service.identity
        needs_login = identity is not None and identity.auth.required and not known_user(self, identity)
        self._handshake = SocksHandshake(needs_login, self.service.config.udp is not None)
        self._shake_hands(data)

    def _shake_hands(self, data: bytes) -> None:
        handshake = self._handshake
        if handshake is None or self.state == CLOSED:
            return
        try:
            answer = handshake.feed(data)
        except SocksError as error:
            self._end(causes.BAD_SOCKS, error.answer)
            return
        if answer:
            self.write(answer)
        if handshake.login is not None and self._login is None:
            self.pause_reading()
            self._login = self.app.loop.create_task(self._check_login(handshake, *handshake.login))
        elif handshake.request is not None:
            self._begin_request(handshake.request, handshake.rest)

    async def _check_login(self, handshake: SocksHandshake, name: bytes, password: bytes) -> None:
        identity = self.service.identity
        assert identity is not None
        cause = causes.PROXY_AUTHENTICATION
        right = False
        try:
            right = await identity.verify((name.decode(), password.decode()), self.address)
        except UnicodeDecodeError:
            pass
        except LockedOutError:
            cause = causes.PROXY_LOCKED_OUT
        except DirectoryError:
            cause = causes.PROXY_IDENTITY
        self._login = None
        answer = handshake.verdict(right)
        if not right:
            self._end(cause, answer)
            return
        self.user = identity.named(name.decode())
        self.write(answer)
        self.resume_reading()
        self._shake_hands(b"")

    def _begin_request(self, request: SocksRequest, rest: bytes) -> None:
        """The handshake is over: from here on it is an exchange; `rest` are the tunnel's first bytes."""
        self._handshake = None
        self.served += 1
        self.state = BUSY
        self.held = rest
        if request.udp:
            self.exchange = Association(self, request)
            self.exchange.begin()
            return
        head = RequestHead(b"CONNECT", b"%b:%d" % (request.host, request.port), Block([]), [])
        head.authority = head.target
        head.host, head.port = request.host, request.port
        exchange = self.exchange = SocksExchange(self, head, request.version)
        exchange.begin()

    def _end(self, cause: str, answer: bytes = b"") -> None:
        """Refuse what is no acceptable handshake, and close."""
        self.app.note(self.address, self.port, cause, 0)
        if answer:
            self.write(answer)
        self._handshake = None
        if self.state != CLOSED:
            self.close()
