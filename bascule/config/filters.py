"""What the named rules hold requests to, and how the firewall answers: `waf.filters` and `waf.answers`."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from bascule.config.base import Model
from bascule.config.response import Identifier
from bascule.config.types import Cidr, Count, Digits, FileField, PositiveDuration, Size

Action = Literal["log", "block", "drop", "redirect", "page", "tarpit", "challenge", "neutralise", "mask"]
REWRITES = ("neutralise", "mask")


class Answer(Model):
    """How the firewall answers what a rule found. A bare word is short for `action`, a bare status for a refusal with
    it; ``redirect``, ``page`` and ``tarpit`` say the action by being there."""

    short_forms: ClassVar = (
        {"enum": ["log", "block", "drop", "tarpit", "challenge", "neutralise", "mask"]},
        {"type": "integer", "minimum": 400, "maximum": 599},
    )

    action: Action = "block"
    """``log`` only records; ``block`` refuses; ``drop`` closes without an answer; ``redirect`` sends elsewhere;
    ``page`` answers with a page of your own; ``tarpit`` refuses late. ``challenge`` asks a client for what `challenge`
    of its route asks under attack, only records where it passed that before, and refuses what can be shown no page.
    ``neutralise`` passes the request on with blanks in place of characters that do something, ``mask`` with asterisks
    in place of what was found; where that cannot be done, it is refused."""
    status: Annotated[int, Field(ge=200, le=599)] = 403
    """Status of the answer."""
    redirect: str = ""
    """Where to: a path or URL."""
    page: FileField = ""
    """HTML file."""
    tarpit: PositiveDuration = 10.0
    """How late the refusal comes."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if isinstance(data, int) and not isinstance(data, bool):
            if not 400 <= data <= 599:
                raise ValueError(f"{data} is not an error status (400 to 599); {{page: FILE, status: 200}} is a page")
            return {"action": "block", "status": data}
        if isinstance(data, str):
            return {"action": data}
        if isinstance(data, dict) and "action" not in data:
            implied = [key for key in ("redirect", "page", "tarpit") if key in data]
            if len(implied) > 1:
                raise ValueError(f"an answer is one of {', '.join(implied)}, not several")
            return {"action": implied[0], **data} if implied else data
        return data

    @model_validator(mode="after")
    def _whole(self) -> Answer:
        if self.action == "redirect" and not self.redirect:
            raise ValueError("a redirect says where to: {redirect: /sorry}")
        if self.action == "page" and not self.page:
            raise ValueError("a page is a file: {page: sorry.html, status: 403}")
        if self.action == "challenge" and "status" in self.model_fields_set:
            raise ValueError("a challenge has a status of its own; leave out `status`")
        if any(char in self.redirect for char in "\r\n\0"):
            raise ValueError("a redirect holds no line break")
        return self


def _extension(text: str) -> str:
    plain = text.removeprefix(".").lower()
    if not plain or any(char in plain for char in "./\\ \0"):
        raise ValueError(f"{text!r} is not an extension such as bak or tar")
    return plain


def _field_name(text: str) -> str:
    if not text or any(char in text for char in ": \t\r\n\0"):
        raise ValueError(f"{text!r} is not a field name")
    return text.lower()


def _method(text: str) -> str:
    if not text.isascii() or not text.replace("-", "").isalpha():
        raise ValueError(f"{text!r} is not a method such as GET")
    return text


Extension = Annotated[str, Digits, AfterValidator(_extension)]
FieldName = Annotated[str, AfterValidator(_field_name)]
Method = Annotated[str, AfterValidator(_method)]


class Uploads(Model):
    """What may be uploaded as a file of a form (multipart/form-data)."""

    allow: tuple[Extension, ...] = ()
    """The only extensions accepted; all if empty."""
    deny: tuple[Extension, ...] = ()
    """Extensions refused, beside those of scripts, which are refused from the preset ``standard`` on."""
    max_size: Size = 0
    """Largest file. Of an upload larger than `body_limit`, the Content-Length counts. 0 means no such limit."""
    max_files: Count = 0
    """Most files of one request. 0 means no such limit."""
    match_content: bool = False
    """Refuse pictures, PDF, ZIP and office files whose first bytes are not those of their extension."""


