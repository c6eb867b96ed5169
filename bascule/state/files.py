"""Files that outlive a process, written in one step."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from pathlib import Path

UNFINISHED = 60.0
"""Seconds after which what was written has been given its name, or never will: its writer was killed."""
_FRESH = re.compile(r"\..+\.[0-9a-f]{16}\.new")
_tidied: set[str] = set()
"""Folders that this process has looked through; as many as it writes to."""


def write_whole(file: str | Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file so that whoever reads it finds the old content or the new one, whole. Raises OSError.

    `mode` is for a new file, less the umask; one that is there keeps its own.
    """
    folder, name = os.path.split(file)
    if folder not in _tidied:
        _tidied.add(folder)
        remove_unfinished(folder)
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


def remove_unfinished(folder: str) -> None:
    """Remove what writers that were killed have left in a folder."""
    with contextlib.suppress(OSError), os.scandir(folder or ".") as entries:
        for entry in entries:
            if _FRESH.fullmatch(entry.name):
                with contextlib.suppress(OSError):  # somebody else removes it, too
                    if entry.stat(follow_symlinks=False).st_mtime < time.time() - UNFINISHED:
                        os.unlink(entry.path)
