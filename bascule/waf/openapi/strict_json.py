"""JSON that every reader takes for the same: no name twice, no NaN, UTF-8, bounded (RFC 8259; RFC 7493)."""

from __future__ import annotations

import json
from typing import Any, NoReturn

MAX_DEPTH = 64
MAX_DIGITS = 400
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class ContentError(ValueError):
    """A body cannot be read; the text says why."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ContentError("it has a name twice, which readers understand differently")
    return found


def _constant(name: str) -> NoReturn:
    raise ContentError(f"{name} is not JSON")


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ContentError(f"it has a number of more than {MAX_DIGITS} digits")
    return int(text)


_decoder = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_int=_integer)


def read_json(body: bytes) -> Any:
    """Return a JSON text's value. Raises ContentError unless every reader takes it for the same (RFC 8259)."""
    try:
        text = body.decode("utf-8")
        deepest = depth = 0
        for char in body.translate(None, _NOT_BRACKETS):
            depth += 1 if char in b"[{" else -1
            deepest = max(deepest, depth)
        if deepest > MAX_DEPTH:
            raise ContentError(f"it is nested deeper than {MAX_DEPTH}")
        return _decoder.decode(text)
    except UnicodeDecodeError:
        raise ContentError("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ContentError(f"it is not JSON: {error.msg} at byte {error.pos}") from None
    except RecursionError:
        raise ContentError("it is nested too deeply") from None
