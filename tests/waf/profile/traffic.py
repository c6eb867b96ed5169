"""A shop's traffic, honest and not, and what a profile makes of it: ``python -m tests.waf.profile.traffic`` tells it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote_plus, urlencode

from tests.waf.profile.world import Request, World, request

JSON = b"application/json"
_WORDS = (
    "red shoes",
    "winter coat",
    "lamp",
    "o'neill board",
    "tea & cups",
    "size 42",
    "usb-c cable",
    "blue (matt)",
    "gift: mum",
    '3/8" bolt',
    "café",
    "Ärmelkanal",
)
_NEW_WORDS = ("garden hose", "l'oréal", "desk 120x80", "A4 paper, 500", "vinyl +cover", 'bolt 1/4"')
_SORTS = ("price", "name", "newest", "rating")
_NAMES = ("Ann Lee", "Conan O'Brien", "Müller", "Jean-Luc Roux", "Li Wei", "Smith & Sons")
_PRAISE = (
    "good",
    "fast",
    "nice",
    "box",
    "arrived",
    "in",
    "time",
    "thanks",
    "would",
    "buy",
    "again,",
    "really!",
    "(5",
    "stars)",
)
_STREETS = ("High St. 5", "Hauptstr. 12a", "5, rue de l'Est", "Elm Road 7 / 2", "Am Markt 1")


def shop(source: random.Random, client: int, later: bool = False) -> Iterator[Request]:
    """Yield what one honest client does. `later`: of a year with other words, products and longer texts."""
    word = source.choice(_WORDS + (_NEW_WORDS if later else ()))
    product = source.randint(1, 5000 if later else 900)
    yield request("/")
    yield request(f"/search?q={quote_plus(word)}&page={source.randint(1, 9)}&sort={source.choice(_SORTS)}", referer="/")
    yield request(f"/product/{product}", referer="/search")
    yield request(f"/product/{product}/reviews?page={source.randint(1, 30)}", referer=f"/product/{product}")
    cart = {"product": product, "quantity": source.randint(1, 9), "variant": source.choice(["s", "m", "l", "xl"])}
    yield request("/api/cart", "POST", json.dumps(cart).encode(), JSON, referer=f"/product/{product}")
    name = source.choice(_NAMES)
    form = {"name": name, "street": source.choice(_STREETS), "zip": f"{source.randint(0, 99999):05}",
            "email": f"user{client}@mail{source.randint(1, 9)}.example", "newsletter": source.choice(["true", "false"])}  # fmt: skip
    yield request("/checkout", "POST", urlencode(form).encode(), referer="/cart")
    yield request(f"/orders/{product}-{source.randint(2023, 2026)}?lang={source.choice(['en', 'de', 'fr'])}")
    text = " ".join(source.choices(_PRAISE, k=12 + 8 * later))
    review = urlencode({"stars": source.randint(1, 5), "text": text})
    yield request(f"/product/{product}/reviews", "POST", review.encode(), referer=f"/product/{product}/reviews")


STRANGE = (
    "7:~load(@x)", "9]!!eval[", "1^^2**9", "{~|x|~}", "@@include x@@", "5<=>6", "[[0]]!", "\\q{9}", "7%%d%%d", "§run§",
    "1\x01\x02", "a" * 600, "!{ref:5}", "x=>y=>z", "~~~1~~~", "<<=9=>>", "?:?:?", "{{", "9;;9", "#!#",
)  # fmt: skip
"""Texts of no language that rules know, as what nobody has seen yet would look like to them."""


def unknown_attacks(source: random.Random) -> Iterator[Request]:
    """Yield requests as attacks on weaknesses would be that nobody knows: strange values, parameters and methods."""
    for text in STRANGE:
        odd = quote_plus(text)
        yield request(f"/search?q=lamp&page={odd}&sort=price", referer="/")
        yield request(f"/search?q=lamp&page=1&sort={odd}", referer="/")
        yield request(f"/product/{source.randint(1, 900)}/reviews?page={odd}", referer="/product/5")
        cart = {"product": 5, "quantity": text, "variant": "m"}
        yield request("/api/cart", "POST", json.dumps(cart).encode(), JSON, referer="/product/5")
        form = {"name": "Ann Lee", "street": "High St. 5", "zip": text, "email": "a@b.example", "newsletter": "true"}
        yield request("/checkout", "POST", urlencode(form).encode(), referer="/cart")
        yield request(f"/orders/5-2024?lang={odd}")
        yield request(f"/search?q=lamp&page=1&sort=price&debug={odd}", referer="/")
        yield request(
            "/api/cart",
            "POST",
            json.dumps({"product": 5, "quantity": 1, "variant": "m", "price": text}).encode(),
            JSON,
            referer="/product/5",
        )
    yield request("/api/cart", "DELETE", b"", referer="/")
    yield request("/checkout", "PUT", b"x=1", referer="/cart")
    yield request("/checkout", "POST", b"<a/>", b"application/xml", referer="/cart")


@dataclass(frozen=True)
class Rates:
    """Shares in percent: of unknown attacks that the rules alone and the profile refuse, and of honest requests."""

    rules: float
    profile: float
    honest: float
    shadow: float


def learned(poison: int = 0, clients: int = 60, seed: int = 1) -> World:
    """Return a site learned from honest clients, and from so many that only teach it what is strange."""
    world = World(clients=5, requests=50)
    source = random.Random(seed)
    for client in range(clients):
        for each in shop(source, client):
            world.learn(each, (f"client {client}",))
    for client in range(poison):
        for each in unknown_attacks(random.Random(client)):
            world.learn([each] * 20, (f"poison {client}",))
    return world


def rates(world: World, seed: int = 7) -> Rates:
    """Measure a learned site with other clients, later, and with what nobody knows."""
    source = random.Random(seed)
    honest = [each for client in range(100, 150) for each in shop(source, client, later=True)]
    strange = list(unknown_attacks(source))
    return Rates(
        rules=_share(world, strange, "learning"),
        profile=_share(world, strange, "enforced"),
        honest=_share(world, honest, "enforced"),
        shadow=_share(world, honest, "shadow"),
    )


def _share(world: World, requests: list[Request], stage: str) -> float:
    refused = sum(world.judge(each, stage).verdict is not None for each in requests)
    return round(100 * refused / len(requests), 2)


if __name__ == "__main__":
    for poison in (0, 4, 5):
        print(f"{poison} poisoning clients: {rates(learned(poison))}")
