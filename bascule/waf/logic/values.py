"""The values of a request head that are inspected, each with the place it comes from. Bodies: `body_values`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, cast
from urllib.parse import unquote_to_bytes

from bascule.waf.bodies import Limits, parse_cookies, parse_json
from bascule.waf.bodies.percent import url_decode
from bascule.waf.logic.fields import USUAL, is_inspected

if TYPE_CHECKING:
    from bascule.http.fields import Field

Headers = list[tuple[bytes, bytes]]

_SENT_BACK = (b"redirect_uri", b"post_logout_redirect_uri")
_OWN_MACHINE = re.compile(rb"^https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?(?=/|$)")
"""Where OAuth sends users of native programs back to (RFC 8252 7.3): their own machines, which nobody fetches from."""
_ORIGIN = re.compile(rb"[A-Za-z][A-Za-z\d+.-]{0,20}+://[\w.:\[\]-]*+(?=/|$)")
"""A scheme, a host and a port. Whoever writes something else there wants it read."""
_LEADING = b"/\\ \t\r\n"
_NAMES_HOST = (b"//", b"/\\", b"\\/", b"\\\\")
"""What browsers take for the beginning of a host's name, behind white space (URL Standard 4.4)."""
EVERY: Final = Limits(fields=1 << 17)
"""Heads and bodies have bounds of their own: no field in them goes unseen."""


class Value(NamedTuple):
    """`place`: path, query, name, cookie, header:<name>, body, document (of XML), file or upload; `name`: of the
    parameter, cookie, header or part."""

    place: str
    name: bytes
    data: bytes


value_of = cast(Callable[[tuple[str, bytes, bytes]], Value], partial(tuple.__new__, Value))
"""Value's constructor costs three times as much."""


def head_values(target: bytes, headers: Headers, arguments: Headers | None = None) -> list[Value]:
    """Return the values of a request head; header names are lower case. Empty values are left out.

    `arguments` are those of the query, where it was read already.
    """
    found: list[Value] = []
    _target_values(target, found, arguments)
    for name, value in headers:
        if name == b"cookie":
            _cookie_values(value, found)
        elif name == b"referer":
            _referer_values(value, found)
        elif value and is_inspected(name, value):
            found.append(header_value(name, value))
    return found


SEPARATORS: Final = bytes.maketrans(b"&=+", b"\n\n ")
_COOKIES: Final = bytes.maketrans(b";=", b"\n\n")
_NOT_SIGNS: Final = bytes(set(range(256)) - set(b"&="))
_NOT_SIGNS_OF_COOKIES: Final = bytes(set(range(256)) - set(b";="))
_QUOTED_NAME: Final = re.compile(rb"""(?:^|&)[^=&'"%]*+(?:%(?!2[27])[^=&'"%]*+)*+['"%]""")
"""A quote before a field's first equals sign, plain or escaped."""


def are_read_across(fields: bytes) -> bool:
    """Tell whether an equals sign in a query or form is no separator alone: the next is of its value, or a quote is
    before it (see `add_fields`).
    """
    if fields.translate(None, _NOT_SIGNS).find(b"==") >= 0:
        return True
    if b"'" in fields or b'"' in fields or b"%27" in fields or b"%22" in fields:
        return _QUOTED_NAME.search(fields) is not None
    return False


def _is_quoted(name: bytes) -> bool:
    """Whether a name has a quote, which no form gives a field: it is of a text that holds an equals sign."""
    return b"'" in name or b'"' in name


def lines_of(target: bytes, varying: Iterable[tuple[bytes, bytes] | Field]) -> bytes | None:
    """Return a text that has each value of a target, cookies and Referer as a line, without taking them apart.

    It may have lines that are no values. None: where values and separators cannot be told apart so simply.
    The text says what the values say only where nothing in it is encoded.
    """
    path, _, query = target.partition(b"?")
    lines = [path]
    if query:
        if are_read_across(query) or query.find(b"=//") >= 0:
            return None
        lines.append(query.translate(SEPARATORS))
    for field in varying:
        name, value = field[0], field[1]
        if name == b"cookie":
            if value.translate(None, _NOT_SIGNS_OF_COOKIES).find(b"==") >= 0:
                return None
            lines.append(value.translate(_COOKIES))
        elif name == b"referer":
            url, _, query = _without_origin(value)
            lines.append(url)
            if query:
                if are_read_across(query):
                    return None
                lines.append(query.translate(SEPARATORS))
    return b"\n".join(lines)


