"""Asks the provider of a captcha whether an answer is right. All of them take the same form and say ``success``."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import Final
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from bascule.config.challenge import Captcha

AT_ONCE: Final = 4
"""Questions to providers in progress, per worker."""
MOST_WAITING: Final = 64
"""Answers that wait for theirs; further ones are told to try again."""
MAX_ANSWER: Final = 4096
"""Bytes of a captcha's answer, and of what the provider says of it."""


class Verifier:
    """Asks for one worker, in threads of its own: it happens once for each client that passes."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._waiting = 0

    async def verify(self, captcha: Captcha, answer: bytes, client: bytes) -> bool:
        """Whether the provider takes the answer of a client for right. Raises OSError where it cannot be asked, or
        does not answer within twice the time it has: the first half may go by in line."""
        if not answer or len(answer) > MAX_ANSWER:
            return False
        if self._waiting >= MOST_WAITING:
            raise OSError("too many captchas wait for their provider")
        if self._pool is None:
            self._pool = ThreadPoolExecutor(AT_ONCE, "captcha")
        self._waiting += 1
        try:
            asked = asyncio.get_running_loop().run_in_executor(self._pool, _ask, captcha, answer, client)
            return await asyncio.wait_for(asked, 2 * captcha.timeout)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Wait for nobody."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def _ask(captcha: Captcha, answer: bytes, client: bytes) -> bool:
    form = urlencode({"secret": captcha.secret, "response": answer, "remoteip": client}).encode()
    request = Request(captcha.verify, form, {"content-type": "application/x-www-form-urlencoded"})  # noqa: S310 - checked by the configuration: http or https
    try:
        with urlopen(request, timeout=captcha.timeout) as response:  # noqa: S310
            told = json.loads(response.read(MAX_ANSWER))
    except (URLError, HTTPException, ValueError, RecursionError) as error:
        raise OSError(f"{captcha.verify}: {error}") from error
    return isinstance(told, dict) and told.get("success") is True
