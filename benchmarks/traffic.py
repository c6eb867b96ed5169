"""The requests that are sent: pools of distinct ones, with slots that a counter fills so that no two are ever equal.

A pool file holds requests that each end in NUL; `\\x01` marks a slot, which the sender replaces with ten digits.

What a firewall costs goes by the number of values as much as by bytes. The small bodies are what shops are sent: a
form of 14 fields in a browser's encoding, an order in JSON whose 106 leaves are short. They cost nginx with ModSecurity
1.6 and 8 times its GET; the firewall's targets were set where the two cost it 4.1 and 21 ms, and a GET 2.5. Until then
they were a form of three fields and 27 leaves of prose, 1.2 and 3.6 times its GET.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote_plus, urlencode
from uuid import UUID

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

_FIRST_NAMES = ("Anna", "Ben", "Chiara", "David", "Elena", "Felix", "Hannah", "Jonas", "Laura", "Matteo", "Nora")
_LAST_NAMES = ("Bauer", "Becker", "Conti", "Dubois", "Fischer", "Garcia", "Hoffmann", "Keller", "Martin", "Schmidt")
_STREETS = ("Bahnhofstrasse", "Hauptstrasse", "Gartenweg", "Lindenallee", "Mill Lane", "Rue de la Gare", "Via Roma")
_CITIES = ("Freiburg", "Hamburg", "Leipzig", "Lyon", "Bath", "Torino", "Bad Homburg", "Aix-en-Provence")
_COUNTRIES = ("DE", "AT", "CH", "FR", "GB", "IT")
_SHIPPING = ("standard", "express", "pickup")
_PAYMENTS = ("card", "paypal", "invoice", "transfer")
_COLORS = ("black", "white", "dark blue", "olive", "grey melange")
_SIZES = ("XS", "S", "M", "L", "XL", "42", "One Size")


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


def checkout(rng: random.Random) -> str:
    """Return a POST of what a shop asks a buyer for, by a form of 14 fields in some 300 B."""
    person = _person(rng)
    fields = {
        "csrf_token": token(rng, 32),
        "order": SLOT,
        "first_name": person["firstName"],
        "last_name": person["lastName"],
        "email": person["email"],
        "phone": person["phone"],
        "street": f"{person['street']} {person['houseNumber']}",
        "postcode": person["postcode"],
        "city": person["city"],
        "country": person["country"],
        "shipping": rng.choice(_SHIPPING),
        "payment": rng.choice(_PAYMENTS),
        "quantity": str(rng.randint(1, 9)),
        "newsletter": rng.choice(("0", "1")),
    }
    return _post(rng, "application/x-www-form-urlencoded", urlencode(fields, safe=SLOT))


def order(rng: random.Random) -> str:
    """Return a POST of an order as a shop's script sends it: some 105 short leaves in 2 KB of JSON."""
    buyer, payment = _person(rng), rng.choice(_PAYMENTS)
    address = ("firstName", "lastName", "street", "houseNumber", "postcode", "city", "country")
    items = [
        {
            "sku": f"{token(rng, 6)}-{rng.randint(10, 99)}",
            "name": words(rng, 2),
            "color": rng.choice(_COLORS),
            "size": rng.choice(_SIZES),
            "quantity": rng.randint(1, 5),
            "price": rng.randint(199, 19_999) / 100,
            "taxRate": rng.choice((7, 19)),
            "gift": rng.random() < 0.1,
        }
        for _ in range(9)
    ]
    document = {
        "orderId": SLOT,
        "cartId": str(UUID(int=rng.getrandbits(128), version=4)),
        "createdAt": f"2026-10-{rng.randint(10, 31)}T{rng.randint(10, 23)}:{rng.randint(10, 59)}:07Z",
        "currency": "EUR",
        "locale": rng.choice(("de-DE", "en-GB", "fr-FR", "en-US")),
        "channel": rng.choice(("web", "app")),
        "customer": {
            "id": rng.randint(10**5, 10**7),
            "email": buyer["email"],
            "phone": buyer["phone"],
            "guest": rng.random() < 0.3,
            "newsletter": rng.random() < 0.5,
            "company": None,
        },
        "billing": {key: buyer[key] for key in address},
        "shipping": {key: _person(rng)[key] for key in address},
        "delivery": {"method": rng.choice(_SHIPPING), "price": 4.9, "pickupPoint": None, "note": words(rng, 3)},
        "payment": {"method": payment, "token": token(rng, 24), "last4": f"{rng.randint(0, 9999):04}"},
        "items": items,
        "total": rng.randint(2_000, 90_000) / 100,
    }
    return _post(rng, "application/json", _json(document))


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
                "sku": f"{token(rng, 4)}-{SLOT}",
                "name": words(rng, 6),
                "note": words(rng, min(90, max(8, (size - length) // 8))),
                "quantity": rng.randint(1, 9),
                "price": rng.randint(100, 99999) / 100,
            }
            items.append(item)
            length += len(_json(item)) + SLOT_DIGITS
        document = {"order": SLOT, "customer": {"id": SLOT, "city": "Freiburg"}, "items": items}
        return _post(rng, "application/json", _json(document))

    return make


def _person(rng: random.Random) -> dict[str, str]:
    first, last = rng.choice(_FIRST_NAMES), rng.choice(_LAST_NAMES)
    number = f"+49 {rng.randint(151, 179)} {rng.randint(10**6, 10**8)}"
    return {
        "firstName": first,
        "lastName": last,
        "email": f"{first.lower()}.{last.lower()}{rng.randint(1, 999)}@example.org",
        "phone": number,
        "street": rng.choice(_STREETS),
        "houseNumber": f"{rng.randint(1, 199)}{rng.choice(('', '', 'a', 'b'))}",
        "postcode": f"{rng.randint(1_000, 99_999):05}",
        "city": rng.choice(_CITIES),
        "country": rng.choice(_COUNTRIES),
    }


def _json(value: object) -> str:
    """Return JSON as browsers write it: without blanks."""
    return json.dumps(value, separators=(",", ":")).replace(r"\u0001", SLOT)


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
