"""Every operator vector of ModSecurity and Coraza, with the known disagreements named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bascule.waf.seclang.operators import OPERATORS, LoadContext, OperatorError
from tests.support.secrules import load_vectors, to_bytes
from tests.support.shared import shared_dir

# (edition, operator, parameter, input): reason. Each such case must still differ.
DISAGREEMENTS = {
    ("coraza", "ipmatch", "0:0::/80", "0000:0000:0000:0000:0000:ffff:ffff:ffff"): (
        "Go reads ::ffff:ffff:ffff as IPv4; ModSecurity and RFC 4291 have it within ::/80"
    ),
    ("secrules", "validatebyterange", "xxx", "TestCase"): "an invalid range is refused at load, not ignored",
    ("coraza", "validatebyterange", "xxx", "TestCase"): "an invalid range is refused at load, not ignored",
}
# Operators whose vectors cannot be run, and why.
NOT_RUN = {
    ("secrules", "geolookup"): "the cases need a database that is not there; test_operators.py uses MaxMind's own",
    ("coraza", "validateschema"): "the cases need JSON Schema files that are not there (and JSON is Coraza's own)",
}


def evaluate(folder: Path, name: str, case: dict[str, Any]) -> bool:
    context = LoadContext(base_dir=folder, read_file=lambda name: (folder / "op" / Path(name).name).read_bytes())
    operator = OPERATORS[name](to_bytes(case.get("param", "")), context)
    found = operator.evaluate(to_bytes(case["input"]))
    if found is not None and "re_groups" in case:
        groups = [group.decode() for group in found.groups]
        if case["name"] == "rxGlobal":  # these vectors leave empty matches out, and check a beginning
            groups = [group for group in groups if group] if "*" in case["param"] else groups
            groups = groups[: len(case["re_groups"])]
            case["re_groups"] = [group for group in case["re_groups"] if group] if not groups else case["re_groups"]
        if groups or any(case["re_groups"]):
            assert groups == case["re_groups"]
    return found is not None


@pytest.mark.parametrize("edition", ["secrules", "coraza"])
def test_every_vector(edition: str) -> None:
    folder = shared_dir("vectors", edition, "operators")
    cases = load_vectors(folder)
    assert len(cases) > 3900
    failed, refused = [], []
    for stem, case in cases:
        name = case["name"].lower()
        if (edition, stem) in NOT_RUN:
            continue
        try:
            got = evaluate(folder, name, case)
        except OperatorError as error:
            refused.append((stem, str(error)))
            got = False  # what is refused at load matches nothing
        if (got == bool(case["ret"])) == ((edition, name, case.get("param"), case["input"]) in DISAGREEMENTS):
            failed.append((stem, case.get("param", "")[:100], case["input"][:100], case["ret"], got))
    assert failed == []
    assert {stem for stem, _ in refused} <= {"ipmatch", "validatebyterange"}, refused
    assert len(refused) < 10