def lines_of_pairs(pairs: Headers, leaves: bool) -> bytes | None:
    """Return such a text of arguments that were read already; None where one has lines of its own.

    The names of `leaves` of JSON are those of all they are below, each of which is a value.
    """
    names = [name for name, _ in pairs]
    lines = b"\n".join([*names, *[value for _, value in pairs]])
    if lines.count(b"\n") >= max(2 * len(pairs), 1):
        return None
    if not leaves:
        return lines
    above = b".".join(names)
    if b"prototype" in above:
        return None  # which is judged with what it belongs to
    return b"\n".join([*set(above.split(b".")), *[value for _, value in pairs]])


def header_value(name: bytes, value: bytes) -> Value:
    """Return a header field as a value; where a copy goes (Destination, RFC 4918 10.3) is a path, as a target is."""
    if name == b"destination":
        value = unquote_to_bytes(_without_origin(value)[0]) or value
    return value_of(("header:" + name.decode("latin-1"), name, value))


def add_value(found: list[Value], place: str, name: bytes, data: bytes) -> None:
    """Add a value; where it is a whole JSON document, that document's names and leaves instead."""
    if data[0] in b"{[" and data[-1] in b"}]":
        document = parse_json(data, EVERY)
        if document.pairs and not document.error:
            names = dict.fromkeys([name for key, _ in document.pairs for name in key.split(b".")[1:]])
            found += [value_of(("name", b"", key)) for key in names]
            found += [value_of((place, name + key[4:], leaf)) for key, leaf in document.pairs if leaf]
            return
    found.append(value_of((place, name, data)))


def _target_values(target: bytes, found: list[Value], arguments: Headers | None) -> None:
    path, mark, query = target.partition(b"?")
    if len(path) > 1:
        plain = unquote_to_bytes(path) if b"%" in path else path
        found.append(value_of(("path", b"", plain)))
        if plain is not path and b" " in plain:  # what is routed by its segments passes each on by itself
            found += [value_of(("path", b"", segment)) for segment in plain.split(b"/") if b" " in segment]
    if arguments is not None:
        _add_arguments(arguments, "query", found)
    elif mark:
        add_fields(query.split(b"&"), "query", found)


def _referer_values(value: bytes, found: list[Value]) -> None:
    """The Referer's path and query are inspected like a request's."""
    url, mark, query = _without_origin(value)
    if len(url) > 1:
        found.append(value_of(("header:referer", b"referer", unquote_to_bytes(url) if b"%" in url else url)))
    if mark:
        add_fields(query.split(b"&"), "header:referer", found)


def _without_origin(value: bytes) -> tuple[bytes, bytes, bytes]:
    """Return a Referer's path, question mark and query. The origin before them tells nothing, if it is one."""
    url, mark, query = value.partition(b"?")
    origin = _ORIGIN.match(url)
    return url[origin.end() :] if origin else url, mark, query


def add_fields(fields: list[bytes], place: str, found: list[Value]) -> None:
    """Add the names and values of fields of a query or a form."""
    arguments: Headers = []
    for text in fields:
        name, _, value = text.partition(b"=")
        if b"%" in text or b"+" in text:
            name, value = url_decode(name), url_decode(value)
        arguments.append((name, value))
    _add_arguments(arguments, place, found)


def _add_arguments(arguments: Headers, place: str, found: list[Value]) -> None:
    for name, value in arguments:
        if name:
            found.append(value_of(("name" if value else place, b"", name)))
        if value:
            if value[0] in b"{[":
                add_value(found, place, name, value)
            elif value[0] in _LEADING and place == "query" and value.lstrip()[:2] in _NAMES_HOST:
                # where it leads means something together with what it is for
                found += [value_of((place, name, value)), value_of((place, name, name + b"=" + value))]
            elif _is_quoted(name):
                found += [value_of((place, name, value)), value_of((place, b"", name + b"=" + value))]
            elif name in _SENT_BACK and value[:4] == b"http":
                found.append(value_of((place, name, _OWN_MACHINE.sub(b"", value) or b"/")))
            else:
                found.append(value_of((place, name, value)))


def _cookie_values(header: bytes, found: list[Value]) -> None:
    for name, value in parse_cookies(header, EVERY):
        if name.translate(None, USUAL):
            found.append(value_of(("name", b"", name)))
        if value:
            add_value(found, "cookie", name, unquote_to_bytes(value) if b"%" in value else value)


def pair_values(pairs: Headers) -> list[Value]:
    """Return the values of arguments that were read already."""
    found: list[Value] = []
    for name, value in pairs:
        if name:
            found.append(value_of(("name" if value else "body", b"", name)))
        if value:
            add_value(found, "body", name, value)
    return found
