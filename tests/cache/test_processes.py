"""The cache of several workers: purges by hand, deaths, restarts; and that of the forward proxy."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from bascule.cli.admin_socket import _UnixConnection, call
from bascule.server import control
from tests.cache.test_serving import counted, gated
from tests.support.clients import EndedError, Message, Wire, ask, connect, request
from tests.support.command import tell
from tests.support.origins import Origin, answer
from tests.support.program import ROOT, Bascule, wait_for

KEPT = "Cache-Control: max-age=600"


def config(origin: Origin, path: Path, workers: int = 2) -> dict[str, Any]:
    site = {"cache": True, "routes": {"/": origin.address}}
    return {"workers": workers, "sites": {"site.test": site}, "cache_store": {"path": str(path), "size": "8MiB"}}


def everywhere(port: int, target: str) -> set[bytes]:
    """Return what a number of connections are answered, which are spread over the workers."""
    return {ask(port, target).body for _ in range(24)}


def purge(bascule: Bascule, **what: Any) -> int:
    return int(call(bascule.folder / "run" / "admin.sock", "POST", "/cache/purge", what)["purged"])


def test_purges_are_in_force_at_all_workers(tmp_path: Path) -> None:
    with Origin() as origin, Bascule(config(origin, tmp_path / "c")) as bascule:
        port = bascule.port
        paths = ["/one", "/two/a", "/two/b", "/three"]
        expected: dict[str, set[bytes]] = {}
        for path in paths:
            origin.handler = counted(KEPT, f"Cache-Tag: {'odd, x' if path in ('/one', '/three') else 'even'}")
            expected[path] = everywhere(port, path)
            assert expected[path] == {b"answer 1"}
        asked = len(origin.seen)
        assert asked == len(paths)
        for what, gone in (
            ({"url": "http://site.test/one"}, ["/one"]),
            ({"prefix": "http://site.test/two/"}, ["/two/a", "/two/b"]),
            ({"tag": "odd"}, ["/three"]),
        ):
            assert purge(bascule, **what) == len(gone)
            for path in paths:
                origin.handler = counted(KEPT)
                everywhere(port, path)
            asked += len(gone)
            assert len(origin.seen) == asked
        assert purge(bascule, all=True) == len(paths)
        counts = call(bascule.folder / "run" / "admin.sock", "GET", "/cache")
        assert (counts["entries"], counts["bytes"]) == (0, 0)


@pytest.mark.parametrize("shared", [True, False])
def test_workers_ask_once_together(tmp_path: Path, shared: bool) -> None:
    gate = threading.Event()

    def handle(wire: Wire, message: Message) -> bool:
        if message.start[1] == "/page":
            gate.wait(30)
        wire.send(answer(b"page", "200 OK", KEPT if shared else "Cache-Control: private"))
        return True

    with Origin() as origin, Bascule(config(origin, tmp_path / "c")) as bascule, contextlib.ExitStack() as stack:
        origin.handler = handle

        def asked() -> int:
            return [message.start[1] for message in origin.seen].count("/page")

        wires = [stack.enter_context(connect(bascule.port)) for _ in range(24)]
        wires[0].send(request("/page"))
        wait_for(asked, "the first request at the server")  # of two at the very same time both may ask
        for wire in wires[1:]:
            wire.send(request("/page"))
        for number in range(24):  # when these are answered, the workers have seen those
            ask(bascule.port, f"/other/{number}")
        assert asked() == 1
        gate.set()
        assert {wire.response().body for wire in wires} == {b"page"}
        assert asked() == (1 if shared else len(wires))


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["purge", "http://site.test/"], 0, "1 purged"),
        (["purge", "site.test/"], 1, "is not a URL"),
        (["purge"], 2, "say what"),
        (["purge", "--all", "--tag", "x"], 2, "say what"),
        (["stats"], 0, "response"),
    ],
)
def test_the_command_line(program: tuple[Bascule, Origin], arguments: list[str], status: int, said: str) -> None:
    bascule, origin = program
    origin.handler = counted(KEPT)
    ask(bascule.port, "/")
    done = tell(bascule, "cache", *arguments)
    assert done.returncode == status, done.stderr
    assert said in done.stdout + done.stderr


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with Origin() as origin, Bascule(config(origin, tmp_path_factory.mktemp("cache") / "c", 1)) as bascule:
        yield bascule, origin


def test_numbers_are_told(program: tuple[Bascule, Origin]) -> None:
    bascule, origin = program
    origin.handler = counted(KEPT)
    for _ in range(3):
        ask(bascule.port, "/numbers")

    def metrics() -> str:
        connection = _UnixConnection(bascule.folder / "run" / "admin.sock")
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return text

    hits = 'bascule_cache_requests_total{outcome="hit",route="site.test /",site="site.test"}'
    wait_for(lambda: hits in metrics(), "the counters")
    assert "bascule_cache_entries " in metrics()


def test_a_worker_killed_while_it_stores_leaves_nothing_half(tmp_path: Path) -> None:
    with Origin() as origin, Bascule(config(origin, tmp_path / "c", 1)) as bascule:
        gate, body = threading.Event(), b"k" * 600_000
        origin.handler = gated(gate, KEPT, body=body)
        with connect(bascule.port) as wire:
            wire.send(request("/killed"))
            head = wire.head()
            assert wire.exactly(1000)
            (begun,) = wait_for(lambda: list((tmp_path / "c").glob(".new-*")), "content on its way to the disk")
            os.kill(int(begun.name.split("-")[1]), signal.SIGKILL)
            assert head.status == 200
        gate.set()
        origin.handler = counted(KEPT)
        wait_for(lambda: _asks(bascule.port), "the next worker")
        assert ask(bascule.port, "/killed").body.startswith(b"answer")


def _asks(port: int) -> Message | None:
    try:
        return ask(port, "/alive")
    except (OSError, EndedError):
        return None


def test_a_full_disk_costs_hits_only(tmp_path: Path) -> None:
    gate, body = threading.Event(), os.urandom(700_000)
    with Origin() as origin, Bascule(config(origin, tmp_path / "c", 1)) as bascule:
        for pid in bascule.children():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (400_000, 400_000))
        for chunked in (False, True):
            gate.clear()
            origin.handler = gated(gate, KEPT, body=body, chunked=chunked)
            with connect(bascule.port) as first, connect(bascule.port) as second:
                first.send(request(f"/full{chunked}"))
                head = first.head()
                second.send(request(f"/full{chunked}"))
                if not chunked:
                    later = second.head()
                gate.set()
                assert first.read_body(head).body == body
                assert (second.response() if chunked else second.read_body(later)).body == body
        origin.handler = gated(gate, KEPT, body=body)
        for _ in range(2):  # one client alone gets it straight from the server
            assert ask(bascule.port, "/alone").body == body
        assert sum("/alone" in message.start for message in origin.seen) == 2
        assert any("a response is not stored" in line for line in bascule.lines)
        origin.handler = counted(KEPT)
        assert {ask(bascule.port, "/small").body for _ in range(2)} == {b"answer 1"}


def test_a_restart_finds_what_is_on_disk(tmp_path: Path) -> None:
    with Origin() as origin:
        origin.handler = counted(KEPT)
        for _ in range(2):
            with Bascule(config(origin, tmp_path / "c", 1)) as bascule:
                assert ask(bascule.port, "/kept").body == b"answer 1"
        assert len(origin.seen) == 1


def reload(bascule: Bascule, settings: dict[str, Any]) -> bool:
    (bascule.folder / "bascule.json").write_text(json.dumps(settings))
    return bool(control.call(bascule.folder / "run" / "control.sock", {"call": "reload"}, 30)["ok"])


def test_memory_is_given_back(tmp_path: Path) -> None:
    with Origin() as origin:
        settings = config(origin, tmp_path, 1)
        del settings["cache_store"]["path"]
        before = set(os.listdir("/dev/shm"))
        with Bascule(settings) as bascule:
            ask(bascule.port, "/")
            made = {name for name in os.listdir("/dev/shm") if name.startswith("bascule-")} - before
            assert len(made) == 1
            file = bascule.folder / "bascule.json"
            works = json.loads(file.read_text())
            fails = {**works, "listen": [origin.address.removeprefix("http://")]}
            uncached = {"sites": {"site.test": {"routes": {"/": origin.address}}}}
            assert not reload(bascule, {**fails, **uncached})
            assert made <= set(os.listdir("/dev/shm")), "the configuration that failed does not cache; this one does"
            assert reload(bascule, {**works, **uncached})
            wait_for(lambda: not made & set(os.listdir("/dev/shm")), "memory that nobody uses to be given back")
            assert not reload(bascule, fails)
            wait_for(lambda: not made & set(os.listdir("/dev/shm")), "what a configuration that failed made to be gone")
            assert reload(bascule, works)
            file.write_text(json.dumps(fails))
            wait_for(lambda: len(bascule.children()) == 2, "the generations before to be gone")
            family = set(bascule.children())
            os.kill(bascule.process.pid, signal.SIGUSR2)
            wait_for(lambda: any("upgrade failed" in line for line in tuple(bascule.lines)), "the upgrade to fail")
            wait_for(lambda: set(bascule.children()) == family, "the new program to be gone")
            assert made <= set(os.listdir("/dev/shm")), "the new program took it from the old one, which goes on"
        assert not made & set(os.listdir("/dev/shm"))


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with Origin() as origin:
        bascule = Bascule(config(origin, tmp_path / "file", 1))
        done = subprocess.run(bascule._argv, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1
        assert f"cache_store: {tmp_path}/file: File exists" in done.stderr


# The forward proxy ---------------------------------------------------------------------------------------------------


def forward(**more: Any) -> dict[str, Any]:
    return {
        "forward": {"listen": "127.0.0.1:0", "allow_private": True, "cache": True, **more},
        "workers": 1,
        "access_log": {"path": "-"},
    }


def fetch(port: int, url: str, **fields: str) -> Message:
    return ask(port, url, host=url.split("/")[2], **fields)


def test_the_way_out_is_cached(tmp_path: Path) -> None:
    with Origin() as origin, Bascule(forward()) as bascule:
        url = f"http://127.0.0.1:{origin.port}/x"
        origin.handler = counted(KEPT, "Set-Thing: 1")
        first, second = fetch(bascule.port, url), fetch(bascule.port, url)
        assert (first.body, second.body) == (b"answer 1", b"answer 1")
        assert second["cache-status"] == f"Bascule; hit; ttl={600 - int(second['age'] or 0)}"
        ask(bascule.port, url, "POST", host=f"127.0.0.1:{origin.port}", body=b"x")
        assert fetch(bascule.port, url).body == b"answer 3"
        origin.handler = counted("Cache-Control: private")
        assert [fetch(bascule.port, url + "/p").body for _ in range(2)] == [b"answer 1", b"answer 2"]
        origin.kill()
        gone = fetch(bascule.port, url + "/gone")
        assert gone.status == 502


def test_rules_about_responses_hold_for_stored_ones(tmp_path: Path) -> None:
    rules = [{"deny": {"mime": "application/zip", "path": "~kids"}}, {"allow": {}}]
    with Origin() as origin, Bascule(forward(rules=rules)) as bascule:
        url = f"http://127.0.0.1:{origin.port}/x"
        origin.handler = lambda wire, message: (
            wire.send(answer(b"zip", "200 OK", KEPT, "Content-Type: application/zip")) or True
        )  # type: ignore[func-returns-value]
        assert [fetch(bascule.port, url).status for _ in range(2)] == [200, 200]
        assert len(origin.seen) == 1
        assert fetch(bascule.port, url + "?kids").status == 403


def test_rules_about_addresses_go_before_the_cache(tmp_path: Path) -> None:
    rules = [{"deny": {"ip": "127.0.0.2"}}, {"allow": {}}]
    with Origin() as origin, Bascule(forward(rules=rules)) as bascule:
        url = f"http://localhost:{origin.port}/x"
        origin.handler = counted(KEPT)
        assert [fetch(bascule.port, url).body for _ in range(2)] == [b"answer 1", b"answer 2"]
