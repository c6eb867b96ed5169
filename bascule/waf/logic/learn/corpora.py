"""Reading the corpora: labelled values and requests, by source and host. Nothing of them is kept in the program."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from bascule.waf.logic.learn import attacks, attacks_listed, honest
from bascule.waf.logic.learn.grammar import texts

BENIGN = ""
"""The label of what is no attack."""
FILES = ("attacks.jsonl.gz", "attack_requests.jsonl.gz", "benign_values.jsonl.gz", "benign_requests.jsonl.gz")
"""What a folder of corpora holds."""
_ATTACKS, _ATTACK_REQUESTS, _VALUES, _REQUESTS = FILES
GRAMMAR = "grammar: "
"""What the names of sources begin with that are grammars."""
GENERATED = 1500
"""Texts drawn from each grammar."""

VOUCHED = 3
"""Hosts that an operator's "this was a false positive" counts for: enough to keep a decisive fact from deciding."""
_PLACES = {
    "REQUEST_FILENAME": "path", "ARGS_GET": "query", "ARGS_POST": "body", "ARGS": "query", "ARGS_NAMES": "name",
    "ARGS_GET_NAMES": "name", "ARGS_POST_NAMES": "name", "REQUEST_COOKIES": "cookie", "FILES": "file",
    "FILES_TMP_CONTENT": "upload",
}  # fmt: skip
"""Places of values by the variables of events, without the name behind the colon."""

ASKED_FOR = ("scanner", "rfi")
"""Classes of which lists have addresses on the attacked site, not values."""

_BLANKS = {b"{cmd}": b"id", b"{file}": b"etc/passwd"}
"""What lists leave to be filled in, and what it is filled in with: as they stand such payloads do nothing."""

Pairs = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Request:
    """A request as a corpus has it. Header names are lower case."""

    method: bytes
    target: bytes
    headers: Pairs
    body: bytes

    @property
    def host(self) -> str:
        """The Host field."""
        return next((value.decode("latin-1") for name, value in self.headers if name == b"host"), "")


@dataclass(frozen=True, slots=True)
class Sample:
    """What a row says: `label` is the class of the attack, or `BENIGN`; `host` groups requests of one site.

    Of `text` (one value, with the place it is to stand in) and `request` one is given.
    """

    label: str
    source: str
    host: str = ""
    text: bytes = b""
    place: str = "query"
    request: Request | None = None
    voices: int = 1
    """How many hosts it counts for where it is harmless: an operator's word counts for `VOUCHED`."""


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file of JSON lines, which may be gzip'd.

    Raises:
        ValueError: a line is no JSON object; says which.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as handle:
        for number, line in enumerate(handle, 1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: not JSON: {error}") from None
            if not isinstance(row, dict):
                raise ValueError(f"{path}, line {number}: not an object")
            yield row


def request_of(row: dict[str, Any]) -> Request:
    """Return the request of a row with `method`, `target`, `headers` and `body`."""
    headers = [(str(n).lower().encode("latin-1", "replace"), raw_text(str(v))) for n, v in row.get("headers") or ()]
    return Request(raw_text(row["method"]), raw_text(row["target"]), headers, raw_text(row.get("body") or ""))


def raw_text(text: str) -> bytes:
    """Return the bytes of a text: those of Latin-1 where it was read as that, else UTF-8."""
    return text.encode("utf-8", "surrogateescape")


def attack_values(folder: Path) -> Iterator[Sample]:
    """Yield single attack payloads, as an application sees them: lists have many in the form they are sent in.

    Those of scanners and of remote inclusion are addresses on the attacked site, and become requests for them.
    """
    for row in rows(folder / _ATTACKS):
        text = _filled(raw_text(row["text"]))
        if row["class"] in ASKED_FOR:
            target = b"/" + text.lstrip(b"/").replace(b" ", b"%20")
            yield Sample(row["class"], row["source"], request=Request(b"GET", target, [], b""))
        else:
            yield Sample(row["class"], row["source"], text=unquote_to_bytes(text))


def _filled(text: bytes) -> bytes:
    for blank, value in _BLANKS.items():
        text = text.replace(blank, value)
    return text


def attack_requests(folder: Path) -> Iterator[Sample]:
    """Yield attack requests, without those of which it is not sure that they are attacks (`weak`)."""
    for row in rows(folder / _ATTACK_REQUESTS):
        if not row.get("weak"):
            yield Sample(row["class"], row["source"], request=request_of(row))


def benign_values(folder: Path) -> Iterator[Sample]:
    """Yield harmless strings."""
    places = {"path": "path", "ua": "header:user-agent"}
    for row in rows(folder / _VALUES):
        place = places.get(row["kind"], "query")
        yield Sample(BENIGN, f"{row['kind']}: {row['source']}", text=raw_text(row["text"]), place=place)


def feedback(file: Path) -> Iterator[Sample]:
    """Yield what an operator called harmless: the rows that `bascule feedback REF --false-positive` wrote.

    Raises:
        ValueError: a line is no JSON object, or has no text; says which.
    """
    for number, row in enumerate(rows(file), 1):
        if not isinstance(row.get("text"), str):
            raise ValueError(f"{file}, line {number}: no text; rows are those of `bascule feedback`")
        variable, _, name = str(row.get("place", "")).partition(":")
        place = f"header:{name}" if variable == "REQUEST_HEADERS" else _PLACES.get(variable, "query")
        site = str(row.get("site", ""))
        yield Sample(BENIGN, str(row.get("source", "feedback")), site, raw_text(row["text"]), place, voices=VOUCHED)


def benign_requests(folder: Path) -> Iterator[Sample]:
    """Yield recorded requests of browsers."""
    for row in rows(folder / _REQUESTS):
        request = request_of(row)
        yield Sample(BENIGN, row["source"], host=request.host, request=request)


def generated(seed: int, count: int = GENERATED) -> Iterator[Sample]:
    """Yield what the grammars make, attacks and harmless texts."""
    for name, (label, grammar) in {**attacks.GRAMMARS, **attacks_listed.GRAMMARS}.items():
        for text in texts(grammar, seed, count):
            yield Sample(
                label, f"{GRAMMAR}{name}", text=raw_text(text), place="name" if name == "nosql-names" else "body"
            )
    for name, grammar in honest.GRAMMARS.items():
        for text in texts(grammar, seed, count):
            yield Sample(BENIGN, f"{GRAMMAR}{name}", text=raw_text(text), place="body")
