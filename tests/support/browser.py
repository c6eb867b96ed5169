"""A headless Chromium, steered over its DevTools protocol."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from websockets.sync.client import ClientConnection, connect

from tests.support.program import wait_for
from tests.support.programs import require_program

QUIET = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--mute-audio",
)  # fmt: skip
"""No screen, and nothing on the network that the test did not ask for."""
SETTLE = 0.15
"""Seconds after the load event in which a page may still run what it was tricked into (timers, animations)."""
PATIENCE = 40.0


class Browser:
    """One tab. `opened` tells whether a page called alert, confirm or prompt."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Network"):
            self._call(f"{domain}.enable")
        self._call("Page.setLifecycleEventsEnabled", enabled=True)

    def runs_script(self, url: str, settle: float = SETTLE) -> bool:
        """Open a page, touch what can be touched, and say whether a dialog opened within `settle` seconds."""
        self._events.clear()
        loader = self._call("Page.navigate", url=url)["result"].get("loaderId")
        self._until(lambda: self._loaded(loader) or self._seen("Page.javascriptDialogOpening"), PATIENCE)
        if not self._seen("Page.javascriptDialogOpening"):
            self._call("Runtime.evaluate", expression=_TOUCH)
        self._until(lambda: self._seen("Page.javascriptDialogOpening"), settle)
        found = self._seen("Page.javascriptDialogOpening")
        self._call("Page.navigate", url="about:blank")
        return found

    def open(self, url: str) -> None:
        """Open a page; what it does after that is not waited for."""
        self._call("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression in the page; None while it has none, as between two pages."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer.get("result", {}).get("result", {}).get("value")

    def shows(self, text: str, patience: float = PATIENCE) -> bool:
        """Whether the page shows a text, now or soon."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if text in (self.evaluate("document.body && document.body.innerText") or ""):
                return True
            self._until(lambda: False, 0.02)
        return False

    def scripts(self, allowed: bool) -> None:
        """Allow pages to run scripts, or not."""
        self._call("Emulation.setScriptExecutionDisabled", value=not allowed)

    def without_crypto(self, withheld: bool) -> None:
        """Withhold WebCrypto from pages to come, as browsers do on plain HTTP from another machine, or no longer."""
        if withheld:
            self._call("Page.addScriptToEvaluateOnNewDocument", source="delete Crypto.prototype.subtle")

    def forget_cookies(self) -> None:
        """Drop all cookies."""
        self._call("Network.clearBrowserCookies")

    def _loaded(self, loader: str | None) -> bool:
        """Whether a page is loaded: this one, for the event of the page before may come late."""
        found = (event["params"] for event in self._events if event["method"] == "Page.lifecycleEvent")
        return any(params["loaderId"] == loader and params["name"] == "load" for params in found)

    def _seen(self, method: str) -> bool:
        return any(event.get("method") == method for event in self._events)

    def _until(self, over: Any, patience: float) -> None:
        end = time.monotonic() + patience
        while not over() and (left := end - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                self._take(json.loads(self._socket.recv(timeout=left)))

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method and return its answer; a dialog is closed at once, since it holds up everything else."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            message = json.loads(self._socket.recv(timeout=PATIENCE))
            self._take(message)
            if message.get("id") == number:
                return dict(message)
        raise AssertionError(f"Chromium did not answer to {method}")

    def _take(self, message: dict[str, Any]) -> None:
        if "method" not in message:
            return
        self._events.append(message)
        if message["method"] == "Page.javascriptDialogOpening":
            close = {"id": next(self._numbers), "method": "Page.handleJavaScriptDialog", "params": {"accept": False}}
            self._socket.send(json.dumps(close))


_TOUCH = """\
for (const e of document.querySelectorAll('*')) {
  if (e.tagName == 'A' && !/^javascript:/i.test(e.href)) continue;
  for (const type of ['mouseover', 'mouseenter', 'focus', 'click', 'keydown', 'input'])
    e.dispatchEvent(new Event(type));
  if (e.tagName == 'A') e.click();
}"""


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """A Chromium with a profile of its own, which goes with it."""
    program = require_program("chromium")
    profile = Path(tempfile.mkdtemp(prefix="c-"))
    process = subprocess.Popen(
        [program, *QUIET, f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        port_file = profile / "DevToolsActivePort"
        # The file is there before its two lines are: what follows the last end of a line may be half of one.
        lines = wait_for(lambda: port_file.exists() and port_file.read_text().split("\n")[:-1], "Chromium")
        with urlopen(f"http://127.0.0.1:{lines[0]}/json/list") as listing:
            page = next(tab for tab in json.load(listing) if tab["type"] == "page")
        with connect(page["webSocketDebuggerUrl"], max_size=None, compression=None) as socket:
            yield Browser(socket)
    finally:
        process.terminate()
        process.wait(PATIENCE)
        shutil.rmtree(profile, ignore_errors=True)
