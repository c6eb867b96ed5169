"""Pass a request on changed: what a rule found made harmless or masked, where it stands and in the form it was sent.

Every change keeps the length, so that no framing changes, and is made in the encoded form: an escape that stands for a
character to be taken out becomes ``%20``, a literal one a blank. Where a value cannot be found as it was sent, or the
whole request still shows an attack afterwards, there is no rewritten request, and the caller refuses it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

from bascule.waf.bodies.percent import url_decode
from bascule.waf.logic.values import Headers, Value

if TYPE_CHECKING:
    from bascule.waf.transaction import Transaction

_TOKEN = re.compile(rb"%[0-9A-Fa-f]{2}|[\x00-\xff]")
_BLANK = b" "
_JSON_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"')
_HARMLESS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.,@ \t") | frozenset(
    range(128, 256)
)
_BLANKED = bytes(byte if byte in _HARMLESS else 0x20 for byte in range(256))
_STARRED = bytes(0x2A if byte > 32 else byte for byte in range(256))


class Change(NamedTuple):
    """What is to become of a value that a rule found. `change` keeps the length."""

    action: str
    rule_id: int
    value: Value
    change: Callable[[bytes], bytes]


class Rewritten(NamedTuple):
    """A request as it is to be passed on: query and body as sent, and each changed field's (name, old) to new value."""

    query: bytes
    body: bytes
    fields: dict[tuple[bytes, bytes], bytes]


def neutral(text: bytes) -> bytes:
    """Return a text with blanks in place of all ASCII but letters, digits, blanks and ``- _ . , @``."""
    return text.translate(_BLANKED)


def masked(text: bytes) -> bytes:
    """Return as many asterisks; blanks stay."""
    return text.translate(_STARRED)


def rewrite(t: Transaction, body: bytes) -> Rewritten | None:
    """Return the request of a transaction with its `rewrites` made, as it may be passed on.

    None: a change cannot be made, or the rules still find something in what came of it.
    """
    rewritten = _changed(t, body)
    if rewritten is None:
        return None
    path = t.target.partition(b"?")[0]
    again = t.waf.begin(t.connection)
    again.has_passed = t.has_passed
    headers = [(name, rewritten.fields.get((name, value), value)) for name, value in t.headers]
    again.request_head(t.method, path + (b"?" + rewritten.query if rewritten.query else b""), t.version, headers)
    if body:
        again.request_body(rewritten.body)
    again.request_end()
    if again.would is not None or again.rewrites or again.exhausted:
        return None
    return rewritten


def _changed(t: Transaction, body: bytes) -> Rewritten | None:
    query = t.query
    fields: dict[tuple[bytes, bytes], bytes] = {}
    kind = (t.header(b"content-type") or b"").partition(b";")[0].strip().lower()
    for value, change in _by_value(t.rewrites):
        place = value.place
        if place in ("query", "name") and (changed := _pairs(query, value.data, change)) is not None:
            query = changed
        elif place in ("body", "name") and (changed := _body(body, kind, value, change)) is not None:
            body = changed
        elif place == "cookie" or place.startswith("header:"):
            found = _field(t.headers, value, change, fields)
            if found is None:
                return None
            fields[found[:2]] = found[2]
        else:
            return None
    return Rewritten(query, body, fields)


def _by_value(rewrites: list[Change]) -> list[tuple[Value, Callable[[bytes], bytes]]]:
    """Return each value once, with all its changes: a change is made wherever a value stands, and can be made once."""
    found: dict[Value, list[Callable[[bytes], bytes]]] = {}
    for each in rewrites:
        place, name, data = each.value
        key = Value(place, name if place == "cookie" or place.startswith("header:") else b"", data)
        changes = found.setdefault(key, [])
        if each.change not in changes:
            changes.append(each.change)
    return [(value, partial(_in_turn, changes)) for value, changes in found.items()]


