"""What is rewritten on the way back stays one field line, and no redirect to a server passes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from fuzz.drive import instrumented, run

with instrumented():
    from bascule.config.policies import CookieMap, Rewrite
    from bascule.config.pools import Pool, Server
    from bascule.http.errors import HttpError
    from bascule.http.fields import RESPONSE_KINDS, FieldParser
    from bascule.proxy.rewrite import Origins, PlaceMap, compile_cookies
    from bascule.upstream.server import ServerState

_server = ServerState(Pool(), Server.model_validate("10.0.0.1:8000"), 0)
_pool = cast(Any, SimpleNamespace(servers=[_server]))
PLACES = PlaceMap(Rewrite(strip_prefix="/app", add_prefix="/in"), Origins([_pool]))
COOKIES = compile_cookies(CookieMap(domain={"in.test": "a.test"}, path={"/in/": "/"}, secure=True, same_site="Lax"))


def one_input(data: bytes) -> None:
    """Three rewrites of one value."""
    parser = FieldParser(RESPONSE_KINDS)
    try:
        value = parser.parse(b"Location: " + data)[1]
    except HttpError:
        return
    assert COOKIES is not None
    place = PLACES.place(value, b"https", b"a.test")
    for told in (place, PLACES.refresh(value, b"https", b"a.test"), COOKIES(value)):
        parser.parse(b"X: " + told)
    rest = value.lower().removeprefix(b"http:").removeprefix(b"https:")
    if rest.startswith((b"//10.0.0.1:8000/", b"//10.0.0.1:8000?")):
        assert not place.lower().removeprefix(b"http:").removeprefix(b"https:").startswith(b"//10.0.0.1"), place


def seeds() -> list[bytes]:
    """Redirects and cookies."""
    return [
        b"http://10.0.0.1:8000/in/x?y#z",
        b"//10.0.0.1:8000/",
        b"5; url='http://10.0.0.1:8000/in'",
        b"a=b; Domain=.in.test; Path=/in/x; Secure; SameSite=None; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
    ]


if __name__ == "__main__":
    run("rewrite", one_input, seeds())
