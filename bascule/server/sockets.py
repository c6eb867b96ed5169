"""Listening sockets: opened once by the supervisor, shared by all workers, kept over reloads and upgrades.

All workers accept from the same socket (no SO_REUSEPORT): with a queue per worker, the connections queued for a worker
that dies or is replaced would be lost. Here a dead worker's queue is nobody's loss.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import sys
from collections.abc import Iterable

from bascule.config.schema import Listener
from bascule.config.types import Address
from bascule.server import log
from bascule.server.privileges import Account

_TRANSPARENT, _IPV6_TRANSPARENT = 19, 75
"""IP_TRANSPARENT of linux/in.h, IPV6_TRANSPARENT of linux/in6.h."""
Bound = list[tuple[Listener, socket.socket]]


class ListenError(ValueError):
    """An address cannot be listened on; the text names it and the remedy.

    Not `fatal` when only this address family is missing here.
    """

    fatal = True


class Sockets:
    """The listening sockets of the program, by the address as the configuration writes it."""

    def __init__(self) -> None:
        self._open: dict[str, list[socket.socket]] = {}
        self._given: dict[str, socket.socket] = {}
        self._foreign: set[str] = set()

    def inherit(self, sockets: dict[str, list[int]]) -> None:
        """Take over descriptors by address, as `export` of the program before gave them.

        Files of UNIX sockets stay that program's until `own`.
        """
        self._foreign = set(sockets)
        for key, descriptors in sockets.items():
            self._open[key] = [_adopted(fd) for fd in descriptors]

    def activate(self, descriptors: list[tuple[int, str]]) -> None:
        """Take descriptors and names from systemd; they serve the listeners whose address or name they have."""
        for fd, name in descriptors:
            sock = _adopted(fd)
            for key in (*_names_of(sock), name):
                self._given.setdefault(key, sock)

    def claim(self, wanted: Iterable[tuple[str, Listener, Account | None]]) -> Bound:
        """Return the sockets of the wanted keys and listeners, opening those not open yet; all or none.

        The account becomes the owner of a UNIX socket made here. Raises ListenError.
        """
        bound: Bound = []
        fresh: list[str] = []
        try:
            for key, listener, owner in wanted:
                if key not in self._open:
                    self._open[key] = self._take(listener) or _open(listener, owner)
                    fresh.append(key)
                for sock in self._open[key]:
                    sock.listen(listener.backlog)
                    bound.append((listener, sock))
        except ListenError:
            for key in fresh:
                self._close(key)
            raise
        return bound

    def release(self, keep: set[str]) -> None:
        """Close the sockets of all addresses but those to `keep`."""
        for key in [key for key in self._open if key not in keep]:
            self._close(key)

    def tell_unclaimed(self) -> None:
        """Say which sockets of systemd no listener has: clients that connect there would wait in vain."""
        for sock in dict.fromkeys(self._given.values()):
            text = address_text(sock)
            log.say(f"systemd opened {text}, but no `listen` names it: nobody is served there; write it as there")

    def leave_only(self, mine: Iterable[socket.socket]) -> None:
        """In a forked child: close the descriptors of every socket that is not `mine`."""
        kept = {sock.fileno() for sock in mine}
        for sock in [*self._given.values(), *(sock for group in self._open.values() for sock in group)]:
            if sock.fileno() not in kept:
                sock.close()

    def export(self, keys: set[str]) -> dict[str, list[int]]:
        """Return the descriptors of `keys`, for a program that is to inherit them."""
        return {key: [sock.fileno() for sock in group] for key, group in self._open.items() if key in keys}

    def own(self) -> None:
        """From now on the files of UNIX sockets that were inherited are ours to remove."""
        self._foreign = set()

    def disown(self, keys: set[str]) -> None:
        """The files of these UNIX sockets are another program's now: to close them leaves their files."""
        self._foreign = keys

    def _take(self, listener: Listener) -> list[socket.socket]:
        """The socket systemd opened for this listener, if it did."""
        sock = self._given.get(str(listener.address))
        if sock is None:
            return []
        self._given = {key: given for key, given in self._given.items() if given is not sock}
        return [sock]

    def _close(self, key: str) -> None:
        for sock in self._open.pop(key):
            path = sock.getsockname() if sock.family == socket.AF_UNIX else ""
            sock.close()
            if isinstance(path, str) and path.startswith("/") and key not in self._foreign:
                with contextlib.suppress(OSError):
                    os.unlink(path)


def keyed(listeners: Iterable[Listener]) -> list[tuple[str, Listener]]:
    """Return the listeners with what identifies them over reloads: their address, numbered for a repeated port 0."""
    found: dict[str, Listener] = {}
    for listener in listeners:
        key = base = str(listener.address)
        if key in found:
            if listener.address.path or listener.address.port:
                raise ListenError(f"listen {base}: the address is given twice; remove one")
            key = next(f"{base}#{number}" for number in range(2, len(found) + 3) if f"{base}#{number}" not in found)
        found[key] = listener
    return list(found.items())


