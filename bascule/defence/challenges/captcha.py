"""Asks the provider of a captcha whether an answer is right. All of them take the same form and say ``success``."""

from __future__ import annotations

import asyncio
import json
import ssl
from functools import cache
from typing import Final
from urllib.parse import urlencode, urlsplit

from bascule.config.challenge import Captcha

MOST_WAITING: Final = 64
"""Questions to providers in progress, per worker; further answers are told to try again."""
MAX_ANSWER: Final = 4096
"""Bytes of a captcha's answer, and of what the provider says of it."""
MAX_HEAD: Final = 16384
"""Bytes of the provider's head."""


class Verifier:
    """Asks for one worker: it happens once for each client that passes."""

    def __init__(self) -> None:
        self._waiting = 0

    async def verify(self, captcha: Captcha, answer: bytes, client: bytes) -> bool:
        """Whether the provider takes the answer of a client for right. Raises OSError where it cannot be asked, or has
        not answered in whole within `captcha.timeout`."""
        if not answer or len(answer) > MAX_ANSWER:
            return False
        if self._waiting >= MOST_WAITING:
            raise OSError("too many captchas wait for their provider")
        self._waiting += 1
        try:
            async with asyncio.timeout(captcha.timeout):
                said = await _ask(captcha, answer, client)
            told = json.loads(said[:MAX_ANSWER])
        except (OSError, EOFError, ValueError, RecursionError, asyncio.LimitOverrunError) as error:
            raise OSError(f"{captcha.verify}: {str(error) or 'no answer in time'}") from error
        finally:
            self._waiting -= 1
        return isinstance(told, dict) and told.get("success") is True


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


async def _ask(captcha: Captcha, answer: bytes, client: bytes) -> bytes:
    """Return the content of the provider's answer. It is asked by HTTP/1.0, so that this ends with the connection, and
    is not chunked (RFC 9112 7.1)."""
    url = urlsplit(captcha.verify)
    form = urlencode({"secret": captcha.secret, "response": answer, "remoteip": client}).encode()
    secure = url.scheme == "https"
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    head = (
        f"POST {target} HTTP/1.0\r\nHost: {url.netloc.rpartition('@')[2]}\r\nConnection: close\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(
        url.hostname, url.port or (443 if secure else 80), ssl=_context() if secure else None, limit=MAX_HEAD
    )
    try:
        writer.write(head.encode("latin-1") + form)
        status, _, _ = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
        if status.split(b" ")[1:2] != [b"200"]:
            raise OSError(f"it answered {status[:64]!r}")
        content = b""
        while len(content) <= MAX_ANSWER and (more := await reader.read(MAX_ANSWER)):
            content += more
        return content
    finally:
        writer.transport.abort()  # nothing more is to come, and TLS need not be taken leave of
        await asyncio.sleep(0)
