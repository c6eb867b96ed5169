"""How a login ended, told by the answer: what the operator says of it, else what servers usually answer.

Told by the head: statuses, the place of a redirect, a new cookie. Told by the beginning of the body, where the head
says only 200: the form with its password field again, or what JSON interfaces write.
"""

from __future__ import annotations

import re
from typing import Final, Protocol
from urllib.parse import urlsplit

from bascule.config.logins import Signs

FAILED, SUCCEEDED, UNKNOWN = "failed", "succeeded", "unknown"
LOOKED_AT: Final = 16_384
"""Bytes of an answer's body that are looked at."""
_REFUSALS: Final = frozenset((400, 401, 403, 404, 406, 409, 410, 412, 418, 422, 423, 429))
_LOGIN_PATH: Final = re.compile(rb"(?i)log[-_]?in|sign[-_]?in|log[-_]?on")
_NEXT_STEP: Final = re.compile(rb"(?i)mfa|2fa|otp|two[-_]?(?:factor|step)|second|verif")
"""The password was right, and something more is asked."""
_ERROR: Final = re.compile(rb"(?i)error|fail|denied|invalid|incorrect|wrong")
_FORM: Final = re.compile(rb"""(?i)<input[^>]{0,300}type\s*=\s*["']?password""")
_JSON_FAILED: Final = re.compile(
    rb"""(?i)"(?:success|ok|authenticated|loggedin|logged_in)"\s*:\s*(?:false|0)|"errors?"\s*:(?!\s*(?:null|false|""|\[\]|\{\}))"""
)
_JSON_SUCCEEDED: Final = re.compile(
    rb"""(?i)"(?:success|ok|authenticated|loggedin|logged_in)"\s*:\s*(?:true|1)|"(?:access_?token|id_?token|token|jwt|session_?id|session_?token)"\s*:\s*"[^"]"""
)


class ResponseHead(Protocol):
    """What is asked of the head of an answer."""

    @property
    def status(self) -> int:
        """Its status."""

    def value(self, name: bytes) -> bytes:
        """Return the first value of a field, or empty."""

    def values(self, name: bytes) -> list[bytes]:
        """Return all values of a field."""


def set_cookies(head: ResponseHead) -> dict[bytes, bytes]:
    """Return the cookies that an answer sets, by name; of those it deletes, an empty value."""
    found = {}
    for line in head.values(b"set-cookie"):
        pair, _, attributes = line.partition(b";")
        name, _, value = pair.partition(b"=")
        attributes = attributes.lower().replace(b" ", b"")
        found[name.strip()] = b"" if b"max-age=0" in attributes or b"=thu,01jan1970" in attributes else value.strip()
    return found


class Judge:
    """Tells outcomes by the signs of a configuration."""

    __slots__ = ("_failed", "_succeeded")

    def __init__(self, failed: Signs | None, succeeded: Signs | None) -> None:
        self._failed = failed
        self._succeeded = succeeded

    def judge(self, path: bytes, known: bytes, head: ResponseHead, body: bytes, complete: bool) -> str:
        """Return how a login at `path` ended, as far as head and the beginning of the body tell.

        `known` are the cookies that the request had: one that is set to what it was is not new. Where there is more of
        the body to come (not `complete`), `UNKNOWN` may yet become something else.
        """
        if self._failed is not None and shows(self._failed, head, body):
            return FAILED
        if self._succeeded is not None:
            if shows(self._succeeded, head, body):
                return SUCCEEDED
            awaits = bool(self._succeeded.body) and not complete and len(body) < LOOKED_AT
            return UNKNOWN if awaits or head.status >= 500 else FAILED
        return _usual(path, known, head, body, complete or len(body) >= LOOKED_AT)


def shows(signs: Signs, head: ResponseHead, body: bytes) -> bool:
    """Whether an answer has one of the signs."""
    if head.status in signs.status:
        return True
    place = head.value(b"location").decode("latin-1")
    if place and any(text in place for text in signs.location):
        return True
    if signs.cookie and any(cookie.encode() in set_cookies(head) for cookie in signs.cookie):
        return True
    return any(text.encode() in body for text in signs.body)


def _usual(path: bytes, known: bytes, head: ResponseHead, body: bytes, whole: bool) -> str:
    """Return what servers usually mean; `whole` says that no more of the body will be looked at."""
    status = head.status
    if status in _REFUSALS:
        return FAILED
    if 300 <= status < 400:
        return FAILED if _leads_back(path, head.value(b"location")) else SUCCEEDED
    if status in (201, 204):
        return SUCCEEDED
    if not 200 <= status < 300:
        return UNKNOWN
    if b"json" in head.value(b"content-type"):
        if _JSON_FAILED.search(body):
            return FAILED
        return SUCCEEDED if _JSON_SUCCEEDED.search(body) else UNKNOWN
    if _FORM.search(body):
        return FAILED
    renewed = any(value and value not in known for value in set_cookies(head).values())
    return SUCCEEDED if whole and renewed else UNKNOWN


def _leads_back(path: bytes, place: bytes) -> bool:
    """Whether a redirect leads to a login again, or to an error."""
    try:
        parts = urlsplit(place)
    except ValueError:  # nobody gets there
        return True
    if _NEXT_STEP.search(parts.path):
        return False
    again = parts.path.rstrip(b"/") == path.rstrip(b"/") or _LOGIN_PATH.search(parts.path) is not None
    return again or _ERROR.search(parts.path + b"?" + parts.query) is not None
