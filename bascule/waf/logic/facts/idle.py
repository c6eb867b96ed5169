"""Parts of pages and templates that do nothing wherever they stand, and are taken out before one looks again.

Editors write handlers that only end an event, open the link they stand on or show another picture of the same site
(`onclick="window.open(this.href); return false"`, as WordPress has it); style sheets hold pictures as data, in which
browsers run no script; templates pass names through filters that format them, with the sign a shell has for a pipe.
"""

from __future__ import annotations

import re

from .conditions import GOES_ON

_OWN = (
    rb"(?!\w*(?:alert|confirm|prompt|print|eval|open|fetch|time|interval|function|atob|import|require|write|load|script|navigat"
    rb"|locat|post|send|exec|run|call|xss|hack|pwn|cookie|steal|evil|inject|exploit|payload|constructor))[A-Za-z_]\w{3,30}"
)
"""A function of the page itself: none that browsers have by themselves, and none that is called as attackers call theirs."""


def _handler(quote: bytes, inner: bytes) -> bytes:
    """Return a pattern for the attribute, its value between quotes, and strings in that between others."""
    string = inner + rb"(?!//)[\w./?=-]{0,200}" + inner
    options = inner + rb"[\w=, -]{0,80}" + inner
    statement = (
        rb"\s*+(?:return(?:\s+(?:false|true))?|void\(?0\)?|(?:window\.)?event\.(?:preventDefault|stopPropagation)\(\)"
        rb"|this\.(?:select|blur|focus|play|pause)\(\)|this\.(?:onerror|onload)\s*=\s*(?:null|" + inner * 2 + rb")"
        rb"|this\.(?:src|className|value|style\.\w{2,20})\s*=\s*" + string + rb"|history\.back\(\)"
        rb"|"
        + _OWN
        + rb"\((?:\s*(?:this|event|true|false|null|\d{1,9}|"
        + inner
        + rb"[\w -]{0,60}"
        + inner
        + rb")\s*,?){0,4}\)"
        rb"|(?:window\.)?open\(this\.href(?:\s*,\s*" + options + rb"){0,2}\))\s*+"
    )
    return rb"on[a-z]{3,20}\s?=\s?" + quote + rb"(?:" + statement + rb"(?:;" + statement + rb"){0,5};?)?\s*+" + quote


_COMPONENT = rb"on[a-z]{3,20}=\{(?:\w{1,40}(?:\.\w{1,40}){0,3}|(?:async )?\(?[\w, ]{0,30}\)? ?=> ?(?:(?!\son\w{2,20}\s*=)[^<>`\\{}\n]){0,200})\}"
"""In JSX: a function is named or made. In a page, a block that does nothing, or that a blank cuts off."""
_HANDLER = re.compile(
    rb"(?<=[\s\"'])(?:" + _handler(b'"', b"'") + rb"|" + _handler(b"'", b'"') + rb"|" + _COMPONENT + rb")(?=[\s/>])",
    re.IGNORECASE,
)
"""What changes nothing but the element it stands on, and that with no address of another host."""
_PICTURE = re.compile(
    rb"url\(\s*+(?P<q>[\"']?)data:image/(?:svg\+xml|png|gif|jpeg|webp)[;,]"
    rb"(?:(?![\s\"'/]on\w{3,20}\s*=|(?P=q)\s*\)|url\(\s{0,8}[\"']?data:|<(?!/?(?:svg|g|path|rect|circle|ellipse|line|poly(?:line|gon)|defs|title|mask"
    rb"|stop|(?:linear|radial)Gradient|clipPath|text|tspan)\b))[^\\\n]){0,8000}+(?P=q)\s*+\)",
    re.IGNORECASE,
)
"""A picture of shapes and words, or of pixels."""
_FILTERED = re.compile(
    rb"\{\{-?\s{0,4}[$.]?[A-Za-z_][\w-]{0,40}(?:\.\w{1,40}){0,5}(?:\s{0,4}\|\s{0,4}\w{1,20}(?:\s\"%[\d.]{0,4}[a-z]\")?){1,3}\s{0,4}-?\}\}"
)
"""Names that filters format, in Go's templates and their kin."""
_LOOKS_NOWHERE = re.compile(
    rb"(?<![\w${:.-])\$\{jndi:(?:ldaps?|rmi|dns|iiop):(?://)?(?:\.{3}|\xe2\x80\xa6)(?:/(?:\.{3}|\xe2\x80\xa6|[a-z]))?\}(?![\w$}:/-])",
    re.IGNORECASE,
)
"""A lookup of Log4j as people tell of it: dots where a host would be."""
_MARK = rb"[-+*/%&|^~!<>=?:;,.@#$(){}\[\]\\]{1,3}"
_SIGN = re.compile(
    rb"\b((?!(?:r?like|ilike|regexp|glob|match|escape|collate|select|from|and|or|xor|not|in|is|by|as|when|then|else|binary)\b)[a-z]{2,20} )"
    rb"(?:'" + _MARK + rb"'|\"" + _MARK + rb"\")(?=[\s,.:;?!)]|\Z)" + GOES_ON,
    re.IGNORECASE,
)  # fmt: skip
"""A sign in quotes behind a word that is none of a statement's, with nothing behind it that a statement goes on with."""
_WORD = re.compile(rb"[A-Za-z]{2,20}[:,]? \Z")


def _without_signs(text: bytes) -> bytes:
    """Return a text without signs that a sentence names: Unexpected token '<'. The first quote in it is of one of them."""
    first = _SIGN.search(text)
    if first is None or b"'" in text[: first.start()] or b'"' in text[: first.start()]:
        return text
    return _SIGN.sub(rb"\1", text) if _WORD.search(text, max(first.start() - 24, 0), first.start()) else text


def without_idle(found: set[str], text: bytes) -> bytes:
    """Return a text without such parts, of which these facts say that there may be some; the text itself if it has none."""
    rest = text
    if "html.event_handler" in found:
        rest = _HANDLER.sub(b" ", rest)
    if "html.style_script" in found:
        rest = _PICTURE.sub(b"url()", rest)
    if "template.jndi" in found:
        rest = _LOOKS_NOWHERE.sub(b" ", rest)
    if "shell.command_after_separator" in found and b"{{" in rest:
        rest = _FILTERED.sub(b" ", rest)
    if any(name.startswith("sql.") for name in found):
        rest = _without_signs(rest)
    return rest if len(rest) < len(text) else text
