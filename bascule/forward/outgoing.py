"""The addresses of this machine that destinations see: which of them a request leaves from."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from zlib import crc32

from bascule.config.egress import Outgoing


@dataclass(frozen=True, slots=True)
class Source:
    """Where a connection may come from, by family; empty where there is no address of it."""

    four: str
    six: str

    def to(self, address: str) -> str:
        """Return the address to connect from to another; empty if none can reach it."""
        return self.six if ":" in address else self.four


class OutgoingAddresses:
    """Chooses for one worker."""

    def __init__(self, config: Outgoing) -> None:
        self._rotate = config.rotate
        self._four = [address for address in config.addresses if ":" not in address] or [""]
        self._six = [address for address in config.addresses if ":" in address] or [""]
        self._turn = itertools.count()

    def source(self, who: str, destination: str) -> Source:
        """Return where a request of somebody to a destination leaves from.

        The choice by user or destination is the same in every worker and after a restart.
        """
        if self._rotate == "connection":
            number = next(self._turn)
        else:
            number = crc32((who if self._rotate == "user" else destination).encode("utf-8", "replace"))
        return Source(self._four[number % len(self._four)], self._six[number % len(self._six)])

    @property
    def is_constant(self) -> bool:
        """Whether what was opened for one may serve another only if it comes from the address of that one."""
        return self._rotate != "connection"
