"""The values of a request that are inspected, each with the place it comes from."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple, cast
from urllib.parse import unquote_to_bytes

from bascule.waf.bodies import (
    Limits,
    MultipartBody,
    fragment_pairs,
    is_binary,
    is_message,
    json_leaves,
    json_texts,
    media_type,
    parse_cookies,
    parse_json,
    parse_multipart,
    parse_xml,
)
from bascule.waf.bodies.percent import url_decode
from bascule.waf.logic.charsets import decoded_part, in_utf8
from bascule.waf.logic.facts.doctype import expanded
from bascule.waf.logic.facts.patterns import MARKED
from bascule.waf.logic.fields import USUAL, is_inspected

Headers = list[tuple[bytes, bytes]]

MAX_TEXTS = 1_000
"""Texts of an XML document that are values of their own; the document as it stands is one, too."""
FILE_SLICE = 1 << 16
"""Bytes of a file that are looked at in one go: well below a millisecond."""
FILE_OVERLAP = 2048
"""Bytes that two of these have in common."""
MAX_LIKE_FIELD = 512
"""Bytes of a text in a file up to which it is read as if it were the value of a field: some programs take either."""
MAX_BLOB = 1 << 14
"""Bytes of JSON in a file up to which it is read as JSON; what scripts of pages send as a Blob is read to its end."""
_SENT_BACK = (b"redirect_uri", b"post_logout_redirect_uri")
_OWN_MACHINE = re.compile(rb"^http://(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?(?=/|$)")
"""Where OAuth sends users of native programs back to (RFC 8252 7.3): their own machines, which nobody fetches from."""
_EVERY = Limits(fields=1 << 17)
"""Heads and bodies have bounds of their own: no field in them goes unseen."""
_JSON = (b"json", b"/graphql")
_FORM = b"x-www-form-urlencoded"
_SIMPLE_JSON = MARKED + b'"\r\n\t'
"""What a document whose texts are words and marks is written in."""
_AT_ONCE = 256
"""Fields of a body that are decoded together."""


class Value(NamedTuple):
    """`place`: path, query, name, cookie, header:<name>, body, document (of XML), file or upload; `name`: of the
    parameter, cookie, header or part."""

    place: str
    name: bytes
    data: bytes


_value = cast(Callable[[tuple[str, bytes, bytes]], Value], partial(tuple.__new__, Value))
"""Value's constructor costs three times as much."""


def head_values(target: bytes, headers: Headers) -> list[Value]:
    """Return the values of a request head; header names are lower case. Empty values are left out."""
    found: list[Value] = []
    _target_values(target, found)
    for name, value in headers:
        if name == b"cookie":
            _cookie_values(value, found)
        elif name == b"referer":
            _referer_values(value, found)
        elif value and is_inspected(name, value):
            found.append(header_value(name, value))
    return found


_FIELDS = bytes.maketrans(b"&=+", b"\n\n ")
_COOKIES = bytes.maketrans(b";=", b"\n\n")
_SECOND_EQUALS = re.compile(rb"=[^&]*=")
_COOKIE_SECOND_EQUALS = re.compile(rb"=[^;]*=")


def lines_of(target: bytes, varying: Headers) -> bytes | None:
    """Return a text that has each value of a target, cookies and Referer as a line, without taking them apart.

    It may have lines that are no values. None: where values and separators cannot be told apart so simply.
    The text says what the values say only where nothing in it is encoded.
    """
    path, _, query = target.partition(b"?")
    lines = [path]
    if query:
        if _SECOND_EQUALS.search(query):
            return None
        lines.append(query.translate(_FIELDS))
    for name, value in varying:
        if name == b"cookie":
            if _COOKIE_SECOND_EQUALS.search(value):
                return None
            lines.append(value.translate(_COOKIES))
        elif name == b"referer":
            url, _, query = _without_origin(value)
            lines.append(url)
            if query:
                if _SECOND_EQUALS.search(query):
                    return None
                lines.append(query.translate(_FIELDS))
    return b"\n".join(lines)


def body_lines(content_type: bytes, body: bytes) -> bytes | None:
    """Return such a text of a form's or JSON document's values; None for other bodies."""
    kind = media_type(content_type)
    start = _start(body)
    if kind.startswith(b"multipart/") or in_utf8(content_type, body):
        return None
    if kind.endswith(_JSON) or (start and start in b"{["):
        if body.translate(None, _SIMPLE_JSON):
            return None
        texts = json_texts(body, _EVERY)
        if texts is None:
            return None
        text = "\n".join(texts)
        return text.encode() if text.count("\n") < len(texts) and text.isascii() else None
    if start == b"<" or kind.endswith(b"xml") or (kind and not kind.endswith(_FORM)) or _SECOND_EQUALS.search(body):
        return None
    return body.translate(_FIELDS)


def lines_of_pairs(pairs: Headers) -> bytes | None:
    """Return such a text of arguments that were read already; None where one has lines of its own."""
    texts = [text for pair in pairs for text in pair]
    joined = b"\n".join(texts)
    return joined if joined.count(b"\n") < max(len(texts), 1) else None


