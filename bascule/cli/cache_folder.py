"""Where the responses of an instance are kept, and how that folder is made and left."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Collection
from pathlib import Path

from bascule.cache.folder import Folder
from bascule.config.plan import Plan
from bascule.server import rundir
from bascule.telemetry.sinks import complain

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own in it, whose owner is checked

_FITS = 0.9
"""Share of `size` that a file system has to have: the 64 MiB of many containers are enough for 64."""


class CacheFolderError(ValueError):
    """The folder cannot be used; the text says why, and what to do."""


def place(plan: Plan) -> Path:
    """Return the folder of an instance: that of the configuration, or one in memory named after its `run_dir`."""
    if plan.config.cache_store.path:
        return Path(plan.config.cache_store.path)
    return _in_memory(plan)


def _in_memory(plan: Plan) -> Path:
    name = hashlib.blake2b(str(rundir.choose(plan)).encode(), digest_size=6).hexdigest()
    return _MEMORY / f"bascule-{os.geteuid()}-{name}"


class CacheFolders:
    """Those of an instance: in memory, they are given back when nobody uses them any more."""

    def __init__(self) -> None:
        self._in_memory: set[Path] = set()

    def prepare(self, plan: Plan, owner: tuple[int, int] | None) -> Path | None:
        """Make the folder, for workers that run as `owner`; None where nothing is stored. Raises CacheFolderError."""
        self._in_memory.add(_in_memory(plan))  # also where it is not used: a program before this one may have left it
        return _prepare(plan, owner) if plan.caches else None

    def tidy(self, used: Collection[Path | None]) -> None:
        """Give back what is not used."""
        for path in self._in_memory.difference(used):
            shutil.rmtree(path, ignore_errors=True)
            self._in_memory.remove(path)


def _prepare(plan: Plan, owner: tuple[int, int] | None) -> Path:
    path, size = place(plan), plan.config.cache_store.size
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = os.lstat(path)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), owner[0] if owner else -1):
            raise CacheFolderError(f"cache_store: {path} is not a folder of this account; name another with `path`")
        Folder(path, size).close()
        if owner is not None:
            for made in (path, path / "index"):
                os.chown(made, *owner)
        room = os.statvfs(path)
        if room.f_blocks * room.f_frsize < size * _FITS:
            complain(f"cache_store: {path} has less room than `size`: it will hold less")
    except OSError as error:
        raise CacheFolderError(
            f"cache_store: {path}: {error.strerror}; name a folder with `path`, or a smaller `size`"
        ) from None
    return path
