"""Real programs that log in at the proxy by Digest or Basic, and leave through squid, which asks for a login of its own."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forward.test_clients import passed, run, site
from tests.forward.test_protocols import FORWARD
from tests.support.program import Bascule, wait_for
from tests.support.programs import require_program
from tests.support.squid import squid

__all__ = ["site"]


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bascule, Path]]:
    """The proxy, and the log of squid behind it."""
    folder = tmp_path_factory.mktemp("chain")
    (folder / "users").write_text("anna:" + subprocess.run(
        ["openssl", "passwd", "-apr1", "secret"], capture_output=True, text=True, check=True
    ).stdout)  # fmt: skip
    digest = hashlib.sha256(b"ben:Bascule:secret").hexdigest()
    (folder / "digests").write_text(f"ben:Bascule:{digest}\n")
    auth = {"users": str(folder / "users"), "digest": str(folder / "digests")}
    with squid(("bascule", "hop secret")) as (port, log):
        up = {"servers": [f"http://127.0.0.1:{port}"], "user": "bascule", "password": "hop secret", "health": "tcp"}
        forward = {**FORWARD, "auth": auth, "parents": {"up": up}, "ways": [{"through": "up"}], "pac": {}}
        with Bascule({"forward": forward, "access_log": {"path": "-"}}) as program:
            yield program, log


def through_squid(log: Path, *words: str) -> None:
    wait_for(lambda: all(word in log.read_text() for word in words), f"squid's line with {words}")


def test_wget(chain: tuple[Bascule, Path], site: tuple[str, Path]) -> None:
    program, log = chain
    wget = require_program("wget")
    proxy = f"http://anna:secret@127.0.0.1:{program.port}/"
    done = run(wget, "-q", "-t", "1", "-O", "-", f"{site[0]}/page.html", proxy=proxy)
    assert "reached" in done.stdout, done.stderr
    through_squid(log, "/page.html", "bascule")


def test_git(chain: tuple[Bascule, Path], site: tuple[str, Path], tmp_path: Path) -> None:
    program, log = chain
    git = require_program("git")
    bare, work = site[1] / "chained.git", tmp_path / "work"
    run(git, "init", "-q", str(work))
    (work / "file").write_text("content")
    run(git, "-C", str(work), "add", "file")
    run(git, "-C", str(work), "-c", "user.name=t", "-c", "user.email=t@a.example", "commit", "-qm", "first")
    run(git, "clone", "-q", "--bare", str(work), str(bare))
    run(git, "-C", str(bare), "update-server-info")
    # libcurl: it learns that Digest is asked for, and repeats the request
    options = ("-c", f"http.proxy=http://ben:secret@127.0.0.1:{program.port}", "-c", "http.proxyAuthMethod=digest")
    done = run(git, *options, "clone", "-q", f"{site[0]}/chained.git", str(tmp_path / "clone"))
    assert (tmp_path / "clone" / "file").read_text() == "content", done.stderr
    through_squid(log, "/chained.git/info/refs")
    wait_for(lambda: {line["user"] for line in passed(program, "git/")} == {"", "ben"}, "the lines")


def test_pip(chain: tuple[Bascule, Path], site: tuple[str, Path], tmp_path: Path) -> None:
    program, log = chain
    proxy = f"http://anna:secret@127.0.0.1:{program.port}"
    pip = (sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-cache-dir", "--retries", "0")
    run(*pip, "--index-url", f"{site[0]}/simple/", "--proxy", proxy, "-d", str(tmp_path), "not-there", cwd=tmp_path)
    through_squid(log, "/simple/not-there/")


def test_npm(chain: tuple[Bascule, Path], site: tuple[str, Path], tmp_path: Path) -> None:
    program, log = chain
    npm = require_program("npm")
    about = {
        "name": "nothing-here",
        "dist-tags": {"latest": "1.0.0"},
        "versions": {"1.0.0": {"name": "nothing-here", "version": "1.0.0"}},
    }
    (site[1] / "nothing-here").write_text(json.dumps(about))
    proxy = f"http://anna:secret@127.0.0.1:{program.port}"
    options = (f"--registry={site[0]}/", f"--proxy={proxy}", "--noproxy=", f"--cache={tmp_path}", "--fetch-retries=0")
    done = run(npm, "view", "nothing-here", "version", *options, cwd=tmp_path)
    assert "1.0.0" in done.stdout, done.stderr
    through_squid(log, "/nothing-here")


@pytest.mark.slow
def test_chromium(chain: tuple[Bascule, Path], site: tuple[str, Path], tmp_path: Path) -> None:
    """Nobody can type a password into a headless browser, so an address stands for its user."""
    program, log = chain
    chromium = require_program("chromium")
    quiet = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--proxy-bypass-list=<-loopback>",
             f"--user-data-dir={tmp_path}")  # fmt: skip
    done = run(
        chromium, *quiet, f"--proxy-server=http://127.0.0.1:{program.port}", "--dump-dom", f"{site[0]}/page.html"
    )
    assert "reached" not in done.stdout  # 407, and no way in
    (site[1] / "kiosk.html").write_text("<p>reached</p>")
    up = json.loads((program.folder / "bascule.json").read_text())
    up["forward"]["auth"] = {"addresses": {"127.0.0.1": "kiosk"}}
    up["run_dir"] = str(tmp_path / "run")
    with Bascule(up) as kiosk:
        for scheme in ("http", "socks5"):
            way = f"--proxy-server={scheme}://127.0.0.1:{kiosk.port}"
            done = run(chromium, *quiet, way, "--dump-dom", f"{site[0]}/kiosk.html")
            assert "reached" in done.stdout, done.stderr
            through_squid(log, "/kiosk.html" if scheme == "http" else "CONNECT")
