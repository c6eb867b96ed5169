"""What requests tell: referrers, parameters and cookies; and whose requests are not written down."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from passlib.hash import apr_md5_crypt

from bascule.config.privacy import Privacy
from bascule.forward.privacy import PrivacyPlan, site_of, without_tracking
from bascule.forward.target import Target
from bascule.http.h1.head import RequestParser, ResponseParser
from tests.forward.test_protocols import FORWARD, get, tunnel
from tests.support.origins import Origin, answer
from tests.support.program import Bascule, wait_for

HERE = Target("shop.example", 80)


def sent(privacy: Any, *fields: str, path: str = "/x", target: Target = HERE) -> tuple[dict[str, str], str]:
    """The fields and the path that leave."""
    head = RequestParser().parse("\r\n".join([f"GET {path} HTTP/1.1", "Host: shop.example", *fields, "", ""]).encode())
    found, left = PrivacyPlan(Privacy.model_validate(privacy)).request(head, target, path.encode())
    return {name.decode(): value.decode() for name, value, *_ in found.fields if name != b"host"}, left.decode()


@pytest.mark.parametrize(
    ("how", "referer", "told"),
    [
        ("trim", "http://shop.example/cart?id=1", "http://shop.example/cart?id=1"),
        ("trim", "http://shop.example:80/cart?utm_source=a", "http://shop.example:80/cart"),
        ("trim", "http://other.example/secret?q=1", "http://other.example/"),
        ("trim", "http://u:p@other.example/secret", "http://other.example/"),
        ("trim", "https://shop.example/cart", None),
        ("trim", "https://other.example/", None),
        ("trim", "about:blank", "about:blank"),
        ("origin", "http://shop.example/cart", "http://shop.example/"),
        ("origin", "https://other.example/a", "https://other.example/"),
        ("keep", "http://other.example/a?b&fbclid=1#c", "http://other.example/a?b#c"),
    ],
)
def test_referrers(how: str, referer: str, told: str | None) -> None:
    assert sent({"referer": how}, f"Referer: {referer}", "X: y")[0] == {"x": "y", **({"referer": told} if told else {})}


def test_a_second_referrer_tells_no_more() -> None:
    raw = (
        b"GET / HTTP/1.1\r\nHost: shop.example\r\nReferer: http://a.test/x\r\nX: y\r\nReferer: http://b.test/z\r\n\r\n"
    )
    head = RequestParser().parse(raw)
    found, _ = PrivacyPlan(Privacy()).request(head, HERE, b"/")
    assert found.values(b"referer") == [b"http://b.test/"] * 2
    assert b"/x" not in found.passed + found.block.plain
    assert b"/z" not in found.passed + found.block.plain
    assert head.values(b"referer") == [b"http://a.test/x", b"http://b.test/z"]


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("/", "/"),
        ("/?", "/?"),
        ("/a?b=c&d", "/a?b=c&d"),
        ("/a?utm_source=x&b=c&utm_medium=y", "/a?b=c"),
        ("/a?fbclid=1", "/a"),
        ("/a?b=fbclid=1&gclid", "/a?b=fbclid=1"),
        ("/a?my_utm_source=1&utmost=2", "/a?my_utm_source=1&utmost=2"),
        ("/utm_source=1?x=utm_source", "/utm_source=1?x=utm_source"),
    ],
)
def test_tracking_parameters(path: str, left: str) -> None:
    assert sent("standard", path=path)[1] == left
    assert sent("off", path=path)[1] == path
    assert sent({"level": "off", "tracking_parameters": "remove"}, path=path)[1] == left


@given(st.binary(max_size=60))
def test_what_is_left_holds_no_tracking_parameter_and_nothing_new(data: bytes) -> None:
    left = without_tracking(b"/?" + data)
    assert without_tracking(left) == left
    kept = left.partition(b"?")[2].split(b"&")
    assert all(part in data.split(b"&") for part in kept if part)


IMAGE = ("Accept: image/png", "Referer: http://news.other/page")


@pytest.mark.parametrize(
    ("fields", "third"),
    [
        (IMAGE, True),
        (("Accept: text/html,*/*", "Referer: http://news.other/page"), False),  # a page that is gone to
        (("Accept: image/png", "Referer: http://www.shop.example/"), False),
        (("Accept: image/png",), False),
        (("Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: image"), True),
        (("Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: document"), False),
        (("Sec-Fetch-Site: same-site", *IMAGE), False),
    ],
)
def test_cookies_of_third_parties(fields: tuple[str, ...], third: bool) -> None:
    assert ("cookie" not in sent("strict", "Cookie: a=b", *fields)[0]) == third
    assert "cookie" in sent("standard", "Cookie: a=b", *fields)[0]
    assert "cookie" not in sent({"cookies": "none"}, "Cookie: a=b", *fields)[0]
    request = RequestParser().parse("\r\n".join(["GET / HTTP/1.1", "Host: a", *fields, "", ""]).encode())
    response = ResponseParser().parse(
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Max-Age=60; Path=/; expires=Thu, 01 Jan 2032 00:00:00 GMT\r\n"
        b"Set-Cookie: c=d; Secure\r\n\r\n", b"GET",
    )  # fmt: skip
    planted = PrivacyPlan(Privacy.model_validate("strict")).response(response, request, HERE).values(b"set-cookie")
    assert planted == ([] if third else response.values(b"set-cookie"))
    session = PrivacyPlan(Privacy.model_validate({"cookies": "session"})).response(response, request, HERE)
    assert session.values(b"set-cookie") == [b"a=b; Path=/", b"c=d; Secure"]


def test_sites() -> None:
    hosts = (
        "a.b.example.com",
        "example.com",
        "www.a.co.uk",
        "b.co.uk",
        "192.0.2.1",
        "2001:db8::1",
        "localhost",
        "www.x.de",
    )
    assert [site_of(host) for host in hosts] == [
        "example.com", "example.com", "a.co.uk", "b.co.uk", "192.0.2.1", "2001:db8::1", "localhost", "x.de",
    ]  # fmt: skip


def test_the_program(origin: Origin, tmp_path: Path) -> None:
    """Also through a parent; the log knows what was asked, but nothing of those who do not want it."""
    (tmp_path / "users").write_text(f"anna:{apr_md5_crypt.hash('secret')}\nben:{apr_md5_crypt.hash('secret')}\n")
    auth = {"users": str(tmp_path / "users"), "required": False, "groups": {"quiet": "ben"}}
    privacy = {"level": "strict", "referer": "origin", "no_log": ["anna", "quiet"]}
    fields = ("Referer: http://a.test/b?c", "Cookie: a=b", "Accept: image/png")
    with Origin(
        lambda wire, message: wire.send(answer(b"up", "200 OK", "Accept-CH: DPR", "Set-Cookie: a=b")) or True
    ) as up:
        forward = {
            **FORWARD,
            "auth": auth,
            "privacy": privacy,
            "parents": {"up": f"http://{up.address}"},
            "ways": [{"through": "up", "path": "/up"}],
        }
        with Bascule({"forward": forward, "access_log": {"path": "-"}}) as program:
            for name in ("anna", "ben", "eve"):
                login = "Proxy-Authorization: Basic " + b64encode(f"{name}:secret".encode()).decode()
                told = get(program.port, f"http://{origin.address}/x?gclid=1&y", login, *fields)
                if name == "eve":
                    assert told.status == 407
                    continue
                assert told.json()["start"][1] == "/x?y"
                assert {"referer", "cookie"} & dict(told.json()["fields"]).keys() == {"referer"}
                message = get(program.port, f"http://{origin.address}/up?gclid=1", login, *fields)
                assert (message["accept-ch"], message["set-cookie"]) == (None, None)
            tunnel(program.port, origin.address).__exit__()
            wait_for(lambda: len(program.logged()) == 2, "the lines")
            assert [(line["user"], line["status"]) for line in program.logged()] == [("", 407), ("", 200)]
    assert [message.start[1] for message in up.seen] == [f"http://{origin.address}/up"] * 2
    assert up.seen[0]["referer"] == "http://a.test/"
