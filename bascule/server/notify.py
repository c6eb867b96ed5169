"""Word to systemd: sd_notify(3) and the sockets of sd_listen_fds(3). Without systemd, nothing happens."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import MutableMapping

_PATIENCE = 1.0  # seconds for a busy systemd to make room; lost words (READY, MAINPID) would cost the service
_FIRST_FD = 3  # SD_LISTEN_FDS_START


class Notifier:
    """Sends states to $NOTIFY_SOCKET, and takes the variable away so that no child can pose as us."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        self._address = environ.pop("NOTIFY_SOCKET", "")
        interval = environ.pop("WATCHDOG_USEC", "")
        for_pid = environ.pop("WATCHDOG_PID", "") or str(os.getpid())
        mine = interval.isdigit() and for_pid == str(os.getpid())
        self.watchdog = int(interval) / 1e6 / 2 if mine else 0.0
        """Seconds between two `alive()`, half of what systemd grants; 0 if it does not ask."""
        self._environ = {"NOTIFY_SOCKET": self._address} if self._address else {}
        if mine:
            self._environ["WATCHDOG_USEC"] = interval

    def environ(self) -> dict[str, str]:
        """Return the variables for a program that takes this one's place."""
        return dict(self._environ)

    def ready(self, status: str) -> None:
        """The start, or a reload, is finished."""
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """A reload begins."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send(f"RELOADING=1\nMONOTONIC_USEC={now}\nSTATUS=reloading")

    def stopping(self) -> None:
        """The stop begins."""
        self._send("STOPPING=1\nSTATUS=stopping: requests in progress are being finished")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={text}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def main_pid(self, pid: int) -> None:
        """Another process is the main one from now on."""
        self._send(f"MAINPID={pid}")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(_PATIENCE)
            try:
                sock.sendto(state.encode(), address)
            except OSError:  # systemd being away or busy must not stop the service
                return


def activated(environ: MutableMapping[str, str]) -> list[tuple[int, str]]:
    """Return the descriptors systemd opened for this process, with their names; and forget the variables."""
    pid = environ.pop("LISTEN_PID", "")
    count = environ.pop("LISTEN_FDS", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdigit():
        return []
    total = int(count)
    names += [""] * (total - len(names))
    return [(_FIRST_FD + number, names[number]) for number in range(total)]
