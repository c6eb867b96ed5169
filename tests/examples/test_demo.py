"""``bascule demo`` from beginning to end: it serves, survives a killed replica, and leaves nothing behind."""

from __future__ import annotations

import http.client
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from rich.console import Console

from bascule.cli.demo_processes import DemoError, find_shop, free_port
from bascule.cli.demo_view import LogTail, ReplicaView, Tally, Try, plain, render

BASCULE = str(Path(sys.executable).with_name("bascule"))
PATIENCE = 40.0
T = TypeVar("T")


class Demo:
    """A running demo, its output gathered."""

    def __init__(self, folder: Path, runtime: str, *arguments: str) -> None:
        self.folder = folder
        self._output = (folder / "out").open("w+b")
        environment = {**os.environ, "XDG_RUNTIME_DIR": runtime}
        self.process = subprocess.Popen(
            [BASCULE, "demo", "--port", "0", *arguments],
            cwd=folder, stdout=self._output, stderr=subprocess.STDOUT, env=environment,
        )  # fmt: skip

    def output(self) -> str:
        return (self.folder / "out").read_text()

    def wait_for(self, pattern: str) -> re.Match[str]:
        def find() -> re.Match[str] | None:
            return re.search(pattern, self.output())

        return until(find, lambda: f"{pattern!r} in:\n{self.output()}\n{self.log()}")

    def log(self) -> str:
        path = self.folder / ".demo" / "bascule.log"
        return path.read_text() if path.exists() else ""

    def ports(self) -> list[int]:
        """Of the two replicas and of Bascule."""
        config = (self.folder / ".demo" / "bascule.yaml").read_text()
        return [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", config)]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._output.close()


def until(find: Callable[[], T | None], what: Callable[[], str]) -> T:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := find():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what()}")


def free(port: int) -> bool:
    try:
        return free_port(port) == port
    except DemoError:
        return False


@pytest.fixture
def runtime() -> Iterator[str]:
    """A folder for UNIX sockets: its name must be short."""
    with tempfile.TemporaryDirectory(prefix="b") as folder:
        yield folder


@pytest.fixture
def demo(tmp_path: Path, runtime: str) -> Iterator[Callable[..., Demo]]:
    started: list[Demo] = []

    def start(*arguments: str) -> Demo:
        started.append(demo := Demo(tmp_path, runtime, *arguments))
        return demo

    yield start
    for demo in started:
        demo.close()


def get(port: int, target: str = "/") -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", target, headers={"Connection": "close"})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


def test_a_demo_serves_hides_its_origins_and_ends_by_itself(demo: Callable[..., Demo]) -> None:
    running = demo("--plain", "--duration", "6")
    url = running.wait_for(r"The shop is on http://127\.0\.0\.1:(\d+)/")
    response = get(int(url.group(1)))
    assert response.status == 200
    assert response.getheader("Server") is None
    assert response.getheader("X-Powered-By") is None
    last = running.wait_for(r"(\d+) requests  .*replica-a up (\d+)  replica-b up (\d+)  retried 0  lost 0 of (\d+)")
    assert running.process.wait(PATIENCE) == 0
    assert all(map(free, running.ports()))
    assert int(last.group(4)) > 0
    shown = "\n".join(running.output().splitlines()[1:12])
    assert 'listen: "127.0.0.1:' in shown


def test_a_killed_replica_costs_nothing_and_nothing_is_left_after_a_signal(demo: Callable[..., Demo]) -> None:
    running = demo("--plain")
    victim = running.wait_for(r"kill -9 (\d+)")
    running.wait_for(r"replica-a up [1-9]")
    os.kill(int(victim.group(1)), signal.SIGKILL)
    running.wait_for(r"replica-a gone \d+  replica-b up \d+")
    port = int(running.wait_for(r"The shop is on http://127\.0\.0\.1:(\d+)/").group(1))
    assert [get(port, "/healthz").status for _ in range(20)] == [200] * 20
    ports = running.ports()
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(PATIENCE) == 0
    assert re.search(r"lost 0 of [1-9]\d*\s*$", running.output())
    until(lambda: all(map(free, ports)), lambda: "free ports")


def test_a_demo_that_is_killed_takes_its_processes_with_it(demo: Callable[..., Demo]) -> None:
    running = demo("--plain", "--no-traffic")
    running.wait_for("The shop is on")
    ports = running.ports()
    running.process.kill()
    running.process.wait()
    until(lambda: all(map(free, ports)), lambda: "free ports")


