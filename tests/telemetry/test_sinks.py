from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bascule.telemetry import sinks
from bascule.telemetry.sinks import BUFFER, PIPE_BUF, LineWriter, line_limit, open_sink, open_stdout
from tests.telemetry.support import file_size_limit


def lines(count: int, width: int = 100, tag: str = "x") -> bytes:
    return b"".join(f"{tag}{number:0{width}d}\n".encode() for number in range(count))


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):
            os.close(end)


def test_file_is_appended_to_and_private(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(b"before\n")
    writer = LineWriter(str(path))
    writer.write(b"one\ntwo\n")
    assert path.read_bytes() == b"before\none\ntwo\n"
    assert (writer.written, writer.dropped) == (2, 0)
    fresh = tmp_path / "fresh.log"
    LineWriter(str(fresh)).write(b"x\n")
    assert fresh.stat().st_mode & 0o027 == 0


def test_reopen_follows_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    writer = LineWriter(str(path))
    writer.write(b"one\n")
    path.rename(tmp_path / "access.log.1")
    writer.write(b"two\n")
    writer.reopen()
    writer.write(b"three\n")
    assert (tmp_path / "access.log.1").read_bytes() == b"one\ntwo\n"
    assert path.read_bytes() == b"three\n"


def test_reopen_that_fails_keeps_the_old_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    writer = LineWriter(str(folder / "access.log"))
    writer.write(b"one\n")
    folder.rename(tmp_path / "moved")
    writer.reopen()
    writer.write(b"two\n")
    assert (tmp_path / "moved" / "access.log").read_bytes() == b"one\ntwo\n"
    assert "No such file" in capfd.readouterr().err


def test_missing_folder_is_reported_once_and_used_when_it_comes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sinks, "_RETRY", 0.0)
    path = tmp_path / "later" / "access.log"
    writer = LineWriter(str(path))
    writer.write(b"one\n")
    writer.write(b"two\n")
    assert capfd.readouterr().err.count("No such file or directory") == 1
    path.parent.mkdir()
    writer.write(b"three\n")
    assert path.read_bytes() == b"one\ntwo\nthree\n"
    assert (writer.written, writer.dropped) == (3, 0)
    assert "writes again" in capfd.readouterr().err


