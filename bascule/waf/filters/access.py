"""Who may ask for which place: the first entry whose path and method fit decides.

Entries are compared with the path as the most lenient server would read it: decoded, without dot segments, empty
segments and path parameters, backslashes as slashes, in lower case. So no spelling of ``/admin`` gets around its entry,
nor borrows that of an exception below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_to_bytes

from bascule.config.filters import Access
from bascule.config.grammar import compile_pattern
from bascule.http.addresses import TrustedNetworks

if TYPE_CHECKING:
    from bascule.waf.request import RequestView

RULE = 718_001
MAX_DECODING = 3
"""Times a path is decoded: ``%252e`` is a dot to a server behind another one."""


class _Entry(NamedTuple):
    fits: Callable[[bytes], bool]
    methods: frozenset[bytes]
    admits: Callable[[bytes], bool]


def access_check(entries: Iterable[Access]) -> Callable[[RequestView], tuple[int, bytes, bytes] | None]:
    """Return the check of these entries. Raises ValueError for a pattern that is none."""
    compiled_entries = [_compile(entry) for entry in entries]

    def check(t: RequestView) -> tuple[int, bytes, bytes] | None:
        path = plain_path(t.target)
        for fits, methods, admits in compiled_entries:
            if (not methods or t.method in methods) and fits(path):
                if admits(t.connection.client_address):
                    return None
                return RULE, b"REQUEST_FILENAME", t.filename
        return None

    return check


def plain_path(target: bytes) -> bytes:
    """Return the path of a target as the most lenient server reads it, in lower case."""
    path = target.partition(b"?")[0]
    for _ in range(MAX_DECODING):
        if b"%" not in path:
            break
        path = unquote_to_bytes(path)
    path = path.replace(b"\\", b"/").lower()
    if path[:1] != b"/":  # absolute-form
        path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
    kept: list[bytes] = []
    segments = [segment.partition(b";")[0] for segment in path.split(b"/")]
    for segment in segments:
        if segment == b"..":
            if kept:
                kept.pop()
        elif segment not in (b"", b"."):
            kept.append(segment)
    directory = b"/" if kept and segments[-1] in (b"", b".", b"..") else b""
    return b"/" + b"/".join(kept) + directory


def _compile(entry: Access) -> _Entry:
    return _Entry(path_test(entry.path), frozenset(method.encode() for method in entry.methods), _admission(entry))


def path_test(text: str) -> Callable[[bytes], bool]:
    """Return what tells whether a plain path fits a text: a folder, ``=`` a path, or ``~`` a pattern."""
    if text[:1] == "~":
        search = compile_pattern(f"(?i){text[1:]}").search
        return lambda path: search(path) is not None
    if text[:1] == "=":
        exact = text[1:].lower().encode()
        return lambda path: path == exact or path == exact + b"/"
    prefix = text.lower().rstrip("/").encode()
    return lambda path: path == prefix or path.startswith(prefix + b"/")


def _admission(entry: Access) -> Callable[[bytes], bool]:
    if entry.open:
        return lambda client: True
    allow, deny = TrustedNetworks(entry.allow), TrustedNetworks(entry.deny)
    if not allow and not deny:
        return lambda client: False
    return lambda client: (not allow or client in allow) and client not in deny
