"""Honest visitors of the demo's shop: a few requests a second, with sessions, as browsers send them."""

from __future__ import annotations

import http.client
import json
import random
import threading
from typing import Final

TIMEOUT: Final = 15.0
_PRODUCTS: Final = 16
_AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_ACCEPT: Final = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
_WORDS: Final = ("mug", "lamp", "oak", "compass", "wool", "pen", "pot")


class Visitor(threading.Thread):
    """One visitor who keeps coming until `stop`. `lost` counts requests that got no answer, or one from 500 on."""

    def __init__(self, host: str, port: int, rate: float, seed: int) -> None:
        super().__init__(name=f"visitor-{seed}", daemon=True)
        self._connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        self._pause = 1 / rate
        self._random = random.Random(seed)  # noqa: S311 - who looks at what
        self._over = threading.Event()
        self._cookie = ""
        self.sent = 0
        self.lost = 0

    def stop(self) -> None:
        """End after the request in progress."""
        self._over.set()

    def run(self) -> None:
        """Visit."""
        while not self._over.wait(self._pause * self._random.uniform(0.5, 1.5)):
            self.sent += 1
            try:
                status = self._ask(*self._choose())
            except (OSError, http.client.HTTPException):
                self._connection.close()
                status = 599
            self.lost += status >= 500
        self._connection.close()

    def _choose(self) -> tuple[str, str, dict[str, int] | None]:
        """Return method, target and perhaps a JSON body."""
        product = self._random.randint(1, _PRODUCTS)
        ways = (
            ("GET", "/", None),
            ("GET", f"/?q={self._random.choice(_WORDS)}", None),
            ("GET", f"/product/{product}", None),
            ("GET", f"/pictures/{product}.svg", None),
            ("GET", "/api/products?category=Desk", None),
            ("GET", "/cart", None),
            ("POST", "/api/cart", {"product": product, "quantity": self._random.choice((1, 1, -1))}),
        )
        return self._random.choices(ways, (3, 2, 5, 4, 2, 1, 1))[0]

    def _ask(self, method: str, target: str, body: dict[str, int] | None) -> int:
        headers = {"User-Agent": _AGENT, "Accept": _ACCEPT, "Accept-Language": "en-GB,en;q=0.7"}
        if self._cookie:
            headers["Cookie"] = self._cookie
        if body is not None:
            headers["Content-Type"] = "application/json"
        self._connection.request(method, target, json.dumps(body) if body is not None else None, headers)
        response = self._connection.getresponse()
        response.read()
        if cookie := response.getheader("Set-Cookie"):
            self._cookie = cookie.partition(";")[0]
        return response.status
