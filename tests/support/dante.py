"""Dante on loopback, as a SOCKS 5 parent: everybody may go anywhere."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.program import PATIENCE, wait_for
from tests.support.programs import require_program

_CONFIG = """
logoutput: {folder}/log
internal: 127.0.0.1 port = {port}
external: 127.0.0.1
clientmethod: none
socksmethod: none
client pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}
socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 command: connect {udp} }}
"""


@contextlib.contextmanager
def dante(folder: Path, udp: bool = True) -> Iterator[int]:
    """Yield its port."""
    program = require_program("danted", "dante-server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    file = folder / f"danted-{port}.conf"
    file.write_text(_CONFIG.format(folder=folder, port=port, udp="udpassociate udpreply" if udp else ""))
    process = subprocess.Popen(
        [program, "-N", "1", "-f", str(file), "-p", str(folder / f"danted-{port}.pid")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder,
    )  # fmt: skip

    def accepts() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    try:
        wait_for(accepts, "dante")
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)
