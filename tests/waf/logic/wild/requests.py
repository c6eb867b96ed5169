"""Requests that carry the texts of this folder, each in the place that stands beside it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

from tests.waf.logic.red.requests import with_value
from tests.waf.logic.wild.attacks import ATTACKS
from tests.waf.logic.wild.honest import HONEST
from tests.waf.logic.wild.senders import SENDERS
from tests.waf.logic.wild.testers import ATTACKS as TESTERS
from tests.waf.logic.wild.variants import VARIANTS

Row = dict[str, Any]

_BROWSER = [["host", "shop.example.com"], ["user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"],
            ["accept", "*/*"], ["cookie", "sid=k3j4h5g6f7; theme=dark"]]  # fmt: skip
_TYPES = {"rawjson": "application/json", "xmlbody": "application/xml", "yaml": "application/yaml", "grpc": "application/grpc-web+proto",
          "ndjson": "application/x-ndjson", "rawform": "application/x-www-form-urlencoded"}  # fmt: skip


def row(kind: str, place: str, text: str, number: int) -> Row:
    """Return the request that has a text in a place, without a label."""
    place, _, name = place.partition(":")
    match place:
        case "path":
            return _request("GET", text, [])
        case "rawquery":
            return _request("GET", "/list?" + quote(text, safe="%=&+[]{}()$!*',;:@/?~|<>\""), [])
        case "rawcookie":
            return _request("GET", "/", [["cookie", text]])
        case "header":
            return _request("GET", "/", [[name or "x-forwarded-for", text]])
        case "base64":
            return with_value("", base64.b64encode(text.encode()).decode(), "json", number)
        case "graphqlraw":
            body = json.dumps({"query": text, "variables": {"id": "17"}})
            return _request("POST", "/graphql", [["content-type", "application/json"]], body)
        case "graphql":
            body = json.dumps({"query": "query Q($n: String) { find(name: $n) { id } }", "variables": {"n": text}})
            return _request("POST", "/graphql", [["content-type", "application/json"]], body)
        case "saml":
            body = "SAMLResponse=" + quote_plus(base64.b64encode(text.encode()).decode()) + "&RelayState=%2Fhome"
            return _request("POST", "/acs", [["content-type", _TYPES["rawform"]]], body)
        case "filename":
            return _upload(text, "text/plain", "hello")
        case "svgfile":
            return _upload("a.svg", "image/svg+xml", text)
        case "upload":
            return _upload(name, "application/octet-stream", text)
    if place in _TYPES:
        return _request("POST", "/api/items", [["content-type", _TYPES[place]]], text)
    return with_value("", text, place, number)


def _upload(name: str, kind: str, content: str) -> Row:
    head = f'--bnd\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\nContent-Type: {kind}\r\n\r\n'
    return _request(
        "POST", "/upload", [["content-type", "multipart/form-data; boundary=bnd"]], head + content + "\r\n--bnd--\r\n"
    )


def _request(method: str, target: str, extra: list[list[str]], body: str = "") -> Row:
    names = {name for name, _ in extra}
    headers = [pair for pair in _BROWSER if pair[0] not in names] + extra
    return {"method": method, "target": target.replace(" ", "%20"), "headers": headers, "body": body}


def attacks_of(texts: Iterable[tuple[str, str, str]]) -> Iterator[Row]:
    """Yield the requests of (class, place, text), labelled by their classes."""
    for number, (kind, place, text) in enumerate(texts):
        found = row(kind, place, text, number)
        found.pop("expect", None)
        yield {**found, "class": kind}


def harmless_of(texts: Iterable[tuple[str, str, str]]) -> Iterator[Row]:
    """Yield the requests of honest (kind, place, text)."""
    for number, (kind, place, text) in enumerate(texts):
        yield {**row(kind, place, text, number), "expect": "pass"}


def attacks() -> Iterator[Row]:
    """Yield every attack, labelled by its class."""
    yield from attacks_of(ATTACKS + VARIANTS + TESTERS)


def harmless() -> Iterator[Row]:
    """Yield every honest request."""
    yield from harmless_of(HONEST + SENDERS)
