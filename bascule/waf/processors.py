"""Request body processors: which one a body gets, and what the transaction takes from it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from bascule.waf.bodies import (
    Limits,
    MultipartBody,
    PlainForm,
    Unread,
    XmlBody,
    fragment_pairs,
    is_binary,
    is_message,
    media_type,
    parse_json,
    parse_urlencoded,
    parse_xml,
)
from bascule.waf.bodies.urlencoded import has_invalid_escape
from bascule.waf.multipart_view import MultipartView
from bascule.waf.request import Pairs
from bascule.waf.seclang.model import Config

STRUCTURED: Final = ("XML", "MULTIPART")
"""Processors whose values stand for the body: REQUEST_BODY is then empty, as with ModSecurity 2, for which CRS is
written (944100's tests), unless the body cannot be parsed. libmodsecurity itself always fills it (`bare`)."""

_START: Final = re.compile(rb"[ \t\r\n\xef\xbb\xbf]*+([{\[<])").match
"""How JSON and XML begin, behind any number of blanks."""

MAX_FIELDS = 1_000
"""Fields of a body where SecArgumentsLimit is not set."""


@dataclass(slots=True)
class Result:
    """What one processor made of a body."""

    pairs: Pairs = field(default_factory=list)
    error: bytes = b""
    """What is wrong with the body, as libmodsecurity says it in REQBODY_ERROR_MSG; empty if nothing is."""
    invalid_encoding: bool = False
    multipart: MultipartView | None = None
    xml: XmlBody | None = None
    unread: Unread | None = None
    """What stands in for `pairs`."""


def by_content_type(value: bytes, sniff: bool) -> bytes | None:
    """Return the processor a Content-Type asks for; JSON and XML only where the engine chooses by itself."""
    kind = value.partition(b";")[0].strip().lower()
    if kind.startswith(b"multipart/form-data"):
        return b"MULTIPART"
    if kind.startswith(b"application/x-www-form-urlencoded"):
        return b"URLENCODED"
    if not sniff:
        return None
    if kind.endswith((b"/json", b"+json")):
        return b"JSON"
    if kind.endswith((b"/xml", b"+xml")):
        return b"XML"
    return None


def sniff(body: bytes, declared: str, content_type: bytes) -> tuple[str, ...]:
    """Return the processors for a body: the declared one, and what it looks like if that is something else.

    Nothing may hide behind a Content-Type that lies: what looks like JSON or XML is read as that too, and a
    body nothing is known of is read as a form, unless it neither says nor looks as if it were text: that is a file.
    """
    start = _START(body)
    looks = "" if start is None else "XML" if start[1] == b"<" else "JSON"
    if declared == "MULTIPART" or (looks == declared and looks):
        return (declared,)
    found = (declared,) if declared else ()
    if looks:
        return (*found, looks)
    if found:
        return found
    return () if is_file(body, content_type) else ("URLENCODED",)


def is_file(body: bytes, content_type: bytes) -> bool:
    """Whether a body neither says that it is text nor looks like it."""
    kind = media_type(content_type)
    return kind not in (b"", b"text/plain") and is_binary(body) and not is_message(kind, body)


def plain_form(body: bytes, config: Config, others: int) -> PlainForm | None:
    """Return a body as a form that need not be taken apart yet; None if its escapes are not valid, or it has too much.

    `others` as for `process`.
    """
    fields = _fields(config, others)
    if body.count(config.argument_separator) < fields and not has_invalid_escape(body):
        return PlainForm(body, config.argument_separator, _limits(fields, config.request_body_json_depth))
    return None


def _fields(config: Config, others: int) -> int:
    return max(config.arguments_limit - others, 0) if config.arguments_limit else MAX_FIELDS


def process(
    name: str,
    body: bytes,
    config: Config,
    whole: bool = True,
    others: int = 0,
    parts: MultipartBody | None = None,
) -> Result:
    """Run one processor over a body, or over its start. Never raises; what is wrong with the body is in `error`.

    `others` arguments count towards SecArgumentsLimit beside the body's own. `parts` are what multipart was read as.
    """
    fields = _fields(config, others)
    limits = _limits(fields, config.request_body_json_depth)
    if name == "MULTIPART" and parts is not None:
        view = MultipartView(parts, config.upload_file_limit)
        return Result(view.fields, _failure(b"Multipart", parts.error), multipart=view)
    if not whole:
        return Result(fragment_pairs(name, body, config.argument_separator))
    if name == "URLENCODED":
        plain = plain_form(body, config, others)
        if plain is not None:
            return Result(unread=plain)
        form = parse_urlencoded(body, config.argument_separator, limits)
        return Result(form.pairs, form.error.encode(), form.invalid_encoding)
    if name == "JSON":
        document = parse_json(body, limits)
        if not document.error:
            return Result(unread=document)
        return Result(document.pairs + _pieces(name, body, document.error), _failure(b"JSON", document.error))
    if name == "XML":
        xml = parse_xml(body, Limits(fields=fields))
        return Result(_pieces(name, body, xml.error), _failure(b"XML", xml.error), xml=xml)
    return Result()


@lru_cache(64)
def _limits(fields: int, depth: int) -> Limits:
    """They are the same for nearly all bodies."""
    return Limits(fields=fields, depth=depth)


def _pieces(name: str, body: bytes, error: str) -> Pairs:
    """The texts of a document that cannot be parsed: a lenient server may, and rules may only be detecting."""
    return fragment_pairs(name, body) if error else []


def _failure(kind: bytes, reason: str) -> bytes:
    return b"%b parsing error: %b" % (kind, reason.encode()) if reason else b""
