"""Checks of the request head: address, place, method, path, query, fields. One function each, built at load."""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

import re2

from bascule.config.filters import WafFilters
from bascule.http.addresses import TrustedNetworks
from bascule.waf.filters.access import access_check
from bascule.waf.logic.facts.scanner import TOOLS

if TYPE_CHECKING:
    from bascule.waf.request import RequestView
    from bascule.waf.steady import Steady

Found = tuple[int, bytes, bytes]
"""A rule, the variable it is about (as exclusions name it), and its value."""
Look = Callable[["RequestView"], Found | None]
Pairs = list[tuple[bytes, bytes]]
FieldsCheck = Callable[[Pairs], Found | None]
FieldCheck = Callable[[bytes], int]
"""Returns the id of the rule that a field's value breaks, or 0."""


class HeadCheck(NamedTuple):
    """A check of a request head, and what decides it: the method, fields that clients repeat, or marks in the target.

    It finds nothing in a target without `MARKS`, if it is about these. `""` stands for anything.
    """

    find: Look
    about: Literal["method", "fields", "marks", ""] = ""


MARKS = b".~%\x90"
VARYING = frozenset((b"cookie", b"referer", b"content-length"))
"""Fields that clients do not repeat (`http/h1/head.py` cuts them out of the others)."""
DEBUGGING = frozenset((b"TRACE", b"TRACK", b"DEBUG"))
USUAL = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"))
OF_FILES = frozenset((b"PROPFIND", b"PROPPATCH", b"COPY", b"MOVE", b"LOCK", b"UNLOCK", b"REPORT"))
"""WebDAV's (RFC 4918, RFC 3253), with which programs keep calendars and folders, and fields that only they send."""
_FIELDS_OF_FILES = (b"depth", b"destination", b"lock-token", b"timeout", b"if")
OVERRIDES = (b"x-http-method-override", b"x-http-method", b"x-method-override")
BACKUPS = frozenset(b"bak bkp backup old orig save swp swo inc config mdb sql sqlite".split())
ONCE = frozenset((b"content-type", b"authorization", b"content-encoding"))
"""Fields that stand once, and of which two readers would take different ones."""
MAX_RANGES = 64
"""Readers of large PDF files ask for a few dozen; the attack on Apache (CVE-2011-3192) took over a thousand."""
SLED = b"\x90" * 16
_ENCODED_SLED = b"%90" * 16
_KEPT = 4096
_UNKNOWN = (0, b"", b"")

_SCANNERS = re2.compile(rb"(?i)" + TOOLS)
_HIDDEN = re2.compile(
    rb"(?i)/\.(?:git|svn|hg|bzr|env|aws|ssh|kube|docker|dockercfg|npmrc|pypirc|netrc|pgpass|htaccess|htpasswd"
    rb"|bash_history|mysql_history|ds_store|idea)(?:$|[/.~_;-])"
)
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_OVERLONG = re2.compile(rb"(?i)%c[01]%[89ab][0-9a-f]|%e0%[89][0-9a-f]%[89ab]|%f0%8[0-9a-f]%")


def head_checks(filters: WafFilters, is_on: Container[str]) -> list[HeadCheck]:
    """Return the checks to run, cheapest refusals first. `is_on` holds the names of rules that the preset turns on."""
    checks: list[HeadCheck] = []
    if filters.addresses.allow or filters.addresses.deny:
        checks.append(HeadCheck(_addresses(filters)))
    if filters.access:
        checks.append(HeadCheck(access_check(filters.access)))
    checks += [HeadCheck(look, "method") for look in _methods(filters, is_on)]
    checks += _target(filters, is_on)
    fields = _fields(filters, is_on)
    if fields:
        checks.append(HeadCheck(_walk(fields), "fields" if VARYING.isdisjoint(fields) else ""))
    required = {name.encode(): 714_003 for name in filters.fields.require}
    if "no-user-agent" in is_on:
        required.setdefault(b"user-agent", 717_003)
    if required:
        checks.append(HeadCheck(_required(required), "fields" if VARYING.isdisjoint(required) else ""))
    if "repeated-field" in is_on:
        checks.append(HeadCheck(_repeated_field, "fields"))
    if filters.lengths.header:
        checks.append(HeadCheck(_header_lengths(filters.lengths.header)))
    checks += [check for name, check in _RARE.items() if name in is_on]
    return checks


def _addresses(filters: WafFilters) -> Look:
    allow, deny = TrustedNetworks(filters.addresses.allow), TrustedNetworks(filters.addresses.deny)

    def check(t: RequestView) -> Found | None:
        client = t.connection.client_address
        if (allow and client not in allow) or client in deny:
            return 721_001, b"REMOTE_ADDR", client
        return None

    return check


