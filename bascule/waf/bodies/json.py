"""JSON bodies, flattened into arguments: {"a": [1, {"b": 2}]} is json.a.array_0=1, json.a.array_1.b=2."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from json import JSONDecodeError, JSONDecoder
from typing import Any, NoReturn

import msgspec

from .limits import DEFAULT_LIMITS, Limits, Pairs

_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NOT_BRACKETS = bytes(set(range(256)) - set(_STEP))
_LONE_HIGH = re.compile("[\ud800-\udbff]")
CUT = "parse error: premature EOF\n"
"""The error of a document that ends too early, and is right up to there."""
_TOO_DEEP = "parse error: client cancelled parse via callback return value\n. Parsing depth limit exceeded"
_TOO_LONG = "parse error: client cancelled parse via callback return value\n. Names of arguments are too long"
_TOO_MANY = "parse error: client cancelled parse via callback return value\n"

_SHORT_NAME = 64
"""Characters of a name that may be repeated as often as it likes."""
_NAMES, _NAMES_PER_BYTE = 1 << 20, 32
"""Characters that repetitions of longer names may take up, and so many more for each byte of a body.

Each leaf's name repeats the names it is below: 8,000 below one of 60,000 letters would take up half a gigabyte.
"""


class _NamesTooLongError(Exception):
    """The names of the leaves would take up more."""


@dataclass(slots=True)
class JsonBody:
    """The leaves in document order, each with its name; duplicates stay. `error` is worded as YAJL words it."""

    names: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    error: str = ""
    _pairs: Pairs | None = None

    @property
    def pairs(self) -> Pairs:
        """The leaves as arguments; the document must be whole."""
        if self._pairs is None:
            try:
                pairs = list(zip([t.encode() for t in self.names], [t.encode() for t in self.values], strict=True))
            except UnicodeEncodeError:
                pairs = list(zip(map(_bytes, self.names), map(_bytes, self.values), strict=True))
            self._pairs = pairs
        return self._pairs


def _reject(constant: str) -> NoReturn:
    raise JSONDecodeError("lexical error: invalid char in json text.", constant, 0)


# Numbers keep their spelling, objects their order and duplicates: an object is a tuple of pairs.
_decoder = JSONDecoder(object_pairs_hook=tuple, parse_float=str, parse_int=str, parse_constant=_reject)


def parse_json(body: bytes, limits: Limits = DEFAULT_LIMITS) -> JsonBody:
    """Parse strictly (RFC 8259) and flatten as ModSecurity v3 does (request_body_processor/json.cc)."""
    result = JsonBody()
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        deep = _is_too_deep(body, limits.depth)
        return JsonBody(error=_TOO_DEEP if deep else "lexical error: invalid bytes in UTF8 string.\n")
    error = ""
    try:
        value, end = _decoder.raw_decode(text, len(text) - len(text.lstrip(" \t\n\r")))
        if text[end:].strip(" \t\n\r"):
            error = "parse error: trailing garbage\n"
        _flatten(value, "json", result.names, result.values, limits.depth, _room_for_names(body))
    except JSONDecodeError as found:
        error = _word(found, text)
    except RecursionError:
        return JsonBody(error=_TOO_DEEP)
    except _NamesTooLongError:
        error = _TOO_LONG
    if error and _is_too_deep(body, limits.depth):
        return JsonBody(error=_TOO_DEEP)
    result.error = error
    if len(result.names) > limits.fields:
        del result.names[limits.fields :], result.values[limits.fields :]
        result.error = _TOO_MANY
    return result


def json_leaves(body: bytes, limits: Limits = DEFAULT_LIMITS) -> Iterator[tuple[bytes, bytes]] | None:
    """Return an iterator over the pairs of a document that `parse_json` accepts; None for any other."""
    try:
        value = _load(body)
        _measure(value, len("json"), limits.depth, _room_for_names(body))
    except (RecursionError, _NamesTooLongError):
        return None
    return None if value is _BROKEN else _leaves(value, "json")


def _room_for_names(body: bytes) -> list[int]:
    """Return what is left of the bytes that names may take up: one number, which the functions that take it lower."""
    return [_NAMES + _NAMES_PER_BYTE * len(body)]


def _enter(length: int, count: int, room: int, left: list[int]) -> None:
    """Count a container of `count` members whose own name has `length` characters.

    Raises RecursionError without `room` for its nesting, and _NamesTooLongError without any `left` for its names.
    """
    if not room:
        raise RecursionError
    left[0] -= (length + 1) * count
    if left[0] < 0:
        raise _NamesTooLongError


def _measure(value: Any, length: int, room: int, left: list[int]) -> None:
    """Raise what `_flatten` raises. `length`: of the value's name."""
    if type(value) is tuple:
        if not room or length > _SHORT_NAME:
            _enter(length, len(value), room, left)
        for key, item in value:
            if type(item) is not str:
                _measure(item, length + 1 + (len(key) or len("empty-key")), room - 1, left)
    elif type(value) is list:
        if not room or length > _SHORT_NAME:
            _enter(length, len(value), room, left)
        for index, item in enumerate(value):
            if type(item) is not str:
                _measure(item, length + len(f".array_{index}"), room - 1, left)


