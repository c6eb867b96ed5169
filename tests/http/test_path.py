"""The normal form of a path: a table, its properties, and a naive reading of RFC 3986 beside it."""

from __future__ import annotations

import re
from itertools import product
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.config.policies import PathPolicy
from bascule.http.errors import HttpError
from bascule.http.path import normalise
from bascule.telemetry import causes

DEFAULT = PathPolicy()
KEEP = PathPolicy(double_slash="keep", backslash="keep")
NO_SLASH = PathPolicy(encoded_slash="reject")
LENIENT = PathPolicy(encoded_slash="decode", backslash="slash", parameters="strip")
STRICT = PathPolicy(dot_segments="reject", double_slash="reject", parameters="reject")
POLICIES = [
    PathPolicy(dot_segments=dots, encoded_slash=encoded, double_slash=double, backslash=back, parameters=parameters)
    for dots, encoded, double, back, parameters in product(
        ("resolve", "reject"),
        ("keep", "reject", "decode"),
        ("merge", "keep", "reject"),
        ("reject", "slash", "keep"),
        ("keep", "reject", "strip"),
    )
]

NORMAL: list[tuple[bytes, bytes, PathPolicy]] = [
    (b"/", b"/", DEFAULT),
    (b"/a/b.c/", b"/a/b.c/", DEFAULT),
    (b"*", b"*", DEFAULT),
    # RFC 3986 6.2.2.1 and 6.2.2.2: escapes in upper case, and none where none is needed
    (b"/%7euser/%41%2d%5f", b"/~user/A-_", DEFAULT),
    (b"/caf%c3%a9", b"/caf%C3%A9", DEFAULT),
    (b"/caf\xc3\xa9", b"/caf%C3%A9", DEFAULT),
    (b'/a"<>^`{|}', b"/a%22%3C%3E%5E%60%7B%7C%7D", DEFAULT),
    (b"/a%20b%25%3f%23", b"/a%20b%25%3F%23", DEFAULT),
    (b"/a:b@c!$&'()*+,=", b"/a:b@c!$&'()*+,=", DEFAULT),
    # 6.2.2.3: dot segments, hidden or not
    (b"/a/./b", b"/a/b", DEFAULT),
    (b"/a/../b", b"/b", DEFAULT),
    (b"/a/b/..", b"/a/", DEFAULT),
    (b"/a/.", b"/a/", DEFAULT),
    (b"/.", b"/", DEFAULT),
    (b"/a/%2e%2E/b", b"/b", DEFAULT),
    (b"/a/.%2e/b", b"/b", DEFAULT),
    (b"/a/.../b", b"/a/.../b", DEFAULT),
    (b"/.well-known/x", b"/.well-known/x", DEFAULT),
    (b"/a/%252e%252e/b", b"/a/%252e%252e/b", DEFAULT),
    (b"/a/..;x=1/b", b"/b", DEFAULT),
    (b"/a/.;/b", b"/a/b", DEFAULT),
    # slashes
    (b"//a///b//", b"/a/b/", DEFAULT),
    (b"/a/..//b", b"/b", DEFAULT),
    (b"//a//b", b"//a//b", KEEP),
    (b"/a%2fb%5Cc", b"/a%2Fb%5Cc", DEFAULT),
    (b"/show/https%3a%2f%2fa.example%2fb", b"/show/https%3A%2F%2Fa.example%2Fb", DEFAULT),
    (b"/a%252f..%252fb", b"/a%252f..%252fb", DEFAULT),
    (b"/a\\b", b"/a%5Cb", KEEP),
    (b"/a%2fb%5Cc\\d", b"/a/b/c/d", LENIENT),
    (b"/a\\..%5cb", b"/b", LENIENT),
    # parameters
    (b"/a;x=1/b;y", b"/a;x=1/b;y", DEFAULT),
    (b"/a;x=1/b;y", b"/a/b", LENIENT),
    (b"/a;..;b", b"/a;..;b", DEFAULT),
    # a segment that is only a parameter is an empty one to who strips parameters (Tomcat: /admin;x, /;x/admin)
    (b"/;x/admin", b"/admin", DEFAULT),
    (b"/a/;x/../b", b"/b", DEFAULT),
    (b"/a/;/b", b"/a/b", LENIENT),
    (b"/;x/admin", b"/;x/admin", KEEP),
]


@pytest.mark.parametrize(("path", "wire", "policy"), NORMAL)
def test_normal_form(path: bytes, wire: bytes, policy: PathPolicy) -> None:
    assert normalise(path, policy).wire == wire


def test_the_route_is_found_as_if_there_were_no_parameters() -> None:
    assert normalise(b"/admin;x=1/users;y") == (b"/admin;x=1/users;y", b"/admin/users", b"")
    assert normalise(b"/admin/;x") == (b"/admin/;x", b"/admin/", b"")


def test_who_decodes_slashes_reads_another_path() -> None:
    assert normalise(b"/a%2fb/c") == (b"/a%2Fb/c", b"/a%2Fb/c", b"/a/b/c")
    assert normalise(b"/%5cadmin;x%2fy") == (b"/%5Cadmin;x%2Fy", b"/%5Cadmin", b"/admin")


