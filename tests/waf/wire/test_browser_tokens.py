"""Chromium on pages whose links, forms and cookies are protected: it follows them, and what it is made to change is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.browser import Browser, browser
from tests.support.program import wait_for
from tests.support.reflector import origin, read_body
from tests.waf.wire.world import guarded

PAGE = b"""<!doctype html><title>shop</title>
<a id=link href="/orders/view?id=5&lang=en">order</a>
<form method=post action="/orders/buy"><input type=hidden name=price value=19.90><input name=qty value=2>
<button id=buy>Buy</button></form>"""
SECRETS = {name: {"secret": f"{name}-secret-of-the-tests-32-characters"} for name in ("forms", "links", "cookies")}
RESPONSE = {
    "forms": {"names": ["price"], **SECRETS["forms"]},
    "links": {"names": ["id"], "paths": ["/orders/"], **SECRETS["links"]},
    "cookies": {"protect": "encrypt", "names": ["cart"], **SECRETS["cookies"]},
}
Got = list[tuple[bytes, bytes, bytes]]


@asynccontextmanager
async def shop(got: Got) -> AsyncIterator[str]:
    """Pages with a cookie; `got` are target, body and cookies of each request."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            line, *rest = (await reader.readuntil(b"\r\n\r\n")).rstrip(b"\r\n").split(b"\r\n")
            fields = {name.lower(): value.strip() for name, _, value in (text.partition(b":") for text in rest)}
            got.append((line.split(b" ")[1], await read_body(reader, fields), fields.get(b"cookie", b"")))
            cookie = b"set-cookie: cart=a1; Path=/\r\n" if got[-1][0] == b"/" else b""
            head = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n" + cookie
            writer.write(head + b"content-length: %d\r\n\r\n" % len(PAGE) + PAGE)

    async with origin(serve) as port:
        yield f"127.0.0.1:{port}"


def visit(chromium: Browser, url: str) -> None:
    """Open the page and wait until it is there."""
    chromium.open("about:blank")
    wait_for(lambda: chromium.evaluate("location.href == 'about:blank'"), "an empty page")
    chromium.open(url)
    wait_for(lambda: chromium.evaluate("!!document.querySelector('#buy') && document.readyState == 'complete'"), "it")


@pytest.mark.parametrize("honest", [True, False])
def test_browser_follows_what_a_page_gave_and_nothing_else(honest: bool) -> None:
    got: Got = []
    spoil = {
        "link": "link.href = link.href.replace('id=5', 'id=6');",
        "buy": "document.querySelector('[name=price]').value = '1.00';",
    }

    def steer(address: tuple[str, int]) -> None:
        url = "http://{}:{}".format(*address)
        with browser() as chromium:
            for target, button in (("/orders/view", "link"), ("/orders/buy", "buy")):
                visit(chromium, url + "/")
                chromium.evaluate("" if honest else spoil[button])
                chromium.evaluate(f"document.querySelector('#{button}').click()")
                there = (
                    f"location.pathname == '{target}' && document.readyState == 'complete' && document.body.innerText"
                )
                text = wait_for(lambda there=there: chromium.evaluate(there), target)  # type: ignore[misc]
                assert ("403 Forbidden" in " ".join(text.split())) is not honest
            chromium.evaluate("document.cookie = 'cart=' + document.cookie.split('=')[1].slice(0, -2) + 'AA; Path=/'")
            chromium.open(url + "/after")
            wait_for(
                lambda: chromium.evaluate("location.pathname == '/after' && document.body.innerText"), "the last page"
            )

    async def main() -> None:
        async with shop(got) as server:
            with guarded(server, {"mode": "block", "response": RESPONSE}) as bascule:
                await asyncio.to_thread(steer, bascule.address)

    asyncio.run(main())
    asked = [each for each in got if b"favicon" not in each[0]]
    followed = [(target, body, cookie) for target, body, cookie in asked if target != b"/"]
    if honest:
        assert followed == [
            (b"/orders/view?id=5&lang=en", b"", b"cart=a1"),
            (b"/orders/buy", b"price=19.90&qty=2", b"cart=a1"),
        ]
    else:
        assert followed == []
    assert b"/after" not in [target for target, _, _ in asked], "the cookie was changed"
