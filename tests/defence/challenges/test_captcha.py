"""What the provider of a captcha says, and what it is taken for, without a browser."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from bascule.config.challenge import Captcha
from bascule.defence.challenges.captcha import MAX_ANSWER, Verifier


def says(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


async def provided(said: bytes, pause: float, answer: bytes, longest: float) -> tuple[bool, bytes]:
    """Return what is made of the provider's words, and what it was asked; with a `pause` they come byte by byte."""
    asked: list[bytes] = []
    served: list[asyncio.Future[None]] = []

    async def provide(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(done := asyncio.get_running_loop().create_future())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        asked.append(await reader.readexactly(length))
        for piece in [said] if not pause else [bytes((byte,)) for byte in said]:
            writer.write(piece)
            await asyncio.sleep(pause)
            if writer.is_closing():
                break
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        done.set_result(None)

    async with await asyncio.start_server(provide, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/verify"
        captcha = Captcha(site_key="k", secret="s", script=url, verify=url, timeout=longest)
        try:
            return await Verifier().verify(captcha, answer, b"192.0.2.1"), b"".join(asked)
        finally:
            await asyncio.gather(*served)


async def verified(said: bytes, answer: bytes = b"answer") -> tuple[bool, bytes]:
    return await provided(said, 0.0, answer, 5.0)


@pytest.mark.parametrize(
    ("body", "right"),
    [(b'{"success": true}', True), (b'{"success": false}', False), (b'{"success": "true"}', False), (b"[]", False)],
)
def test_what_the_provider_says(body: bytes, right: bool) -> None:
    asked = b"secret=s&response=answer&remoteip=192.0.2.1"
    assert asyncio.run(verified(says(body))) == (right, asked)


@pytest.mark.parametrize("said", [b"", b"what?\r\n\r\n", says(b""), says(b"{"), says(b"[" * MAX_ANSWER)])
def test_what_is_no_answer(said: bytes) -> None:
    with pytest.raises(OSError, match="127"):
        asyncio.run(verified(said))


@pytest.mark.parametrize("words", [says(b'{"success": true}'), b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200])
def test_the_time_is_that_of_the_whole_answer(words: bytes) -> None:
    """A provider whose words trickle in, each in time."""

    began = time.monotonic()
    with pytest.raises(OSError, match="no answer in time"):
        asyncio.run(provided(words, 0.02, b"answer", 0.3))
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("answer", [b"", b"x" * (MAX_ANSWER + 1)])
def test_what_the_provider_is_not_asked(answer: bytes) -> None:
    assert asyncio.run(verified(b"", answer)) == (False, b"")
