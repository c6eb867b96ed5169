"""What facts cost: how long their patterns alone are looked for in what a browser's request says."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from bascule.waf.logic.body_values import request_values
from bascule.waf.logic.facts.patterns import by_fact
from bascule.waf.logic.facts.recogniser import CLOSER
from bascule.waf.logic.learn import corpora
from bascule.waf.matcher.database import open_database

REQUESTS = 400
"""Browsers' requests that costs are measured with, and every how manyth of the corpus is one."""
EVERY = 200
ROUNDS = 5


def sample(folder: Path) -> list[bytes]:
    """Return the values of some recorded requests, those of each joined."""
    requests = (sample.request for sample in islice(corpora.benign_requests(folder), 0, None, EVERY))
    return [
        b"\n".join(value.data for value in request_values(request.target, request.headers, request.body))
        for request in islice(requests, REQUESTS)
        if request is not None
    ]


def fact_costs(texts: Sequence[bytes]) -> dict[str, float]:
    """Return microseconds for each fact and request, the least of several rounds: machines are busy with other things.

    Scanned for together, as they are, all facts cost less than the sum.
    """
    costs = {}
    for fact, expressions in by_fact().items():
        database = open_database(expressions, None)
        assert database is not None
        rounds = [_seconds(database.scan, texts) for _ in range(ROUNDS)]
        costs[fact] = 1e6 * min(rounds) / len(texts)
    for look, facts in CLOSER.items():
        for fact in facts:
            costs.setdefault(fact, costs[look])
    return costs


def _seconds(scan: object, texts: Iterable[bytes]) -> float:
    assert callable(scan)
    began = time.process_time()
    for text in texts:
        scan(text, match_event_handler=_ignore)
    return time.process_time() - began


def _ignore(identifier: int, start: int, end: int, flags: int, context: object) -> None:
    """Take a match."""
