"""The named values of a request that a profile is about: query, cookies, forms, JSON leaves, names of files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, cast

from bascule.waf.bodies import Limits, json_leaves, parse_json, parse_urlencoded
from bascule.waf.logic.inspector import pairs_of
from bascule.waf.logic.values import Value

if TYPE_CHECKING:
    from bascule.waf.transaction import Transaction

MAX_FIELDS = 1000
MAX_NAME = 120
"""Characters of a name that are kept."""
_LIMITS = Limits(fields=MAX_FIELDS)
_INDEX = re.compile(r"(?<=\.array)_\d+|(?<=\[)\d+(?=\])")
_REMEMBERED = 8192
_value = cast(Callable[[tuple[str, bytes, bytes]], Value], partial(tuple.__new__, Value))
"""Value's constructor costs three times as much."""
_keys: dict[tuple[str, bytes], str] = {}


def head_fields(t: Transaction) -> list[Value]:
    """Return the parameters of the query, and the cookies."""
    found = [_value(("query", *pair)) for pair in t.args_get[:MAX_FIELDS]] if t.query else []
    if t.cookies:
        found += [_value(("cookie", *pair)) for pair in t.cookies[:MAX_FIELDS]]
    return found


def body_fields(t: Transaction, content_type: bytes, body: bytes) -> list[Value]:
    """Return the fields of a form, or the leaves of a JSON document; nothing of other bodies."""
    kind = media_type(content_type)
    if kind == "multipart/form-data":
        return [
            Value("file", part.name, part.filename) if part.filename else Value("body", part.name, part.content)
            for part in t.parts.parts
        ]
    if not kind.endswith(("json", "x-www-form-urlencoded")):
        return []
    pairs = pairs_of(t, content_type, body)
    if pairs is None and kind.endswith("json"):
        leaves = json_leaves(body, _LIMITS)
        pairs = parse_json(body, _LIMITS).pairs if leaves is None else list(islice(leaves, MAX_FIELDS))
    elif pairs is None:
        pairs = parse_urlencoded(body, limits=_LIMITS).pairs
    return [_value(("body", *pair)) for pair in pairs]


def media_type(content_type: bytes) -> str:
    """Return a media type without its parameters."""
    return content_type.partition(b";")[0].strip().lower().decode("latin-1")[:MAX_NAME]


def key_of(value: Value) -> str:
    """Return what a profile calls a value's parameter: place and name, without the indices of lists."""
    known = _keys.get(value[:2])
    if known is None:
        name = value.name[: 4 * MAX_NAME].decode("utf-8", "backslashreplace")[:MAX_NAME]
        known = f"{value.place}:{_INDEX.sub('', name)}"
        if len(value.name) <= MAX_NAME:
            if len(_keys) >= _REMEMBERED:
                _keys.clear()
            _keys[value[:2]] = known
    return known


def by_key(values: Iterable[Value]) -> dict[str, list[Value]]:
    """Return the values by the parameter they belong to."""
    found: dict[str, list[Value]] = {}
    for value in values:
        key = _keys.get(value[:2]) or key_of(value)
        if key in found:
            found[key].append(value)
        else:
            found[key] = [value]
    return found
