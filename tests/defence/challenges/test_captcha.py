"""What the provider of a captcha says, and what it is taken for, without a browser."""

from __future__ import annotations

import asyncio

import pytest

from bascule.config.challenge import Captcha
from bascule.defence.challenges.captcha import MAX_ANSWER, Verifier


def says(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


async def verified(said: bytes, answer: bytes = b"answer") -> tuple[bool, bytes]:
    """Return what is made of the provider's words, and what it was asked."""
    asked = []

    async def provide(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        asked.append(await reader.readexactly(length))
        writer.write(said)
        writer.close()

    verifier = Verifier()
    async with await asyncio.start_server(provide, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/verify"
        captcha = Captcha(site_key="k", secret="s", script=url, verify=url)
        try:
            return await verifier.verify(captcha, answer, b"192.0.2.1"), b"".join(asked)
        finally:
            verifier.close()


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


@pytest.mark.parametrize("answer", [b"", b"x" * (MAX_ANSWER + 1)])
def test_what_the_provider_is_not_asked(answer: bytes) -> None:
    assert asyncio.run(verified(b"", answer)) == (False, b"")
