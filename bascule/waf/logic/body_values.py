"""The values of a request body: read as what it is declared, and as what it looks like."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from typing import Final

from bascule.waf.bodies import (
    CUT,
    MultipartBody,
    XmlBody,
    fragment_pairs,
    is_binary,
    is_message,
    json_leaves,
    json_lines,
    media_type,
    parse_json,
    parse_multipart,
    parse_xml,
)
from bascule.waf.bodies.percent import url_decode
from bascule.waf.logic import batches
from bascule.waf.logic.charsets import decoded_part, in_utf8
from bascule.waf.logic.facts.doctype import expanded
from bascule.waf.logic.facts.queries import is_query
from bascule.waf.logic.fields import USUAL
from bascule.waf.logic.values import (
    EVERY,
    SEPARATORS,
    Headers,
    Value,
    add_fields,
    add_value,
    are_read_across,
    head_values,
    header_value,
    pair_values,
    value_of,
)

MAX_TEXTS = 1_000
"""Texts of an XML document that are values of their own; the document as it stands is one, too."""
FILE_SLICE = 1 << 16
"""Bytes of a file that are looked at in one go: well below a millisecond."""
FILE_OVERLAP = 2048
"""Bytes that two of these have in common."""
MAX_LIKE_FIELD = 512
"""Bytes of a text in a file up to which it is read as if it were the value of a field: some programs take either."""
LINES_OF_FILE = 2
"""Line feeds from which on a text is kept as the file it is called, however short: scripts, pages, notes, logs."""
MAX_BLOB = 1 << 14
"""Bytes of JSON in a file up to which it is read as JSON; what scripts of pages send as a Blob is read to its end."""
_JSON: Final = (b"json", b"/graphql")
_FORM: Final = b"x-www-form-urlencoded"
_OPERATOR = re.compile(rb'"(\$\w{2,16})"\s{0,8}:\s{0,8}[\[{]')
_AT_ONCE = 256
"""Fields of a body that are decoded together."""


def body_lines(content_type: bytes, body: bytes) -> bytes | None:
    """Return the values of a form or JSON document, decoded, each as a line; None for other bodies."""
    kind = media_type(content_type)
    start = _start(body)
    if kind.startswith(b"multipart/") or in_utf8(content_type, body):
        return None
    if kind.endswith(_JSON) or (start and start in b"{["):
        lines = json_lines(body, EVERY)
        return None if lines is None or b"prototype" in lines else lines  # which is judged with what it belongs to
    if start == b"<" or kind.endswith(b"xml") or (kind and not kind.endswith(_FORM)) or are_read_across(body):
        return None
    lines = body.translate(SEPARATORS)
    if b"%" in lines:
        decoded = url_decode(lines)
        return decoded if decoded.count(b"\n") == lines.count(b"\n") else None
    return lines


def body_values(
    content_type: bytes,
    body: bytes,
    parts: MultipartBody | None = None,
    pairs: Headers | None = None,
    xml: XmlBody | None = None,
) -> Iterator[Value]:
    """Yield the values of a request body, read as what it is declared and as what it looks like.

    A body that no parser reads is one value: a message, or a file. Files count with their names, and slice by slice.
    `parts` are those of a multipart body that was read already, `pairs` the arguments of a form or of
    JSON, `xml` the document. A body in another charset is read in both.
    """
    if not body:
        return
    yield from _body_values(content_type, body, parts, pairs, xml)
    again = in_utf8(content_type, body)
    if again:
        yield from _body_values(content_type, again, None, None)


def _body_values(
    content_type: bytes, body: bytes, parts: MultipartBody | None, pairs: Headers | None, xml: XmlBody | None = None
) -> Iterator[Value]:
    kind = media_type(content_type)
    read_as = reading(kind, body)
    if kind == batches.KIND and (parts_of := [*batches.batch(content_type, body)]):
        for part in parts_of:
            yield from _batched(part)
    elif read_as == "multipart":
        yield from part_values(parts or parse_multipart(body, content_type, EVERY), body)
    elif read_as == "json":
        yield from _leaves(body, pairs)
    elif read_as == "xml":
        yield from _elements(body, xml)
    elif read_as == "form":
        yield from _form(body) if pairs is None else pair_values(pairs)
    elif read_as == "text":
        yield value_of(("body", b"", body))
    else:
        yield from file_values(_place_of_file(kind, body), b"", body)


def _batched(part: batches.Batched) -> Iterator[Value]:
    """Yield the values of a request of a batch. What is neither taken apart nor a document is one text."""
    yield from head_values(part.target, part.headers)
    kind = media_type(part.content_type)
    if kind and kind != b"application/http" and not kind.startswith(b"multipart/"):
        yield from _body_values(part.content_type, part.content, None, None)
    elif part.content:
        yield value_of(("body", b"", part.content))


def reading(kind: bytes, body: bytes) -> str:
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
    return reading(media_type(content_type), start) == "file"


def file_values(place: str, name: bytes, content: bytes) -> Iterator[Value]:
    """Yield a file slice by slice."""
    yield value_of((place, name, content[:FILE_SLICE]))
    for start in range(FILE_SLICE - FILE_OVERLAP, len(content) - FILE_OVERLAP, FILE_SLICE - FILE_OVERLAP):
        yield value_of((place, name, content[start : start + FILE_SLICE]))


def _start(body: bytes) -> bytes:
    return body.lstrip(b" \t\r\n\xef\xbb\xbf")[:1]


def _form(body: bytes) -> Iterator[Value]:
    fields = body.split(b"&")
    for start in range(0, len(fields), _AT_ONCE):
        found: list[Value] = []
        add_fields(fields[start : start + _AT_ONCE], "body", found)
        yield from found


def part_values(found: MultipartBody, body: bytes) -> Iterator[Value]:
    """Yield the values of a multipart body, or of its start; it is one value where it has no parts."""
    if found.error or not found.parts:
        yield value_of(("body", b"", body))
    elif found.stray.strip():
        yield value_of(("body", b"", found.stray))
    for part in found.parts:
        if part.name:
            yield value_of(("name", b"", part.name))
        if part.filename:
            yield value_of(("file", part.name, part.filename))
        for name, value in part.headers.items():
            if name != b"content-disposition" and value.translate(None, USUAL):
                yield header_value(name, value)
        content = part.content
        if not content:
            continue
        kind = part.headers.get(b"content-type", b"").lower()
        place = "body"
        if part.filename:
            if b"json" in kind and (len(content) <= MAX_BLOB or part.filename == b"blob"):
                yield from _leaves(content, None)
            place = _place_of_file(kind, content)
            if place == "body" and b"." in part.filename and content.count(b"\n") >= LINES_OF_FILE:
                place = "upload"
            elif place == "body" and part.filename.lower().endswith(b".sql") and is_query(content):
                place = "upload"  # one query, which is what such a file holds
        if again := decoded_part(part.headers, content):
            yield value_of((place, part.name, again))
        if place == "upload":
            yield from file_values(place, part.name, content)
        elif place == "document":  # of which there may be only a piece, that begins within a tag
            yield value_of((place, part.name, content[max(content.find(b"<"), 0) :]))
        elif part.filename:
            yield value_of((place, part.name, content))
        else:
            fields: list[Value] = []
            add_value(fields, place, part.name, content)
            yield from fields


def _place_of_file(kind: bytes, content: bytes) -> str:
    """Return as what a file is read: a picture that browsers run as a page, a short text, or a file that is kept."""
    if b"svg" in kind:
        return "document"
    return "body" if len(content) <= MAX_LIKE_FIELD and not is_binary(content) else "upload"


def _leaves(body: bytes, known_pairs: Headers | None) -> Iterator[Value]:
    pairs: Iterable[tuple[bytes, bytes]] | None = known_pairs or json_leaves(body, EVERY)
    if pairs is None:
        pairs = _leaves_of_lines(body)
    if pairs is None:  # what is wrong with it may be right to the server: several documents, say
        document = parse_json(body, EVERY)
        pairs = document.pairs
        if b"=" in body[:256] and b"&" in body:
            yield from _form(body)
        if not pairs and document.error != CUT:  # of one that is cut off, all texts are whole but the last
            yield value_of(("body", b"", body))
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
                yield value_of(("name", b"", key))
        if last == b"prototype" or b".prototype" in above:
            yield value_of(("name", b"", name))
        if value and value[0] in b"{[":
            found: list[Value] = []
            add_value(found, "body", name, value)
            yield from found
        elif value:
            yield value_of(("body", name, value))
    yield from (value_of(("name", b"", key)) for key in operators(body) if key not in names)


def _leaves_of_lines(body: bytes) -> list[tuple[bytes, bytes]] | None:
    """Return the leaves of documents that stand on a line each (NDJSON, envelopes of Sentry's); None if one is none."""
    if b"}\n{" not in body and b"}\r\n{" not in body:
        return None
    found: list[tuple[bytes, bytes]] = []
    for line in body.split(b"\n"):
        if line.strip():
            leaves = json_leaves(line, EVERY)
            if leaves is None:
                return None
            found += leaves
    return found


def operators(body: bytes) -> list[bytes]:
    """Return the names in JSON that begin with a dollar and hold a list or an object; an empty one has no leaf."""
    return list(dict.fromkeys(_OPERATOR.findall(body))) if b'"$' in body else []


def _elements(body: bytes, known: XmlBody | None) -> Iterator[Value]:
    """The document as it stands (its entities and inclusions), then its texts and attributes."""
    yield value_of(("document", b"xml", body))
    if known is not None and known.root is not None and b"<!" not in body:
        document = known
    else:
        document = parse_xml(expanded(body) or body if b"<!" in body else body, EVERY)
    if document.error:  # lenient parsers read it nevertheless
        yield from pair_values(fragment_pairs("XML", body))
    for text in document.texts(MAX_TEXTS):
        yield value_of(("body", b"xml", text))


def request_values(target: bytes, headers: Headers, body: bytes) -> Iterator[Value]:
    """Yield the values of a whole request."""
    yield from head_values(target, headers)
    if body:
        yield from body_values(next((value for name, value in headers if name == b"content-type"), b""), body)