class Lengths(Model):
    """Longest parts of a request, in bytes once decoded; 0 means no such limit."""

    path: Size = 0
    """The path."""
    query: Size = 0
    """The whole query."""
    name: Size = 0
    """The name of a parameter, of the query or body."""
    value: Size = 0
    """The value of a parameter, of the query or body."""
    cookie: Size = 0
    """The value of one cookie."""
    header: Size = 0
    """The value of a header field other than Cookie."""
    parameters: Count = 0
    """Number of parameters of the query, and of the body."""


class Fields(Model):
    """Header fields of requests."""

    deny: tuple[FieldName, ...] = ()
    """Names of fields that are refused."""
    require: tuple[FieldName, ...] = ()
    """Names of fields without which a request is refused."""


class Access(Model):
    """Who may ask for a place. The first entry whose path and method fit decides; none lets everybody in."""

    path: str
    """``/admin/`` is that path and all below it, ``=/login`` one path, ``~[.]cgi$`` an RE2 pattern. Compared in normal
    form and without regard to case."""
    methods: tuple[Method, ...] = ()
    """Methods it holds for; all if empty."""
    allow: tuple[Cidr, ...] = ()
    """Networks that are let in, and nobody else."""
    deny: tuple[Cidr, ...] = ()
    """Networks that are not let in. Without `allow` and `deny` nobody is."""
    open: bool = False
    """Let everybody in: an exception from the entries below."""

    @model_validator(mode="after")
    def _whole(self) -> Access:
        if self.open and (self.allow or self.deny):
            raise ValueError("`open` lets everybody in; leave out `allow` and `deny`")
        if self.path[:1] not in ("/", "=", "~"):
            raise ValueError(f"{self.path!r} is not a path: it begins with /, =/ or ~")
        return self


class UserPattern(Model):
    """A rule of your own: a pattern that no value of a request may match."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    """What it goes by in `answers` and events: small letters, digits and dashes."""
    pattern: Annotated[str, Field(min_length=1, max_length=4096)]
    """An RE2 pattern, searched for in each value after decoding; ``(?i)`` at its start ignores case."""
    places: tuple[Literal["path", "query", "body", "cookies", "headers", "files"], ...] = ("query", "body")
    """Where it is searched for; ``files`` are names and beginnings of uploads."""
    says: str = ""
    """What it means, for events."""


class Addresses(Model):
    """Which clients are let in at all."""

    allow: tuple[Cidr, ...] = ()
    """If stated, only these networks."""
    deny: tuple[Cidr, ...] = ()
    """Networks that are not let in, also of those allowed."""


class WafFilters(Model):
    """What requests are held to, by named rules (`bascule rules list`). What is stated here holds at any preset but
    ``bypass``; further rules come with the preset."""

    enable: tuple[str, ...] = ()
    """Names of rules that run although the preset does not turn them on."""
    methods: tuple[Method, ...] = ()
    """The only methods accepted, also where a field such as `X-HTTP-Method-Override` names one."""
    extensions: tuple[Extension, ...] = ()
    """Extensions of paths that are refused, beside those of backups, which are refused from ``standard`` on."""
    uploads: Uploads = Uploads()
    """What may be uploaded."""
    lengths: Lengths = Lengths()
    """How long parts of a request may be."""
    fields: Fields = Fields()
    """Header fields that must or must not be there."""
    access: tuple[Access, ...] = ()
    """Who may ask for which place."""
    words: tuple[Annotated[str, Field(min_length=2)], ...] = ()
    """Words that may not be in the query or body, whatever their case."""
    identifiers: tuple[Identifier, ...] = ()
    """Numbers that may be neither in the query or body nor in uploaded texts, told by their form and check digits."""
    patterns: tuple[UserPattern, ...] = ()
    """Rules of your own."""
    addresses: Addresses = Addresses()
    """Which clients are let in."""
