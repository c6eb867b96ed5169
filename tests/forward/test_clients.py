"""Real programs through the forward proxy: wget, git, pip and Chromium, by flags, by environment and by PAC."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.origins import Origin
from tests.support.program import Bascule, wait_for
from tests.support.programs import require_program


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A plain file server and its folder."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "page.html").write_text("<title>t</title><p id=x>reached</p>")
    (folder / "denied").mkdir()
    (folder / "denied" / "page.html").write_text("never seen")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()


def config(origin: Origin) -> dict[str, Any]:
    return {
        "forward": {
            "listen": ["127.0.0.1:0"],
            "allow_private": True,
            "rules": [{"deny": {"path": "/denied/"}, "reason": "Not for you."}],
            "pac": {"direct": ["intranet.example"]},
        }
    }


def run(*argv: str, proxy: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    if proxy:
        environ |= {"http_proxy": proxy, "https_proxy": proxy, "no_proxy": ""}
    return subprocess.run(argv, capture_output=True, text=True, timeout=90, env=environ, **options)


def passed(bascule: Bascule, user_agent: str) -> list[dict[str, Any]]:
    """The log lines of a program's requests."""
    return [line for line in bascule.logged() if user_agent in line["user_agent"].lower()]


def test_wget(bascule: Bascule, site: tuple[str, Path]) -> None:
    wget = require_program("wget")
    proxy = f"http://127.0.0.1:{bascule.port}/"
    done = run(wget, "-q", "-t", "1", "-O", "-", f"{site[0]}/page.html", proxy=proxy)
    assert "reached" in done.stdout, done.stderr
    assert run(wget, "-q", "-t", "1", "-O", "-", f"{site[0]}/denied/page.html", proxy=proxy).returncode == 8
    wait_for(lambda: len(passed(bascule, "wget")) == 2, "the lines")


def test_git(bascule: Bascule, site: tuple[str, Path], tmp_path: Path) -> None:
    git = require_program("git")
    bare, work = site[1] / "repository.git", tmp_path / "work"
    run(git, "init", "-q", str(work))
    (work / "file").write_text("content")
    run(git, "-C", str(work), "add", "file")
    who = ("-c", "user.name=t", "-c", "user.email=t@a.example")
    run(git, "-C", str(work), *who, "commit", "-qm", "first")
    run(git, "clone", "-q", "--bare", str(work), str(bare))
    run(git, "-C", str(bare), "update-server-info")
    proxy = f"http.proxy=http://127.0.0.1:{bascule.port}"
    done = run(git, "-c", proxy, "clone", "-q", f"{site[0]}/repository.git", str(tmp_path / "clone"))
    assert (tmp_path / "clone" / "file").read_text() == "content", done.stderr
    wait_for(lambda: passed(bascule, "git/"), "the lines")


def test_pip(bascule: Bascule, site: tuple[str, Path], tmp_path: Path) -> None:
    index = site[1] / "simple" / "nothing-here"
    index.mkdir(parents=True)
    (index / "nothing_here-1.0.tar.gz").write_bytes(b"not read")
    (index / "index.html").write_text('<a href="nothing_here-1.0.tar.gz">nothing_here-1.0.tar.gz</a>')
    pip = (sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-cache-dir", "--retries", "0")
    where = ("--index-url", f"{site[0]}/simple/", "--proxy", f"http://127.0.0.1:{bascule.port}", "-d", str(tmp_path))
    run(*pip, *where, "nothing-here", cwd=tmp_path)  # what it fetched is no package, so it fails: the way is meant
    targets = wait_for(lambda: [line["target"] for line in passed(bascule, "pip/")], "the lines")
    assert "/simple/nothing-here/" in targets


@pytest.mark.slow
def test_chromium_by_flag_and_by_pac(bascule: Bascule, site: tuple[str, Path], tmp_path: Path) -> None:
    chromium = require_program("chromium")
    quiet = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--proxy-bypass-list=<-loopback>",
             f"--user-data-dir={tmp_path}", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")  # fmt: skip
    proxy = f"127.0.0.1:{bascule.port}"
    for way in (f"--proxy-server=http://{proxy}", f"--proxy-server=socks5://{proxy}"):
        done = run(chromium, *quiet, way, "--dump-dom", f"{site[0]}/page.html")
        assert "reached" in done.stdout, done.stderr
    # With a script, Chromium goes to this machine without a proxy; another name is refused before it is resolved.
    script = f"--proxy-pac-url=http://{proxy}/proxy.pac"
    done = run(chromium, *quiet, script, "--dump-dom", "http://files.test/denied/x")
    assert "Not for you." in done.stdout, done.stderr
    wait_for(lambda: passed(bascule, "chrome"), "the lines")
