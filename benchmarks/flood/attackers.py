"""Attackers from 127.0.0.0/8, each from an address of its own. They say a line when all are there, and end by another.

`python -m benchmarks.flood.attackers KIND PORT COUNT RATE`: `COUNT` connections or addresses, `RATE` actions a second.
One process without an event loop, for what it takes of the processor the program under attack does not get.
"""

from __future__ import annotations

import json
import re
import resource
import select
import socket
import struct
import sys
import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from typing import Final

CURL = b"GET / HTTP/1.1\r\nHost: site.test\r\nUser-Agent: flood\r\nAccept: */*\r\n\r\n"
BROWSER = (
    b"GET / HTTP/1.1\r\nHost: site.test\r\nConnection: keep-alive\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) "
    b"AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36\r\nAccept: text/html,application/xhtml+xml,"
    b"application/xml;q=0.9,*/*;q=0.8\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9\r\n\r\n"
)
POST = b"POST / HTTP/1.1\r\nHost: site.test\r\nUser-Agent: flood\r\nContent-Length: 60000\r\n\r\n"
LARGE = b"GET /large HTTP/1.1\r\nHost: site.test\r\nUser-Agent: flood\r\n\r\n"
WAKE: Final = 0.002
"""Seconds between two looks at what is due."""
UNDERWAY: Final = 2000
"""Requests of a flood that may be without an answer: whom the program leaves hanging comes no faster."""
AGAIN: Final = 1.0
"""Seconds after which who was cut comes again."""
SIP: Final = 64
"""Bytes that a slow reader takes at a time."""
_BIND_NO_PORT: Final = 24
"""IP_BIND_ADDRESS_NO_PORT: the port may be that of another address."""
_RESET: Final = struct.pack("ii", 1, 0)
_LENGTH: Final = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


def address(number: int) -> str:
    """Return the nth attacking address."""
    return f"127.{1 + number // 65024 % 250}.{number // 254 % 256}.{1 + number % 254}"


