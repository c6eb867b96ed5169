"""application/x-www-form-urlencoded bodies and query strings."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .limits import DEFAULT_LIMITS, Limits, Pairs
from .percent import PERCENT, PLUS, url_decode

_INVALID = re.compile(rb"%(?![0-9A-Fa-f]{2})")


@dataclass(slots=True)
class UrlencodedBody:
    """`invalid_encoding` is URLENCODED_ERROR: a `%` without two hexadecimal digits."""

    pairs: Pairs = field(default_factory=list)
    invalid_encoding: bool = False
    error: str = ""


def has_invalid_escape(body: bytes) -> bool:
    """Whether there is a `%` without two hexadecimal digits."""
    return PERCENT in body and _INVALID.search(body) is not None


@dataclass(slots=True)
class PlainForm:
    """A form of valid escapes, within its limits, that is taken apart once somebody asks."""

    body: bytes
    separator: bytes = b"&"
    limits: Limits = DEFAULT_LIMITS
    _pairs: Pairs | None = None

    @property
    def pairs(self) -> Pairs:
        """Its arguments."""
        if self._pairs is None:
            self._pairs = parse_urlencoded(self.body, self.separator, self.limits).pairs
        return self._pairs


def parse_urlencoded(body: bytes, separator: bytes = b"&", limits: Limits = DEFAULT_LIMITS) -> UrlencodedBody:
    """Split at the separator (SecArgumentSeparator), then at the first `=`; decode both sides.

    As ModSecurity: an empty field counts as one with an empty name, except behind the last separator. Beyond the limit
    of fields, which is an error, the rest stands in the last value.
    """
    result = UrlencodedBody()
    if not body:
        return result
    if PLUS in body and separator != b"+":
        body = body.replace(b"+", b" ")
    fields = body.split(separator, limits.fields + 1)
    if not fields[-1]:
        fields.pop()
    if len(fields) > limits.fields:
        last = max(limits.fields - 1, 0)
        fields[last:] = [separator.join(fields[last:])]
        result.error = f"more than {limits.fields} fields"
    if PERCENT in body:
        result.invalid_encoding = has_invalid_escape(body)
        result.pairs = [
            (url_decode(name), url_decode(value)) for name, _, value in [text.partition(b"=") for text in fields]
        ]
    else:
        result.pairs = [(name, value) for name, _, value in [text.partition(b"=") for text in fields]]
    return result
