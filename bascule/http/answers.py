"""Bodies of the answers Bascule gives by itself, and the reference ids printed on them.

Which form a client gets is its `Accept` field's choice (RFC 9110, 12.5.1) among the types it names:
``text/html`` (every browser names it), ``application/problem+json`` (RFC 9457) or ``text/plain``. Who names none of
them (curl's ``*/*``, no field at all) gets the operator's own page where there is one, else plain text. A page tells
the status, what to do in plain words and the reference id: nothing of the server, the version or the cause.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Final

from bascule.config.policies import ErrorPages
from bascule.http.pages import frame

HTML, JSON, TEXT = b"text/html; charset=utf-8", b"application/problem+json", b"text/plain; charset=utf-8"

_REASONS: Final = {413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable",
                   422: "Unprocessable Content"}  # fmt: skip
"""Where RFC 9110 has newer phrases than Python 3.11."""
_ADVICE: Final = {
    400: "The request could not be understood. Reload the page, or go back and try again.",
    403: "This request was refused. If you think that is a mistake, pass on the reference below.",
    404: "There is nothing at this address. Check it for typing errors.",
    405: "This address does not take requests of this kind.",
    408: "The request took too long to arrive. Please try again.",
    413: "What was sent is larger than is accepted here.",
    414: "The address is longer than is accepted here.",
    417: "The request expects something that is not offered here.",
    421: "The request reached the wrong place. Reload the page.",
    429: "There have been too many requests. Wait a little, then try again.",
    431: "The request's headers are larger than is accepted here. Deleting this site's cookies may help.",
    500: "Something went wrong on our side. Please try again in a moment.",
    501: "This kind of request is not offered here.",
    502: "The page could not be fetched. Please try again in a moment.",
    503: "The site cannot answer at the moment. Please try again in a little while.",
    504: "The site took too long to answer. Please try again in a moment.",
}
_ADVICE_OF_CLASS: Final = {4: "The request could not be fulfilled.", 5: _ADVICE[500]}

_PAGE: Final = frame(
    "{status} {reason}",
    """<p class="status" aria-hidden="true">{status}</p>