def _methods(filters: WafFilters, is_on: Container[str]) -> list[Look]:
    allowed = frozenset(method.encode() for method in filters.methods)
    if allowed:
        return [lambda t: None if t.method in allowed else (715_003, b"REQUEST_METHOD", t.method)]
    if "unusual-method" in is_on:
        return [
            lambda t: (
                None
                if t.method in USUAL or (t.method in OF_FILES and _is_of_files(t))
                else (715_001 if t.method in DEBUGGING else 715_002, b"REQUEST_METHOD", t.method)
            )
        ]
    if "debugging-method" in is_on:
        return [lambda t: (715_001, b"REQUEST_METHOD", t.method) if t.method in DEBUGGING else None]
    return []


def _is_of_files(t: RequestView) -> bool:
    """Tell whether a request has the fields of WebDAV: only methods that no glance passes are asked."""
    return any(t.header(name) is not None for name in _FIELDS_OF_FILES) or b"xml" in (t.header(b"content-type") or b"")


def _target(filters: WafFilters, is_on: Container[str]) -> list[HeadCheck]:
    checks: list[HeadCheck] = []
    names: list[Look] = []
    backups = BACKUPS if "backup-file" in is_on else frozenset()
    denied = frozenset(extension.encode() for extension in filters.extensions)
    if backups or denied:
        names.append(_extensions(backups, denied))
    if "hidden-file" in is_on:
        names.append(_hidden)
    if names:
        checks.append(HeadCheck(_of_names(names), "marks"))
    if "no-operation-sled" in is_on:
        checks.append(HeadCheck(_sled, "marks"))
    lengths = filters.lengths
    for number, limit, name, of in (
        (701_005, lengths.path, b"REQUEST_FILENAME", lambda t: t.filename),
        (701_006, lengths.query, b"QUERY_STRING", lambda t: t.query),
    ):
        if limit:
            checks.append(HeadCheck(_length(number, limit, name, of)))
    if lengths.parameters:
        checks.append(HeadCheck(_parameters(lengths.parameters)))
    return checks


def _of_names(checks: list[Look]) -> Look:
    """Return a check of paths that name a file: most pages have neither dot nor tilde, nor what could become one."""

    def check(t: RequestView) -> Found | None:
        target = t.target
        if b"." not in target and b"~" not in target and b"%" not in target:
            return None
        for each in checks:
            found = each(t)
            if found is not None:
                return found
        return None

    return check


def _extensions(backups: frozenset[bytes], denied: frozenset[bytes]) -> Look:
    """Windows drops dots and blanks at the end of a name, and ``::$DATA``; Java drops what follows a semicolon."""

    def check(t: RequestView) -> Found | None:
        path = t.filename
        if b"." not in path and path[-1:] != b"~":
            return None
        name = path.partition(b";")[0].rstrip(b" .").removesuffix(b"::$DATA")
        extension = name.rpartition(b".")[2].lower()
        if extension in denied:
            return 705_002, b"REQUEST_FILENAME", path
        if backups and (extension in backups or name[-1:] == b"~"):
            return 705_001, b"REQUEST_FILENAME", path
        return None

    return check


def _hidden(t: RequestView) -> Found | None:
    path = t.filename
    if b"/." in path and _HIDDEN.search(path) is not None:
        return 717_002, b"REQUEST_FILENAME", path
    return None


def _sled(t: RequestView) -> Found | None:
    if SLED in t.target or _ENCODED_SLED in t.target:
        return 701_008, b"REQUEST_URI", t.target
    return None


def _length(number: int, limit: int, name: bytes, of: Callable[[RequestView], bytes]) -> Look:
    return lambda t: (number, name, of(t)) if len(of(t)) > limit else None


def _parameters(limit: int) -> Look:
    return lambda t: (701_007, b"QUERY_STRING", t.query) if t.query and len(t.args_get) > limit else None


def _fields(filters: WafFilters, is_on: Container[str]) -> dict[bytes, FieldCheck]:
    """Return the fields that are looked at, each with its check."""
    checks: dict[bytes, FieldCheck] = {}
    if filters.methods:
        allowed = frozenset(method.encode() for method in filters.methods)
        checks |= dict.fromkeys(OVERRIDES, lambda value: 0 if value.upper() in allowed else 715_004)
    if "path-override" in is_on:
        checks[b"x-original-url"] = checks[b"x-rewrite-url"] = lambda value: 714_001
    if "many-ranges" in is_on:
        checks[b"range"] = lambda value: 708_002 if value.count(b",") >= MAX_RANGES else 0
    if "scanner" in is_on:
        checks[b"user-agent"] = _scanner()
    checks |= dict.fromkeys((name.encode() for name in filters.fields.deny), lambda value: 714_002)
    return checks


