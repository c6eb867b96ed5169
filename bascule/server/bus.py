"""The bus: the keeper publishes what it finds out, workers subscribe, over a UNIX socket of their generation.

The last value of each topic is retained and sent to whoever connects. A subscriber that does not keep up is dropped;
it connects again and is in step. The supervisor owns the listening socket, so while a keeper is being restarted
workers wait in its accept queue.
"""

from __future__ import annotations

import asyncio
import socket
import traceback
from collections.abc import Callable
from typing import Any

from bascule.server import log
from bascule.server.framing import Decoder, FramingError, encode

MAX_BACKLOG = 1 << 20
"""Bytes waiting for one subscriber beside the retained values; more, and it is dropped to start afresh."""
MAX_EXPLAINED = 64
"""Errors in handlers that are told with their traceback, each once."""
_explained: set[tuple[str, str, int | None]] = set()
RECONNECT_FIRST, RECONNECT_MOST = 0.05, 2.0
_HELLO = "bus/hello"
"""What a keeper sends first: only this proves it lives, for a connection may wait in the queue of a dead one."""
_IN_STEP = "bus/in-step"
"""What it sends behind the retained values."""

Callback = Callable[[str, Any], None]


class _Peer(asyncio.Protocol):
    """One connection of the bus, at either end."""

    def __init__(
        self,
        on_message: Callable[[str, Any], None],
        on_open: Callable[[_Peer], None],
        on_close: Callable[[_Peer], None],
    ) -> None:
        self._on_message = on_message
        self._on_open = on_open
        self._on_close = on_close
        self._decoder = Decoder()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._on_open(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._on_close(self)

    def data_received(self, data: bytes) -> None:
        try:
            for topic, payload in self._decoder.feed(data):
                self._on_message(topic, payload)
        except FramingError as error:
            log.say(f"bus: dropped a peer: {error}")
            self.abort()
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            _complain(error)
            self.abort()

    def write(self, frame: bytes, *, limit: int = MAX_BACKLOG) -> bool:
        """Send a frame; False (and the connection is dropped) when more than `limit` bytes already wait."""
        if self._transport is None or self._transport.is_closing():
            return False
        if self._transport.get_write_buffer_size() > limit:
            self.abort()
            return False
        self._transport.write(frame)
        return True

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _complain(error: Exception) -> None:
    """Say that a handler failed on what a peer sent; with the traceback the first time, for it may be our mistake."""
    log.say(f"bus: dropped a peer: {error!r}")
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = (type(error).__name__, last.filename, last.lineno)
    if place not in _explained and len(_explained) < MAX_EXPLAINED:
        _explained.add(place)
        log.say("bus: " + "".join(traceback.format_exception(error)).rstrip())


class _Subscriptions:
    """Callbacks by topic prefix."""

    def __init__(self) -> None:
        self._callbacks: list[tuple[str, Callback]] = []

    def add(self, prefix: str, callback: Callback) -> None:
        self._callbacks.append((prefix, callback))

    def deliver(self, topic: str, payload: Any) -> None:
        for prefix, callback in self._callbacks:
            if topic.startswith(prefix):
                callback(topic, payload)


class BusServer:
    """The keeper's end. `retained` are durable values of an earlier keeper; `keep` hands new ones to the supervisor."""

    def __init__(self, retained: dict[str, Any], keep: Callable[[str, Any], None]) -> None:
        self._retained = dict(retained)
        self._keep = keep
        self._peers: set[_Peer] = set()
        self._subscriptions = _Subscriptions()
        self._server: asyncio.Server | None = None

    async def start(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        """Accept subscribers on the listening UNIX socket `sock`."""
        self._server = await loop.create_unix_server(
            lambda: _Peer(self._subscriptions.deliver, self._welcome, self._peers.discard), sock=sock
        )

    def publish(self, topic: str, payload: Any, *, durable: bool = False) -> None:
        """Send `payload` (JSON-able; None forgets the topic) to every worker and retain it for those to come.

        A `durable` value also outlives this keeper: its successors, after a crash, a reload or an upgrade, have it too.
        Raises FramingError if it is too long, and ConnectionError where nobody is left that would hold it.
        """
        frame = encode((topic, payload))
        if durable:
            self._keep(topic, payload)
        if payload is None:
            self._retained.pop(topic, None)
        else:
            self._retained[topic] = payload
        for peer in tuple(self._peers):
            peer.write(frame)

    def on(self, topic_prefix: str, callback: Callback) -> None:
        """Call `callback(topic, payload)` for what workers send."""
        self._subscriptions.add(topic_prefix, callback)

    def retained(self, topic: str) -> Any:
        """Return the last value of a topic, or None."""
        return self._retained.get(topic)

    @property
    def subscribers(self) -> int:
        """Workers connected now."""
        return len(self._peers)

    def close(self) -> None:
        """Stop accepting and drop every subscriber."""
        if self._server is not None:
            self._server.close()
        for peer in tuple(self._peers):
            peer.abort()

    def _welcome(self, peer: _Peer) -> None:
        self._peers.add(peer)
        frames = [encode((_HELLO, None)), *map(encode, self._retained.items()), encode((_IN_STEP, None))]
        peer.write(b"".join(frames))


class BusClient:
    """A worker's end. Connects in the background, again and again; callbacks run in the event loop."""

    def __init__(self, path: str, loop: asyncio.AbstractEventLoop) -> None:
        self._path = path
        self._loop = loop
        self._subscriptions = _Subscriptions()
        self._last: dict[str, Any] = {}
        self._peer: _Peer | None = None
        self._connected = False
        self._in_step = asyncio.Event()
        self._delay = RECONNECT_FIRST
        self._attempt: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._attempt = self._loop.create_task(self._connect())

    def subscribe(self, topic_prefix: str, callback: Callback) -> None:
        """Call `callback(topic, payload)` for every value to come, and now for the last ones already here.

        After a reconnect the retained values come again, whether they changed or not.
        """
        self._subscriptions.add(topic_prefix, callback)
        for topic, payload in list(self._last.items()):
            if topic.startswith(topic_prefix):
                callback(topic, payload)

    def send(self, topic: str, payload: Any) -> bool:
        """Send to the keeper, at best effort: False when it is away or not keeping up."""
        return self._connected and self._peer is not None and self._peer.write(encode((topic, payload)))

    @property
    def connected(self) -> bool:
        """Whether the keeper is there now."""
        return self._connected

    async def in_step(self, within: float) -> bool:
        """Return once all retained values are here; False if they are not within so many seconds."""
        try:
            await asyncio.wait_for(self._in_step.wait(), within)
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Disconnect for good."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._attempt is not None:
            self._attempt.cancel()
        if self._peer is not None:
            self._peer.abort()

    async def _connect(self) -> None:
        try:
            await self._loop.create_unix_connection(lambda: _Peer(self._received, self._opened, self._lost), self._path)
        except OSError:
            self._retry()

    def _opened(self, peer: _Peer) -> None:
        self._peer = peer

    def _lost(self, _peer: _Peer) -> None:
        self._peer = None
        self._connected = False
        self._retry()

    def _retry(self) -> None:
        if not self._closed:
            self._timer = self._loop.call_later(self._delay, self.start)
            self._delay = min(self._delay * 2, RECONNECT_MOST)

    def _received(self, topic: str, payload: Any) -> None:
        if topic == _HELLO:
            self._connected = True
            self._delay = RECONNECT_FIRST
            return
        if topic == _IN_STEP:
            self._in_step.set()
            return
        if payload is None:
            self._last.pop(topic, None)
        else:
            self._last[topic] = payload
        self._subscriptions.deliver(topic, payload)
