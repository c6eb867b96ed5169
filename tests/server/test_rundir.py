"""The run dir: its name, its lock, and how commands find the instance that is meant."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bascule.config.plan import Plan
from bascule.config.schema import Config
from bascule.server import rundir
from bascule.server.rundir import PidFile, RunDirError


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "bascule"


def plan(*listen: str, run_dir: str = "") -> Plan:
    config = Config.model_validate(
        {"listen": listen, "run_dir": run_dir, "sites": {"*": {"routes": {"/": {"respond": {}}}}}}
    )
    return Plan(config, config.listen, (), (), "", ())


def instance(path: Path, pid: int = 0) -> PidFile:
    rundir.make(path, traversable=False)
    lock = PidFile.take(path)
    lock.write()
    if pid:
        os.ftruncate(lock.fileno(), 0)
        os.pwrite(lock.fileno(), f"{pid}\n".encode(), 0)
    return lock


@pytest.mark.parametrize(
    ("listen", "name"),
    [
        (["127.0.0.1:80"], "127.0.0.1_80"),
        (["127.0.0.1:0", "[::1]:8080"], "1_8080"),
        (["unix:/run/app.sock"], "unix_run_app.sock"),
        (["127.0.0.1:0"], "pid-{pid}"),
    ],
)
def test_folder_is_named_after_the_first_fixed_address(base: Path, listen: list[str], name: str) -> None:
    assert rundir.choose(plan(*listen)) == base / name.format(pid=os.getpid())


def test_run_dir_of_the_configuration_is_taken_as_it_is(tmp_path: Path) -> None:
    assert rundir.choose(plan("127.0.0.1:80", run_dir=str(tmp_path / "x"))) == tmp_path / "x"


@pytest.mark.parametrize(("traversable", "mode"), [(False, 0o700), (True, 0o711)])
def test_folder_is_the_owners(tmp_path: Path, traversable: bool, mode: int) -> None:
    path = tmp_path / "a" / "b"
    rundir.make(path, traversable=traversable)
    assert path.stat().st_mode & 0o777 == mode


def test_link_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunDirError, match="is not a folder of this account"):
        rundir.make(tmp_path / "link", traversable=False)


def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirError, match="name another with `run_dir`"):
        rundir.make(tmp_path / "file" / "x", traversable=False)


def test_lock_lasts_as_long_as_its_holder_and_not_longer(tmp_path: Path) -> None:
    first = instance(tmp_path)
    with pytest.raises(RunDirError, match=f"runs already \\(pid {os.getpid()}\\)"):
        PidFile.take(tmp_path)
    found = rundir.instance_in(tmp_path)
    assert found is not None
    assert found.pid == os.getpid()
    first.close()
    assert rundir.instance_in(tmp_path) is None, "a pid that is merely written there proves nothing"
    PidFile.take(tmp_path).close()


def test_only_instance_needs_no_option(base: Path) -> None:
    (base / "stale").mkdir(parents=True)
    lock = instance(base / "one")
    assert rundir.find().path == base / "one"
    assert rundir.find(run_dir=str(base / "one")).pid == os.getpid()
    lock.close()


def test_several_are_listed_and_told_apart_by_pid(base: Path) -> None:
    locks = [instance(base / "one", 101), instance(base / "two", 102)]
    with pytest.raises(RunDirError, match=r"say which: --pid 101 \(one\), --pid 102 \(two\)"):
        rundir.find()
    assert rundir.find(pid=102).path == base / "two"
    with pytest.raises(RunDirError, match="no running instance with pid 7"):
        rundir.find(pid=7)
    for lock in locks:
        lock.close()


def test_none_is_told_with_the_place_that_was_searched(base: Path) -> None:
    with pytest.raises(RunDirError, match=f"no running instance found in {base}"):
        rundir.find()
    with pytest.raises(RunDirError, match="no running instance has the folder"):
        rundir.find(run_dir=str(base / "x"))
