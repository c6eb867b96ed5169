"""Measuring the named rules: how often each finds what it is for, fires in attacks and in harmless traffic, and its cost."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from bascule.config.filters import WafFilters
from bascule.waf.engine import ConnectionFacts, Transaction, Waf, WafSettings
from bascule.waf.filters.table import CONFIGURED, DEFAULT, ENABLE, NamedRates, table
from bascule.waf.logic.learn import corpora
from bascule.waf.logic.learn.corpora import Request, Sample
from bascule.waf.logic.learn.named import positive, responses
from bascule.waf.logic.learn.named.figures import least, share
from bascule.waf.logic.learn.named.requests import REQUESTS, Case

CASES = 300
"""Requests that are made for each rule."""
TIMED = 2000
"""Browsers' requests that a rule is timed with."""
_CLIENT = ConnectionFacts(b"192.0.2.1", 40_000, b"192.0.2.2", 80)
Fired = dict[str, Counter[int]]
"""By source, how often each rule fired; that of harmless requests is empty."""


def measure(folder: Path, seed: int = 1) -> dict[int, NamedRates]:
    """Return what is measured of each named rule, by id. What is made up is made from `seed`."""
    every = _of_requests(folder, seed) | responses.measure(folder, seed) | positive.measure(folder, seed)
    return dict(sorted(every.items()))


def _of_requests(folder: Path, seed: int) -> dict[int, NamedRates]:
    plain = _firewall(WafFilters(enable=tuple(rule.name for rule in table().rules if rule.preset == ENABLE)), "pci-dss")
    together = _firewall(_filters(*(case.given for case in REQUESTS.values())), "")
    fired: Fired = {}
    totals: Counter[str] = Counter()
    for sample in chain(_attacks(folder), corpora.benign_requests(folder)):
        source = sample.source if sample.label else ""
        totals[source] += 1
        if sample.request is not None:
            seen = set(_fired(plain, sample.request)) | set(_fired(together, sample.request))
            fired.setdefault(source, Counter()).update(seen)
    timed = [_pairs(sample) for sample in islice(corpora.benign_requests(folder), TIMED)]
    known = {rule.id: rule for rule in table().rules}
    return {
        number: _measured(number, case, known[number].preset, known[number].name, fired, totals, timed, seed)
        for number, case in REQUESTS.items()
    }


def _measured(
    number: int,
    case: Case,
    preset: str,
    name: str,
    fired: Fired,
    totals: Counter[str],
    timed: Sequence[Request],
    seed: int,
) -> NamedRates:
    firewall = alone(case.given, name)
    shares = {source: share(counts[number], totals[source]) for source, counts in fired.items() if counts[number]}
    browsers = shares.pop("", 0.0)
    attacks = sum(counts[number] for source, counts in fired.items() if source)
    everything = sum(total for source, total in totals.items() if source)
    free = preset not in (CONFIGURED, DEFAULT)
    return NamedRates(
        microseconds=_cost(firewall, timed),
        found=None if case.make is None else found(firewall, number, case.make, seed),
        attacks=share(attacks, everything) if free else None,
        browsers=None if case.harmless else browsers,
        harmless="" if case.harmless else "recorded browser requests",
        sources=dict(sorted(shares.items())) if free else {},
        given=case.given,
        why=case.harmless,
    )


def alone(given: str, name: str) -> Waf:
    """Return a firewall of one rule: as `given` configures it, or of its name alone."""
    return _firewall(_filters(given) if given else WafFilters(enable=(name,)), "")


def found(firewall: Waf, number: int, make: Callable[[random.Random], Request], seed: int) -> float:
    """Return the share of made-up requests that a rule finds."""
    source = random.Random(f"{seed} {number}")
    return share(sum(number in _fired(firewall, make(source)) for _ in range(CASES)), CASES)


def _attacks(folder: Path) -> Iterator[Sample]:
    """Yield the attacks that are whole requests, or addresses asked for."""
    yield from corpora.attack_requests(folder)
    yield from (sample for sample in corpora.attack_values(folder) if sample.request is not None)


def _filters(*given: str) -> WafFilters:
    """Return what filters say that are given as YAML, put together."""
    whole: dict[str, Any] = {}
    for text in given:
        _add(whole, YAML(typ="safe").load(text) if text else {})
    return WafFilters.model_validate(whole.get("filters", {}))


def _add(whole: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict):
            _add(whole.setdefault(key, {}), value)
        else:
            whole[key] = value


def _firewall(filters: WafFilters, preset: str) -> Waf:
    firewall = Waf.load(WafSettings(logic="", filters=filters))
    firewall.named = firewall.filters = type(firewall.named)(filters, preset)
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


def _cost(firewall: Waf, requests: Sequence[Request]) -> float:
    """Return the microseconds that one rule adds to a request: the least of several rounds."""
    begun = [(_begin(firewall, request), request.body) for request in requests]

    def run() -> None:
        for transaction, body in begun:
            _judge(firewall, transaction, body)

    return least(run, len(requests))
