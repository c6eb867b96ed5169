"""Measuring a rule set on labelled rows: by class, family and preset."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_from_bytes

from bascule.waf.logic.engine import Logic
from bascule.waf.logic.learn.corpora import ASKED_FOR, Request, raw_text, request_of
from bascule.waf.logic.learn.matrix import shown_by
from bascule.waf.logic.learn.mutators import mutants
from bascule.waf.logic.rules import PRESETS

HARMLESS = "harmless"


@dataclass(slots=True)
class Tally:
    """What came of the requests of one kind: how many, and how many each preset refuses."""

    total: int = 0
    refused: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PRESETS, 0))


@dataclass(slots=True)
class Result:
    """Tallies by class and by mutator, refusals by (preset, family), and what it took."""

    classes: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    mutants: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    families: dict[str, Counter[str]] = field(default_factory=lambda: {HARMLESS: Counter(), "attacks": Counter()})
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return everything in percent; `presets` are the points of the ROC curve. A share of no requests is None."""
        harmless = self.classes.get(HARMLESS, Tally())
        attacks = [tally for kind, tally in self.classes.items() if kind != HARMLESS]
        total = sum(tally.total for tally in attacks)
        count = total + harmless.total
        points = {}
        for name in PRESETS:
            found = _percent(sum(tally.refused[name] for tally in attacks), total)
            wrong = _percent(harmless.refused[name], harmless.total)
            balanced = None if found is None or wrong is None else round((found + 100 - wrong) / 2, 3)
            points[name] = {"detection": found, "false_positives": wrong, "balanced_accuracy": balanced}
        return {
            "requests": count,
            "microseconds": round(1e6 * self.seconds / count, 1) if count else 0.0,
            "presets": points,
            "classes": _table(self.classes),
            "mutants": _table(self.mutants),
            "families": {kind: dict(found.most_common()) for kind, found in self.families.items()},
        }


def _table(tallies: Mapping[str, Tally]) -> dict[str, dict[str, Any]]:
    return {
        kind: {"total": t.total, **{name: _percent(count, t.total) for name, count in t.refused.items()}}
        for kind, t in sorted(tallies.items())
    }


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 3) if whole else None


def measure(rows: Iterable[dict[str, Any]], engines: Mapping[str, Logic], mutations: int = 0, seed: int = 1) -> Result:
    """Judge rows by engines (by preset). `mutations` is how many mutants of each text and mutator are judged as well.

    Raises:
        KeyError: a row has neither a text nor a request.
    """
    result = Result()
    for row in rows:
        kind, request = labelled(row)
        began = time.perf_counter()
        shown = shown_by(request)
        result.seconds += time.perf_counter() - began
        _count(result.classes[kind], shown, engines)
        found = {family.name for facts in shown for family, *_ in engines["standard"].judge_facts(facts)}
        result.families[HARMLESS if kind == HARMLESS else "attacks"].update(found)
        if mutations and kind != HARMLESS and "text" in row:
            for name, mutant in mutants(raw_text(row["text"]), kind, mutations, seed):
                _count(result.mutants[name], shown_by(request_with(row, mutant)), engines)
    return result


def _count(tally: Tally, shown: Iterable[frozenset[str]], engines: Mapping[str, Logic]) -> None:
    shown = tuple(shown)
    tally.total += 1
    for name, engine in engines.items():
        tally.refused[name] += any(engine.judge_facts(facts) for facts in shown)


def labelled(row: dict[str, Any]) -> tuple[str, Request]:
    """Return the class and the request of a row: its own, one in a member, or one made around its `text`.

    Raises:
        KeyError: it has neither.
    """
    kind = str(row.get("class") or row.get("set") or "attack")
    if row.get("expect") == "pass" or not (row.get("class") or row.get("expect")):
        kind = HARMLESS
    if isinstance(row.get("request"), dict):
        return kind, request_of(row["request"])
    if "text" in row:
        return kind, request_with(row, raw_text(row["text"]))
    return kind, request_of(row)


def request_with(row: dict[str, Any], text: bytes) -> Request:
    """Return a request that carries a text: itself if it is one as HTTP/1 writes it, as a body of the row's `content_type`, else as a parameter.

    What asks for a file by its address (`place` is 'path') is the target itself.
    """
    if (raw := _raw_request(text)) is not None:
        return raw
    if row.get("place") == "path" or row.get("class") in ASKED_FOR:
        return Request(b"GET", b"/" + text.lstrip(b"/").replace(b" ", b"%20"), [], b"")
    kind = str(row.get("content_type") or "")
    path = str(row.get("target_path") or "/").encode()
    if kind and "urlencoded" not in kind and str(row.get("method")) not in ("GET", "None"):
        return Request(b"POST", path, [(b"content-type", kind.encode())], text)
    return Request(b"GET", path.partition(b"?")[0] + b"?q=" + quote_from_bytes(text, safe="").encode(), [], b"")


def _raw_request(text: bytes) -> Request | None:
    head, _, body = text.replace(b"\r\n", b"\n").partition(b"\n\n")
    first, *lines = head.split(b"\n")
    words = first.split(b" ")
    if len(words) != 3 or not words[2].startswith(b"HTTP/1"):
        return None
    fields = [line.partition(b":") for line in lines if b":" in line]
    return Request(words[0], words[1], [(name.strip().lower(), value.strip()) for name, _, value in fields], body)
