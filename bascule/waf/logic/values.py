"""The values of a request that are inspected, each with the place it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from bascule.waf.bodies import (
    Limits,
    MultipartBody,
    MultipartParser,
    parse_cookies,
    parse_json,
    parse_multipart,
    parse_urlencoded,
    parse_xml,
)

Headers = list[tuple[bytes, bytes]]

MAX_FIELDS = 1_000
"""Fields of a body, of a query and of the cookies (DESIGN 7)."""
MAX_FILE = 1 << 16
"""Bytes of an uploaded file that are read: scripts show themselves at its head."""
_LIMITS = Limits(fields=MAX_FIELDS)

_SKIPPED = frozenset(
    b"""    host cookie referer connection content-length transfer-encoding date dnt te accept if-modified-since
    if-unmodified-since upgrade-insecure-requests sec-fetch-site sec-fetch-mode sec-fetch-dest sec-fetch-user
    sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform cache-control sec-ch-ua-full-version-list sec-ch-ua-arch
    sec-ch-ua-model sec-ch-ua-bitness accept-language sec-ch-ua-platform-version accept-encoding
    x-requested-with sec-gpc save-data range purpose pragma keep-alive priority sec-websocket-key
    sec-websocket-version if-none-match origin
    """.split()
)
"""Headers of a fixed grammar, or looked at elsewhere; an unusual value in one is looked at all the same."""
_USUAL = bytes(range(48, 58)) + bytes(range(65, 91)) + bytes(range(97, 123)) + b' ,;=*/.+-:"?()_&'


class Value(NamedTuple):
    """`place`: path, query, name, cookie, header:<name>, body or file; `name`: of the parameter, cookie or header."""

    place: str
    name: bytes
    data: bytes


def head_values(target: bytes, headers: Headers) -> Iterator[Value]:
    """Yield the values of a request head; header names are lower case. Empty values are left out."""
    yield from _target_values(target)
    for name, value in headers:
        if name == b"cookie":
            yield from _cookie_values(value)
        elif name == b"referer":
            yield from _referer_values(value)
        elif value and (name not in _SKIPPED or value.translate(None, _USUAL)):
            yield Value("header:" + name.decode("latin-1"), name, value)


def _value(place: str, name: bytes, data: bytes) -> Iterator[Value]:
    """A value; where it is a whole JSON document, that document's names and leaves instead."""
    if data[:1] in (b"{", b"[") and data[-1:] in (b"}", b"]"):
        found = parse_json(data, _LIMITS)
        if found.pairs and not found.error:
            for key in dict.fromkeys(key.rpartition(b".")[2] for key, _ in found.pairs):
                yield Value("name", b"", key)
            for key, leaf in found.pairs:
                if leaf:
                    yield Value(place, name + key[4:], leaf)
            return
    yield Value(place, name, data)


def _target_values(target: bytes) -> Iterator[Value]:
    path, mark, query = target.partition(b"?")
    if len(path) > 1:
        yield Value("path", b"", unquote_to_bytes(path) if b"%" in path else path)
    if mark:
        yield from _fields(query, "query")


def _referer_values(value: bytes) -> Iterator[Value]:
    """The Referer's path and query are inspected like a request's; its own parts tell nothing twice."""
    url, mark, query = value.partition(b"?")
    if url[:4].lower() == b"http" or not mark:
        scheme_end = url.find(b"//")
        slash = url.find(b"/", scheme_end + 2) if scheme_end >= 0 else 0
        url = url[slash:] if slash > 0 else url if scheme_end < 0 else b""
    if len(url) > 1:
        yield Value("header:referer", b"referer", unquote_to_bytes(url) if b"%" in url else url)
    if mark:
        yield from _fields(query, "header:referer")


def _fields(text: bytes, place: str) -> Iterator[Value]:
    for name, value in parse_urlencoded(text, limits=_LIMITS).pairs:
        if name:
            yield Value("name" if value else place, b"", name)
        if value:
            yield from _value(place, name, value)


def _cookie_values(header: bytes) -> Iterator[Value]:
    for name, value in parse_cookies(header, _LIMITS):
        if value:
            yield from _value("cookie", name, unquote_to_bytes(value) if b"%" in value else value)


def body_values(content_type: bytes, body: bytes) -> Iterator[Value]:
    """Yield the values of a request body, read as what it is declared and as what it looks like.

    A body that no parser reads is one value. Uploaded files count with their names and their first MAX_FILE bytes.
    """
    if not body:
        return
    kind = content_type.partition(b";")[0].strip().lower()
    start = body[:64].lstrip(b" \t\r\n\xef\xbb\xbf")[:1]
    if kind.startswith(b"multipart/"):
        yield from _parts(body, content_type)
    elif kind.endswith((b"json", b"/graphql")) or (start in b"{[" and start):
        yield from _leaves(body)
    elif kind.endswith(b"xml") or start == b"<":
        yield from _elements(body)
    elif kind.endswith(b"x-www-form-urlencoded") or not kind or (kind == b"text/plain" and b"=" in body[:256]):
        yield from _fields(body, "body")
    else:
        yield Value("body", b"", body)


def start_of_parts(content_type: bytes, body: bytes) -> Iterator[Value]:
    """Yield the values in the start of a multipart body of which the rest is not here."""
    parser = MultipartParser(content_type, _LIMITS)
    parser.feed(body)
    yield from _part_values(parser.cut(), body)


def pair_values(pairs: Headers) -> Iterator[Value]:
    """Yield the values of arguments that were read already."""
    for name, value in pairs:
        if name:
            yield Value("name" if value else "body", b"", name)
        if value:
            yield from _value("body", name, value)


def _parts(body: bytes, content_type: bytes) -> Iterator[Value]:
    yield from _part_values(parse_multipart(body, content_type, _LIMITS), body)


def _part_values(found: MultipartBody, body: bytes) -> Iterator[Value]:
    if found.error or not found.parts:
        yield Value("body", b"", body)
    for part in found.parts:
        if part.name:
            yield Value("name", b"", part.name)
        if part.filename:
            yield Value("file", part.name, part.filename)
        kind = part.headers.get(b"content-type", b"")
        if part.content and (not part.filename or kind.startswith((b"text/", b"application/")) or not kind):
            yield Value("body", part.name, part.content[:MAX_FILE])
        elif part.content:
            yield Value("upload", part.name, part.content[:MAX_FILE])


def _leaves(body: bytes) -> Iterator[Value]:
    found = parse_json(body, _LIMITS)
    if found.error and not found.pairs:
        if b"=" in body[:256] and b"&" in body:
            yield from _fields(body, "body")
        yield Value("body", b"", body)
        return
    names: set[bytes] = set()
    for name, value in found.pairs:
        key = name.rpartition(b".")[2]
        if key not in names:
            names.add(key)
            yield Value("name", b"", key)
        if value:
            yield from _value("body", name, value)


def _elements(body: bytes) -> Iterator[Value]:
    """The document as it stands (its entities and inclusions), then its texts and attributes."""
    yield Value("body", b"xml", body)
    document = parse_xml(body, _LIMITS)
    for text in document.values("//text()|//@*")[:MAX_FIELDS]:
        if text.strip():
            yield Value("body", b"xml", text)


def request_values(target: bytes, headers: Headers, body: bytes) -> Iterator[Value]:
    """Yield the values of a whole request."""
    yield from head_values(target, headers)
    if body:
        yield from body_values(next((value for name, value in headers if name == b"content-type"), b""), body)
