"""Lists at a URL: fetched once, asked for by ETag, never replaced by what is no list, taken up in one step."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from bascule.forward.lists import check_domains
from bascule.lists import remote
from bascule.lists.keeper import ListKeeper
from bascule.lists.remote import FetchError, RemoteList
from tests.forward.test_protocols import FORWARD, get
from tests.support.clients import Message, Wire
from tests.support.origins import Origin, answer
from tests.support.program import Bascule, wait_for


class Library:
    """A server of one list, which knows its ETag."""

    def __init__(self) -> None:
        self.content = b"localhost\n" * 0 + b"games.example\n"
        self.etag = '"1"'
        self.status = "200 OK"
        self.asked: list[str | None] = []

    def __call__(self, wire: Wire, message: Message) -> bool:
        self.asked.append(message["if-none-match"])
        if message["if-none-match"] == self.etag:
            wire.send(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        else:
            wire.send(answer(self.content, self.status, f"ETag: {self.etag}", "Connection: close"))
        return False


def test_only_what_has_changed_is_fetched(tmp_path: Path) -> None:
    library = Library()
    with Origin(library) as origin:
        found = RemoteList.of(f"http://{origin.address}/list", str(tmp_path), check_domains)
        assert not found.is_here
        assert found.age(time.time()) > 1e9
        assert found.refresh()
        assert not found.refresh()
        library.content, library.etag = b"other.example\n", '"2"'
        assert found.refresh()
        assert Path(found.file).read_bytes() == b"other.example\n"
        library.etag = '"3"'  # the same under another name
        assert not found.refresh()
        assert library.asked == [None, '"1"', '"1"', '"2"']
        assert found.age(time.time()) < 30
        assert sorted(os.listdir(tmp_path)) == sorted(map(os.path.basename, (found.file, found.file + ".json")))


def test_what_programs_left_half_fetched_is_cleared_away(tmp_path: Path) -> None:
    with Origin(Library()) as origin:
        found = RemoteList.of(f"http://{origin.address}/list", str(tmp_path), check_domains)
        dead, alive = Path(f"{found.file}.1.new"), Path(f"{found.file}.2.new")
        for path in (dead, alive):
            path.write_bytes(b"games.exam")
        os.utime(dead, (time.time() - 3600,) * 2)
        assert found.refresh()
        assert (dead.exists(), alive.exists()) == (False, True)


@pytest.mark.parametrize(
    ("content", "status", "why"),
    [
        (b"<html><body>Please log in</body></html>", "200 OK", "nothing in it is a domain"),
        (b"", "200 OK", "nothing in it is a domain"),
        (b"a.example\n", "404 Gone", "status 404"),
        (b"a.example\n", "503 Later", "status 503"),
    ],
)
def test_what_is_no_list_takes_no_lists_place(tmp_path: Path, content: bytes, status: str, why: str) -> None:
    library = Library()
    with Origin(library) as origin:
        found = RemoteList.of(f"http://{origin.address}/list", str(tmp_path), check_domains)
        found.refresh()
        library.content, library.status, library.etag = content, status, '"2"'
        with pytest.raises(FetchError, match=why):
            found.refresh()
        library.content, library.status = b"half.example\nof", "200 OK"
        origin.handler = lambda wire, message: wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf.example\n")
        with pytest.raises(FetchError):
            found.refresh()
        origin.handler = lambda wire, message: wire.send(answer(b"", "302 Found", "Location: file:///etc/passwd"))
        with pytest.raises(FetchError):
            found.refresh()
    assert Path(found.file).read_bytes() == b"games.example\n"
    with pytest.raises(FetchError):
        found.refresh()  # nobody is there any more


def test_a_folder_that_cannot_be_written_does_not_end_the_keeper(tmp_path: Path) -> None:
    library = Library()
    with Origin(library) as origin:
        found = RemoteList.of(f"http://{origin.address}/list", str(tmp_path), check_domains)
        found.refresh()
        found = RemoteList.of(found.url, str(tmp_path), check_domains)
        notes = Path(found.file + ".json")
        notes.unlink()
        notes.symlink_to(tmp_path / "gone" / "notes")
        asked = []

        def current(wire: Wire, message: Message) -> bool:
            asked.append(message)
            wire.send(b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n")
            return False

        origin.handler = current

        async def scene() -> None:
            keeper = ListKeeper([found], 0.01, reload=lambda: pytest.fail("nothing has changed"))
            await keeper.start()
            await asyncio.to_thread(wait_for, lambda: len(asked) > 1, "that it is asked for again")
            await keeper.stop()

        asyncio.run(scene())


def test_what_another_program_has_fetched_is_taken_up_too(tmp_path: Path) -> None:
    with Origin(Library()) as origin:
        url = f"http://{origin.address}/list"
        mine, others = (RemoteList.of(url, str(tmp_path), check_domains) for _ in range(2))
        assert others.refresh()
        assert not mine.refresh()
        answers = [{"ok": False, "error": "once"}, {"ok": True}]

        async def reload() -> dict[str, Any]:
            return answers.pop(0)

        async def scene() -> None:
            keeper = ListKeeper([mine], 0.01, reload)
            await keeper.start()
            await asyncio.to_thread(wait_for, lambda: not answers, "that a failed reload is tried again")
            await keeper.stop()

        asyncio.run(scene())
    assert not RemoteList.of(url, str(tmp_path), check_domains).has_changed


def test_a_server_that_sends_byte_by_byte_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "MOST_SECONDS", 0.3)

    def drip(wire: Wire, message: Message) -> bool:
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n")
        for _ in range(40):
            wire.send(b"a")
            time.sleep(0.05)
        return False

    with Origin(drip) as origin, pytest.raises(FetchError, match="not here after"):
        RemoteList.of(f"http://{origin.address}/list", str(tmp_path), check_domains).refresh()
    assert os.listdir(tmp_path) == []


def test_the_program_takes_a_changed_list_up(origin: Origin, tmp_path: Path) -> None:
    library = Library()
    with Origin(library) as server:
        url = f"http://{server.address}/list"
        forward = {**FORWARD, "categories": {"games": url}, "rules": [{"deny": {"category": "games"}}]}
        config: dict[str, Any] = {"forward": {**forward, "refresh": "60s"}, "cache_dir": str(tmp_path)}
        with Bascule(config) as program:
            assert get(program.port, "http://www.games.example/").status == 403
            assert get(program.port, f"http://localhost:{origin.port}/").status == 200
        found = RemoteList.of(url, str(tmp_path / "lists"), check_domains)
        library.content, library.etag = b"localhost.example\n127.0.0.1 games.local\n", '"2"'
        os.utime(found.file + ".json", (0, 0))  # long ago
        with Bascule(config) as program:  # begins with what it has, then looks
            wait_for(lambda: any("generation 2" in line for line in program.lines), "the reload")
            assert get(program.port, "http://localhost.example/").status == 403
            assert get(program.port, "http://games.example/").status == 502
            assert any("a list has changed" in line for line in program.lines)
    assert json.loads(Path(found.file + ".json").read_text())["etag"] == '"2"'
    with Bascule(config) as program:  # the server is gone, the list is not
        assert get(program.port, "http://localhost.example/").status == 403