REFUSED: list[tuple[bytes, PathPolicy]] = [
    (b"/..", DEFAULT),
    (b"/a/../..", DEFAULT),
    (b"/%2e%2e/", DEFAULT),
    (b"/..;/", DEFAULT),
    (b"/..;/", LENIENT),
    (b"/./../", DEFAULT),
    (b"//../..", KEEP),
    (b"/a%2f..%2f..%2fb", LENIENT),
    (b"/a\\..\\..\\b", LENIENT),
    (b"/%", DEFAULT),
    (b"/%2", DEFAULT),
    (b"/%zz", DEFAULT),
    (b"/%u0041", DEFAULT),
    (b"/%%41", DEFAULT),
    (b"/%00", DEFAULT),
    (b"/a%00.html", KEEP),
    (b"/%0d%0aX:y", DEFAULT),
    (b"/%1f", DEFAULT),
    (b"/%7f", DEFAULT),
    (b"/a%2fb", NO_SLASH),
    (b"/a%5cb", NO_SLASH),
    (b"/a/..%2fb", DEFAULT),
    (b"/a/b%2f..", DEFAULT),
    (b"/a%5c%2e%2e%5cb", DEFAULT),
    (b"/a%2f..;x%2fb", DEFAULT),
    (b"/a%2f./b%2f.", KEEP),
    (b"/a\\b", DEFAULT),
    (b"/a/./b", STRICT),
    (b"/a/%2e%2e/b", STRICT),
    (b"/a//b", STRICT),
    (b"/a;b", STRICT),
    (b"/a/;x/b", PathPolicy(double_slash="reject")),
    (b"/a/;x/b", PathPolicy(double_slash="reject", parameters="strip")),
]


@pytest.mark.parametrize(("path", "policy"), REFUSED)
def test_refused(path: bytes, policy: PathPolicy) -> None:
    with pytest.raises(HttpError) as error:
        normalise(path, policy)
    assert (error.value.status, error.value.cause) == (400, causes.BAD_PATH)


PIECES = [
    b"/", b"/", b"/", b".", b"..", b"a", b"b.", b"%2e", b"%2E", b"%2f", b"%5c", b"\\", b";", b";x", b"%3b", b"%25",
    b"%41", b"%c3%a9", b"\xe9", b"%00", b"%0a", b"%", b"%4", b"%zz", b"*", b'"', b"//", b"/../", b"/./",
]  # fmt: skip
PATHS = st.lists(st.sampled_from(PIECES), max_size=12).map(lambda parts: b"/" + b"".join(parts))


@given(PATHS, st.sampled_from(POLICIES))
def test_properties_of_the_normal_form(path: bytes, policy: PathPolicy) -> None:
    try:
        wire, route, decoded = normalise(path, policy)
    except HttpError:
        return
    if policy.encoded_slash != "reject" or b"%5C" not in wire:  # a kept backslash leaves in a form refused on arrival
        assert normalise(wire, policy) == (wire, route, decoded), "idempotent"
    assert wire.startswith(b"/")
    assert re.fullmatch(rb"(?:/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@\\\[\]]|%[0-9A-F]{2})*)+", wire), "RFC 3986 pchar only"
    assert not any(byte < 0x20 or byte == 0x7F for byte in unquote_to_bytes(wire)), "no control character, encoded"
    for segment in (*wire.split(b"/"), *route.split(b"/")):
        assert segment.partition(b";")[0] not in (b".", b".."), "no dot segment, also behind a parameter"
        assert unquote_to_bytes(segment) not in (b".", b".."), "nor an encoded one"
    assert b";" not in route
    assert bool(decoded) == bool(re.search(rb"%2F|%5C", route))
    assert not {b".", b".."} & set(decoded.split(b"/")), "nor for who decodes slashes"
    if policy.encoded_slash == "reject":
        assert not re.search(rb"%2f|%5c", wire, re.IGNORECASE) or policy.backslash == "keep"
    if policy.backslash != "keep":
        assert b"\\" not in wire
    if policy.double_slash != "keep":
        assert b"//" not in wire
        assert b"//" not in route, "whoever drops parameters sees the same segments"
    if policy.parameters != "keep":
        assert b";" not in wire


def naive(path: bytes) -> bytes | None:
    """The default policy without encoded slashes, read off RFC 3986 5.2.4 and 6.2.2, slowly; None where refused."""
    if re.search(rb"%(?![0-9A-Fa-f]{2})|%[01][0-9a-f]|%7f|%2f|%5c|\\", path, re.IGNORECASE):
        return None
    out = b""
    position = 0
    while position < len(path):
        if path[position : position + 1] == b"%":
            byte = bytes((int(path[position + 1 : position + 3], 16),))
            out += byte if re.fullmatch(rb"[A-Za-z0-9\-._~]", byte) else b"%%%02X" % byte[0]
            position += 3
        else:
            byte = path[position : position + 1]
            out += byte if re.fullmatch(rb"[A-Za-z0-9\-._~!$&'()*+,;=:@/\[\]]", byte) else b"%%%02X" % byte[0]
            position += 1
    stack: list[bytes] = []
    *segments, last = out.split(b"/")[1:]
    for segment in segments:
        name = segment.partition(b";")[0]
        if name == b"..":
            if not stack:
                return None
            stack.pop()
        elif name not in (b"", b"."):
            stack.append(segment)
    name = last.partition(b";")[0]
    if name == b"..":
        if not stack:
            return None
        stack.pop()
    return b"/" + b"".join(segment + b"/" for segment in stack) + (b"" if name in (b".", b"..") else last)


@given(PATHS)
def test_the_default_agrees_with_a_naive_reading(path: bytes) -> None:
    expected = naive(path)
    if expected is None:
        with pytest.raises(HttpError):
            normalise(path, NO_SLASH)
    else:
        assert normalise(path, NO_SLASH).wire == expected