def test_in_a_terminal_it_shows_a_live_picture_and_ctrl_c_ends_it(tmp_path: Path, runtime: str) -> None:
    child, terminal = pty.fork()
    if not child:
        os.chdir(tmp_path)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # who started the tests may have ignored it
        os.execve(
            BASCULE, [BASCULE, "demo", "--port", "0"],
            {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40", "XDG_RUNTIME_DIR": runtime},
        )  # fmt: skip
    shown = b""
    ended = False
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.5)[0]:
            try:
                shown += os.read(terminal, 65536)
            except OSError:  # the child closed its side
                break
        if not ended and b"replica-b" in shown and b"GET /" in shown:
            ended = bool(os.write(terminal, b"\x03"))
    os.close(terminal)
    assert os.waitpid(child, 0)[1] == 0
    text = shown.decode(errors="replace")  # the terminal's echo of ^C may fall into a character
    assert "Try next" in text
    assert "kill -9" in text
    assert "lost 0 of" in text


def test_a_second_demo_in_the_same_folder_is_refused(demo: Callable[..., Demo], tmp_path: Path) -> None:
    running = demo("--plain", "--no-traffic")
    running.wait_for("The shop is on")
    command = [BASCULE, "demo", "--plain", "--duration", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    assert "another demo runs in" in done.stderr


def test_a_missing_shop_is_told_clearly(tmp_path: Path) -> None:
    assert find_shop(None).name == "app.py"
    with pytest.raises(DemoError, match="comes with Bascule's source"):
        find_shop(tmp_path / "nothing.py")


def test_a_shop_that_does_not_start_is_told_with_its_own_words(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('no shop today')")
    command = [BASCULE, "demo", "--plain", "--shop", str(broken)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    assert "replica-a does not start" in done.stderr
    assert "no shop today" in done.stderr


# The picture ---------------------------------------------------------------------------------------


def tally() -> Tally:
    replicas = [
        ReplicaView("replica-a", "127.0.0.1:9001", 11, "up"),
        ReplicaView("replica-b", "127.0.0.1:9002", 12, "gone", 7),
    ]
    return Tally("http://127.0.0.1:8080/", replicas, [Try("Open it", "open it now"), Try("Kill it", "kill -9 11")])


def test_the_log_becomes_numbers(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    reader = LogTail(log)
    assert reader.read() == []
    line = '{"method":"GET","target":"/x","status":%d,"server":"http://127.0.0.1:9001","tries":%d,"duration":%s}\n'
    log.write_text(line % (200, 1, 0.001) + line % (502, 2, 0.003) + "not json\n{}\n" + line[:20])
    seen = reader.read()
    assert [(s.status, s.tries) for s in seen] == [(200, 1), (502, 2)]
    with log.open("a") as file:
        file.write((line % (304, 1, 0.002))[20:])
    seen += reader.read()
    assert [s.status for s in seen] == [200, 502, 304]
    count = tally()
    count.add(seen)
    count.sent, count.lost = 3, 1
    assert (count.total, count.retried, count.replicas[0].requests) == (3, 1, 3)
    assert (count.latency(0.5), count.latency(0.99)) == (2.0, 3.0)
    assert "3 requests" in plain(count)
    assert "lost 1 of 3" in plain(count)


@pytest.mark.parametrize("height", [24, 40])
def test_the_picture_fits_the_terminal_and_every_command_is_whole(tmp_path: Path, height: int) -> None:
    count = tally()
    log = tmp_path / "access.log"
    line = '{"method":"GET","target":"/product/%d","status":200,"server":"http://127.0.0.1:9002","tries":1,"duration":0.01}\n'
    log.write_text("".join(line % number for number in range(100)))
    count.add(LogTail(log).read())
    console = Console(width=100, height=height, record=True, file=(tmp_path / "out").open("w"))
    console.print(render(count, height))
    console.file.close()
    shown = console.export_text()
    assert len(shown.splitlines()) <= height
    for text in ("open it now", "kill -9 11", "gone, back in 7 s", "/product/99"):
        assert text in shown
    assert ("Open it\n" in re.sub(r" *│\n", "\n", shown)) is (height == 40)
