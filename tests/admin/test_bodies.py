"""What is read of a request to the admin API, and what is not."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from starlette.requests import Request

from bascule.admin.bodies import read

MOST = 4096


async def body_of(*chunks: bytes, remedy: str = "") -> dict[str, int]:
    left = list(chunks)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    return await read(Request({"type": "http", "method": "POST", "headers": []}, receive), dict[str, int], MOST, remedy)


def test_a_body_in_pieces() -> None:
    assert asyncio.run(body_of(b'{"a"', b": 1}")) == {"a": 1}


@pytest.mark.parametrize(
    ("chunks", "why"),
    [
        ([b""], "truncated"),
        ([b'{"a": "b"}'], "Expected `int`"),
        ([b" " * MOST, b"{}"], "longer than 4 KiB; send less$"),
    ],
)
def test_what_is_no_body(chunks: list[bytes], why: str) -> None:
    with pytest.raises(msgspec.MsgspecError, match=why):
        asyncio.run(body_of(*chunks, remedy="send less"))
