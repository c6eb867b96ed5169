"""The script for browsers: whatever name a client calls the proxy by, it stands in the script as one string of JSON."""

from __future__ import annotations

import json
import re

from fuzz.drive import instrumented, run

with instrumented():
    from bascule.config.forward import Pac
    from bascule.forward.pac import script
    from bascule.forward.target import proxy_form
    from bascule.http.errors import HttpError
    from bascule.http.h1.head import RequestParser

_FIRST = re.compile(r"^  var direct = (\[.*?\]), only = (\[.*?\]), proxy = (\".*\");$", re.MULTILINE)


def one_input(data: bytes) -> None:
    """A request for the script, as a client may send it."""
    try:
        head = RequestParser(other_form=proxy_form).parse(b"GET /proxy.pac HTTP/1.1\r\nHost: " + data + b"\r\n\r\n")
    except HttpError:
        return
    authority = head.authority.decode("ascii")
    written = script(Pac(direct=("corp.example",)), authority, False).decode("ascii")
    match = _FIRST.search(written)
    assert match is not None
    assert json.loads(match[1]) == ["corp.example"]
    assert json.loads(match[3]) == f"PROXY {authority}"
    assert "</" not in written


def seeds() -> list[bytes]:
    """Names, addresses, and what would end a string."""
    return [b"proxy.example:3128", b"[::1]:3128", b'a";evil()//', b"a\\", b"\xe2\x80\xa8"]


if __name__ == "__main__":
    run("pac", one_input, seeds())
