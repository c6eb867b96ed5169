"""What the exchange tells a pool about a request, and what the two tell each other about its outcome."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Protocol


class RequestFacts(Protocol):
    """The parts of a request that balancing and sticky sessions look at."""

    @property
    def client(self) -> bytes:
        """Textual address of the client."""
        ...

    @property
    def target(self) -> bytes:
        """Path and query, normalised."""
        ...

    def header(self, name: bytes) -> bytes | None:
        """Return the value of the field with this lower-case name."""
        ...

    def cookie(self, name: bytes) -> bytes | None:
        """Return the value of the cookie with this name."""
        ...


class Unavailable(Enum):
    """Why a pool has no server for a request."""

    DOWN = "down"
    """None is usable: answer 503."""
    FULL = "full"
    """All that are usable are at their connection limit: wait in the pool's queue."""


class Outcome(IntEnum):
    """How a server served a request. Anything but `OK` and `CLIENT_ABORT` counts against it."""

    OK = 0
    ERROR_STATUS = 1
    """502, 503 or 504 from the server."""
    CONNECT = 2
    RESET = 3
    TIMEOUT = 4
    CLIENT_ABORT = 5
    """The client went away; says nothing about the server."""
