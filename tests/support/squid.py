"""Squid on loopback, as a parent proxy: everybody may go anywhere, with a name and a password if wished."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from passlib.hash import apr_md5_crypt

from tests.support.program import PATIENCE, wait_for
from tests.support.programs import require_program

_CONFIG = """
http_port 127.0.0.1:{port}
pid_filename none
cache deny all
cache_log {folder}/cache.log
access_log stdio:{folder}/access.log
netdb_filename none
shutdown_lifetime 0 seconds
max_filedescriptors 1024
{login}
http_access {who}
http_access deny all
"""
_LOGIN = """
auth_param basic program /usr/lib/squid/basic_ncsa_auth {folder}/users
auth_param basic children 1
acl known proxy_auth REQUIRED
"""


@contextlib.contextmanager
def squid(login: tuple[str, str] | None = None) -> Iterator[tuple[int, Path]]:
    """Yield its port and its access log."""
    program = require_program("squid")
    folder = Path(tempfile.mkdtemp(prefix="s-"))
    folder.chmod(0o777)  # as root it becomes another user
    if login is not None:
        (folder / "users").write_text(f"{login[0]}:{apr_md5_crypt.hash(login[1])}\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    who = "allow all" if login is None else "allow known"
    text = _CONFIG.format(port=port, folder=folder, who=who, login=_LOGIN.format(folder=folder) if login else "")
    (folder / "squid.conf").write_text(text)
    process = subprocess.Popen(
        [program, "-N", "-f", str(folder / "squid.conf"), "-n", f"t{os.getpid()}x{port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder,
    )  # fmt: skip

    def accepts() -> bool:
        assert process.poll() is None, (folder / "cache.log").read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    try:
        wait_for(accepts, "squid")
        yield port, folder / "access.log"
    finally:
        process.terminate()
        process.wait(PATIENCE)
        shutil.rmtree(folder, ignore_errors=True)
