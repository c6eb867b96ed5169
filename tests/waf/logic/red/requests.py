"""Requests that carry the texts of this folder, each in a place and an encoding that its number chooses."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

from tests.waf.logic.red import honest, payloads

Row = dict[str, Any]

_BROWSER = [["host", "shop.example.com"], ["user-agent", honest.AGENTS[0]], ["accept", "text/html,*/*;q=0.8"],
            ["accept-language", "en-US,en;q=0.5"], ["cookie", "sid=k3j4h5g6f7; theme=dark"]]  # fmt: skip
_PLACES = (
    "query",
    "form",
    "json",
    "query",
    "multipart",
    "cookie",
    "xml",
    "query",
    "header",
    "nested",
    "referer",
    "form",
)
_ONE_LINE = {"cookie", "header", "referer"}
"""Places in which a line end cannot be sent."""
_ONLY_IN = {"crlf": "query", "mail": "form", "redirect": "query", "ssrf": "query", "formula": "form", "jwt": "header"}
_ONLY_VALUES = ("ldapi", "xpath", "sqli", "nosqli", "rce", "ssti", "code")
_NAMES = ("q", "id", "name", "comment", "page", "user", "file", "url")


def _row(label: str, method: str, target: str, extra: list[list[str]], body: str = "") -> Row:
    names = {name for name, _ in extra}
    headers = [pair for pair in _BROWSER if pair[0] not in names] + extra
    row: Row = {"method": method, "target": target, "headers": headers, "body": body}
    return {**row, "class": label} if label else {**row, "expect": "pass"}


def with_value(label: str, text: str, place: str, number: int) -> Row:
    """Return a request with a value in a place: query, form, json, multipart, cookie, xml, header, nested or referer."""
    name = _NAMES[number % len(_NAMES)]
    if place == "query":
        escape = quote if number % 2 else quote_plus
        return _row(label, "GET", f"/item?cat=5&{name}={escape(text, safe='')}&page=2", [])
    if place == "form":
        body = f"csrf=8f3a9c0d1e&{name}={quote_plus(text)}&send=1"
        return _row(label, "POST", "/contact", [["content-type", "application/x-www-form-urlencoded"]], body)
    if place == "json":
        body = json.dumps({"id": 17, name: text, "tags": ["a", "b"]}, ensure_ascii=number % 2 == 0)
        return _row(label, "POST", "/api/items", [["content-type", "application/json"]], body)
    if place == "nested":
        body = json.dumps({"items": [{"meta": {"note": text}}], "n": 1})
        return _row(label, "PUT", "/api/v2/cart", [["content-type", "application/json; charset=utf-8"]], body)
    if place == "multipart":
        body = f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n--b--\r\n'
        return _row(label, "POST", "/profile", [["content-type", "multipart/form-data; boundary=b"]], body)
    if place == "cookie":
        return _row(label, "GET", "/", [["cookie", f"sid=abc; pref={quote(text, safe='')}; theme=dark"]])
    if place == "xml":
        inner = text.replace("&", "&amp;").replace("<", "&lt;")
        body = f'<?xml version="1.0"?><order><note>{inner}</note></order>'
        return _row(label, "POST", "/soap", [["content-type", "text/xml"]], body)
    if place == "referer":
        return _row(label, "GET", "/", [["referer", f"https://www.example.org/x?q={quote(text, safe='')}"]])
    return _row(label, "GET", "/", [[("x-forwarded-for", "x-api-version", "user-agent")[number % 3], text]])


def _upload(label: str, name: str, kind: str, content: str) -> Row:
    body = f'--b\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\nContent-Type: {kind}\r\n\r\n{content}\r\n--b--\r\n'
    return _row(label, "POST", "/upload", [["content-type", "multipart/form-data; boundary=b"]], body)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()


def attacks() -> Iterator[Row]:
    """Yield every attack in one place, every fifth in Base64 as well, every seventh encoded twice."""
    for label, texts in payloads.VALUES.items():
        for number, text in enumerate(texts):
            place = _ONLY_IN.get(label) or _PLACES[number % len(_PLACES)]
            if place in _ONE_LINE and (any(ord(c) < 32 or ord(c) > 126 for c in text) or label in _ONLY_VALUES[:3]):
                place = "query"
            if label in ("xxe",):
                yield _row(label, "POST", "/soap", [["content-type", "application/xml"]], text)
            elif label == "jwt":
                yield _row(label, "GET", "/api/me", [["authorization", f"Bearer {text}"]])
            elif label == "graphql":
                yield _row(
                    label, "POST", "/graphql", [["content-type", "application/json"]], json.dumps({"query": text})
                )
            elif label == "prototype" and "{" in text:
                yield _row(label, "POST", "/api", [["content-type", "application/json"]], text)
            elif label == "prototype":
                yield _row(label, "GET", "/x?" + quote(text, safe="=[]._"), [])
            else:
                yield with_value(label, text, place, number)
            if number % 5 == 0 and len(text) > 14:
                yield with_value(f"{label} base64", _base64(text), ("query", "json", "cookie")[number % 3], number)
            if number % 7 == 0 and len(text) > 5:
                yield with_value(f"{label} twice", quote(text, safe=""), "query", number)
    for target in payloads.PATHS:
        yield _row("scanner", "GET", target, [])
    for agent in payloads.AGENTS:
        yield _row("agent", "GET", "/", [["user-agent", agent]])
    for name, kind, content in payloads.UPLOADS:
        yield _upload("upload", name, kind, content)


def harmless() -> Iterator[Row]:
    """Yield every honest text in two places, and honest targets, agents and uploads."""
    for number, text in enumerate(honest.VALUES):
        places = [place for place in _PLACES if place not in _ONE_LINE]
        yield with_value("", text, places[number % len(places)], number)
        yield with_value("", text, places[(number + 3) % len(places)], number + 1)
    for target in honest.TARGETS:
        yield _row("", "GET", target, [])
    for agent in honest.AGENTS:
        yield _row("", "GET", "/", [["user-agent", agent]])
    for name, kind, content in (("photo.jpg", "image/jpeg", "\xff\xd8\xff\xe0JFIF"), ("notes.txt", "text/plain", honest.VALUES[0]),
                                ("a.csv", "text/csv", "a;b\n1;2\n"), ("cv.pdf", "application/pdf", "%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\n")):  # fmt: skip
        yield _upload("", name, kind, content)