<h1><span hidden>{status} </span>{reason}</h1>
<p>{advice}</p>
<footer>
<p>Reference: <code>{ref}</code></p>{contact}
</footer>""",
)


def reason(status: int) -> str:
    """Return the reason phrase of a status (RFC 9110, 15), or that of its class for an unregistered one."""
    known = _REASONS.get(status)
    if known:
        return known
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Request Refused" if status < 500 else "Server Error"


class ErrorAnswers:
    """Renders the error answers of a site or route, with its own pages.

    `read` returns the content of a page's file. A file that cannot be read at this point (the configuration check
    refuses such) leaves the built-in page in place: a worker must be able to start again at any time.
    """

    def __init__(self, errors: ErrorPages, read: Callable[[str], bytes] = lambda path: Path(path).read_bytes()) -> None:
        self._contact = errors.contact
        self._own: dict[str, bytes] = {}
        for key, path in errors.pages.items():
            try:
                self._own[key.lower()] = read(path)
            except OSError:
                continue
        self._parts: dict[tuple[int, bytes], list[bytes]] = {}

    def render(self, status: int, ref: str, accept: bytes | None = None, advice: str = "") -> tuple[bytes, bytes]:
        """Return content type and body.

        `accept` is the value of the request's `Accept` field, if any; `advice` stands in place of the usual text.
        """
        own = str(status) in self._own or f"{status // 100}xx" in self._own
        kind = preferred(accept) if accept else None
        content_type = kind or (HTML if own else TEXT)
        parts = None if advice else self._parts.get((status, content_type))
        if parts is None:
            parts = self._build(status, content_type, advice)
            if not advice and 100 <= status <= 999:  # bounds the table
                self._parts[status, content_type] = parts
        return content_type, _UNSAFE_IN_REF.sub("", ref).encode().join(parts)

    def _build(self, status: int, content_type: bytes, advice: str) -> list[bytes]:
        """Fill in everything but the reference; the list is to be joined by that."""
        phrase = reason(status)
        advice = advice or _ADVICE.get(status) or _ADVICE_OF_CLASS.get(status // 100, "")
        if content_type == JSON:
            problem = {"type": "about:blank", "title": phrase, "status": status, "detail": advice, "ref": "{ref}"}
            if self._contact:
                problem["contact"] = self._contact
            text = json.dumps(problem)
            before, after = text.split('"ref": "{ref}"', 1)
            return [f'{before}"ref": "'.encode(), f'"{after}\n'.encode()]
        if content_type == TEXT:
            contact = f"Contact: {' '.join(self._contact.split())}\n" if self._contact else ""
            return [f"{status} {phrase}\n{advice}\nReference: ".encode(), f"\n{contact}".encode()]
        own = self._own.get(str(status), self._own.get(f"{status // 100}xx"))
        page = own if own is not None else _PAGE.encode()
        contact = self._contact_line() if own is None else html.escape(self._contact)
        # The reference's places are found first: a contact that says "{ref}" is only text.
        return [
            part.replace(b"{status}", b"%d" % status)
            .replace(b"{reason}", html.escape(phrase).encode())
            .replace(b"{contact}", contact.encode())
            .replace(b"{advice}", html.escape(advice).encode())
            for part in page.split(b"{ref}")
        ]

    def _contact_line(self) -> str:
        text = html.escape(self._contact)
        if re.fullmatch(r"[\w.+-]+@[\w.-]+", self._contact, re.ASCII):
            text = f'<a href="mailto:{text}">{text}</a>'
        elif re.fullmatch(r"https://\S+", self._contact):
            text = f'<a href="{text}" rel="noreferrer">{text}</a>'
        return f"\n<p>Contact: {text}</p>" if text else ""


_UNSAFE_IN_REF = re.compile(r"[^A-Za-z0-9_-]")
_KINDS: Final = {
    b"text/html": HTML,
    b"application/xhtml+xml": HTML,
    b"application/problem+json": JSON,
    b"application/json": JSON,
    b"text/plain": TEXT,
    b"text/*": TEXT,
}
_ORDER: Final = (HTML, JSON, TEXT)
_ACCEPT_MAX: Final = 1024


def preferred(accept: bytes) -> bytes | None:
    """Return the content type an `Accept` value names with the highest weight, None if it names none of ours."""
    return _preferred(accept) if len(accept) <= _ACCEPT_MAX else None


@lru_cache(maxsize=256)
def _preferred(accept: bytes) -> bytes | None:
    weights: dict[bytes, float] = {}
    for item in accept.lower().split(b","):
        media, *parameters = (part.strip(b" \t") for part in item.split(b";"))
        kind = _KINDS.get(media)
        if kind is not None:
            weights[kind] = max(weights.get(kind, 0.0), _weight(parameters))
    best = max(weights.values(), default=0.0)
    return next((kind for kind in _ORDER if best and weights.get(kind) == best), None)


def _weight(parameters: list[bytes]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition(b"=")
        if name == b"q":
            return float(value) if re.fullmatch(rb"0(\.\d{0,3})?|1(\.0{0,3})?", value) else 0.0
    return 1.0


base64.b32encode(b"")  # makes its tables now, before the fork: made within a crowd, they would keep its memory


class Refs:
    """Makes reference ids: 16 lower-case letters and digits that nobody can enumerate and no two answers share.

    80 bits: the worker (8), its process (8), a counter that starts and steps at random (24), fresh randomness (40).
    """

    def __init__(self, worker: int = 0, random: Callable[[int], bytes] = os.urandom) -> None:
        seed = random(6)
        self._random = random
        self._prefix = bytes((worker & 0xFF, seed[0]))
        self._count = int.from_bytes(seed[1:3], "big")
        self._step = int.from_bytes(seed[3:6], "big") | 1  # odd: visits every 24-bit number once

    def new(self) -> str:
        """Return the next id; costs about 2 µs."""
        self._count = (self._count + self._step) & 0xFFFFFF
        raw = self._prefix + self._count.to_bytes(3, "big") + self._random(5)
        return base64.b32encode(raw).decode("ascii").lower()
