"""Change values of a query or body where they stand, in the form in which they were sent.

Each reader below walks a text, decodes its values one by one, and writes those that are to be changed anew: escape for
escape, so that what it is stays what it is. Only a text in another charset than UTF-8, or a value of XML in which an
escape is too short for another one, may get another length.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

from bascule.waf.bodies import MultipartBody, media_type
from bascule.waf.bodies.percent import url_decode
from bascule.waf.logic.body_values import FILE_OVERLAP, FILE_SLICE, file_values, reading
from bascule.waf.logic.charsets import declared_codec, decoded_part, wide_codec

Alter = Callable[[bytes], bytes]
"""Returns a text of the same length."""
_BLANK = b" "
_PERCENT = re.compile(rb"%[0-9A-Fa-f]{2}|[\x00-\xff]")
_JSON_LEAF = re.compile(rb'"(?:[^"\\]|\\.)*+"?+|-?[0-9][0-9.eE+-]*+', re.DOTALL)
_JSON_CHAR = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|[\x00-\xff]"
)
_XML_ESCAPE = re.compile(rb"&#x[0-9a-fA-F]{1,8};|&#[0-9]{1,8};|&[a-z]{2,4};|\r\n?")
_XML_CHAR = re.compile(_XML_ESCAPE.pattern + rb"|[\x00-\xff]")
_IN_TAG = re.compile(rb"[>\"']")
_ENTITIES: Final = {b"&lt;": b"<", b"&gt;": b">", b"&amp;": b"&", b"&quot;": b'"', b"&apos;": b"'"}
_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
_WHITE = bytes.maketrans(b"\t\n\r", b"   ")


class Changes:
    """What is to become of values, by what they say. `made` are those that were found."""

    def __init__(self) -> None:
        self._alters: dict[bytes, list[Alter]] = {}
        self.made: set[bytes] = set()

    def add(self, data: bytes, alter: Alter) -> None:
        """Have a value changed wherever it stands."""
        self._alters.setdefault(data, []).append(alter)

    def __bool__(self) -> bool:
        return bool(self._alters)

    @property
    def left(self) -> set[bytes]:
        """Values that were not found so far."""
        return self._alters.keys() - self.made

    def of(self, data: bytes) -> Alter | None:
        """Return what changes a value; None if it stays."""
        alters = self._alters.get(data)
        if alters is None:
            return None
        self.made.add(data)
        return in_turn(alters)


def in_turn(alters: list[Alter]) -> Alter:
    """Return what makes several changes, one after the other."""

    def alter(text: bytes) -> bytes:
        for each in alters:
            text = each(text)
        return text

    return alter


class _Token(NamedTuple):
    """A character as it was sent, and what it says."""

    raw: bytes
    plain: bytes


def _retold(tokens: list[_Token], alter: Alter, write: Callable[[bytes, bytes], bytes]) -> bytes:
    """Return a text changed. `write` returns how what a token is to say is written in its place."""
    changed = alter(b"".join([token.plain for token in tokens]))
    told: list[bytes] = []
    at = 0
    for raw, plain in tokens:
        now = changed[at : at + len(plain)]
        told.append(raw if now == plain else write(raw, now))
        at += len(plain)
    return b"".join(told)


# Queries, forms and cookies ------------------------------------------------------------------------


def in_pairs(text: bytes, changes: Changes) -> bytes:
    """Change names and values of a query or form; of a value that is JSON, its own."""
    return b"&".join([b"=".join([_side(side, changes) for side in pair.split(b"=", 1)]) for pair in text.split(b"&")])


def _side(side: bytes, changes: Changes) -> bytes:
    if not side:
        return side
    plain = url_decode(side)
    alter = changes.of(plain)
    if alter is None and _is_json(plain):
        within = in_json(plain, changes)
        alter = None if within == plain else lambda _: within
    return side if alter is None else encoded(side, alter, b"+")


def encoded(text: bytes, alter: Alter, blank: bytes) -> bytes:
    """Change an encoded text: each escape or byte becomes what its decoded byte becomes, in as many bytes."""
    tokens = [_Token(raw, _BLANK if raw == b"+" == blank else unquote_to_bytes(raw)) for raw in _PERCENT.findall(text)]
    return _retold(tokens, alter, lambda raw, now: b"%%%02X" % now[0] if len(raw) == 3 else now.replace(_BLANK, blank))


# JSON ----------------------------------------------------------------------------------------------


def _is_json(text: bytes) -> bool:
    return text[:1] in (b"{", b"[") and text[-1:] in (b"}", b"]")


def in_json(text: bytes, changes: Changes, deeper: bool = True) -> bytes:
    """Change strings and numbers of JSON, and of JSON in a string. A number becomes ones, so that it stays one."""

    def one(found: re.Match[bytes]) -> bytes:
        raw = found[0]
        if raw[:1] != b'"':
            alter = changes.of(raw)
            return raw if alter is None or alter(raw) == raw else b"1" * len(raw)
        try:
            plain = _json_said(raw)
        except (msgspec.DecodeError, UnicodeError):
            return raw
        alter = changes.of(plain)
        if alter is None and deeper and _is_json(plain):
            within = in_json(plain, changes, deeper=False)
            alter = None if within == plain else lambda _: within
        return raw if alter is None else b'"' + _retold(_json_tokens(raw[1:-1]), alter, _json_char) + b'"'

    return _JSON_LEAF.sub(one, text)


def _json_tokens(text: bytes) -> list[_Token]:
    return [_Token(raw, _json_said(b'"' + raw + b'"') if len(raw) > 1 else raw) for raw in _JSON_CHAR.findall(text)]


def _json_said(string: bytes) -> bytes:
    """Return what a string says. Raises msgspec.DecodeError or UnicodeError for what is none."""
    said: str = msgspec.json.decode(string, type=str)
    return said.encode("utf-8", "surrogatepass")


def _json_char(raw: bytes, now: bytes) -> bytes:
    if len(raw) >= 6:
        return b"\\u%04x" % now[0] * (len(raw) // 6)
    return now[:1] * len(raw)


# XML -----------------------------------------------------------------------------------------------


def in_xml(text: bytes, changes: Changes) -> bytes:
    """Change texts and attributes of XML. A text goes on behind a comment or CDATA within it, as parsers read it."""
    told: list[bytes] = []
    run: list[tuple[str, bytes]] = []
    for kind, piece in _xml_pieces(text):
        if kind == "tag":
            told += [_xml_run(run, changes), _xml_tag(piece, changes)]
            run = []
        else:
            run.append((kind, piece))
    return b"".join([*told, _xml_run(run, changes)])


def _xml_run(run: list[tuple[str, bytes]], changes: Changes) -> bytes:
    said = [_xml_said(piece) if kind == "text" else piece[9:-3] if kind == "data" else b"" for kind, piece in run]
    alter = changes.of(b"".join(said)) if run else None
    if alter is None:
        return b"".join([piece for _, piece in run])
    tokens: list[_Token] = []
    for kind, piece in run:
        if kind == "text":
            tokens += _xml_tokens(piece)
        elif kind == "data":
            content = (_Token(byte, byte) for byte in _bytes_of(piece[9:-3]))
            tokens += [_Token(piece[:9], b""), *content, _Token(piece[-3:], b"")]
        else:
            tokens.append(_Token(piece, b""))
    return _retold(tokens, alter, _xml_char)


def _xml_pieces(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what a document is made of: "text", CDATA ("data"), "tag", and what is none of these ("none")."""
    at = 0
    while at < len(text):
        start = text.find(b"<", at)
        if start < 0:
            start = len(text)
        if start > at:
            yield "text", text[at:start]
        kind, end = _xml_end(text, start)
        if end > start:
            yield kind, text[start:end]
        at = end