def header_value(name: bytes, value: bytes) -> Value:
    """Return a header field as a value."""
    return _value(("header:" + name.decode("latin-1"), name, value))


def _add(found: list[Value], place: str, name: bytes, data: bytes) -> None:
    """Add a value; where it is a whole JSON document, that document's names and leaves instead."""
    if data[0] in b"{[" and data[-1] in b"}]":
        document = parse_json(data, _EVERY)
        if document.pairs and not document.error:
            names = dict.fromkeys([name for key, _ in document.pairs for name in key.split(b".")[1:]])
            found += [_value(("name", b"", key)) for key in names]
            found += [_value((place, name + key[4:], leaf)) for key, leaf in document.pairs if leaf]
            return
    found.append(_value((place, name, data)))


def _target_values(target: bytes, found: list[Value]) -> None:
    path, mark, query = target.partition(b"?")
    if len(path) > 1:
        plain = unquote_to_bytes(path) if b"%" in path else path
        found.append(_value(("path", b"", plain)))
        if plain is not path and b" " in plain:  # what is routed by its segments passes each on by itself
            found += [_value(("path", b"", segment)) for segment in plain.split(b"/") if b" " in segment]
    if mark:
        _fields(query.split(b"&"), "query", found)


def _referer_values(value: bytes, found: list[Value]) -> None:
    """The Referer's path and query are inspected like a request's."""
    url, mark, query = _without_origin(value)
    if len(url) > 1:
        found.append(_value(("header:referer", b"referer", unquote_to_bytes(url) if b"%" in url else url)))
    if mark:
        _fields(query.split(b"&"), "header:referer", found)


def _without_origin(value: bytes) -> tuple[bytes, bytes, bytes]:
    """Return a Referer's path, question mark and query: what is before them tells nothing."""
    url, mark, query = value.partition(b"?")
    if url[:4].lower() == b"http" or not mark:
        scheme_end = url.find(b"//")
        slash = url.find(b"/", scheme_end + 2) if scheme_end >= 0 else 0
        url = url[slash:] if slash > 0 else url if scheme_end < 0 else b""
    return url, mark, query


def _fields(fields: list[bytes], place: str, found: list[Value]) -> None:
    """Add the names and values of fields of a query or a form."""
    for text in fields:
        if b"%" in text or b"+" in text:
            name, _, value = text.partition(b"=")
            name, value = url_decode(name), url_decode(value)
        else:
            name, _, value = text.partition(b"=")
        if name:
            found.append(_value(("name" if value else place, b"", name)))
        if value:
            if value[0] in b"{[":
                _add(found, place, name, value)
            elif name in _SENT_BACK and value[:4] == b"http":
                found.append(_value((place, name, _OWN_MACHINE.sub(b"", value) or b"/")))
            else:
                found.append(_value((place, name, value)))


def _cookie_values(header: bytes, found: list[Value]) -> None:
    for name, value in parse_cookies(header, _EVERY):
        if name.translate(None, USUAL):
            found.append(_value(("name", b"", name)))
        if value:
            _add(found, "cookie", name, unquote_to_bytes(value) if b"%" in value else value)


def body_values(
    content_type: bytes, body: bytes, parts: MultipartBody | None = None, pairs: Headers | None = None
) -> Iterator[Value]:
    """Yield the values of a request body, read as what it is declared and as what it looks like.

    A body that no parser reads is one value: a message, or a file. Files count with their names, and slice by slice.
    `parts` are those of a multipart body that was read already, `pairs` the arguments of a form or of
    JSON. A body in another charset is read in both.
    """
    if not body:
        return
    yield from _body_values(content_type, body, parts, pairs)
    again = in_utf8(content_type, body)
    if again:
        yield from _body_values(content_type, again, None, None)


def _body_values(
    content_type: bytes, body: bytes, parts: MultipartBody | None, pairs: Headers | None
) -> Iterator[Value]:
    kind = media_type(content_type)
    reading = _reading(kind, body)
    if reading == "multipart":
        yield from part_values(parts or parse_multipart(body, content_type, _EVERY), body)
    elif reading == "json":
        yield from _leaves(body, pairs)
    elif reading == "xml":
        yield from _elements(body)
    elif reading == "form":
        yield from _form(body) if pairs is None else pair_values(pairs)
    elif reading == "text":
        yield _value(("body", b"", body))
    else:
        yield from file_values(_place_of_file(kind, body), b"", body)


def _reading(kind: bytes, body: bytes) -> str:
    """Return as what a body is read, by its media type and its looks."""
    start = _start(body)
    if kind.startswith(b"multipart/"):
        return "multipart"
    if kind.endswith(_JSON) or (start and start in b"{[" and not _is_noise(body)):
        return "json"
    if kind.endswith(b"xml") or (start == b"<" and not _is_noise(body)):
        return "xml"
    if kind.endswith(_FORM):
        return "form"
    if is_message(kind, body):
        return "text"
    if (not kind or kind == b"text/plain") and b"\0" not in body[:MAX_LIKE_FIELD]:
        return "form" if not kind or b"=" in body[:256] else "text"
    return "file"