def _scanner() -> FieldCheck:
    known: dict[bytes, int] = {}

    def check(value: bytes) -> int:
        rule = known.get(value)
        if rule is None:
            rule = 717_001 if _SCANNERS.search(value) is not None else 0
            if len(value) < 1024:
                if len(known) >= _KEPT:
                    known.clear()
                known[value] = rule
        return rule

    return check


def _of_fields(look: FieldsCheck) -> Look:
    """Return a check of each field by itself: those that a client repeats are looked at once."""

    def check(t: RequestView) -> Found | None:
        steady = t.steady
        found = None if steady is None else _once(steady, look)
        return found or (look(t.varying) if t.varying else None)

    return check


def _walk(fields: dict[bytes, FieldCheck]) -> Look:
    def look(pairs: Pairs) -> Found | None:
        for name, value in pairs:
            if name in fields and (rule := fields[name](value)):
                return rule, b"REQUEST_HEADERS:" + name, value
        return None

    return _of_fields(look)


def _required(names: dict[bytes, int]) -> Look:
    def check(t: RequestView) -> Found | None:
        for name, rule in names.items():
            if not t.header(name):
                return rule, b"REQUEST_HEADERS:" + name, b""
        return None

    return check


def _repeated_field(t: RequestView) -> Found | None:
    for name, _ in t.varying:
        if name in ONCE:
            return _twice(t.headers)
    return None if t.steady is None else _once(t.steady, _twice)


def _once(steady: Steady, look: FieldsCheck) -> Found | None:
    """Return what a check finds in fields that a client repeats."""
    found = cast("Found | None", steady.judged.get(look, _UNKNOWN))
    if found is _UNKNOWN:
        steady.judged[look] = found = look(steady.pairs)
    return found


def _twice(pairs: Pairs) -> Found | None:
    names = [name for name, _ in pairs]
    for name in ONCE:
        if names.count(name) > 1:
            return 708_001, b"REQUEST_HEADERS:" + name, next(value for key, value in pairs if key == name)
    return None


def _header_lengths(limit: int) -> Look:
    def look(pairs: Pairs) -> Found | None:
        for name, value in pairs:
            if len(value) > limit and name != b"cookie":
                return 701_003, b"REQUEST_HEADERS:" + name, value
        return None

    return _of_fields(look)


def _null_byte(t: RequestView) -> Found | None:
    return (709_001, b"REQUEST_URI", t.target) if b"%00" in t.target else None


def _overlong(t: RequestView) -> Found | None:
    if b"%" in t.target and _OVERLONG.search(t.target) is not None:
        return 709_002, b"REQUEST_URI", t.target
    return None


def _bad_escape(t: RequestView) -> Found | None:
    if b"%" in t.target and _BAD_ESCAPE.search(t.target) is not None:
        return 709_003, b"REQUEST_URI", t.target
    return None


def _repeated_parameter(t: RequestView) -> Found | None:
    if b"&" not in t.query:
        return None
    seen: set[bytes] = set()
    for name, value in t.args_get:
        if name in seen and not name.endswith(b"[]"):
            return 710_001, b"ARGS_GET:" + name, value
        seen.add(name)
    return None


def _body_without_need(t: RequestView) -> Found | None:
    if t.method in (b"GET", b"HEAD") and (t.header(b"content-length") or b"0") != b"0":
        return 708_003, b"REQUEST_HEADERS:content-length", t.header(b"content-length") or b""
    return None


def _untyped_body(t: RequestView) -> Found | None:
    length = t.header(b"content-length") or b"0"
    if (length != b"0" or t.header(b"transfer-encoding")) and not t.header(b"content-type"):
        return 708_004, b"REQUEST_HEADERS:content-type", b""
    return None


_RARE: dict[str, HeadCheck] = {
    "null-byte": HeadCheck(_null_byte, "marks"),
    "overlong-utf8": HeadCheck(_overlong, "marks"),
    "bad-escape": HeadCheck(_bad_escape, "marks"),
    "repeated-parameter": HeadCheck(_repeated_parameter),
    "body-without-need": HeadCheck(_body_without_need),
    "untyped-body": HeadCheck(_untyped_body),
}
"""Rules of the stricter presets that need nothing but the request."""
