"""Giving up rights: accounts, and what workers are left with."""

from __future__ import annotations

import grp
import os
import pwd
import signal
import socket
import stat
from pathlib import Path

import pytest

from bascule.server.privileges import Account, PrivilegeError, account_for, entrust
from tests.server.harness import ask, running, wait_for

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change its account")
NOBODY = pwd.getpwnam("nobody")


@needs_root
def test_workers_and_keeper_run_as_the_account_and_the_supervisor_does_not() -> None:
    group = grp.getgrgid(NOBODY.pw_gid).gr_name
    with running({"user": "nobody", "group": group}) as program:
        ids = program.ask("ids").split()
        assert ids[1:5] == [str(NOBODY.pw_uid)] * 4
        assert ids[6:10] == [str(NOBODY.pw_gid)] * 4
        assert ids[-1] == "1", "NoNewPrivs"
        assert os.stat(f"/proc/{program.pid_of('keeper')}").st_uid == NOBODY.pw_uid
        assert os.stat(f"/proc/{program.process.pid}").st_uid == 0
        wait_for(lambda: program.ask("connected") == "True", "the bus, which the account must be able to reach")
        assert program.call("reload")["ok"]


@needs_root
def test_log_files_can_be_written_by_the_account_also_after_rotation() -> None:
    with running({"user": "nobody"}) as program:
        log = program.folder / "access.log"
        program.write(access_log={"path": str(log)})
        assert program.call("reload")["ok"]
        assert (log.stat().st_uid, stat.S_IMODE(log.stat().st_mode)) == (NOBODY.pw_uid, 0o640)
        log.rename(log.with_suffix(".1"))
        os.kill(program.process.pid, signal.SIGUSR1)
        wait_for(lambda: log.exists() and log.stat().st_size, "lines in the new file")


@needs_root
def test_what_the_keeper_keeps_has_a_folder_of_its_account() -> None:
    with running({"user": "nobody"}) as program:
        folder = program.instance().path
        found = (folder / "kept").stat()
        assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (NOBODY.pw_uid, 0o700)
        assert folder.stat().st_uid == 0
        program.write(user="")
        assert program.call("reload")["ok"]
        assert (folder / "kept").stat().st_uid == 0
        foreign = program.folder / "foreign"
        for file in (foreign, folder / "kept" / "bans.jsonl"):
            file.touch(0o600)
        (folder / "kept" / "hard").hardlink_to(foreign)
        (folder / "kept" / "soft").symlink_to(foreign)
        program.write(user="nobody")
        assert program.call("reload")["ok"]
        assert (folder / "kept" / "bans.jsonl").stat().st_uid == NOBODY.pw_uid
        assert foreign.stat().st_uid == 0
        for name in ("bans.jsonl", "hard", "soft"):
            (folder / "kept" / name).unlink()
        assert program.call("stop")["ok"]
    assert not folder.exists()


@needs_root
def test_unix_listener_belongs_to_the_account_and_the_admin_socket_does_not() -> None:
    with running({"user": "nobody"}) as program:
        path = program.folder / "app.sock"
        program.write(listen=["127.0.0.1:0", {"address": f"unix:{path}", "mode": "600"}])
        assert program.call("reload")["ok"]
        assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (NOBODY.pw_uid, 0o600)
        assert (program.instance().path / "admin.sock").stat().st_uid == 0
        assert (program.instance().path / "control.sock").stat().st_uid == 0
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            assert ask(sock, "hello") == "hello"


def test_no_new_privileges_without_an_account_too() -> None:
    with running() as program:
        assert program.ask("ids").split()[-1] == "1"


def test_no_account_changes_nothing() -> None:
    assert account_for("", "") is None


@pytest.mark.parametrize(("user", "group"), [("no-such-user", ""), ("", "no-such-group")])
def test_unknown_names_are_named(user: str, group: str) -> None:
    with pytest.raises(PrivilegeError, match=user or group):
        account_for(user, group)


def test_other_accounts_need_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(PrivilegeError, match="needs root; start as root, or remove these keys"):
        account_for("nobody", "")


def test_one_is_already_who_one_wants_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY.pw_uid)
    monkeypatch.setattr(os, "getegid", lambda: NOBODY.pw_gid)
    assert account_for("nobody", "") is None


def test_log_that_is_a_link_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "log"
    link.symlink_to(tmp_path / "shadow")
    with pytest.raises(PrivilegeError, match="access_log: cannot open"):
        entrust(str(link), Account(os.getuid(), os.getgid(), ()), "access_log")
