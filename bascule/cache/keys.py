"""Cache keys (RFC 9111 2 and 4.1): the URI, and what of the request its stored responses vary by."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache

from bascule.http.fields import list_tokens
from bascule.http.message import RequestHead, ResponseHead

MOST_NAMES = 16
"""Field names that the responses of a URI may vary by; with more they are not stored."""
COOKIE = b"cookie:"
"""Begins a name that stands for one cookie, which no field name can be."""
_LONGEST = 512
"""Bytes of a value that is brought to its normal form, and remembered."""
_PORTS = {b"http": 80, b"https": 443}
_ACCEPTED = frozenset((b"accept", b"accept-language", b"accept-charset"))
_CODINGS = frozenset((b"br", b"gzip", b"zstd", b"deflate", b"x-gzip", b"identity", b"*"))


def uri_of(scheme: bytes, host: bytes, port: int, path: bytes, query: bytes) -> bytes:
    """Return the URI by which responses are known; `query` begins with its question mark. Default ports are left out.

    Path and host are to be in their normal form already.
    """
    if port and port != _PORTS.get(scheme):
        return b"%b://%b:%d%b%b" % (scheme, host, port, path, query)
    return b"%b://%b%b%b" % (scheme, host, path, query)


def without_parameters(query: bytes, ignored: tuple[str, ...]) -> bytes:
    """Return a query, with its question mark, without the parameters that patterns such as ``utm_*`` name.

    A part with a semicolon stays: servers that take it for an ampersand find another parameter behind it, which would
    be no part of the key (parameter cloaking, Kettle 2020).
    """
    if not query:
        return query
    kept = [part for part in query[1:].split(b"&") if b";" in part or not _is_ignored(part.partition(b"=")[0], ignored)]
    return b"?" + b"&".join(kept) if kept else b""


def _is_ignored(name: bytes, patterns: tuple[str, ...]) -> bool:
    text = name.decode("latin-1")
    return any(fnmatchcase(text, pattern) for pattern in patterns)


def varies_by(head: ResponseHead) -> frozenset[bytes] | None:
    """Return the names that Vary lists; None where it lists ``*`` or too many: no request matches that."""
    names = frozenset(name for value in head.values(b"vary") for name in list_tokens(value))
    return None if b"*" in names or len(names) > MOST_NAMES else names


def variant(head: RequestHead, names: tuple[bytes, ...]) -> bytes:
    """Return what a request says in the fields of these names, in a form in which equal meanings are equal."""
    return b"\n".join([_said(head, name) for name in names])


def _said(head: RequestHead, name: bytes) -> bytes:
    if name.startswith(COOKIE):
        return _cookie(head, name[len(COOKIE) :])
    values = head.values(name)
    if not values:
        return b"-"  # absent is not the same as empty
    return b"=" + normal(name, b",".join(values))


def _cookie(head: RequestHead, name: bytes) -> bytes:
    for value in head.values(b"cookie"):
        for pair in value.split(b";"):
            key, _, content = pair.strip(b" \t").partition(b"=")
            if key == name:
                return b"=" + content
    return b"-"


def normal(name: bytes, value: bytes) -> bytes:
    """Return the value of a selecting field without what makes no difference: blanks, and the order of preferences.

    One that is longer than any browser's stays as it is: it is neither worth the work nor the memory.
    """
    return _normal(name, value) if len(value) <= _LONGEST else value


@lru_cache(maxsize=2048)
def _normal(name: bytes, value: bytes) -> bytes:
    members = [member.strip(b" \t") for member in value.split(b",")]
    if name == b"accept-encoding":
        return b",".join(sorted({coding for coding, weight in _weighted(members) if weight and coding in _CODINGS}))
    if name in _ACCEPTED:
        ranked = sorted(_weighted(members), key=lambda item: (-item[1], item[0]))
        return b",".join([b"%b;q=%d" % item for item in ranked])
    return b",".join(members)


def _weighted(members: list[bytes]) -> list[tuple[bytes, int]]:
    """Return members in lower case with their weights in thousandths (RFC 9110 12.4.2); a bad one counts as 1."""
    found = []
    for member in members:
        if not member:
            continue
        what, *parameters = [part.strip(b" \t") for part in member.lower().split(b";")]
        weight = 1000
        for parameter in parameters:
            if parameter.startswith(b"q="):
                weight = _thousandths(parameter[2:])
            else:
                what += b";" + parameter
        found.append((what, weight))
    return found


def _thousandths(text: bytes) -> int:
    whole, _, rest = text[:5].partition(b".")
    if whole not in (b"0", b"1") or (rest and not rest.isdigit()):
        return 1000
    return min(1000, int(whole) * 1000 + int((rest + b"000")[:3]))