def test_full_disk_costs_lines_beyond_the_buffer_and_nothing_else(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "access.log"
    writer = LineWriter(str(path))
    batch = lines(2000, 98)  # 100 bytes each
    with file_size_limit(250):
        for _ in range(20):
            writer.write(batch)
    assert writer.written == 2
    kept = BUFFER // 100
    assert writer.dropped == 20 * 2000 - 2 - kept
    assert capfd.readouterr().err.count("File too large") == 1
    writer.write(b"")
    written = path.read_bytes().splitlines(keepends=True)
    assert written[:2] == batch.splitlines(keepends=True)[:2]
    assert len(written[2]) == 51  # the half line, ended so that it spoils no other
    assert written[3:2000] == batch.splitlines(keepends=True)[2:1999]
    assert writer.written == 2 + kept
    assert "writes again" in capfd.readouterr().err


def test_device_full(capfd: pytest.CaptureFixture[str]) -> None:
    writer = LineWriter("/dev/full")
    writer.write(b"one\n")
    writer.write(b"two\n")
    assert capfd.readouterr().err.count("No space left on device") == 1
    writer.close()
    assert (writer.written, writer.dropped) == (0, 2)


def test_blocked_stdout_neither_waits_nor_grows(pipe: tuple[int, int], capfd: pytest.CaptureFixture[str]) -> None:
    reader, end = pipe
    writer = LineWriter("-", open_stdout(end))
    begun = time.monotonic()
    for _ in range(30):
        writer.write(lines(1000))
    assert time.monotonic() - begun < 20
    assert os.get_blocking(end)  # others who write to it must not notice
    assert writer.dropped > 10_000
    assert capfd.readouterr().err.count("nobody takes what is written") == 1

    got = bytearray()
    os.set_blocking(reader, False)
    while writer.waiting:
        with contextlib.suppress(BlockingIOError):
            got += os.read(reader, 1 << 20)
        writer.write(b"")
    while True:
        try:
            got += os.read(reader, 1 << 20)
        except BlockingIOError:
            break
    assert writer.written + writer.dropped == 30_000
    expected = (lines(1000) * 30).splitlines()
    assert got.splitlines() == expected[: writer.written]


def test_closed_stdout_is_survived(pipe: tuple[int, int], capfd: pytest.CaptureFixture[str]) -> None:
    reader, end = pipe
    writer = LineWriter("-", open_stdout(end))
    writer.write(b"one\n")
    os.close(reader)
    for _ in range(20):
        writer.write(lines(1000))
    writer.close()
    assert writer.written == 1
    assert writer.dropped == 20_000
    assert capfd.readouterr().err.count("Broken pipe") == 1


def test_stdout_that_cannot_be_opened_again_is_polled(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refuse(path: str, *rest: int) -> int:
        if path.startswith("/proc/self/fd/"):
            raise PermissionError(13, "Permission denied")
        return real(path, *rest)

    monkeypatch.setattr(os, "open", refuse)
    writer = LineWriter("-", open_stdout(pipe[1]))
    for _ in range(30):
        writer.write(lines(1000))
    assert writer.dropped
    got = os.read(pipe[0], 1 << 20)
    assert len(got) > PIPE_BUF
    assert lines(1000).startswith(got)


def test_stdout_as_file_shares_its_position(tmp_path: Path) -> None:
    path = tmp_path / "out"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    writer = LineWriter("-", open_stdout(fd))
    os.write(fd, b"ready\n")
    writer.write(b"one\n")
    os.write(fd, b"done\n")
    os.close(fd)
    writer.close()
    assert path.read_bytes() == b"ready\none\ndone\n"


def test_stdout_as_socket_like_systemds() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        writer = LineWriter("-", open_stdout(theirs.fileno()))
        for _ in range(30):
            writer.write(lines(1000))
        assert writer.dropped
        assert theirs.getblocking()
        got = bytearray()
        ours.setblocking(False)
        while writer.waiting:
            with contextlib.suppress(BlockingIOError):
                got += ours.recv(1 << 20)
            writer.write(b"")
        writer.close()
        theirs.close()
        ours.setblocking(True)
        while chunk := ours.recv(1 << 20):
            got += chunk
    assert writer.written + writer.dropped == 30_000
    assert got.splitlines() == (lines(1000) * 30).splitlines()[: writer.written]


def test_named_pipe_without_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinks, "_RETRY", 0.0)
    path = tmp_path / "fifo"
    os.mkfifo(path)
    writer = LineWriter(str(path))
    writer.write(b"one\n")
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer.write(b"two\n")
    assert os.read(reader, 100) == b"one\ntwo\n"
    os.close(reader)
    writer.close()


def test_lines_of_several_writers_on_one_pipe_stay_whole(pipe: tuple[int, int]) -> None:
    reader, end = pipe
    writers = [LineWriter("-", open_stdout(end)) for _ in range(4)]
    done = threading.Event()

    def write(number: int) -> None:
        for _ in range(10):
            writers[number].write(lines(50, 700, "abcd"[number]))
        while writers[number].waiting and not done.wait(0.001):
            writers[number].write(b"")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    got = bytearray()
    deadline = time.monotonic() + 30
    while got.count(b"\n") < 2000 and time.monotonic() < deadline:
        got += os.read(reader, 65536)
    done.set()
    for thread in threads:
        thread.join()
    found = got.splitlines()
    assert len(found) == 2000
    assert all(re.fullmatch(rb"[a-d]\d{700}", line) for line in found)


def test_syslog_over_udp_is_rfc_5424() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(30)
        writer = LineWriter(f"syslog:127.0.0.1:{server.getsockname()[1]}")
        writer.write(b'{"status":200}\n{"status":404}\n')
        first, second = server.recv(65536), server.recv(65536)
        writer.close()
    assert re.fullmatch(rb'<190>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \S+ bascule \d+ access - \{"status":200\}', first)
    assert second.endswith(b'{"status":404}')


def test_syslog_over_udp_does_not_mind_that_nobody_listens() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    writer = LineWriter(f"syslog:127.0.0.1:{port}")
    for _ in range(5):
        writer.write(b"one\ntwo\n")
    assert not writer.waiting
    writer.close()


def test_local_syslog_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinks, "_RETRY", 0.0)
    path = str(tmp_path / "log")
    monkeypatch.setattr(sinks, "DEV_LOG", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        writer = LineWriter("syslog:")
        writer.write(b"one\n")
        got = daemon.recv(65536)
    assert re.fullmatch(rb"<190>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d bascule\[\d+\]: one", got)
    os.unlink(path)
    writer.write(b"two\n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        daemon.settimeout(30)
        writer.write(b"three\n")
        assert daemon.recv(65536).endswith(b": two")
        assert daemon.recv(65536).endswith(b": three")
    writer.close()


def test_local_syslog_that_is_full_makes_nobody_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "log")
    monkeypatch.setattr(sinks, "DEV_LOG", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        writer = LineWriter("syslog:")
        writer.write(lines(2000))
        assert writer.waiting
        while writer.waiting:
            daemon.recv(65536)
            writer.write(b"")
        assert writer.written == 2000
        writer.close()


@pytest.mark.parametrize(
    ("where", "limit"), [("syslog:", 8192 - 256), ("syslog:host:514", 8192 - 256), ("/dev/full", PIPE_BUF)]
)
def test_line_limits(where: str, limit: int, tmp_path: Path) -> None:
    assert line_limit(where) == limit
    assert line_limit(str(tmp_path / "new.log")) == 0


def test_open_sink_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        open_sink(str(tmp_path / "no" / "access.log"))
