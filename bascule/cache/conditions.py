"""Conditional and range requests (RFC 9110 13 and 14) on stored responses, and validating these (RFC 9111 4.3)."""

from __future__ import annotations

import re

from bascule.cache.dates import parse_date
from bascule.cache.entry import HOP_BY_HOP, Fields, Meta
from bascule.http.message import RequestHead, ResponseHead

_ENTITY_TAG = re.compile(rb'(?:W/)?"[^"]*"|[^", \t]+')
_ALL = re.compile(rb"bytes[ \t]*=[ \t]*0{1,18}-[ \t]*", re.IGNORECASE)
_RANGE = re.compile(rb"bytes[ \t]*=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.IGNORECASE)
PRECONDITIONS = frozenset((b"if-match", b"if-unmodified-since"))
"""Conditions that protect changes: they are the server's to judge."""
REPLACED = frozenset((b"if-none-match", b"if-modified-since", b"if-range", b"range"))
"""Conditions of the client that do not go along when the cache asks for the whole."""
_NOT_FRESHENED = HOP_BY_HOP | {b"content-length", b"content-encoding", b"content-range", b"age"}
"""What belongs to the stored content, which stays (RFC 9111 3.2)."""
_NOT_IN_304 = frozenset((b"content-type", b"content-encoding", b"content-language", b"content-range", b"content-md5"))
UNSATISFIABLE = (-1, -1)


def not_modified(request: RequestHead, meta: Meta) -> bool:
    """Tell whether the client has what is stored already: it then is answered 304 (RFC 9111 4.3.2)."""
    if meta.status != 200:
        return False
    tags = request.values(b"if-none-match")
    if tags:
        return _lists(b",".join(tags), meta.value(b"etag"))
    since = parse_date(request.value(b"if-modified-since"))
    if since is None:
        return False
    modified = parse_date(meta.value(b"last-modified"))
    if modified is None:
        modified = parse_date(meta.value(b"date"))
    return modified is not None and modified <= since


def _lists(tags: bytes, own: bytes) -> bool:
    """Tell whether a list of entity tags has this one, by weak comparison (RFC 9110 8.8.3.2)."""
    if tags.strip(b" \t") == b"*":
        return True
    return bool(own) and own.removeprefix(b"W/") in [tag.removeprefix(b"W/") for tag in _ENTITY_TAG.findall(tags)]


def fields_of_304(fields: Fields) -> Fields:
    """Return the fields that a 304 tells again (RFC 9110 15.4.5)."""
    return tuple(field for field in fields if field[0] not in _NOT_IN_304)


def is_all(value: bytes) -> bool:
    """Tell whether a Range field asks for all there is, as players do first to see whether they may seek later."""
    return _ALL.fullmatch(value) is not None


def part(request: RequestHead, meta: Meta, size: int) -> tuple[int, int] | None:
    """Return the first and the one-past-last of `size` bytes that are asked for; None where all of it is to be sent.

    `UNSATISFIABLE` where it lies beyond the content (RFC 9110 15.5.17).
    """
    values = request.values(b"range")
    if len(values) != 1 or meta.status != 200 or not _range_holds(request.value(b"if-range"), meta):
        return None
    match = _RANGE.fullmatch(values[0])
    if match is None or not (match.group(1) or match.group(2)):
        return None
    first, last = match.groups()
    if not first:
        length = min(int(last), size)
        return (size - length, size) if length else UNSATISFIABLE
    start = int(first)
    end = min(int(last) + 1, size) if last else size
    if last and int(last) < start:
        return None
    return (start, end) if start < size else UNSATISFIABLE


def _range_holds(condition: bytes, meta: Meta) -> bool:
    """Judge If-Range: a strong entity tag, or the exact date of the last change (RFC 9110 13.1.5)."""
    if not condition:
        return True
    if condition[:1] == b'"':
        return condition == meta.value(b"etag")
    modified = meta.value(b"last-modified")
    return bool(modified) and condition == modified


def validators(meta: Meta) -> list[tuple[bytes, bytes]]:
    """Return the conditions under which the server need not send what is stored again (RFC 9111 4.3.1)."""
    asked = []
    if etag := meta.value(b"etag"):
        asked.append((b"if-none-match", etag))
    if modified := meta.value(b"last-modified"):
        asked.append((b"if-modified-since", modified))
    return asked


def freshened(meta: Meta, head: ResponseHead) -> Fields:
    """Return the stored fields as a 304 changes them: each field it has takes the place of the stored ones."""
    left_out = _NOT_FRESHENED | frozenset(head.block.options)
    told = tuple((field[0], field[1]) for field in head.fields if field[0] not in left_out)
    names = {name for name, _ in told}
    return (*(field for field in meta.fields if field[0] not in names), *told)


def is_freshened_by(meta: Meta, head: ResponseHead) -> bool:
    """Tell whether a 304 is about this very response, and not about another one (RFC 9111 4.3.4)."""
    etag = head.value(b"etag")
    return not etag or etag.removeprefix(b"W/") == meta.value(b"etag").removeprefix(b"W/")