def _is_noise(body: bytes) -> bool:
    """Tell whether a body begins as no parser of texts takes it: with control characters, and not in UTF-8."""
    start = body[:MAX_LIKE_FIELD]
    if not is_binary(start.replace(b"\x7f", b"")):
        return False
    try:
        codecs.utf_8_decode(start, "strict", False)
    except UnicodeDecodeError:
        return True
    return False


def is_file(content_type: bytes, start: bytes) -> bool:
    """Tell whether a body that begins so is read as a file that is kept."""
    return _reading(media_type(content_type), start) == "file"


def file_values(place: str, name: bytes, content: bytes) -> Iterator[Value]:
    """Yield a file slice by slice."""
    yield _value((place, name, content[:FILE_SLICE]))
    for start in range(FILE_SLICE - FILE_OVERLAP, len(content) - FILE_OVERLAP, FILE_SLICE - FILE_OVERLAP):
        yield _value((place, name, content[start : start + FILE_SLICE]))


def _start(body: bytes) -> bytes:
    return body[:64].lstrip(b" \t\r\n\xef\xbb\xbf")[:1]


def pair_values(pairs: Headers) -> list[Value]:
    """Return the values of arguments that were read already."""
    found: list[Value] = []
    for name, value in pairs:
        if name:
            found.append(_value(("name" if value else "body", b"", name)))
        if value:
            _add(found, "body", name, value)
    return found


def _form(body: bytes) -> Iterator[Value]:
    fields = body.split(b"&")
    for start in range(0, len(fields), _AT_ONCE):
        found: list[Value] = []
        _fields(fields[start : start + _AT_ONCE], "body", found)
        yield from found


def part_values(found: MultipartBody, body: bytes) -> Iterator[Value]:
    """Yield the values of a multipart body, or of its start; it is one value where it has no parts."""
    if found.error or not found.parts:
        yield _value(("body", b"", body))
    elif found.stray.strip():
        yield _value(("body", b"", found.stray))
    for part in found.parts:
        if part.name:
            yield _value(("name", b"", part.name))
        if part.filename:
            yield _value(("file", part.name, part.filename))
        content = part.content
        if not content:
            continue
        kind = part.headers.get(b"content-type", b"").lower()
        place = "body"
        if part.filename:
            if b"json" in kind and (len(content) <= MAX_BLOB or part.filename == b"blob"):
                yield from _leaves(content, None)
            place = _place_of_file(kind, content)
        if again := decoded_part(part.headers, content):
            yield _value((place, part.name, again))
        if place == "upload":
            yield from file_values(place, part.name, content)
        elif place == "document":  # of which there may be only a piece, that begins within a tag
            yield _value((place, part.name, content[max(content.find(b"<"), 0) :]))
        else:
            yield _value((place, part.name, content))


def _place_of_file(kind: bytes, content: bytes) -> str:
    """Return as what a file is read: a picture that browsers run as a page, a short text, or a file that is kept."""
    if b"svg" in kind:
        return "document"
    return "body" if len(content) <= MAX_LIKE_FIELD and not is_binary(content) else "upload"


def _leaves(body: bytes, known_pairs: Headers | None) -> Iterator[Value]:
    pairs: Iterable[tuple[bytes, bytes]] | None = known_pairs or json_leaves(body, _EVERY)
    if pairs is None:  # what is wrong with it may be right to the server: several documents, say
        pairs = parse_json(body, _EVERY).pairs
        if b"=" in body[:256] and b"&" in body:
            yield from _form(body)
        if not pairs:
            yield _value(("body", b"", body))
        yield from pair_values(fragment_pairs("JSON", body))
    names: set[bytes] = set()
    known: set[bytes] = set()
    for name, value in pairs:
        above, _, last = name.rpartition(b".")
        if above not in known:  # the names of objects, too: an operator or a prototype is one
            known.add(above)
            fresh = dict.fromkeys((*above.split(b".")[1:], last))
        else:
            fresh = {last: None}
        for key in fresh:
            if key not in names:
                names.add(key)
                yield _value(("name", b"", key))
        if last == b"prototype" or b".prototype" in above:
            yield _value(("name", b"", name))
        if value and value[0] in b"{[":
            found: list[Value] = []
            _add(found, "body", name, value)
            yield from found
        elif value:
            yield _value(("body", name, value))


def _elements(body: bytes) -> Iterator[Value]:
    """The document as it stands (its entities and inclusions), then its texts and attributes."""
    yield _value(("document", b"xml", body))
    document = parse_xml(expanded(body) or body if b"<!" in body else body, _EVERY)
    if document.error:  # lenient parsers read it nevertheless
        yield from pair_values(fragment_pairs("XML", body))
    for text in document.texts(MAX_TEXTS):
        yield _value(("body", b"xml", text))


def request_values(target: bytes, headers: Headers, body: bytes) -> Iterator[Value]:
    """Yield the values of a whole request."""
    yield from head_values(target, headers)
    if body:
        yield from body_values(next((value for name, value in headers if name == b"content-type"), b""), body)
