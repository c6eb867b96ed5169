"""Giving up rights: the supervisor stays as it was started, everything that talks to the network does not."""

from __future__ import annotations

import contextlib
import ctypes
import grp
import os
import pwd
import resource
import signal
import stat
from dataclasses import dataclass

# linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_NO_NEW_PRIVS = 38

_CHILD_UMASK = 0o027  # logs: readable by the group, by nobody else

_libc = ctypes.CDLL(None, use_errno=True)


class PrivilegeError(ValueError):
    """The wanted account cannot be had; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who the workers and the keeper become."""

    uid: int
    gid: int
    groups: tuple[int, ...]


def account_for(user: str, group: str) -> Account | None:
    """Return the account of the keys `user` and `group`, or None when nothing is to change.

    Raises PrivilegeError for an unknown name and when this process may not change its account.
    """
    if not user and not group:
        return None
    uid, gid, groups = os.geteuid(), os.getegid(), tuple(os.getgroups())
    if user:
        try:
            entry = pwd.getpwnam(user)
        except KeyError:
            raise PrivilegeError(f"user: there is no account {user!r} on this machine") from None
        uid, gid = entry.pw_uid, entry.pw_gid
        groups = tuple(os.getgrouplist(user, gid))
    if group:
        try:
            gid = grp.getgrnam(group).gr_gid
        except KeyError:
            raise PrivilegeError(f"group: there is no group {group!r} on this machine") from None
        groups = tuple({*groups, gid}) if user else (gid,)
    if os.geteuid() == 0:
        return Account(uid, gid, groups)
    if (uid, gid) == (os.geteuid(), os.getegid()):
        return None
    raise PrivilegeError("user, group: changing the account needs root; start as root, or remove these keys")


def drop(account: Account) -> None:
    """Become `account` for good. Raises PrivilegeError."""
    try:
        os.setgroups(account.groups)
        os.setgid(account.gid)
        os.setuid(account.uid)
    except OSError as error:
        raise PrivilegeError(f"cannot become uid {account.uid}, gid {account.gid}: {error.strerror}") from None
    if account.uid != 0 and 0 in os.getresuid():
        raise PrivilegeError(f"uid {account.uid} was taken, but root's could be had back")


def confine(name: str, supervisor: int, account: Account | None) -> None:
    """Make the calling process a child that can gain nothing and does not outlive its supervisor.

    Raises PrivilegeError; raises SystemExit when the supervisor is already gone.
    """
    os.umask(_CHILD_UMASK)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)  # meant for the supervisor, though a terminal sends them to all
    if account is not None:
        drop(account)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_NAME, name.encode()[:15])
    # After the change of account, which would clear it. SIGTERM: what is in progress may end, nothing new begins.
    _prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
    if os.getppid() != supervisor:
        raise SystemExit(1)


def entrust(path: str, account: Account | None, key: str) -> None:
    """Make sure that the log file `path`, of the configuration's `key`, exists and that `account` may append to it.

    Raises PrivilegeError if it cannot be made, or is a symbolic link or no regular file (a device is left alone).
    """
    if account is None:
        return
    try:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o640)
    except OSError as error:
        raise PrivilegeError(f"{key}: cannot open {path}: {error.strerror}") from None
    try:
        if stat.S_ISREG(os.fstat(fd).st_mode):
            os.fchown(fd, account.uid, account.gid)
    finally:
        os.close(fd)


def entrust_folder(path: str, account: Account | None) -> None:
    """Make sure that the folder `path`, in one that is ours, exists and is `account`'s alone; its files, too, if it was
    ours before. Raises PrivilegeError."""
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            owner = (account.uid, account.gid) if account is not None else (os.geteuid(), -1)
            if os.fstat(fd).st_uid == os.geteuid() != owner[0]:
                _entrust_files(fd, owner)
            os.fchown(fd, *owner)
        finally:
            os.close(fd)
    except OSError as error:
        raise PrivilegeError(f"cannot make {path}: {error.strerror}") from None


def _entrust_files(folder: int, owner: tuple[int, int]) -> None:
    """Give away the files of a folder, but for links: an account that had the folder before may have set them."""
    for name in os.listdir(folder):
        if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            continue
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        try:
            if os.fstat(fd).st_nlink == 1:
                os.fchown(fd, *owner)
        finally:
            os.close(fd)


def raise_open_files() -> int:
    """Raise the limit of open files to the most this process may have, and return it."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def _prctl(option: int, value: int | bytes) -> None:
    argument = ctypes.c_char_p(value) if isinstance(value, bytes) else ctypes.c_ulong(value)
    zero = ctypes.c_ulong(0)
    if _libc.prctl(ctypes.c_int(option), argument, zero, zero, zero) != 0:
        raise PrivilegeError(f"prctl({option}): {os.strerror(ctypes.get_errno())}")