def _leaves(value: Any, name: str) -> Iterator[tuple[bytes, bytes]]:
    """As `_flatten`, one by one."""
    if type(value) is tuple:
        for key, item in value:
            yield from _leaves(item, f"{name}.{key or 'empty-key'}")
    elif type(value) is list:
        for index, item in enumerate(value):
            yield from _leaves(item, f"{name}.array_{index}")
    else:
        yield _bytes(name), _bytes(_leaf(value))


_BROKEN = object()
_check = msgspec.json.Decoder(msgspec.Raw).decode
"""Raises DecodeError for what is no document of JSON; but for its encoding, which it does not look at."""
_DOTTED_NAME = re.compile(rb'\.[^".]*"\s*:')
_COMMAS = bytes.maketrans(b",", b"\n")


def _load(body: bytes) -> Any:
    """Return what a whole and well-formed document says, or _BROKEN. Raises RecursionError."""
    try:
        text = body.decode("utf-8")
        value, end = _decoder.raw_decode(text, len(text) - len(text.lstrip(" \t\n\r")))
    except (UnicodeDecodeError, JSONDecodeError):
        return _BROKEN
    return _BROKEN if text[end:].strip(" \t\n\r") else value


def json_lines(body: bytes, limits: Limits = DEFAULT_LIMITS) -> bytes | None:
    """Return the names and the leaves of a document that `parse_json` accepts, each as a line, in any order.

    Of a name with dots, what stands between them comes too. None for any other document, and where a text has lines.
    """
    if b"\\" not in body and body.count(b"[") + body.count(b"{") <= limits.depth and not _DOTTED_NAME.search(body):
        return _lines(body)
    texts: list[str] = []
    try:
        value = _load(body)
        if value is _BROKEN:
            return None
        _collect(value, texts, limits.depth)
        lines = "\n".join(texts).encode()
    except (RecursionError, UnicodeEncodeError):  # or a lone surrogate
        return None
    return lines if lines.count(b"\n") < len(texts) else None


def _lines(body: bytes) -> bytes | None:
    """Return the lines of a document without escapes: what quotes are around, then what is left but for commas."""
    try:
        _check(body)
        body.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    pieces = body.split(b'"')
    return b"\n".join([*pieces[1::2], b"".join(pieces[::2]).translate(_COMMAS, b"{}[]: \t\r\n")])


def _collect(value: Any, texts: list[str], room: int) -> None:
    """Append the names and leaves below a value. Raises RecursionError where it nests deeper than there is room."""
    if type(value) is str:
        texts.append(value)
        return
    if type(value) is not tuple and type(value) is not list:
        return
    if not room:
        raise RecursionError
    if type(value) is tuple:
        for key, item in value:
            texts.append(key)
            if "." in key:
                texts.extend(key.split("."))
            if type(item) is str:
                texts.append(item)
            else:
                _collect(item, texts, room - 1)
    else:
        for item in value:
            _collect(item, texts, room - 1)


def _is_too_deep(body: bytes, depth: int) -> bool:
    """Tell whether brackets outside strings nest deeper, in what is no document. C speed: no loop in Python."""
    if body.count(b"[") + body.count(b"{") <= depth:
        return False
    # A backslash outside strings ends the parse, so what is made of one there does not matter.
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in body else body
    brackets = b"".join(plain.split(b'"')[::2]).translate(None, _NOT_BRACKETS)
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > depth


def _word(error: JSONDecodeError, text: str) -> str:
    if error.msg.startswith("lexical"):
        return error.msg + "\n"
    if error.msg.startswith("Invalid control character"):
        return "lexical error: invalid character inside string.\n"
    if error.pos >= len(text.rstrip(" \t\n\r")) or error.msg.startswith("Unterminated string"):
        return CUT
    return f"parse error: {error.msg.lower()} at offset {error.pos}\n"


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate: YAJL writes a high one as ?, a low one as it is
        return _LONE_HIGH.sub("?", text).encode("utf-8", "surrogatepass")


def _flatten(value: Any, name: str, names: list[str], values: list[str], room: int, left: list[int]) -> None:
    """Append the leaves below `name`. Raises as `_enter`."""
    kind = type(value)
    if kind is tuple:
        if not room or len(name) > _SHORT_NAME:
            _enter(len(name), len(value), room, left)
        for key, item in value:
            # An empty key is written out as ModSecurity does, so that it cannot hide.
            below = f"{name}.{key or 'empty-key'}"
            if type(item) is str:
                names.append(below)
                values.append(item)
            else:
                _flatten(item, below, names, values, room - 1, left)
    elif kind is list:
        if not room or len(name) > _SHORT_NAME:
            _enter(len(name), len(value), room, left)
        for index, item in enumerate(value):
            _flatten(item, f"{name}.array_{index}", names, values, room - 1, left)
    else:
        names.append(name)
        values.append(value if kind is str else _leaf(value))


def _leaf(value: Any) -> str:
    return value if type(value) is str else "" if value is None else "true" if value else "false"