def _xml_end(text: bytes, start: int) -> tuple[str, int]:
    """Return what begins with a sign, and where that ends: at the end of the text if nowhere."""
    for kind, opens, closes in (("none", b"<!--", b"-->"), ("data", b"<![CDATA[", b"]]>"), ("none", b"<?", b"?>")):
        if text.startswith(opens, start):
            end = text.find(closes, start + len(opens))
            return (kind, end + len(closes)) if end >= 0 else ("none", len(text))
    at = start + 1
    while (found := _IN_TAG.search(text, at)) is not None:
        if found[0] == b">":
            return "tag", found.end()
        at = text.find(found[0], found.end()) + 1
        if not at:
            break
    return "none", len(text)


def _bytes_of(text: bytes) -> Iterable[bytes]:
    return (text[at : at + 1] for at in range(len(text)))


def _xml_tokens(text: bytes) -> list[_Token]:
    return [_Token(raw, _xml_plain(raw) if len(raw) > 1 or raw == b"\r" else raw) for raw in _XML_CHAR.findall(text)]


def _xml_said(text: bytes) -> bytes:
    return _XML_ESCAPE.sub(lambda found: _xml_plain(found[0]), text)


def _xml_plain(raw: bytes) -> bytes:
    if raw[:1] == b"\r":
        return b"\n"
    if raw[:2] != b"&#":
        return _ENTITIES.get(raw, raw)
    number = int(raw[3:-1], 16) if raw[2:3] == b"x" else int(raw[2:-1])
    return chr(number).encode("utf-8", "replace") if number < 0x110000 else raw


