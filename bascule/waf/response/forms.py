"""Hidden fields that clients can only send back as a page gave them.

A page's forms get one more hidden field each: a token over the protected hidden fields of that form together, so that
none can be changed, left out, or taken from another form. Their values stay as they are, for scripts to read. The token
is checked and taken out of the request before the server sees it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from itertools import pairwise

from bascule.config.response import FormGuard
from bascule.waf.bodies import parse_json, parse_multipart, parse_urlencoded
from bascule.waf.bodies.boundary import parse_boundary
from bascule.waf.response.cookies import derived
from bascule.waf.response.names import Names
from bascule.waf.response.tags import InsertingStream, attributes

FIELD = b"_bascule"
"""Name of the field that holds the token."""
MAX_PROTECTED = 64
"""Protected fields of one form; one with more gets no token, and is refused when it comes back."""
_TIME_BYTES, _TAG_BYTES = 5, 16
_FORM = b"x-www-form-urlencoded"
_MEDIA_ENDS = re.compile(rb"[;,\s]")
_NAME = re.compile(rb"\bname\s{0,8}=\s{0,8}\"?([^\";\r\n]{1,200})", re.IGNORECASE)
Pairs = list[tuple[bytes, bytes]]


class Forms:
    """The protected fields of one route."""

    def __init__(self, guard: FormGuard) -> None:
        self.protects = Names(guard.names).protects
        self.max_age = int(guard.max_age)
        self._keys = [derived(secret, b"form") for secret in (guard.secret, *guard.previous)]

    def token(self, fields: Pairs, now: float) -> bytes:
        """Return the token of a form's protected fields."""
        stamp = int(now).to_bytes(_TIME_BYTES, "big")
        return base64.urlsafe_b64encode(stamp + _mac(self._keys[0], stamp, fields)).rstrip(b"=")

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
    """Lengths before the texts, so that no other fields make the same. Browsers send line ends as CR LF
    (HTML 4.10.21.8)."""
    digest = hmac.new(key, stamp, hashlib.sha256)
    for name, value in sorted((_lines(name), _lines(value)) for name, value in fields):
        digest.update(b"%d:%b%d:%b" % (len(name), name, len(value), value))
    return digest.digest()[:_TAG_BYTES]


def _lines(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in text else text


class FormStream(InsertingStream):
    """One page on its way through: hidden fields are noted, and each form that has protected ones gets its token."""

    __slots__ = ("_fields", "_forms", "_now")

    def __init__(self, forms: Forms, now: float) -> None:
        super().__init__()
        self._forms = forms
        self._now = now
        self._fields: Pairs | None = None
        """The protected fields of the form that is open."""

    def before(self, name: bytes, rest: bytes) -> bytes | None:
        """See InsertingStream."""
        if name == b"form":
            self._fields = []
        elif name == b"/form":
            fields, self._fields = self._fields, None
            if fields and len(fields) <= MAX_PROTECTED:
                return b'<input type="hidden" name="%b" value="%b">' % (FIELD, self._forms.token(fields, self._now))
        elif name == b"input" and self._fields is not None:
            found = attributes(rest)
            sent = found.get(b"type", b"").lower() == b"hidden" and b"disabled" not in found
            if sent and self._forms.protects(found.get(b"name", b"")):
                self._fields.append((found[b"name"], found.get(b"value", b"")))
        return None


def sent_fields(kind: bytes, body: bytes) -> Pairs:
    """Return the fields of a form as it was sent, by its Content-Type, or the leaves of JSON by their last names.

    A type ends where the most lenient programs end it (PHP: at a comma or blank, too), one that says nothing hides
    nothing, and of parts that cannot be told apart all names count.
    """
    media = _MEDIA_ENDS.split(kind.strip(), 1)[0].lower()
    if media.startswith(b"multipart/"):
        parsed = parse_multipart(body, kind)
        return parsed.fields if not parsed.error else [(name, b"") for name in _NAME.findall(body)]
    if media.endswith(_FORM):
        return parse_urlencoded(body).pairs
    found: Pairs = []
    if media.endswith(b"json") or body.lstrip()[:1] in (b"{", b"["):
        found = [(name.rpartition(b".")[2], value) for name, value in parse_json(body).pairs]
    return found if media.endswith(b"json") else found + parse_urlencoded(body).pairs


def without_fields(kind: bytes, body: bytes, names: Iterable[bytes]) -> bytes:
    """Return a query (with no `kind`) or the body of a form without the fields that pages were given here."""
    for name in names:
        if name in body:
            body = _without(kind, body, name)
    return body


def _without(kind: bytes, body: bytes, name: bytes) -> bytes:
    media = kind.partition(b";")[0].strip().lower()
    if media.startswith(b"multipart/"):
        return _without_parts(parse_boundary(kind).text, body, name)
    if media and not media.endswith(_FORM):
        return body
    return b"&".join(pair for pair in body.split(b"&") if pair.partition(b"=")[0] != name)


def _without_parts(boundary: bytes, body: bytes, name: bytes) -> bytes:
    """Take out parts as browsers write them: whole lines, from one delimiter up to the next.

    So the rest reads as it was judged. A delimiter that is looked for within lines, too, let a client have the server
    read parts that were the text of another before.
    """
    if not boundary:
        return body
    starts = [
        found.start() for found in re.finditer(rb"^--" + re.escape(boundary) + rb"(?:--)?\r?$", body, re.MULTILINE)
    ]
    head = re.compile(
        rb"[^\n]*\r\ncontent-disposition: ?form-data; ?name=\"" + re.escape(name) + rb"\"\r\n\r\n", re.IGNORECASE
    )
    kept: list[bytes] = []
    at = 0
    for start, end in pairwise(starts):
        if head.match(body, start, end) is not None:
            kept.append(body[at:start])
            at = end
    return b"".join((*kept, body[at:]))
