"""What a client of the forward proxy may name: every form and spelling, and what is refused."""

from __future__ import annotations

import pytest

from bascule.forward.target import Target, make_target, proxy_form, target_of
from bascule.http.errors import HttpError
from bascule.http.h1.head import RequestParser
from bascule.telemetry import causes

PARSER = RequestParser(other_form=proxy_form)


def read(line: str, host: str = "h.test") -> tuple[Target | None, bytes]:
    head = PARSER.parse(f"{line} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("latin-1"))
    return target_of(head), head.target


@pytest.mark.parametrize(
    ("line", "target", "path"),
    [
        ("GET http://a.example/x?y", Target("a.example", 80), b"/x?y"),
        ("GET HTTP://A.Example", Target("a.example", 80), b"/"),
        ("GET http://a.example?q=1", Target("a.example", 80), b"/?q=1"),
        ("GET http://a.example.:8080/", Target("a.example", 8080), b"/"),
        ("GET https://a.example/", Target("a.example", 443, "", True), b"/"),
        ("GET http://[::1]:81/", Target("::1", 81, "::1"), b"/"),
        ("GET http://[0:0:0:0:0:ffff:7f00:1]/", Target("127.0.0.1", 80, "127.0.0.1"), b"/"),
        ("GET http://2130706433/", Target("127.0.0.1", 80, "127.0.0.1"), b"/"),
        ("GET http://0x7f.1/", Target("127.0.0.1", 80, "127.0.0.1"), b"/"),
        ("GET http://0177.0.0.1/", Target("127.0.0.1", 80, "127.0.0.1"), b"/"),
        ("GET http://127.1./", Target("127.0.0.1", 80, "127.0.0.1"), b"/"),
        ("CONNECT a.example:443", Target("a.example", 443), b"a.example:443"),
        ("CONNECT [2001:db8::1]:443", Target("2001:db8::1", 443, "2001:db8::1"), b"[2001:db8::1]:443"),
        ("CONNECT xn--bcher-kva.example:443", Target("xn--bcher-kva.example", 443), b"xn--bcher-kva.example:443"),
        ("CONNECT _srv.a.example:443", Target("_srv.a.example", 443), b"_srv.a.example:443"),
        ("GET /page", None, b"/page"),
        ("OPTIONS *", None, b"*"),
    ],
)
def test_read(line: str, target: Target | None, path: bytes) -> None:
    assert read(line) == (target, path)


@pytest.mark.parametrize(
    ("line", "status", "cause"),
    [
        ("CONNECT a.example", 400, causes.BAD_TARGET),
        ("CONNECT a.example:", 400, causes.BAD_TARGET),
        ("CONNECT a.example:0", 400, causes.BAD_TARGET),
        ("CONNECT a.example:65536", 400, causes.BAD_HOST),
        ("CONNECT a.example:99999999", 400, causes.BAD_HOST),
        ("CONNECT a.example:+443", 400, causes.BAD_HOST),
        ("CONNECT user@a.example:443", 400, causes.BAD_HOST),
        ("CONNECT http://a.example:443", 400, causes.BAD_HOST),
        ("CONNECT [fe80::1%25eth0]:443", 400, causes.BAD_HOST),
        ("CONNECT [::1]x:443", 400, causes.BAD_HOST),
        ("CONNECT [::zz]:443", 400, causes.BAD_HOST),
        ("CONNECT a..example:443", 400, causes.BAD_HOST),
        ("CONNECT .example:443", 400, causes.BAD_HOST),
        ("CONNECT -a.example:443", 400, causes.BAD_HOST),
        ("CONNECT a.example/x:443", 400, causes.BAD_HOST),
        ("CONNECT b\xfccher.example:443", 400, causes.BAD_HOST),
        ("CONNECT *:443", 400, causes.BAD_HOST),
        ("CONNECT 1.2.3.999:443", 400, causes.BAD_HOST),
        ("CONNECT 1.2.3.4.5:443", 400, causes.BAD_HOST),
        ("CONNECT 0x:443", 400, causes.BAD_HOST),
        (f"CONNECT {'a' * 64}.example:443", 400, causes.BAD_HOST),
        ("CONNECT " + ".".join(["abcdefgh"] * 29) + ":443", 400, causes.BAD_HOST),
        ("GET http://user:secret@a.example/", 400, causes.BAD_HOST),
        ("GET http:///x", 400, causes.BAD_TARGET),
        ("GET http://a.example:0/", 400, causes.BAD_TARGET),
        ("GET http://a%2eexample/", 400, causes.BAD_HOST),
        ("GET ftp://a.example/x", 501, causes.UNKNOWN_SCHEME),
        ("GET file:///etc/passwd", 501, causes.UNKNOWN_SCHEME),
        ("GET ws://a.example/", 501, causes.UNKNOWN_SCHEME),
        ("GET a.example", 400, causes.BAD_TARGET),
        ("GET *", 400, causes.BAD_TARGET),
    ],
)
def test_refused(line: str, status: int, cause: str) -> None:
    with pytest.raises(HttpError) as caught:
        read(line)
    assert (caught.value.status, caught.value.cause) == (status, cause)


def test_the_target_counts_and_not_the_host_field() -> None:
    head = PARSER.parse(b"GET http://a.example/ HTTP/1.1\r\nHost: other.example\r\n\r\n")
    assert (head.host, head.authority) == (b"a.example", b"a.example")


def test_a_zone_from_socks_is_refused() -> None:
    with pytest.raises(HttpError):
        make_target(b"[fe80::1%eth0]", 80)
