"""The PROXY protocol: a connection begins with a header, with none, or is waited for; what is read can be written."""

from __future__ import annotations

from fuzz.drive import instrumented, run

with instrumented():
    from bascule.http.proxy_protocol import Endpoint, ProxyHeader, ProxyProtocolError, encode_v1, encode_v2, parse


def _outcome(data: bytes) -> tuple[ProxyHeader, int] | str | None:
    try:
        return parse(data)
    except ProxyProtocolError as error:
        return str(error)


def _is_named(end: Endpoint | None) -> bool:
    """Not a path that begins with ``@``, which is written like an abstract name."""
    return end is None or not end.address.startswith(b"unix:@")


def one_input(data: bytes) -> None:
    """What was decided by the beginning stays decided, whatever follows."""
    whole = _outcome(data)
    if isinstance(whole, tuple):
        header, length = whole
        assert 0 < length <= len(data)
        assert _outcome(data[:length] + b"GET /") == whole
        assert _outcome(data[: length - 1]) is None
        for encode in (encode_v1, encode_v2):
            written = encode(header.source, header.destination)
            again = parse(written)
            assert again is not None
            assert again[1] == len(written)
            if encode is encode_v2 and _is_named(header.source) and _is_named(header.destination):
                assert again[0] == header, (again, header)
    for cut in range(0, len(data), max(1, len(data) // 8)):
        early = _outcome(data[:cut])
        assert early is None or isinstance(early, str) == isinstance(whole, str)


def seeds() -> list[bytes]:
    """Both versions and all families."""
    four, six = Endpoint(b"192.0.2.1", 1234), Endpoint(b"2001:db8::1", 443)
    socket = Endpoint(b"unix:/run/a", 0)
    return [
        encode_v1(four, four) + b"GET",
        encode_v1(six, six),
        encode_v1(None, None),
        encode_v2(four, four, checksum=True),
        encode_v2(six, four) + b"GET",
        encode_v2(socket, socket),
        encode_v2(None, None),
        b"PROXY UNKNOWN anything else\r\n",
    ]


if __name__ == "__main__":
    run("proxy_protocol", one_input, seeds())