def _xml_char(raw: bytes, now: bytes) -> bytes:
    size = len(raw)
    if raw[:1] != b"&" or len(now) != 1:
        return now[:1] * size
    number = b"%d" % now[0]
    return b"&#" + number.rjust(size - 3, b"0") + b";" if len(number) <= size - 3 else now * size


def _xml_tag(tag: bytes, changes: Changes) -> bytes:
    told: list[bytes] = []
    at = 0
    while (found := _IN_TAG.search(tag, at)) is not None and found[0] != b">":
        start, end = found.end(), tag.find(found[0], found.end())
        value = tag[start:end]
        alter = changes.of(_xml_said(value.replace(b"\r\n", b"\n").translate(_WHITE)))
        if alter is not None:
            value = _retold([_in_attribute(token) for token in _xml_tokens(value)], alter, _xml_char)
        told += [tag[at:start], value, found[0]]
        at = end + 1
    return b"".join([*told, tag[at:]])


def _in_attribute(token: _Token) -> _Token:
    return token if token.raw[:1] == b"&" else _Token(token.raw, token.plain.translate(_WHITE))


# Bodies --------------------------------------------------------------------------------------------


def in_body(content_type: bytes, body: bytes, changes: Changes, parts: MultipartBody | None) -> bytes:
    """Change the values of a body, read as the rules read it. `parts` are those of a multipart body."""
    codec = wide_codec(content_type, body) or declared_codec(content_type)
    if not codec or parts is not None:
        return _in_body(content_type, body, changes, parts)
    return _in_charset(body, codec, lambda text: _in_body(content_type, text, changes, None))


def _in_body(content_type: bytes, body: bytes, changes: Changes, parts: MultipartBody | None) -> bytes:
    read_as = reading(media_type(content_type), body)
    if parts is not None:
        return _in_parts(body, changes, parts)
    if read_as == "form":
        return in_pairs(body, changes)
    if read_as == "json":
        return in_json(body, changes)
    if read_as == "xml":
        return in_xml(body, changes)
    return _in_file(body, body, changes)


def _in_charset(body: bytes, codec: str, change: Alter) -> bytes:
    """Change a body in another charset; one that does not come back as it was stays as it is."""
    try:
        text = body.decode(codec)
        if text.encode(codec) != body:
            return body
        plain = text.removeprefix(_MARK)
        mark = text[: len(text) - len(plain)]
        return (mark + change(plain.encode()).decode()).encode(codec)
    except UnicodeError:
        return body


def _in_file(content: bytes, changed: bytes, changes: Changes) -> bytes:
    """Change a text that is a value as a whole, or slice by slice. `changed` is what became of it up to now."""
    if (alter := changes.of(content)) is not None:
        return alter(changed)
    for number, (_, _, data) in enumerate(file_values("", b"", content)):
        if (alter := changes.of(data)) is not None:
            at = number * (FILE_SLICE - FILE_OVERLAP)
            changed = changed[:at] + alter(changed[at : at + len(data)]) + changed[at + len(data) :]
    return changed


def _in_parts(body: bytes, changes: Changes, parts: MultipartBody) -> bytes:
    told: list[bytes] = []
    at = 0
    for part in parts.parts:
        start = body.find(b"\n" + part.content, at) + 1 if part.content else 0
        if not start:
            continue
        told += [body[at:start], _in_part(part.headers, part.content, bool(part.filename), changes)]
        at = start + len(part.content)
    return b"".join([*told, body[at:]])


def _in_part(headers: dict[bytes, bytes], content: bytes, is_file: bool, changes: Changes) -> bytes:
    kind = headers.get(b"content-type", b"")
    plain = decoded_part(headers, content)
    if plain and (alter := changes.of(plain)) is not None:
        codec = wide_codec(kind, content) or declared_codec(kind)
        return _in_charset(content, codec, alter) if codec else content
    is_json = _is_json(content.strip()) and (b"json" in kind.lower() or not is_file)
    return _in_file(content, in_json(content, changes) if is_json else content, changes)
