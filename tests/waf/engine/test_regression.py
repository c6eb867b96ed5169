"""libmodsecurity's own regression cases, against the engine."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.support.modsecurity import RegressionCase, differences, read_cases, run
from tests.support.shared import shared_dir


@lru_cache
def known() -> dict[str, str]:
    """Case -> why it differs."""
    reasons = YAML(typ="safe").load(Path(__file__).with_name("regression_differences.yaml").read_bytes())
    return {name: reason for reason, names in reasons.items() for name in names}


def test_every_case_holds_or_differs_for_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cases: list[RegressionCase] = list(read_cases(shared_dir("vectors", "modsecurity", "regression")))
    found: dict[str, list[str]] = {}
    for case in cases:
        with monkeypatch.context() as patch:
            found[case.name] = differences(case, run(case, patch, tmp_path))
    assert len(cases) > 600
    assert {name: what for name, what in found.items() if what and name not in known()} == {}
    assert [name for name in known() if not found[name]] == []
