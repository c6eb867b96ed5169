"""CRS's own regression tests, in-process: every expectation, and the prefilter against the plain engine."""

from __future__ import annotations

from functools import lru_cache

import pytest

from bascule.waf.engine import Transaction, Waf
from tests.support.ftw import Case, Stage, read_cases, reflect
from tests.support.shared import shared_dir
from tests.waf.engine.world import CRS_TEST_SETUP, Request, crs, fired, send

DIFFERENCES = {
    "920181-1": "with Content-Length and Transfer-Encoding both there, the proxy answers 400 before any rule",
    "920430-5": "a request line without a version is HTTP/0.9, which the proxy refuses before any rule",
    "920620-1": "httpd joins two Content-Type headers; here, as on nginx, both are seen (nginx-overrides.yaml)",
    "921140-1": "a bare CR in a header is answered with 400 before any rule",
}
"""Tests whose log differs when the bytes are given to the engine without the proxy's parser. It must only shrink."""

EVERY = 6
"""The plain engine takes 6 ms a request, so it judges every sixth stage."""


@lru_cache
def cases() -> list[Case]:
    return list(read_cases(shared_dir("crs", "tests", "regression", "tests")))


def run(waf: Waf, stage: Stage) -> Transaction:
    method, target, version, headers, body = stage.split()
    answer = reflect(target, body)
    response = [(name.encode(), value.encode("latin-1", "replace")) for name, value in answer.headers]
    transaction, _ = send(waf, Request(method, target, headers, body, version, answer.status, response, answer.body))
    transaction.finish()
    return transaction


def test_every_expectation_of_crs_holds() -> None:
    waf = crs(4, True, directives=CRS_TEST_SETUP)
    failed = {}
    for case in cases():
        for stage in case.stages:
            found, wanted = set(fired(run(waf, stage))), stage.expectation
            missing, extra = set(wanted.expect_ids) - found, set(wanted.no_expect_ids) & found
            if missing or extra:
                failed[case.name] = f"missing {sorted(missing)}, extra {sorted(extra)}"
    assert failed.keys() == DIFFERENCES.keys(), {k: v for k, v in failed.items() if k not in DIFFERENCES}
    assert len(cases()) > 5000


@pytest.mark.timeout(300)
def test_the_prefilter_loses_no_match_of_crs_tests() -> None:
    fast, plain = crs(4, True, directives=CRS_TEST_SETUP), crs(4, False, directives=CRS_TEST_SETUP)
    stages = [stage for case in cases() for stage in case.stages]
    for stage in stages[::EVERY]:
        one, other = run(fast, stage), run(plain, stage)
        assert fired(one) == fired(other), stage.request
        assert scores(one) == scores(other), stage.request


def scores(t: Transaction) -> dict[bytes, bytes]:
    return {name: value for name, value in t.tx.items() if b"score" in name}
