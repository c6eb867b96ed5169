"""Where log lines go: a file, stdout, syslog. Nothing here blocks on a reader, and nothing raises at runtime.

A sink takes whole lines and says how many bytes it took; `LineWriter` keeps what is left, within bounds, counts what
it must drop and says so once on stderr.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import stat
import time
from typing import Any, Final, Protocol

PIPE_BUF: Final = select.PIPE_BUF
"""Largest write to a pipe that is never torn nor mixed with another's (POSIX write(2))."""
DEV_LOG = "/dev/log"
DATAGRAM: Final = 8192
"""Longest syslog message: what rsyslog takes by default."""
BUFFER: Final = 1 << 20
"""Bytes kept while a log takes nothing."""
_RETRY: Final = 1.0
"""Seconds between attempts to open a log again."""


class LogOpenError(OSError):
    """A log cannot be opened; the text names it and the remedy."""


class Sink(Protocol):
    """Takes whole lines."""

    def emit(self, blob: bytes) -> int:
        """Write what goes without waiting; return the bytes that need no further attempt. Raises OSError."""

    def close(self) -> None: ...


class _DescriptorSink:
    """Owns a file descriptor, and lets go of it at the latest when it is forgotten: a reload forgets whole plans."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        self.close()


class _SocketSink:
    """The same for a socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def close(self) -> None:
        self._socket.close()

    def __del__(self) -> None:
        self.close()


