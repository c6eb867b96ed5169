"""Pass a request on changed: what a rule found made harmless or masked, where it stands and in the form it was sent.

Changes are made in the encoded form (`changing.py`): an escape that stands for a character to be taken out becomes
``%20``, a literal one a blank. Where a value cannot be found as it was sent, or the whole request still shows an attack
afterwards, there is no rewritten request, and the caller refuses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_to_bytes

from bascule.waf.changing import Alter, Changes, encoded, in_body, in_pairs, in_turn
from bascule.waf.logic.values import Headers, Value

if TYPE_CHECKING:
    from bascule.waf.transaction import Transaction

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
    change: Alter


class Rewritten(NamedTuple):
    """A request as it is to be passed on: query and body as sent (the body decoded, if it has a Content-Encoding), and
    each changed field's (name, old) to new value."""

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

    `body` is without its content codings. None: a change cannot be made, or the rules still find something in what came
    of it.
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
    fields: dict[tuple[bytes, bytes], bytes] = {}
    in_query, of_body = Changes(), Changes()
    names: set[bytes] = set()
    if any(each.action == "neutralise" and each.value.place == "upload" for each in t.rewrites):
        return None  # a whole file without its marks is none
    for value, change in _by_value(t.rewrites):
        place = value.place
        if place in ("query", "name"):
            in_query.add(value.data, change)
        if place in ("body", "upload", "name"):
            of_body.add(value.data, change)
        if place == "name":
            names.add(value.data)
        elif place == "cookie" or place.startswith("header:"):
            found = _field(t.headers, value, change, fields)
            if found is None:
                return None
            fields[found[:2]] = found[2]
        elif place not in ("query", "body", "upload"):
            return None
    query = in_pairs(t.query, in_query) if in_query else t.query
    if of_body:
        kind = t.header(b"content-type") or b""
        body = in_body(kind, body, of_body, t.parts if kind[:10].lower() == b"multipart/" else None)
    made = in_query.made | of_body.made  # a name may stand in either
    if (in_query.left | of_body.left) - (names & made):
        return None
    return Rewritten(query, body, fields)


def _by_value(rewrites: list[Change]) -> list[tuple[Value, Alter]]:
    """Return each value once, with all its changes: a change is made wherever a value stands, and can be made once."""
    found: dict[Value, list[Alter]] = {}
    for each in rewrites:
        place, name, data = each.value
        key = Value(place, name if place == "cookie" or place.startswith("header:") else b"", data)
        changes = found.setdefault(key, [])
        if each.change not in changes:
            changes.append(each.change)
    return [(value, in_turn(changes)) for value, changes in found.items()]


def _field(
    headers: Headers, value: Value, change: Alter, done: dict[tuple[bytes, bytes], bytes]
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


def _cookies(text: bytes, value: Value, change: Alter) -> bytes | None:
    done = False
    pairs = []
    for pair in text.split(b";"):
        name, equals, raw = pair.partition(b"=")
        plain = unquote_to_bytes(raw.strip(b" \t"))
        if name.strip(b" \t") == value.name and equals and plain.strip(b'"') == value.data.strip(b'"'):
            pairs.append(name + b"=" + encoded(raw.strip(b" \t"), change, b"_"))
            done = True
        else:
            pairs.append(pair)
    return b";".join(pairs) if done else None
