"""Hidden fields that clients can only send back as a page gave them.

A page's forms get one more hidden field each: a token over the protected hidden fields of that form together, so that
none can be changed, left out, or taken from another form. Their values stay as they are, for scripts to read. The token
is checked and taken out of the request before the server sees it.

HTML is read as a stream: only tags are looked at, and of an incomplete one at most `MAX_TAG` bytes are kept back.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import html
import re
from collections.abc import Iterable

from bascule.config.response import FormGuard
from bascule.waf.bodies import parse_json, parse_multipart, parse_urlencoded
from bascule.waf.bodies.boundary import parse_boundary
from bascule.waf.response.cookies import derived

FIELD = b"_bascule"
"""Name of the field that holds the token."""
MAX_TAG = 8192
MAX_PROTECTED = 64
"""Protected fields of one form; one with more gets no token, and is refused when it comes back."""
_TIME_BYTES, _TAG_BYTES = 5, 16
_TAG = re.compile(
    rb"""<(?:(?P<skip>!--|script\b|style\b|textarea\b|title\b)"""
    rb"""|(?P<name>/?form|input)(?=[\s/>])(?P<rest>(?:[^>"']|"[^"]*"|'[^']*')*+)>)""",
    re.IGNORECASE,
)
_ENDS = {b"!--": re.compile(rb"-->"), b"script": re.compile(rb"</script", re.IGNORECASE),
         b"style": re.compile(rb"</style", re.IGNORECASE), b"textarea": re.compile(rb"</textarea", re.IGNORECASE),
         b"title": re.compile(rb"</title", re.IGNORECASE)}  # fmt: skip
"""What ends content in which there are no tags (HTML 13.2.5)."""
_ATTRIBUTE = re.compile(rb"""([^\s"'>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?""")

Pairs = list[tuple[bytes, bytes]]


class Forms:
    """The protected fields of one route."""

    def __init__(self, guard: FormGuard) -> None:
        self._names = frozenset(name.lower().encode() for name in guard.names)
        self.max_age = int(guard.max_age)
        self._keys = [derived(secret, b"form") for secret in (guard.secret, *guard.previous)]

    def token(self, fields: Pairs, now: float) -> bytes:
        """Return the token of a form's protected fields."""
        stamp = int(now).to_bytes(_TIME_BYTES, "big")
        return base64.urlsafe_b64encode(stamp + _mac(self._keys[0], stamp, fields)).rstrip(b"=")

    def protects(self, name: bytes) -> bool:
        """Whether a field is protected, under any spelling that some server takes for it (``Price``, ``price[0]``)."""
        return name.partition(b"[")[0].strip(b" \t\0.").lower() in self._names

    def concerns(self, pairs: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether a request has protected fields."""
        return any(self.protects(name) for name, _ in pairs)

    def is_whole(self, pairs: Pairs, now: float) -> bool:
        """Whether the protected fields of a request are those of a form that a page gave, and not too long ago."""
        fields = [pair for pair in pairs if self.protects(pair[0])]
        tokens = [value for name, value in pairs if name == FIELD]
        if len(tokens) != 1:
            return False
        try:
            token = base64.b64decode(tokens[0] + b"=" * (-len(tokens[0]) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return False
        stamp, tag = token[:_TIME_BYTES], token[_TIME_BYTES:]
        age = int(now) - int.from_bytes(stamp, "big")
        return -60 <= age <= self.max_age and any(
            hmac.compare_digest(tag, _mac(key, stamp, fields)) for key in self._keys
        )

    def stream(self, now: float) -> FormStream:
        """Begin a page."""
        return FormStream(self, now)


def _mac(key: bytes, stamp: bytes, fields: Pairs) -> bytes:
    """Lengths before the texts, so that no other fields make the same."""
    digest = hmac.new(key, stamp, hashlib.sha256)
    for name, value in sorted(fields):
        digest.update(b"%d:%b%d:%b" % (len(name), name, len(value), value))
    return digest.digest()[:_TAG_BYTES]


class FormStream:
    """One page on its way through: hidden fields are noted, and each form that has protected ones gets its token."""

    __slots__ = ("_end", "_fields", "_forms", "_kept", "_now", "signed")

    def __init__(self, forms: Forms, now: float) -> None:
        self._forms = forms
        self._now = now
        self._kept = b""
        self._fields: Pairs | None = None
        """The protected fields of the form that is open."""
        self._end: re.Pattern[bytes] | None = None
        """What ends the content without tags that is open."""

    @property
    def holds(self) -> bool:
        """Whether something is kept back."""
        return bool(self._kept)

    def feed(self, data: bytes, last: bool = False) -> bytes:
        """Take a piece, return what may go out."""
        text = self._kept + data
        out: list[bytes] = []
        at = start = 0
        while True:
            if self._end is not None:
                found = self._end.search(text, at)
                if found is None:
                    at = max(at, len(text) - 12)
                    break
                at, self._end = found.end(), None
            tag = _TAG.search(text, at)
            if tag is None:
                at = self._unfinished(text, at)
                break
            at = tag.end()
            if tag["skip"] is not None:
                self._end = _ENDS[tag["skip"].lower()]
            elif (token := self._tag(tag)) is not None:
                out += (text[start : tag.start()], token)
                start = tag.start()
        cut = len(text) if last or len(text) - at > MAX_TAG else at
        self._kept = text[cut:]
        return b"".join((*out, text[start:cut]))

    def _unfinished(self, text: bytes, at: int) -> int:
        """Return up to where no tag can be that is not complete."""
        opened = text.find(b"<", max(at, len(text) - MAX_TAG))
        while opened >= 0:
            if not _is_other(text[opened : opened + 10]):
                return opened
            opened = text.find(b"<", opened + 1)
        return len(text)

    def _tag(self, tag: re.Match[bytes]) -> bytes | None:
        """Note a tag; return what is to be put before it."""
        name = tag["name"].lower()
        if name == b"form":
            self._fields = []
        elif name == b"/form":
            fields, self._fields = self._fields, None
            if fields and len(fields) <= MAX_PROTECTED:
                return b'<input type="hidden" name="%b" value="%b">' % (FIELD, self._forms.token(fields, self._now))
        elif self._fields is not None:
            found = reversed(_ATTRIBUTE.findall(tag["rest"]))  # of attributes given twice the first counts
            attributes = {key.lower(): _plain(a or b or c) for key, a, b, c in found}
            if attributes.get(b"type", b"").lower() == b"hidden" and self._forms.protects(attributes.get(b"name", b"")):
                self._fields.append((attributes[b"name"], attributes.get(b"value", b"")))
        return None


def _is_other(start: bytes) -> bool:
    """Whether the beginning of a tag, ten bytes if there are as many, is of one that is of no interest."""
    low = start[1:].lower()
    return not any(
        low.startswith(name) or name.startswith(low)
        for name in (b"!--", b"script", b"style", b"textarea", b"title", b"form", b"/form", b"input")
    )


def _plain(value: bytes) -> bytes:
    """Return an attribute's value without character references, as the client will send it in UTF-8."""
    if b"&" not in value:
        return value
    return html.unescape(value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def sent_fields(kind: bytes, body: bytes) -> Pairs:
    """Return the fields of a form as it was sent, by its Content-Type, or the leaves of JSON by their last names."""
    media = kind.partition(b";")[0].strip().lower()
    if media.startswith(b"multipart/"):
        return parse_multipart(body, kind).fields
    if media.endswith(b"json"):
        return [(name.rpartition(b".")[2], value) for name, value in parse_json(body).pairs]
    return parse_urlencoded(body).pairs if media.endswith(b"x-www-form-urlencoded") or not media else []


def without_token(kind: bytes, body: bytes) -> bytes:
    """Return a query (with no `kind`) or the body of a form without the token."""
    if FIELD not in body:
        return body
    if kind.partition(b";")[0].strip().lower().startswith(b"multipart/"):
        boundary = b"--" + parse_boundary(kind).text
        first, *parts = body.split(boundary)
        kept = [part for part in parts if b'name="' + FIELD + b'"' not in part.partition(b"\r\n\r\n")[0]]
        return boundary.join((first, *kept))
    return b"&".join(pair for pair in body.split(b"&") if pair.partition(b"=")[0] != FIELD)
