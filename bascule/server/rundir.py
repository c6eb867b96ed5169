"""The folder of a running Bascule: its pid file (a lock), its control, admin and bus sockets. And how to find it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bascule.config.plan import Plan


PID_FILE = "pid"
CONTROL_SOCKET = "control.sock"
ADMIN_SOCKET = "admin.sock"


class RunDirError(ValueError):
    """The folder cannot be used, or no instance (or more than one) was found; the text says what to do."""


def base_dir() -> Path:
    """Return the folder below which instances without a `run_dir` of their own keep their folders."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        return Path(runtime, "bascule")
    if os.access("/run", os.W_OK):
        return Path("/run/bascule")
    return Path(tempfile.gettempdir(), f"bascule-{os.getuid()}")


def choose(plan: Plan) -> Path:
    """Return the folder for a plan: its `run_dir`, or one named after its first fixed address, or after the pid."""
    if plan.config.run_dir:
        return Path(plan.config.run_dir).absolute()
    fixed = (str(lis.address) for lis in plan.listeners if lis.address.port or lis.address.path)
    name = re.sub(r"[^A-Za-z0-9.-]+", "_", next(fixed, f"pid-{os.getpid()}")).strip("_")[:40]
    return base_dir() / name


def kept(run_dir: str) -> str:
    """Return the folder in it for what the keeper writes, which is its account's; the rest is the supervisor's."""
    return os.path.join(run_dir, "kept")


def make(path: Path, *, traversable: bool) -> None:
    """Make the folder, for its owner only; `traversable` lets workers of another account reach the bus in it.

    Raises RunDirError, also when it belongs to somebody else: whoever owns it could take our sockets' place.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        found = os.lstat(path)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise RunDirError(f"run_dir {path} is not a folder of this account; name another with `run_dir`")
        path.chmod(0o711 if traversable else 0o700)
    except OSError as error:
        raise RunDirError(f"run_dir {path}: {error.strerror}; name another with `run_dir`") from None


class PidFile:
    """The pid file, locked while its program lives: a pid that is merely written there proves nothing."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def take(cls, path: Path) -> PidFile:
        """Create and lock the pid file in the folder `path`. Raises RunDirError when another instance has it."""
        fd = os.open(path / PID_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.pread(fd, 32, 0).decode(errors="replace").strip()
            os.close(fd)
            known = f"pid {owner}" if owner else "and is starting"
            raise RunDirError(
                f"an instance with the same first address runs already ({known}); stop it, or set `run_dir`"
            ) from None
        return cls(fd)

    @classmethod
    def inherit(cls, fd: int) -> PidFile:
        """Take over the lock from the program that this one replaces."""
        os.set_inheritable(fd, False)
        return cls(fd)

    def write(self) -> None:
        """Write the pid of this process."""
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def fileno(self) -> int:
        """The descriptor of the lock."""
        return self._fd

    def close(self) -> None:
        """Let go; the lock ends when all who inherited it have let go."""
        os.close(self._fd)


class RunDir:
    """The folder, held by the program that runs with it: by this one, since `take` or `inherit`."""

    def __init__(self, path: Path, pid_file: PidFile) -> None:
        self.path = path
        self._pid_file = pid_file
        self.lock = pid_file.fileno()
        """Descriptor of the lock, for a program that is to inherit it."""

    @classmethod
    def take(cls, plan: Plan) -> RunDir:
        """Make the folder for a plan and lock it. Raises RunDirError."""
        path = choose(plan)
        make(path, traversable=bool(plan.config.user or plan.config.group))
        return cls(path, PidFile.take(path))

    @classmethod
    def inherit(cls, path: str, lock: int) -> RunDir:
        """Take over the folder from the program that this one replaces."""
        return cls(Path(path), PidFile.inherit(lock))

    def sign(self) -> None:
        """Write the pid of this process: it serves."""
        self._pid_file.write()

    def close(self) -> None:
        """In a child: let go."""
        self._pid_file.close()

    def leave(self, *, handed_over: bool) -> None:
        """The program ends: remove what is no other program's."""
        with contextlib.suppress(OSError):
            if not handed_over:
                os.unlink(self.path / PID_FILE)
                os.rmdir(kept(str(self.path)))
        with contextlib.suppress(OSError):  # not empty: another program still uses it
            os.rmdir(self.path)


@dataclass(frozen=True, slots=True)
class Instance:
    """A running Bascule."""

    path: Path
    pid: int

    @property
    def control(self) -> Path:
        return self.path / CONTROL_SOCKET


def instance_in(path: Path) -> Instance | None:
    """Return the instance that runs with this folder, or None."""
    try:
        fd = os.open(path / PID_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        with contextlib.suppress(ValueError):
            return Instance(path, int(os.pread(fd, 32, 0)))
    finally:
        os.close(fd)
    return None


def find(run_dir: str = "", pid: int = 0) -> Instance:
    """Return the running instance that is meant: the only one, if nothing is said. Raises RunDirError."""
    if run_dir:
        found = instance_in(Path(run_dir).absolute())
        if found is None:
            raise RunDirError(f"no running instance has the folder {run_dir}")
        return found
    base = base_dir()
    folders = sorted(base.iterdir()) if base.is_dir() else []
    running = [found for found in map(instance_in, folders) if found is not None]
    if pid:
        running = [found for found in running if found.pid == pid]
    if len(running) == 1:
        return running[0]
    if not running:
        which = f"no running instance with pid {pid}" if pid else "no running instance"
        raise RunDirError(f"{which} found in {base}; if it has a `run_dir` of its own, name it with --run-dir")
    listed = ", ".join(f"--pid {found.pid} ({found.path.name})" for found in running)
    raise RunDirError(f"several instances run; say which: {listed}")
