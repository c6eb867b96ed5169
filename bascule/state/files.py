"""Files that outlive a process, written in one step."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_whole(file: str | Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file so that whoever reads it finds the old content or the new one, whole. Raises OSError.

    `mode` is for a new file, less the umask; one that is there keeps its own.
    """
    folder, name = os.path.split(file)
    fresh = os.path.join(folder, f".{name}.{secrets.token_hex(8)}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            if os.path.exists(file):
                os.fchmod(descriptor, os.stat(file).st_mode & 0o777)
            stream.write(content)
        os.replace(fresh, file)
    except BaseException:
        os.unlink(fresh)
        raise