class Attack(ABC):
    """Attackers on one port, and what became of them."""

    receive: int = 0
    """Bytes of the receive buffer, where it is not the usual one."""

    def __init__(self, port: int, count: int, rate: float) -> None:
        self._server = ("127.0.0.1", port)
        self._count, self._rate = count, rate
        self.counts: Counter[str] = Counter()
        self._poll = select.epoll()
        self.there = True
        """Whether all have come who are to be there before anything is measured."""

    def run(self) -> None:
        """Attack until a line comes."""
        stdin, said = sys.stdin.fileno(), False
        self._poll.register(stdin, select.EPOLLIN)
        begun = time.monotonic()
        while True:
            for fd, mask in self._poll.poll(WAKE):
                if fd == stdin:
                    self.counts["seconds"] = round(time.monotonic() - begun)
                    return
                self._happened(fd, mask)
            self._act(time.monotonic() - begun)
            if self.there and not said:
                said = True
                sys.stdout.write("there\n")
                sys.stdout.flush()

    @abstractmethod
    def _act(self, now: float) -> None:
        """Do what is due, `now` seconds after the attack began."""

    @abstractmethod
    def _happened(self, fd: int, mask: int) -> None:
        """Take what a connection has."""

    def _connect(self, number: int, words: bytes, watch: int) -> socket.socket | None:
        """Open the connection of an attacker, and say the first words on it. None: it was cut at once."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        if self.receive:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive)
        sock.setsockopt(socket.SOL_IP, _BIND_NO_PORT, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        sock.bind((address(number), 0))
        sock.connect_ex(self._server)
        try:
            sock.send(words)
        except BlockingIOError:  # the handshake was dropped for now: `_happened` is told when it is done
            watch |= select.EPOLLOUT
        except OSError:
            sock.close()
            return None
        self._poll.register(sock, watch)
        return sock


class Slow(Attack):
    """Who holds a connection: `words` at once, then a piece of `drip`, or one sip, every `1 / rate` seconds."""

    words = CURL[:20]
    drip = CURL[20:-2]
    piece = 1
    """Bytes of `drip` that are sent at a time."""
    pace = 2000.0
    """How many come a second, for the first time or again."""

    def __init__(self, port: int, count: int, rate: float) -> None:
        super().__init__(port, count, rate)
        self.there = False
        self._socks: dict[int, tuple[socket.socket, int]] = {}
        self._due: deque[tuple[float, socket.socket, int]] = deque()
        """When a connection has its next turn, and which byte is that."""
        self._away: deque[tuple[float, int]] = deque()
        """Who was cut, and when it comes again."""
        self._came = 0
        self._now = 0.0
        self._may_come = 0.0

    def _act(self, now: float) -> None:
        self._may_come = min(self._may_come + (now - self._now) * self.pace, self.pace / 10)
        self._now = now
        while self._may_come >= 1 and self._came < self._count:
            self._come(self._came)
            self._came += 1
        while self._may_come >= 1 and self._away and self._away[0][0] <= now:
            self._come(self._away.popleft()[1])
        self.there = self._came == self._count
        while self._due and self._due[0][0] <= now:
            _, sock, at = self._due.popleft()
            if sock.fileno() >= 0:
                self._turn(sock, at)
        self.counts["held"] = len(self._socks)

    def _come(self, number: int) -> None:
        self._may_come -= 1
        sock = self._connect(number, self.words, select.EPOLLRDHUP)
        if sock is None:
            self._away.append((self._now + AGAIN, number))
            return
        self._socks[sock.fileno()] = sock, number
        self._due.append((self._now + 1 / self._rate, sock, 0))

    def _turn(self, sock: socket.socket, at: int) -> None:
        try:
            if self.drip:
                sock.send(self.drip[at : at + self.piece])
            else:
                sock.recv(SIP)
        except BlockingIOError:
            pass
        except OSError:
            self._cut(sock.fileno())
            return
        self._due.append((self._now + 1 / self._rate, sock, (at + self.piece) % max(1, len(self.drip))))

    def _happened(self, fd: int, mask: int) -> None:
        if mask & (select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR):
            self._cut(fd)
        elif mask & select.EPOLLOUT:
            self._socks[fd][0].send(self.words)
            self._poll.modify(fd, select.EPOLLRDHUP)

    def _cut(self, fd: int) -> None:
        sock, number = self._socks.pop(fd)
        try:
            head = sock.recv(12)
        except OSError:
            head = b""
        sock.close()
        self.counts[head[9:12].decode() if head.startswith(b"HTTP/") else "cut"] += 1
        self._away.append((self._now + AGAIN, number))


class SlowBodies(Slow):
    """Bodies of minutes, a third faster than the program's lowest rate, and within what it buffers: nothing may cut
    them. They come so slowly that the site does not count as under attack: there each would be refused by its head."""

    words = POST
    drip = b"x" * 700
    piece = 700
    pace = 500.0


class SlowReaders(Slow):
    """Clients that take their answers a few bytes at a time. They come no faster than the server can answer."""

    words = LARGE
    drip = b""
    pace = 120.0
    receive = 2048


class Flood(Attack):
    """`rate` requests a second over kept connections, as a program."""

    message = CURL
    keeps = True
    """Whether a connection is used again."""

    def __init__(self, port: int, count: int, rate: float) -> None:
        super().__init__(port, count, rate)
        self._asked = self._next = 0
        self._idle: deque[socket.socket] = deque()
        self._asking: dict[int, tuple[socket.socket, int, int]] = {}
        """By descriptor a connection, its attacker, and the bytes of the answer that are to come; -1 for the head."""
        self._numbers: dict[socket.socket, int] = {}
        self._came = bytearray(count)

    def _act(self, now: float) -> None:
        for _ in range(min(int(now * self._rate) - self._asked, UNDERWAY - len(self._asking))):
            if self.keeps and not self._idle and len(self._numbers) >= self._count:
                break  # all wait for their answers
            self._ask()

    def _ask(self) -> None:
        self._asked += 1
        if self._idle and len(self._numbers) >= self._count:
            sock = self._idle.popleft()
            try:
                sock.send(self.message)
            except OSError:
                self._cut(sock)
                return
            self._asking[sock.fileno()] = sock, self._numbers[sock], -1
        else:
            number, self._next = self._next, (self._next + 1) % self._count
            opened = self._connect(number, self.message, select.EPOLLIN)
            if opened is None:
                self.counts["cut"] += 1
            else:
                self._asking[opened.fileno()] = opened, number, -1
                if self.keeps:
                    self._numbers[opened] = number

    def _happened(self, fd: int, mask: int) -> None:
        if fd not in self._asking:
            for sock in [sock for sock in self._idle if sock.fileno() == fd]:  # it was closed while it rested
                self._idle.remove(sock)
                self._cut(sock)
            return
        sock, number, left = self._asking[fd]
        try:
            if mask & select.EPOLLOUT:
                sock.send(self.message)
                self._poll.modify(fd, select.EPOLLIN)
                return
            data = sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._cut(sock)
            return
        if left < 0:
            head, _, body = data.partition(b"\r\n\r\n")
            length = _LENGTH.search(head)
            left = int(length[1]) - len(body) if length else 0
            self.counts[head[9:12].decode()] += 1
            if not self._came[number]:
                self._came[number] = 1
                self.counts["addresses"] += 1
        else:
            left -= len(data)
        if left > 0:
            self._asking[fd] = sock, number, left
            return
        del self._asking[fd]
        if self.keeps:
            self._idle.append(sock)
        else:
            sock.close()

    def _cut(self, sock: socket.socket) -> None:
        self._asking.pop(sock.fileno(), None)
        if self._numbers.pop(sock, None) is not None or not self.keeps:
            self.counts["cut"] += 1
        sock.close()


class Botnet(Flood):
    """The same with the fields of a browser."""

    message = BROWSER


class Addresses(Flood):
    """One request from one address after the other."""

    keeps = False


KINDS: Final[dict[str, type[Attack]]] = {
    "slowloris": Slow,
    "bodies": SlowBodies,
    "readers": SlowReaders,
    "addresses": Addresses,
    "flood": Flood,
    "botnet": Botnet,
}


def main(kind: str, port: str, count: str, rate: str) -> None:
    """Attack until a line comes, and tell what became of it."""
    attack = KINDS[kind](int(port), int(count), float(rate))
    attack.run()
    sys.stdout.write(json.dumps(attack.counts))
    sys.stdout.flush()


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    main(*sys.argv[1:])
