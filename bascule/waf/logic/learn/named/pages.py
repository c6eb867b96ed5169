"""Measuring the rules about what pages gave: hidden fields, links, and pages that are watched."""

from __future__ import annotations

import html
import random
import re
import tempfile
from collections.abc import Callable
from typing import TypeVar

from bascule.config.response import FormGuard, LinkGuard, PageWatch
from bascule.waf.bodies import parse_urlencoded
from bascule.waf.filters.table import NamedRates
from bascule.waf.logic.learn.named.figures import least, share
from bascule.waf.logic.learn.named.requests import letters, word
from bascule.waf.response.forms import FIELD, Forms
from bascule.waf.response.inspector import FIELD_CHANGED, LINK_CHANGED
from bascule.waf.response.links import Links
from bascule.waf.response.pages import CHANGED, Copy, Pages, write

CASES = 300
_KEY = "for measuring alone " * 2
_NOW = 1_800_000_000.0
_TOKEN = re.compile(rb'name="%b" value="([^"]+)"' % FIELD)
_HREF = re.compile(rb'href="([^"]+)"')
_MADE = "made-up pages"
Pairs = list[tuple[bytes, bytes]]
Thing = TypeVar("Thing")


def measure(seed: int) -> dict[int, NamedRates]:
    """Return what is measured of these rules, by id."""
    source = random.Random(f"{seed} pages")
    return {FIELD_CHANGED: _fields(source), LINK_CHANGED: _links(source), CHANGED: _watched(source)}


def _fields(source: random.Random) -> NamedRates:
    forms = Forms(FormGuard(names=("price", "item_id"), secret=_KEY))
    sent = [_form(source, forms) for _ in range(CASES)]
    changed = [_with_other(source, pairs, (b"price", b"item_id")) for pairs in sent]

    def breaks(pairs: Pairs) -> bool:
        return forms.concerns(pairs) and not forms.is_whole(pairs, _NOW + 60)

    given = "response: {forms: {names: [price, item_id], secret: ...}}"
    return _rates(breaks, changed, sent, given)


def _form(source: random.Random, forms: Forms) -> Pairs:
    """Return a form as a browser sends it that got a page through here."""
    fields = [(b"price", b"%d" % source.randint(1, 900)), (b"item_id", letters(source, 8).encode())]
    inputs = b"".join(b'<input type="hidden" name="%b" value="%b">' % pair for pair in fields)
    page = b'<form method="post" action="/buy">%b<input name="note"></form>' % inputs
    token = _TOKEN.search(forms.stream(_NOW).feed(page, True))
    assert token is not None
    return [*fields, (b"note", word(source).encode()), (FIELD, token[1])]


def _links(source: random.Random) -> NamedRates:
    links = Links(LinkGuard(names=("id", "user"), paths=("/orders/",), secret=_KEY))
    followed = [_link(source, links) for _ in range(CASES)]
    changed = [(path, _with_other(source, pairs, (b"id", b"user"))) for path, pairs in followed]
    given = "response: {links: {names: [id, user], paths: [/orders/], secret: ...}}"
    return _rates(lambda link: links.broken(*link) is not None, changed, followed, given)


def _link(source: random.Random, links: Links) -> tuple[bytes, Pairs]:
    """Return path and parameters of a link as a browser follows it that got a page through here."""
    query = f"id={source.randint(1, 9999)}&amp;user={word(source)}&amp;page={source.randint(1, 9)}"
    page = f'<a href="/orders/{word(source)}?{query}">order</a>'.encode()
    found = _HREF.search(links.stream(b"/", b"shop.example.com").feed(page, True))
    assert found is not None
    path, _, given = html.unescape(found[1].decode()).encode().partition(b"?")
    return path, parse_urlencoded(given).pairs


def _with_other(source: random.Random, pairs: Pairs, names: tuple[bytes, ...]) -> Pairs:
    """Return parameters one of which is another value, or there twice, or gone."""
    name = source.choice(names)
    way = source.choice(("other", "twice", "gone"))
    if way == "gone":
        return [pair for pair in pairs if pair[0] != name]
    other = (name, letters(source, 9).encode())
    return [*pairs, other] if way == "twice" else [other if pair[0] == name else pair for pair in pairs]


def _watched(source: random.Random) -> NamedRates:
    with tempfile.TemporaryDirectory() as folder:
        watch = PageWatch(paths=("/",), copies=folder, ignore=('<meta name="csrf" content="[^"]*">',))
        write(watch, Copy("/", "text/html", "2026-01-01"), _page(source))
        pages = Pages(watch)
    kept = pages.by_path[b"/"]

    def differs(page: bytes) -> bool:
        return pages.digest(page) != kept.digest

    body = kept.content
    texts = (
        b"<h1>hacked by x</h1>",
        b"<script src=//evil.example></script>",
        b"<a href=//casino.example>win</a>",
        b" ",
    )
    defaced = [_put(source, body, source.choice(texts)) for _ in range(CASES)]
    served = [body.replace(b'content="1"', b'content="%b"' % letters(source, 16).encode()) for _ in range(CASES)]
    return _rates(differs, defaced, served, "response: {pages: {paths: [/], copies: FOLDER, ignore: [...]}}")


def _page(source: random.Random) -> bytes:
    texts = b"".join(b"<p>%b</p>\n" % letters(source, 80).encode() for _ in range(120))
    return b'<!doctype html><head><meta name="csrf" content="1"></head><body>%b</body>' % texts


def _put(source: random.Random, page: bytes, text: bytes) -> bytes:
    at = source.randrange(60, len(page))
    return page[:at] + text + page[at:]


def _rates(finds: Callable[[Thing], bool], bad: list[Thing], good: list[Thing], given: str) -> NamedRates:
    return NamedRates(
        microseconds=least(lambda: [finds(each) for each in good], len(good)),
        found=share(sum(map(finds, bad)), len(bad)),
        browsers=share(sum(map(finds, good)), len(good)),
        harmless=_MADE,
        given=given,
    )
