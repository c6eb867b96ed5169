"""Files written in one step."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from bascule.state.files import UNFINISHED, write_whole


def test_a_file_is_written_anew_and_keeps_its_permissions(tmp_path: Path) -> None:
    file = tmp_path / "kept"
    write_whole(file, b"old")
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"old", 0o600)
    file.chmod(0o640)
    with file.open("rb") as reader:
        write_whole(str(file), b"new")
        assert reader.read() == b"old"
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"new", 0o640)
    assert list(tmp_path.iterdir()) == [file]


def test_what_killed_writers_left_is_removed(tmp_path: Path) -> None:
    left, fresh, others = (tmp_path / name for name in (f".kept.{'0a' * 8}.new", f".kept.{'1b' * 8}.new", "x.new"))
    for file in (left, fresh, others):
        file.touch()
    for file in (left, others):
        os.utime(file, (time.time() - 2 * UNFINISHED,) * 2)
    write_whole(tmp_path / "kept", b"new")
    assert sorted(tmp_path.iterdir()) == sorted([fresh, others, tmp_path / "kept"])


def test_what_cannot_be_written_leaves_the_old_file_alone(tmp_path: Path) -> None:
    place = tmp_path / "kept"
    (place / "within").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_whole(place, b"new")
    assert list(tmp_path.iterdir()) == [place]
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "missing" / "kept", b"new")