class FileSink(_DescriptorSink):
    """A regular file: one write per batch, so that lines of several workers never mix (POSIX O_APPEND)."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self._torn = False

    def status(self) -> os.stat_result:
        """Return the status of the open file, wherever its name went."""
        return os.fstat(self._fd)

    def emit(self, blob: bytes) -> int:
        if self._torn:  # end the half line a full disk left
            os.write(self._fd, b"\n")
            self._torn = False
        written = os.write(self._fd, blob)
        if written == len(blob):
            return written
        whole = blob.rfind(b"\n", 0, written) + 1
        self._torn = whole < written
        return whole


class PipeSink(_DescriptorSink):
    """A pipe or terminal: whole lines in pieces of up to `PIPE_BUF`, each of which goes at once or not at all."""

    def __init__(self, fd: int, blocking: bool = False) -> None:
        super().__init__(fd)
        self._blocking = blocking

    def emit(self, blob: bytes) -> int:
        sent = 0
        while sent < len(blob):
            end = _piece(blob, sent)
            if self._blocking and not writable(self._fd):
                break
            try:
                os.write(self._fd, blob[sent:end])
            except BlockingIOError:
                break
            except OSError:
                if sent:
                    break
                raise
            sent = end
        return sent


class StreamSink(_SocketSink):
    """A stream socket, such as the one systemd gives a service for its stdout."""

    def emit(self, blob: bytes) -> int:
        sent = 0
        while sent < len(blob):
            end = _piece(blob, sent)
            try:
                sent += self._socket.send(blob[sent:end], socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            except BlockingIOError:
                break
            except OSError:
                if sent:
                    break
                raise
        return sent


def _piece(blob: bytes, start: int) -> int:
    """Return where the lines from `start` on that fit into an atomic write end."""
    return blob.rfind(b"\n", start, start + PIPE_BUF) + 1 or blob.find(b"\n", start) + 1 or len(blob)


class SyslogSink(_SocketSink):
    """Syslog: ``/dev/log`` in the form of syslog(3), or UDP in that of RFC 5424 / RFC 5426, facility local7."""

    _PRIORITY = 23 * 8 + 6  # local7.info (RFC 5424, 6.2.1)

    def __init__(self, sock: socket.socket, kind: str = "access") -> None:
        super().__init__(sock)
        self._kind = kind.encode()
        self._remote = sock.family != socket.AF_UNIX
        self._host = socket.gethostname().encode("ascii", "replace") or b"-"
        self._second, self._head = -1, b""

    def emit(self, blob: bytes) -> int:
        head = self._header()
        sent = 0
        while sent < len(blob):
            end = blob.index(b"\n", sent)
            try:
                self._socket.send(head + blob[sent:end])
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                # The network's answer to an earlier datagram: nobody listens there now. UDP promises nothing.
                if not self._remote or not isinstance(error, ConnectionRefusedError):
                    if sent:
                        break
                    raise
            sent = end + 1
        return sent

    def _header(self) -> bytes:
        second = int(time.time())
        if second != self._second:
            self._second, pid = second, os.getpid()
            if self._remote:
                stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second)).encode()
                self._head = b"<%d>1 %b %b bascule %d %b - " % (self._PRIORITY, stamp, self._host, pid, self._kind)
            else:
                stamp = time.strftime("%b %e %H:%M:%S", time.localtime(second)).encode()
                self._head = b"<%d>%b bascule[%d]: " % (self._PRIORITY, stamp, pid)
        return self._head


def open_sink(where: str, owner: tuple[int, int] | None = None, kind: str = "access") -> Sink:
    """Open ``-``, a path, ``syslog:`` or ``syslog:host:port``; a new file is given to `owner`. Raises OSError.

    `kind` is the MSGID that tells one log's syslog messages from another's (RFC 5424, 6.2.7).
    """
    if where == "-":
        return open_stdout()
    if where.startswith("syslog:"):
        return SyslogSink(_syslog_socket(where[7:]), kind)
    return _open_file(where, owner)


def _open_file(path: str, owner: tuple[int, int] | None) -> Sink:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    fd = os.open(path, flags, 0o640)
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        return PipeSink(fd)
    if owner and status.st_uid != owner[0] and os.geteuid() == 0:
        os.fchown(fd, *owner)  # so that the workers can open it again after a rotation
    return FileSink(fd)


def _syslog_socket(target: str) -> socket.socket:
    family: int = socket.AF_UNIX
    address: Any = DEV_LOG
    if target:
        host, _, port = target.rpartition(":") if ":" in target else (target, "", "514")
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
        family, address = found[0], found[4]
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.connect(address)
    except OSError:
        sock.close()
        raise
    return sock


def open_stdout(fd: int = 1) -> Sink:
    """Open standard output, whatever it is, without changing a file description that others share."""
    mode = os.fstat(fd).st_mode
    if stat.S_ISSOCK(mode):
        return StreamSink(socket.socket(fileno=os.dup(fd)))
    if stat.S_ISREG(mode):
        return FileSink(os.dup(fd))
    try:  # a description of our own, so that O_NONBLOCK is nobody else's business
        return PipeSink(os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return PipeSink(os.dup(fd), blocking=True)


def line_limit(where: str) -> int:
    """Return the longest line that arrives whole at `where`; 0 means any."""
    if where.startswith("syslog:"):
        return DATAGRAM - 256  # room for the header
    try:
        mode = os.fstat(1).st_mode if where == "-" else os.stat(where).st_mode
    except OSError:
        return 0
    return 0 if stat.S_ISREG(mode) else PIPE_BUF


def writable(fd: int) -> bool:
    """Tell if `fd` would take a short write now."""
    poller = select.poll()
    poller.register(fd, select.POLLOUT)
    return any(event & select.POLLOUT for _, event in poller.poll(0))


def complain(text: str) -> None:
    """Say `text` on stderr if it takes it without waiting."""
    with contextlib.suppress(OSError, ValueError):
        if writable(2):
            os.write(2, f"bascule: {text}\n".encode("utf-8", "backslashreplace")[:PIPE_BUF])


class LineWriter:
    """Writes lines to where the configuration says, keeping at most `BUFFER` bytes of what cannot be written yet.

    `kind` names the log in what is said on stderr and to syslog, `counter` the metric of lines lost.
    """

    def __init__(
        self,
        where: str,
        sink: Sink | None = None,
        kind: str = "access",
        counter: str = "bascule_log_lines_dropped_total",
    ) -> None:
        self._where = where
        self._sink = sink
        self._kind, self._counter = kind, counter
        self._pending = b""
        self._failing = False
        self._next_open = 0.0
        self.written = 0
        """Lines written, or handed to syslog."""
        self.dropped = 0
        """Lines lost."""

    @property
    def sink(self) -> Sink | None:
        """What is written to now."""
        return self._sink

    @property
    def waiting(self) -> bool:
        """Tell if lines are kept for a next attempt."""
        return bool(self._pending)

    def write(self, blob: bytes) -> None:
        """Write whole lines, after those kept from before. Never raises, never waits."""
        blob = self._pending + blob if self._pending else blob
        if not blob:
            return
        taken = self._emit(blob)
        self.written += blob.count(b"\n", 0, taken)
        self._keep(blob[taken:] if taken else blob)

    def _emit(self, blob: bytes) -> int:
        if self._sink is None and not self._open():
            return 0
        assert self._sink is not None
        try:
            taken = self._sink.emit(blob)
        except OSError as error:
            self._failed(error)
            if isinstance(self._sink, SyslogSink):  # the daemon was started anew: so is its socket
                self._sink.close()
                self._sink = None
            return 0
        if taken and self._failing:
            self._failing = False
            complain(f"{self._kind} log {self._where}: writes again")
        return taken

    def _keep(self, rest: bytes) -> None:
        if len(rest) > BUFFER:
            kept = rest.rfind(b"\n", 0, BUFFER) + 1
            self.dropped += rest.count(b"\n", kept)
            rest = rest[:kept]
            if not self._failing:
                self._failed(OSError("nobody takes what is written to it"))
        self._pending = rest

    def _failed(self, error: OSError) -> None:
        if not self._failing:
            self._failing = True
            complain(
                f"{self._kind} log {self._where}: {error.strerror or error}; "
                f"lines that cannot be kept are dropped and counted in {self._counter}"
            )

    def _open(self) -> bool:
        now = time.monotonic()
        if now < self._next_open:
            return False
        self._next_open = now + _RETRY
        try:
            self._sink = open_sink(self._where, kind=self._kind)
        except OSError as error:
            self._failed(error)
            return False
        return True

    def reopen(self) -> None:
        """Open the log anew, as after a rotation; the old one stays in use when that fails."""
        self.write(b"")
        old = self._sink
        self._next_open = 0.0
        if self._open() and old is not None:
            old.close()

    def replace(self, sink: Sink) -> None:
        """Write to `sink` from now on, and close the one before."""
        old, self._sink = self._sink, sink
        if old is not None:
            old.close()

    def close(self) -> None:
        """Write what goes without waiting, count the rest as dropped, and close."""
        self.write(b"")
        self.dropped += self._pending.count(b"\n")
        self._pending = b""
        if self._sink is not None:
            self._sink.close()
            self._sink = None
