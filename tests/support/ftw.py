"""Reader of go-ftw test files (specification 2.x), as CRS's regression tests use it.

Every stage becomes a `Stage` with the bytes that go-ftw would send, so that the same cases run in-process and
over the wire.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, unquote_to_bytes

from ruamel.yaml import YAML

Headers = list[tuple[str, str]]

_FORM = "application/x-www-form-urlencoded"
_WITH_BODY = re.compile("^POST|PUT|PATCH|DELETE$")


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the log and the answer must show."""

    status: int | None
    expect_ids: tuple[int, ...]
    no_expect_ids: tuple[int, ...]
    match_regex: str | None
    no_match_regex: str | None
    expect_error: bool


@dataclass(frozen=True, slots=True)
class Reflection:
    """The response CRS's test backend (albedo) gives to POST /reflect."""

    status: int = 200
    headers: Headers = field(default_factory=list)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Stage:
    """One request, as bytes, and what is expected of it."""

    request: bytes
    expectation: Expectation

    def split(self) -> tuple[bytes, bytes, bytes, list[tuple[bytes, bytes]], bytes]:
        """Return (method, target, version, headers, body), read as leniently as a test needs."""
        head, _, body = self.request.partition(b"\r\n\r\n")
        line, *fields = head.split(b"\r\n")
        method, _, rest = line.partition(b" ")
        target, _, version = rest.rpartition(b" ")
        if not version.upper().startswith(b"HTTP/"):
            target, version = rest, b""
        headers = [
            (name.strip().lower(), value.strip(b" \t")) for name, _, value in (f.partition(b":") for f in fields)
        ]
        if any(name == b"transfer-encoding" and b"chunked" in value.lower() for name, value in headers):
            body = _dechunk(body)
        elif all(name != b"content-length" for name, _ in headers):
            body = b""
        return method, target, version, headers, body


@dataclass(frozen=True, slots=True)
class Case:
    """One test: `name` is rule id and test id, as in 942100-3."""

    name: str
    stages: tuple[Stage, ...]


def read_cases(folder: Path) -> Iterator[Case]:
    """Yield every case below `folder`, in order of file name."""
    yaml = YAML(typ="safe")
    for path in sorted((*folder.rglob("*.yaml"), *folder.rglob("*.yml"))):
        document = yaml.load(path.read_bytes())
        if not document or not document.get("tests"):
            continue
        rule = document.get("rule_id", path.stem)
        for number, test in enumerate(document["tests"], 1):
            stages = tuple(_stage(item) for item in test["stages"])
            yield Case(f"{rule}-{test.get('test_id', number)}", stages)


def _stage(item: dict[str, Any]) -> Stage:
    item = item.get("stage", item)
    return Stage(_request(item["input"]), _expectation(item.get("output") or {}))


def _expectation(output: dict[str, Any]) -> Expectation:
    log = output.get("log") or {}
    return Expectation(
        output.get("status"),
        tuple(log.get("expect_ids") or ()),
        tuple(log.get("no_expect_ids") or ()),
        log.get("match_regex"),
        log.get("no_match_regex"),
        bool(output.get("expect_error")),
    )


def _request(given: dict[str, Any]) -> bytes:
    """Build the request go-ftw sends (its ftwhttp/request.go): headers and body are completed unless
    `autocomplete_headers` is false."""
    if given.get("encoded_request"):
        return base64.b64decode(given["encoded_request"])
    data = given.get("data")
    body = base64.b64decode(given["encoded_data"]) if given.get("encoded_data") else _bytes(data)
    headers: Headers = [(str(name), str(value)) for name, value in (given.get("headers") or {}).items()]
    names = {name.lower(): value for name, value in headers}
    method = str(given.get("method", "GET"))
    complete = given.get("autocomplete_headers", not given.get("stop_magic", False))
    if complete and body:
        if "content-type" not in names:
            headers.append(("Content-Type", _FORM))
        if names.get("content-type", _FORM) == _FORM:
            body = _escape_form(body)
    if names.get("content-type", "").lower().startswith("multipart/form-data;"):
        body = body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if complete:
        if "connection" not in names:
            headers.append(("Connection", "close"))
        if "content-length" not in names and (body or _WITH_BODY.search(method)):
            headers.append(("Content-Length", str(len(body))))
    line = f"{method} {given.get('uri', '/')} {given.get('version', 'HTTP/1.1')}"
    head = [_bytes(line), *(_bytes(f"{name}: {value}") for name, value in headers)]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def _escape_form(body: bytes) -> bytes:
    """Escape names and values of a form that holds no escape yet."""
    if _unescape(body) != body:
        return body
    pairs = (pair.partition(b"=") for pair in body.split(b"&"))
    return "&".join(quote_plus(name) + equals.decode() + quote_plus(value) for name, equals, value in pairs).encode()


def _unescape(data: bytes) -> bytes:
    """Undo what a form's escapes stand for."""
    return unquote_to_bytes(data.replace(b"+", b" "))


def _bytes(text: Any) -> bytes:
    return b"" if text is None else str(text).encode("utf-8")


def _dechunk(body: bytes) -> bytes:
    """Join chunks; what is not chunked well is taken as it stands."""
    joined, rest = b"", body
    while match := re.match(rb"([0-9a-fA-F]+)[^\r\n]*\r\n", rest):
        size = int(match[1], 16)
        if size == 0:
            return joined
        joined += rest[match.end() : match.end() + size]
        rest = rest[match.end() + size + 2 :]
    return joined or body


def reflect(target: bytes, body: bytes) -> Reflection:
    """What albedo answers: /reflect gives back what the JSON body describes, everything else an empty 200."""
    if not target.startswith(b"/reflect"):
        return Reflection(headers=[("content-type", "text/plain")])
    try:
        wanted = json.loads(body)
    except ValueError:
        return Reflection(400)
    headers = [(str(name).lower(), str(value)) for name, value in (wanted.get("headers") or {}).items()]
    if all(name != "content-type" for name, _ in headers):
        headers.append(("content-type", "text/plain; charset=utf-8"))
    encoded = wanted.get("encodedBody")
    content = base64.b64decode(encoded) if encoded else str(wanted.get("body", "")).encode("utf-8")
    return Reflection(int(wanted.get("status", 200)), headers, content)
