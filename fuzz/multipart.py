"""Multipart bodies: any bytes are read, and it does not matter how they are split."""

from __future__ import annotations

from fuzz.drive import instrumented, run

with instrumented():
    from bascule.waf.bodies import MultipartBody, MultipartParser


def _parse(kind: bytes, body: bytes, size: int) -> MultipartBody:
    parser = MultipartParser(kind)
    for start in range(0, len(body), size):
        parser.feed(body[start : start + size])
    body = parser.end()
    if body.error:  # then all of the body is judged as one value, whatever of it is of no part
        body.stray = b""
    return body


def one_input(data: bytes) -> None:
    """The first byte says how large the pieces are, the first line is the parameter of the media type."""
    if not data:
        return
    parameter, _, body = data[1:].partition(b"\n")
    kind = b"multipart/form-data; boundary=" + parameter
    whole, split = _parse(kind, body, len(body) + 1), _parse(kind, body, data[0] % 17 + 1)
    assert whole == split, (whole, split)
    assert sum(len(part.content) for part in whole.parts) <= len(body)


def seeds() -> list[bytes]:
    """Fields and files, good ones and bad ones."""
    field = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nvalue\r\n'
    names = b'name=f; filename="a\\"b"; filename*=utf-8\'\'c'
    file = b"--x\r\nContent-Disposition: form-data; " + names + b"\r\nX: y\r\n z\r\n\r\n\0\r\n"
    return [
        b"\x03x\n" + field + file + b"--x--\r\n",
        b"\x05x\nbefore\r\n" + field + b"--x-\r\n" + field + b"--x--after",
        b'\x02"x"\n' + file.replace(b"\r\n", b"\n") + b"--x--\n",
        b"\x09x; boundary=y\n" + field + b"--y\n\n--x--",
    ]


if __name__ == "__main__":
    run("multipart", one_input, seeds())