def _in_turn(changes: list[Callable[[bytes], bytes]], text: bytes) -> bytes:
    for change in changes:
        text = change(text)
    return text


def _pairs(text: bytes, data: bytes, change: Callable[[bytes], bytes], separator: bytes = b"&") -> bytes | None:
    """Change each name or value of URL-encoded pairs that decodes to `data`; None if there is none."""
    done = False
    pairs = []
    for pair in text.split(separator):
        sides = pair.split(b"=", 1)
        for index, side in enumerate(sides):
            if side and url_decode(side) == data:
                sides[index] = _encoded(side, change, b"+")
                done = True
        pairs.append(b"=".join(sides))
    return separator.join(pairs) if done else None


def _encoded(text: bytes, change: Callable[[bytes], bytes], blank: bytes) -> bytes:
    """Change an encoded text: each escape or byte becomes what its decoded byte becomes, in as many bytes."""
    tokens = _TOKEN.findall(text)
    plain = b"".join(_BLANK if token == b"+" == blank else unquote_to_bytes(token) for token in tokens)
    changed = change(plain)
    for index, (before, after) in enumerate(zip(plain, changed, strict=True)):
        if before != after:
            tokens[index] = b"%%%02X" % after if len(tokens[index]) == 3 else bytes((after,)).replace(_BLANK, blank)
    return b"".join(tokens)


def _body(body: bytes, kind: bytes, value: Value, change: Callable[[bytes], bytes]) -> bytes | None:
    if kind.endswith(b"x-www-form-urlencoded") or not kind:
        return _pairs(body, value.data, change)
    if kind.endswith((b"json", b"/graphql")):
        return _json(body, value.data, change)
    if kind.startswith(b"multipart/") and value.data and b"\r\n\r\n" + value.data in body:
        return body.replace(b"\r\n\r\n" + value.data, b"\r\n\r\n" + change(value.data))
    return None


def _json(body: bytes, data: bytes, change: Callable[[bytes], bytes]) -> bytes | None:
    """Change the content of each string of a JSON text that reads as `data`, escapes and all."""
    done = False

    def one(found: re.Match[bytes]) -> bytes:
        nonlocal done
        try:
            plain = msgspec.json.decode(found[0], type=str).encode("utf-8", "surrogatepass")
        except (msgspec.DecodeError, UnicodeError):
            return found[0]
        if plain != data:
            return found[0]
        done = True
        return b'"' + change(found[0][1:-1]) + b'"'

    changed = _JSON_STRING.sub(one, body)
    return changed if done else None


def _field(
    headers: Headers, value: Value, change: Callable[[bytes], bytes], done: dict[tuple[bytes, bytes], bytes]
) -> tuple[bytes, bytes, bytes] | None:
    """Return name, old and new value of the field that holds a value; of Referer what follows the host is taken off.

    `done` are the changes made before.
    """
    wanted = b"cookie" if value.place == "cookie" else value.place[7:].encode("latin-1")
    for name, old in headers:
        if name != wanted:
            continue
        if name == b"referer":
            start = old.find(b"//")
            end = old.find(b"/", start + 2) if start >= 0 else 0
            return name, old, old[: end + 1] if end > 0 else b""
        if name == b"cookie":
            changed = _cookies(done.get((name, old), old), value, change)
            if changed is not None:
                return name, old, changed
        elif old == value.data:
            return name, old, change(done.get((name, old), old))
    return None


def _cookies(text: bytes, value: Value, change: Callable[[bytes], bytes]) -> bytes | None:
    done = False
    pairs = []
    for pair in text.split(b";"):
        name, equals, raw = pair.partition(b"=")
        plain = unquote_to_bytes(raw.strip(b" \t"))
        if name.strip(b" \t") == value.name and equals and plain.strip(b'"') == value.data.strip(b'"'):
            pairs.append(name + b"=" + _encoded(raw.strip(b" \t"), change, b"_"))
            done = True
        else:
            pairs.append(pair)
    return b";".join(pairs) if done else None
