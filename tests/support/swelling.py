"""The program as ``bascule``, but ten clients of a worker are a crowd, and each leaves memory behind for a second.

Run as ``python -m tests.support.swelling run FILE``; `crowd` has it renew itself.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import time
from collections.abc import Callable

from bascule.cli.main import main
from bascule.proxy import trimming
from tests.support.program import wait_for

CLIENTS = 40


def crowd(address: tuple[str, int], said: Callable[[str], object]) -> None:
    """Come as a crowd, stay until a worker has seen it, go, and wait for the renewal; `said` looks for a line."""
    with contextlib.ExitStack() as crowd:
        for _ in range(CLIENTS):
            crowd.enter_context(socket.create_connection(address))
        begun = time.monotonic()
        wait_for(lambda: time.monotonic() > begun + 1.5, "workers to count their clients")
    wait_for(lambda: said("renewed: generation 2 serves"), "the renewal")


if __name__ == "__main__":
    sizes = itertools.count(0, 1 << 24)
    trimming.CROWD, trimming.REST = CLIENTS // 4, 1  # type: ignore[misc]
    defaults = trimming.Trimmer.__init__.__defaults__ or ()
    trimming.Trimmer.__init__.__defaults__ = (*defaults[:-1], lambda: next(sizes))
    main()
