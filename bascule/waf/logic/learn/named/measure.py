"""Measuring the named rules: how often each fires in attacks and in harmless requests, and what it costs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from bascule.config.filters import WafFilters
from bascule.waf.engine import ConnectionFacts, Transaction, Waf, WafSettings
from bascule.waf.filters.table import CONFIGURED, ENABLE, table
from bascule.waf.logic.learn import corpora
from bascule.waf.logic.learn.corpora import Request, Sample
from bascule.waf.logic.rules import Rates

TIMED = 2000
"""Browsers' requests that a rule is timed with."""
ROUNDS = 3
_CLIENT = ConnectionFacts(b"192.0.2.1", 40_000, b"192.0.2.2", 80)


def measure(folder: Path) -> dict[int, Rates]:
    """Return what is measured of each rule that needs no configuration, by id."""
    firewall = _firewall(tuple(rule.name for rule in table().rules if rule.preset == ENABLE), "pci-dss")
    fired: dict[str, Counter[int]] = {}
    totals: Counter[str] = Counter()
    for sample in chain(_attacks(folder), corpora.benign_requests(folder)):
        source = sample.source if sample.label else ""
        totals[source] += 1
        if sample.request is not None:
            fired.setdefault(source, Counter()).update(set(_fired(firewall, sample.request)))
    timed = [_pairs(sample) for sample in islice(corpora.benign_requests(folder), TIMED)]
    return {
        rule.id: _measured(rule.id, fired, totals, _cost(rule.name, timed))
        for rule in table().rules
        if rule.preset != CONFIGURED
    }


def _attacks(folder: Path) -> Iterator[Sample]:
    """Yield the attacks that are whole requests, or addresses asked for."""
    yield from corpora.attack_requests(folder)
    yield from (sample for sample in corpora.attack_values(folder) if sample.request is not None)


def _measured(rule: int, fired: dict[str, Counter[int]], totals: Counter[str], cost: float) -> Rates:
    shares = {source: _share(counts[rule], totals[source]) for source, counts in fired.items() if counts[rule]}
    browsers = shares.pop("", 0.0)
    attacks = sum(counts[rule] for source, counts in fired.items() if source)
    everything = sum(total for source, total in totals.items() if source)
    return Rates(_share(attacks, everything), browsers, dict(sorted(shares.items())), round(cost, 2))


def _share(part: int, whole: int) -> float:
    return round(100 * part / whole, 3) if whole else 0.0


def _firewall(names: tuple[str, ...], preset: str) -> Waf:
    firewall = Waf.load(WafSettings(logic="", filters=WafFilters(enable=names)))
    firewall.named = firewall.filters = type(firewall.named)(WafFilters(enable=names), preset)
    firewall.filters.refuses = False  # else the first rule that fires would keep the others from it
    return firewall


def _begin(firewall: Waf, request: Request) -> Transaction:
    transaction = firewall.begin(_CLIENT)
    transaction.set_head(request.method, request.target, b"1.1", request.headers, None)
    if request.body:
        transaction.request_body(request.body)
        transaction.choose_processor()
        transaction.process_body()
    return transaction


def _judge(firewall: Waf, transaction: Transaction, body: bytes) -> None:
    assert firewall.filters is not None
    firewall.filters.judge_head(transaction, firewall.answers)
    if body:
        firewall.filters.judge_body(transaction, firewall.answers, body)


def _fired(firewall: Waf, request: Request) -> Iterable[int]:
    transaction = _begin(firewall, request)
    _judge(firewall, transaction, request.body)
    return transaction.matched_rules


def _pairs(sample: Sample) -> Request:
    assert sample.request is not None
    return sample.request


def _cost(name: str, requests: Sequence[Request]) -> float:
    """Return the microseconds that one rule adds to a request: the least of several rounds."""
    firewall = _firewall((name,), "")
    begun = [(_begin(firewall, request), request.body) for request in requests]
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for transaction, body in begun:
            _judge(firewall, transaction, body)
        rounds.append(time.process_time() - began)
    return 1e6 * min(rounds) / len(requests)
