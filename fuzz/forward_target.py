"""Targets of the forward proxy: what is accepted names one place in one form, whatever spelling it had."""

from __future__ import annotations

import ipaddress
import socket

from fuzz.drive import instrumented, run

with instrumented():
    from bascule.forward.target import make_target, proxy_form, target_of
    from bascule.http.errors import HttpError
    from bascule.http.h1.head import RequestParser

PARSER = RequestParser(other_form=proxy_form)


def one_input(data: bytes) -> None:
    """A request line up to its version."""
    line = data.replace(b"\r", b"").replace(b"\n", b"")
    try:
        head = PARSER.parse(line + b" HTTP/1.1\r\nHost: h\r\n\r\n")
        target = target_of(head)
    except HttpError as refused:
        if refused.status not in (400, 414, 417, 501, 505):
            raise
        return
    if target is None:
        assert head.target[:1] in (b"/", b"*")
        return
    assert 0 < target.port < 65536
    assert target.host
    assert not any(char in target.host for char in "@%/\\ []")
    if target.address:
        assert str(ipaddress.ip_address(target.address)) == target.address == target.host
    else:
        try:  # nothing that a resolver takes for an address may pass as a name
            socket.inet_aton(target.host)
        except OSError:
            pass
        else:
            raise AssertionError(f"{target.host} is an address")
    host = f"[{target.host}]" if ":" in target.host else target.host
    assert make_target(host.encode(), target.port, target.secure) == target


def seeds() -> list[bytes]:
    """Every form, and the spellings of 127.0.0.1."""
    hosts = (b"a.example", b"127.1", b"0x7f.0.0.1", b"2130706433", b"0177.1", b"[::1]", b"[::ffff:7f00:1]", b"a.1e5")
    lines = [b"CONNECT " + host + b":443" for host in hosts] + [b"GET http://" + host + b":81/x?y" for host in hosts]
    return [
        *lines,
        b"GET https://u:p@a.example/",
        b"GET ftp://a/",
        b"CONNECT [fe80::1%25lo]:1",
        b"OPTIONS *",
        b"GET /x",
    ]


if __name__ == "__main__":
    run("forward_target", one_input, seeds())
