"""What responses may tell: `waf.response`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from bascule.config.base import Model
from bascule.config.types import FileField, PositiveDuration

Identifier = Literal[
    "card", "iban", "email", "phone", "us-ssn", "kr-rrn", "br-cpf", "es-dni", "fr-nir", "pl-pesel", "cn-id",
    "in-aadhaar", "it-cf",
]  # fmt: skip
"""Kinds of numbers that identify people and accounts (`waf/response/identifiers.py`)."""


def _word(text: str) -> str:
    if any(char in text for char in "\r\n\0"):
        raise ValueError("a word holds no line break")
    return text


Word = Annotated[str, Field(min_length=2, max_length=128), AfterValidator(_word)]


class CookieGuard(Model):
    """Cookies of the server that clients can pass back only as they were set."""

    protect: Literal["sign", "encrypt"] = "sign"
    """``sign`` lets clients (and scripts of pages) read the value, ``encrypt`` does not."""
    names: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)
    """Cookies that are protected; ``*`` and ``?`` stand for any text and any character."""
    leave: tuple[str, ...] = ()
    """Cookies that are not, such as those that scripts of pages set."""
    secret: Annotated[str, Field(repr=False)]
    """What keys are derived from, such as ``${file:secrets/cookies}``; the same on all machines."""
    previous: Annotated[tuple[str, ...], Field(repr=False)] = ()
    """Former secrets: cookies protected with them are still accepted."""


class FormGuard(Model):
    """Hidden fields of forms that clients can send back only as a page gave them."""

    names: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names of the fields. Those of one form are protected together."""
    max_age: PositiveDuration = 86400.0
    """How long a form may be open until it is sent."""
    secret: Annotated[str, Field(repr=False)]
    """What keys are derived from, such as ``${file:secrets/forms}``; the same on all machines."""
    previous: Annotated[tuple[str, ...], Field(repr=False)] = ()
    """Former secrets: forms protected with them are still accepted."""


class LinkGuard(Model):
    """Parameters of links that clients can follow only as a page gave them."""

    names: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names of the parameters. Those of one link are protected together, with its path."""
    paths: Annotated[tuple[str, ...], Field(min_length=1)] = ("/",)
    """Where links lead that are protected: folders, ``=`` paths or ``~`` patterns, as in `filters.access`."""
    secret: Annotated[str, Field(repr=False)]
    """What keys are derived from, such as ``${file:secrets/links}``; the same on all machines."""
    previous: Annotated[tuple[str, ...], Field(repr=False)] = ()
    """Former secrets: links protected with them are still accepted."""


class PageWatch(Model):
    """Pages that are compared, whenever they are served, with copies known to be good."""

    paths: Annotated[tuple[str, ...], Field(min_length=1)]
    """Their paths, such as ``/`` and ``/about``."""
    copies: FileField
    """Folder of the copies; `bascule pages keep` makes them."""
    ignore: tuple[str, ...] = ()
    """RE2 patterns of what may differ: dates, tokens."""
    restore: bool = False
    """Serve the copy in place of a page that has changed; else it is only told."""


def _decoy(path: str) -> str:
    if not path.startswith("/") or len(path) < 2 or any(char in path for char in '?#"<> '):
        raise ValueError(f"{path!r} is not a path of its own, such as /members/export")
    return path


class Decoys(Model):
    """What is put into pages for programs to fall for: whoever fills in the field, or follows a link, is refused, and
    gets the points of `trap` (see `account`). People see neither, nor do screen readers."""

    field: Annotated[str, Field(pattern=r"^([A-Za-z][A-Za-z0-9_-]{1,63})?$")] = "website_url"
    """Name of a field that is put into forms which are posted to the site: one that programs like to fill in, but no
    form of yours has, and no browser fills in by itself. Empty for none. The server does not see it."""
    links: tuple[Annotated[str, AfterValidator(_decoy)], ...] = ()
    """Paths that links at the end of pages lead to, and nothing else. A robots.txt by Bascule (`crawlers.robots`)
    disallows them; name them in one of your own."""


class WafResponse(Model):
    """What of a response clients may see."""

    cloak: Literal["off", "errors", "all"] = "errors"
    """Replace pages that tell of the inside by an error page: stack traces and database errors in answers with status
    500 and above (``errors``), or in every page, with directory listings, source code and private keys (``all``)."""
    headers: Literal["off", "sure", "all"] = "sure"
    """Header fields: take out those of debuggers, and refuse answers with a field that a parameter of the request wrote
    behind a line end (``sure``); also take out those whose value names software with its version, or an address of the
    inside, of which `Location` keeps the path, and tell of session cookies without `Secure` or `HttpOnly` over HTTPS
    (``all``). The forward proxy begins with ``off``."""
    mask: tuple[Identifier, ...] = ()
    """Numbers that are made asterisks in texts, told by their form and check digits; of cards and accounts the last
    four characters stay."""
    cookies: CookieGuard | None = None
    """Protect cookies against being changed; none by default."""
    forms: FormGuard | None = None
    """Protect hidden fields of forms against being changed; none by default."""
    links: LinkGuard | None = None
    """Protect parameters of links against being changed; none by default."""
    pages: PageWatch | None = None
    """Watch pages for defacement; none by default."""
    decoys: Decoys | None = None
    """Put decoys into pages; none by default."""
    words: tuple[Word, ...] = ()
    """Words that are made asterisks in texts, whatever their case."""
