"""The requests that are sent: pools of distinct ones, with slots that a counter fills so that no two are ever equal.

A pool file holds requests that each end in NUL; `\\x01` marks a slot, which the sender replaces with ten digits.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote_plus

from benchmarks.certificate import HOST

SLOT = "\x01"
SLOT_DIGITS = 10
END = "\x00"

_SITES = ("https://www.google.com/", "https://duckduckgo.com/", f"https://{HOST}/", "https://news.example.org/today/")
_SYSTEMS = (
    ('"Windows"', "Windows NT 10.0; Win64; x64"),
    ('"macOS"', "Macintosh; Intel Mac OS X 10_15_7"),
    ('"Linux"', "X11; Linux x86_64"),
)
_LANGUAGES = ("en-US,en;q=0.9", "de-DE,de;q=0.9,en;q=0.7", "fr-FR,fr;q=0.9,en-US;q=0.8,en;q=0.7", "en-GB,en;q=0.8")
_SECTIONS = ("garden", "kitchen", "books", "music", "travel", "office", "winter", "children", "news", "account/orders")
# Without the words that SQL shares with English: in random order they would make a statement now and then,
# and a WAF that refuses it would be right.
_TEXT = """
    the morning train was late again yet nobody at the station seemed annoyed because spring had finally come over
    hills again a warm breeze carried the smell of fresh bread out of our small bakery near the river so two friends
    met every week to talk about music gardens long walks along water plus recipes they wanted to taste this summer
"""
_WORDS = tuple(_TEXT.split())


def words(rng: random.Random, count: int) -> str:
    """Return `count` words of plain English, the harmless text of which most traffic consists."""
    return " ".join(rng.choices(_WORDS, k=count))


def token(rng: random.Random, length: int) -> str:
    """Return hexadecimal digits as session identifiers have them; of letters, some would spell a command."""
    return f"{rng.getrandbits(4 * length):0{length}x}"


def browser_headers(rng: random.Random) -> list[tuple[str, str]]:
    """Return the headers of a Chrome that navigates, in its order, for a visitor with three cookies."""
    version = rng.randint(118, 140)
    platform, system = rng.choice(_SYSTEMS)
    agent = f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
    brands = f'"Chromium";v="{version}", "Google Chrome";v="{version}", "Not?A_Brand";v="24"'
    cookie = f"session={token(rng, 32)}{SLOT}; _ga=GA1.1.{rng.randint(10**8, 10**9)}.{SLOT}; theme=light"
    return [
        ("sec-ch-ua", brands),
        ("sec-ch-ua-mobile", "?0"),
        ("sec-ch-ua-platform", platform),
        ("Upgrade-Insecure-Requests", "1"),
        ("User-Agent", agent),
        (
            "Accept",
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
        ),
        ("Sec-Fetch-Site", rng.choice(("none", "same-origin", "cross-site"))),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-User", "?1"),
        ("Sec-Fetch-Dest", "document"),
        ("Referer", f"{rng.choice(_SITES)}{rng.choice(_SECTIONS)}/{SLOT}"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Accept-Language", rng.choice(_LANGUAGES)),
        ("Cookie", cookie),
    ]


def browser_target(rng: random.Random, prefix: str = "/") -> str:
    """Return the path and query of a page of a shop."""
    search = quote_plus(words(rng, rng.randint(1, 4)))
    query = f"q={search}&page={rng.randint(1, 40)}&ref={SLOT}"
    return f"{prefix}{rng.choice(_SECTIONS)}/{token(rng, 6)}-{SLOT}?{query}"


def message(method: str, target: str, headers: list[tuple[str, str]], body: str = "", close: bool = False) -> str:
    """Return one request as text; Content-Length counts a slot as the digits that will fill it."""
    fields = [("Host", HOST), ("Connection", "close" if close else "keep-alive"), *headers]
    if method == "POST":
        fields.append(("Content-Length", str(len(body) + body.count(SLOT) * (SLOT_DIGITS - 1))))
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n{body}"


def page(rng: random.Random) -> str:
    """Return a browser's GET of a page."""
    return message("GET", browser_target(rng), browser_headers(rng))


def page_on_new_connection(rng: random.Random) -> str:
    """Return the same, asking that the connection be closed."""
    return message("GET", browser_target(rng), browser_headers(rng), close=True)


def file_of(prefix: str) -> Callable[[random.Random], str]:
    """Return a maker of a browser's GETs below `prefix` (`/1k/`, `/64k/`)."""
    return lambda rng: message("GET", browser_target(rng, prefix), browser_headers(rng))


def form(size: int) -> Callable[[random.Random], str]:
    """Return a maker of form POSTs with bodies of about `size` bytes, in fields of at most 1 KiB."""

    def make(rng: random.Random) -> str:
        fields = [f"csrf={token(rng, 32)}", f"order={SLOT}"]
        while (left := size - sum(map(len, fields)) - len(fields) - 9 * len(fields)) > 30:
            text = quote_plus(words(rng, 200))[: min(1000, left - 20)]
            fields.append(f"field{len(fields)}={text.rpartition('+')[0] or text}+{SLOT}")
        return _post(rng, "application/x-www-form-urlencoded", "&".join(fields))

    return make


def document(size: int) -> Callable[[random.Random], str]:
    """Return a maker of JSON POSTs with bodies of about `size` bytes: an order of several items."""

    def make(rng: random.Random) -> str:
        items: list[dict[str, object]] = []
        length = 100
        while length < size:
            item = {
                "sku": f"{token(rng, 4)}-@",
                "name": words(rng, 6),
                "note": words(rng, min(90, max(8, (size - length) // 8))),
                "quantity": rng.randint(1, 9),
                "price": rng.randint(100, 99999) / 100,
            }
            items.append(item)
            length += len(json.dumps(item)) + SLOT_DIGITS
        body = json.dumps({"order": "@", "customer": {"id": "@", "city": "Freiburg"}, "items": items})
        return _post(rng, "application/json", body.replace("@", SLOT))

    return make


def _post(rng: random.Random, content_type: str, body: str) -> str:
    target = browser_target(rng, "/body/").partition("?")[0]
    headers = [*browser_headers(rng), ("Origin", f"https://{HOST}"), ("Content-Type", content_type)]
    return message("POST", target, headers, body)


def write_pool(path: Path, make: Callable[[random.Random], str], count: int, seed: int = 1) -> None:
    """Write `count` distinct requests, the same ones for the same seed."""
    rng = random.Random(seed)
    path.write_text("".join(make(rng) + END for _ in range(count)), encoding="ascii", newline="")


def read_pool(path: Path) -> list[list[bytes]]:
    """Return each request of a pool as the pieces between its slots."""
    return [entry.split(SLOT.encode()) for entry in path.read_bytes().split(END.encode())[:-1]]


def fill(pieces: list[bytes], counter: int) -> bytes:
    """Return the request with `counter` in its slots."""
    return (b"%0*d" % (SLOT_DIGITS, counter)).join(pieces)