def address_text(sock: socket.socket) -> str:
    """Return where a socket really listens: ``127.0.0.1:8080``, ``[::1]:8080`` or ``unix:/path``."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        path = "@" + name[1:].decode() if isinstance(name, bytes) and name else name
        return f"unix:{path}"
    return str(Address(name[0], name[1]))


def _open(listener: Listener, owner: Account | None) -> list[socket.socket]:
    address = listener.address
    if address.path:
        return [_open_unix(address.path, int(listener.mode, 8), owner, listener.backlog)]
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_ADDRCONFIG
        )
    except socket.gaierror:
        try:
            found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise ListenError(f"listen {address}: the host cannot be resolved: {error.strerror}") from None
    places = list(dict.fromkeys((family, name) for family, _type, _proto, _canonical, name in found))
    if address.port == 0:
        places = places[:1]  # two families would get two different ports
    sockets: list[socket.socket] = []
    failures: list[ListenError] = []
    for family, name in places:
        try:
            sockets.append(_open_tcp(family, name, listener))
        except ListenError as error:
            failures.append(error)
    # A name such as localhost may stand for families the machine lacks; one that can be had is enough.
    if not sockets or any(error.fatal for error in failures):
        for sock in sockets:
            sock.close()
        raise failures[0]
    return sockets


def _open_unix(path: str, mode: int, owner: Account | None, backlog: int) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        mask = os.umask(0o777 & ~mode)
        try:
            sock.bind("\0" + path[1:] if path.startswith("@") else path)
        finally:
            os.umask(mask)
        if owner is not None and path.startswith("/"):
            os.chown(path, owner.uid, owner.gid)
        sock.listen(backlog)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        if len(os.fsencode(path)) > 107:  # sun_path of unix(7)
            raise ListenError(f"listen unix:{path}: a path of a UNIX socket has at most 107 bytes") from None
        raise ListenError(f"listen unix:{path}: {_reason(error, 0)}") from None
    except ListenError:
        sock.close()
        raise
    return sock


def _open_tcp(family: int, name: tuple[object, ...], listener: Listener) -> socket.socket:
    sock = None
    address = listener.address
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # [::]:80 is IPv6 only, so that 0.0.0.0:80 can stand beside it on every machine alike.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if listener.transparent == "tproxy":
            _accept_foreign(sock, family)
        sock.bind(name)
        sock.listen(listener.backlog)
        sock.setblocking(False)
    except OSError as error:
        if sock is not None:
            sock.close()
        failure = ListenError(f"listen {address}: {_reason(error, address.port)}")
        failure.fatal = error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
        raise failure from None
    return sock


def _accept_foreign(sock: socket.socket, family: int) -> None:
    """Let a socket take connections to addresses that are not this machine's (IP_TRANSPARENT). Raises OSError."""
    level, option = (
        (socket.IPPROTO_IPV6, _IPV6_TRANSPARENT) if family == socket.AF_INET6 else (socket.IPPROTO_IP, _TRANSPARENT)
    )
    try:
        sock.setsockopt(level, option, 1)
    except PermissionError:
        raise OSError(
            errno.EPERM,
            "transparent: tproxy needs CAP_NET_ADMIN: start as root with `user`, or run setcap "
            f"cap_net_admin,cap_net_bind_service=+ep {os.path.realpath(sys.executable)}",
        ) from None


def _reason(error: OSError, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program listens there already; stop it or choose another address"
    if error.errno == errno.EACCES and 0 < port < 1024:
        return (
            "ports below 1024 need root: start as root with `user`, let systemd open the socket (socket activation), "
            f"or run setcap cap_net_bind_service=+ep {os.path.realpath(sys.executable)}"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return "no interface of this machine has that address"
    return error.strerror or str(error)


def _remove_stale(path: str) -> None:
    """Remove the file of a UNIX socket nobody listens on. Raises ListenError for anything else that is there."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ListenError(f"listen unix:{path}: a file that is no socket is there; remove it or choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:  # its queue is full: somebody is there
            pass
    raise ListenError(f"listen unix:{path}: another program listens there already; stop it or choose another path")


def _adopted(fd: int) -> socket.socket:
    sock = socket.socket(fileno=fd)
    sock.setblocking(False)
    os.set_inheritable(fd, False)
    return sock


def _names_of(sock: socket.socket) -> list[str]:
    """The addresses a configuration may write for this socket."""
    names = [address_text(sock)]
    if sock.family == socket.AF_INET6:
        host, port = sock.getsockname()[:2]
        both = not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        if host == "::" and both:  # what systemd makes of a bare port number
            names.append(f"0.0.0.0:{port}")
    return names
