"""CPU cost of the firewall alone, without a proxy: `python -m benchmarks.waf_micro --crs DIR`.

Every request differs from every other in path, arguments, cookies and referer, so that no memory of whole values can
answer; headers a browser repeats (User-Agent, Accept ...) repeat here as they do there. CPU time of this process.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import random
import time
from collections.abc import Callable
from pathlib import Path

from bascule.waf.engine import ConnectionFacts, Transaction, Waf, WafSettings

Headers = list[tuple[bytes, bytes]]
AGENTS = (
    b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    b"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
    b"Safari/605.1.15",
    b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
)
WORDS = (
    "garden", "shoes", "winter", "summer", "blue", "green", "table", "lamp", "chair", "offer", "basket", "order",
    "invoice", "customer", "street", "house", "window", "music", "travel", "book", "paper", "coffee", "kitchen",
    "bicycle", "mountain", "river", "forest", "city", "museum",
)  # fmt: skip


class Requests:
    """Makes requests of which no two are alike."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def word(self) -> str:
        return self._random.choice(WORDS)

    def token(self, length: int) -> str:
        return "".join(self._random.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", k=length))

    def text(self, words: int) -> str:
        return " ".join(self.word() for _ in range(words))

    def target(self) -> bytes:
        path = f"/{self.word()}/{self.word()}-{self._random.randrange(10**6)}"
        page = str(self._random.randrange(1000))
        pairs = [("page", page), ("q", f"{self.word()}+{self.word()}"), ("sort", self.word())]
        query = "&".join(f"{name}={value}" for name, value in pairs[: self._random.randint(1, 3)])
        return f"{path}?{query}".encode()

    def headers(self, *extra: tuple[bytes, bytes]) -> Headers:
        numbers = f"{self._random.randrange(10**9)}.{self._random.randrange(10**9)}"
        cookies = f"sid={self.token(32)}; _ga=GA1.2.{numbers}; theme=dark"
        return [
            (b"host", b"shop.example.com"),
            (b"user-agent", self._random.choice(AGENTS)),
            (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
            (b"accept-language", b"en-US,en;q=0.7,de;q=0.3"),
            (b"accept-encoding", b"gzip, deflate, br, zstd"),
            (b"connection", b"keep-alive"),
            (b"referer", b"https://shop.example.com" + self.target()),
            (b"cookie", cookies.encode()),
            (b"upgrade-insecure-requests", b"1"),
            (b"sec-fetch-dest", b"document"),
            (b"sec-fetch-mode", b"navigate"),
            (b"sec-fetch-site", b"same-origin"),
            (b"sec-fetch-user", b"?1"),
            (b"priority", b"u=0, i"),
            *extra,
        ]

    def form(self, size: int) -> bytes:
        body = ""
        while len(body) < size:
            body += (
                f"&{self.word()}{self._random.randrange(100)}={self.text(3 if size < 4096 else 30).replace(' ', '+')}"
            )
        return body[1 : size + 1].encode()

    def json(self, size: int) -> bytes:
        items: list[dict[str, object]] = []
        while len(json.dumps(items)) < size:
            number = self._random.randrange(10**6)
            items.append(
                {"id": number, "name": self.text(2), "note": self.text(6 if size < 4096 else 60), "active": True}
            )
        return json.dumps({"items": items, "cursor": self.token(20)}).encode()


Prepared = tuple[bytes, bytes, Headers, bytes]


def get(made: Requests) -> Prepared:
    return b"GET", made.target(), made.headers(), b""


def post(content_type: bytes, size: int, make: Callable[[Requests, int], bytes]) -> Callable[[Requests], Prepared]:
    def build(made: Requests) -> Prepared:
        body = make(made, size)
        length = b"%d" % len(body)
        return b"POST", made.target(), made.headers((b"content-type", content_type), (b"content-length", length)), body

    return build


FORM, JSON = b"application/x-www-form-urlencoded", b"application/json"
WORKLOADS: dict[str, tuple[Callable[[Requests], Prepared], int]] = {
    "browser-like GET": (get, 4000),
    "form POST 300 B": (post(FORM, 300, Requests.form), 4000),
    "JSON POST 2 KB": (post(JSON, 2048, Requests.json), 2000),
    "form POST 64 KiB": (post(FORM, 65536, Requests.form), 60),
    "JSON POST 64 KiB": (post(JSON, 65536, Requests.json), 60),
}
RESPONSE: Headers = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", b"5120")]


def drive(waf: Waf, connection: ConnectionFacts, request: Prepared) -> Transaction:
    """What the proxy does for one exchange whose response has no body to inspect."""
    method, target, headers, body = request
    transaction = waf.begin(connection)
    transaction.request_head(method, target, b"1.1", headers)
    if body:
        transaction.request_body(body)
    transaction.request_end()
    transaction.response_head(200, RESPONSE)
    transaction.response_end()
    transaction.finish()
    return transaction


BATCHES = 50
"""The best of so many batches counts: other processes on the machine only ever slow one down."""


def measure(waf: Waf, name: str, profile: bool) -> float:
    """Return the CPU microseconds per request of one workload."""
    build, count = WORKLOADS[name]
    connection = ConnectionFacts(b"203.0.113.9", 40000, b"192.0.2.1", 443)
    made = Requests(7)
    for _ in range(max(count // 4, 5)):
        drive(waf, connection, build(made))
    requests = [build(made) for _ in range(count)]
    profiler = cProfile.Profile()
    if profile:
        profiler.enable()
    fired, best = 0, float("inf")
    batch = max(count // BATCHES, 1)
    for start in range(0, count, batch):
        part = requests[start : start + batch]
        began = time.process_time()
        fired += sum(bool(drive(waf, connection, request).fired) for request in part)
        best = min(best, (time.process_time() - began) / len(part))
    if profile:
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
    if fired:
        print(f"  note: rules fired on {fired} of {count} requests")
    return best * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crs", type=Path, required=True)
    parser.add_argument("--paranoia", type=int, default=1)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--only")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    began = time.process_time()
    waf = Waf.load(WafSettings(crs_dir=options.crs, paranoia=options.paranoia), options.cache)
    print(f"loaded in {time.process_time() - began:.2f} s of CPU")
    for name in WORKLOADS:
        if options.only is None or options.only in name:
            print(f"{name:18} {measure(waf, name, options.profile):8.1f} µs")


if __name__ == "__main__":
    main()
