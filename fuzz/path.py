"""Paths: the normal form is a fixed point, has no dot segment that anybody could see, and nothing raw in it."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from fuzz.drive import instrumented, run

with instrumented():
    from bascule.config.policies import PathPolicy
    from bascule.http.errors import HttpError
    from bascule.http.path import normalise

POLICIES = [
    PathPolicy(),
    PathPolicy(encoded_slash="decode", backslash="slash", parameters="strip"),
    PathPolicy(double_slash="keep", backslash="keep"),
    PathPolicy(dot_segments="reject", double_slash="reject", parameters="reject"),
    PathPolicy(encoded_slash="decode", double_slash="reject", backslash="slash", parameters="strip"),
]


def one_input(data: bytes) -> None:
    """The first byte chooses the policy."""
    if not data:
        return
    policy, path = POLICIES[data[0] % len(POLICIES)], b"/" + data[1:].replace(b"?", b"").replace(b"#", b"")
    try:
        wire, route, decoded = normalise(path, policy)
    except HttpError:
        return
    assert normalise(wire, policy) == (wire, route, decoded)
    assert all(0x20 < byte < 0x7F for byte in wire)
    assert b";" not in route
    for form in filter(None, (wire, route, decoded)):
        assert form.startswith(b"/")
        for segment in form.split(b"/"):
            assert segment.partition(b";")[0] not in (b".", b"..")
            assert unquote_to_bytes(segment) not in (b".", b"..")
    if policy.encoded_slash == "reject" and policy.backslash != "keep":
        assert b"/" not in unquote_to_bytes(wire.replace(b"/", b""))
        assert b"\\" not in unquote_to_bytes(wire)
    if policy.double_slash != "keep":
        assert b"//" not in wire + b" " + route


def seeds() -> list[bytes]:
    """Climbs and tricks."""
    paths = (b"a/../b", b"..;/x", b"%2e%2e/", b"a%2f..%5c", b"//a;x//b/.", b"%u0041%00", b";/../", b"\xe4\xf6\\..\\")
    return [bytes((number % len(POLICIES),)) + path for number, path in enumerate(paths)]


if __name__ == "__main__":
    run("path", one_input, seeds())
