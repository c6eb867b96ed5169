"""Measuring the rules about answers, and about what comes back of what answers gave: cookies, fields, links, decoys."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from bascule.config.grammar import compile_pattern
from bascule.config.response import CookieGuard
from bascule.config.response import Decoys as DecoysConfig
from bascule.waf.bodies import parse_urlencoded
from bascule.waf.filters.table import NamedRates
from bascule.waf.filters.values import words_pattern
from bascule.waf.logic.learn import corpora
from bascule.waf.logic.learn.corpora import Request
from bascule.waf.logic.learn.named import heads, pages
from bascule.waf.logic.learn.named.figures import least, share
from bascule.waf.logic.learn.named.identifiers import KINDS, sentence_with
from bascule.waf.logic.learn.named.leaking import GRAMMARS, maker
from bascule.waf.response.cookies import POISONED, UNPROTECTED, Cookies
from bascule.waf.response.decoys import Decoys
from bascule.waf.response.identifiers import Finder
from bascule.waf.response.inspector import DECOY_FIELD, DECOY_LINK, IDENTIFIERS, WORDS
from bascule.waf.response.leaks import Leaks

CASES = 300
"""Things that are made for each rule."""
PAGES, PAGE_TEXTS = 200, 120
"""Pages that a rule is timed with, and the texts of the corpora in each: some 10 KiB."""
_KEY = "for measuring alone " * 2
MASK = ", ".join(KINDS)
_WORDS = ("casino", "viagra", "jackpot")
_TEXTS = "harmless texts"


def measure(folder: Path, seed: int) -> dict[int, NamedRates]:
    """Return what is measured of these rules, by id. Raises OSError and ValueError as reading corpora does."""
    texts = [sample.text for sample in corpora.benign_values(folder)]
    requests = [sample.request for sample in corpora.benign_requests(folder) if sample.request is not None]
    found = _leaks(texts, seed) | _masks(texts, seed) | _cookies(requests, seed) | _decoys(requests, seed)
    return found | pages.measure(seed) | heads.measure(seed)


def page_of(texts: Sequence[bytes]) -> bytes:
    """Return a page that holds texts."""
    return b"<!doctype html><html><body>" + b"".join(b"<p>%b</p>\n" % text for text in texts) + b"</body></html>"


def _pages(texts: Sequence[bytes]) -> list[bytes]:
    return [page_of(texts[n * PAGE_TEXTS : (n + 1) * PAGE_TEXTS]) for n in range(PAGES)]


def _of_texts(
    finds: Callable[[bytes], bool],
    make: Callable[[random.Random], bytes],
    texts: Sequence[bytes],
    seed: str,
    given: str,
) -> NamedRates:
    """Measure what looks for something in a page."""
    source = random.Random(seed)
    frame = _pages(texts)
    made = [page_of([texts[source.randrange(len(texts))], make(source)]) for _ in range(CASES)]
    return NamedRates(
        microseconds=least(lambda: [finds(page) for page in frame], len(frame)),
        found=share(sum(map(finds, made)), CASES),
        browsers=share(sum(map(finds, texts)), len(texts)),
        harmless=_TEXTS,
        given=given,
    )


def _leaks(texts: Sequence[bytes], seed: int) -> dict[int, NamedRates]:
    found = {}
    for rule, pattern in Leaks("all").patterns:
        make, source = maker(rule), random.Random(f"{seed} {rule}")
        finds = partial(_finds, pattern)
        rates = _of_texts(finds, make, texts, "", "response: {cloak: all}")
        told = share(sum(finds(make(source)) for _ in range(CASES)), CASES)  # as a program says it: no page around it
        found[rule] = msgspec.structs.replace(rates, found=told)
    assert set(found) == set(GRAMMARS)
    return found


def _finds(pattern: Any, page: bytes) -> bool:
    return pattern.search(page) is not None


def _masks(texts: Sequence[bytes], seed: int) -> dict[int, NamedRates]:
    finder = Finder(tuple(KINDS))
    words = compile_pattern(words_pattern(_WORDS))
    numbers = _of_texts(
        lambda page: bool(finder.find(page)), lambda s: sentence_with(s, MASK).encode(), texts, f"{seed} mask",
        f"response: {{mask: [{MASK}]}}",
    )  # fmt: skip
    spoken = _of_texts(
        lambda page: words.search(page) is not None, lambda s: f"big {s.choice(_WORDS).upper()} night".encode(), texts,
        f"{seed} words", f"response: {{words: [{', '.join(_WORDS)}]}}",
    )  # fmt: skip
    return {IDENTIFIERS: numbers, WORDS: spoken}


def _cookies(requests: Sequence[Request], seed: int) -> dict[int, NamedRates]:
    """Cookies of recorded requests, as if they had been set here: as they were, changed, and without protection."""
    guard = Cookies(CookieGuard(secret=_KEY))
    source = random.Random(f"{seed} cookies")
    sent = [value for request in requests for name, value in request.headers if name == b"cookie"]
    protected = [b"; ".join(guard.seal(pair.strip(b" ")) for pair in value.split(b";")) for value in sent]
    whole = sum(bool(guard.open(value).faults) for value in protected)
    some = [value for value in protected if b".bsc1." in value][: CASES * 10 : 10]
    changed = [_changed(source, value) for value in some]
    bare = [value for value in sent if b"=" in value][: CASES * 10 : 10]
    given = "response: {cookies: {secret: ...}}"
    timed = protected[:2000]
    cost = least(lambda: [guard.open(value) for value in timed], len(timed))

    def shown(rule: int, values: Sequence[bytes]) -> float:
        return share(sum(any(fault[0] == rule for fault in guard.open(value).faults) for value in values), len(values))

    harmless = share(whole, len(protected))
    return {
        POISONED: NamedRates(cost, shown(POISONED, changed), None, harmless, "recorded cookies, set here", {}, given),
        UNPROTECTED: NamedRates(
            cost, shown(UNPROTECTED, bare), None, harmless, "recorded cookies, set here", {}, given,
            "cookies from before the protection was turned on are found, too: by default they are left out, and told",
        ),
    }  # fmt: skip


def _changed(source: random.Random, value: bytes) -> bytes:
    """Return a Cookie field in which a byte of a protected value is another."""
    pairs = value.split(b"; ")
    at = source.choice([n for n, pair in enumerate(pairs) if b".bsc1." in pair])
    name, _, content = pairs[at].partition(b"=")
    place = source.randrange(len(content.rpartition(b".bsc1.")[0]))
    other = source.choice([byte for byte in b"abcdefgh12345678" if byte != content[place]])
    pairs[at] = name + b"=" + content[:place] + bytes((other,)) + content[place + 1 :]
    return b"; ".join(pairs)


def _decoys(requests: Sequence[Request], seed: int) -> dict[int, NamedRates]:
    config = DecoysConfig(links=("/members/export",))
    decoys = Decoys(config)
    source = random.Random(f"{seed} decoys")

    def pairs(request: Request) -> list[tuple[bytes, bytes]]:
        return parse_urlencoded(request.target.partition(b"?")[2] + b"&" + request.body).pairs

    filled = sum(bool(decoys.filled(pairs(request))) for request in requests)
    asked = sum(request.target.partition(b"?")[0] in decoys.links for request in requests)
    made = [_filled(source, decoys.field) for _ in range(CASES)]
    timed = list(islice(requests, 2000))
    cost = least(lambda: [decoys.filled(pairs(request)) for request in timed], len(timed))
    given = "response: {decoys: {links: [/members/export]}}"
    total = len(requests)
    return {
        DECOY_FIELD: NamedRates(
            cost, share(sum(bool(decoys.filled(each)) for each in made), CASES), None, share(filled, total),
            "recorded browser requests", {}, given,
        ),
        DECOY_LINK: NamedRates(
            cost, None, None, share(asked, total), "recorded browser requests", {}, given,
            "whoever asks for the path of a decoy is found: that is its definition",
        ),
    }  # fmt: skip


def _filled(source: random.Random, field: bytes) -> list[tuple[bytes, bytes]]:
    """Return a form as a program fills it in: whatever there is."""
    fields = [b"name", b"email", b"comment", field]
    source.shuffle(fields)
    return [(name, source.choice((b"http://spam.example", b"John", b"1"))) for name in fields]
