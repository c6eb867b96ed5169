"""CRS's own regression tests (go-ftw), through the running proxy, byte for byte.

Every stage comes from a loopback address of its own, by which its event is found. What differs from CRS's
expectations stands in differences.yaml with the reason; an entry that passes now fails the run.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.support.ftw import Case, Expectation, read_cases
from tests.support.reflector import reflector
from tests.support.shared import shared_dir
from tests.waf.wire.world import Answer, Guarded, crs_folder, guarded, send

AT_ONCE = 8
_SETUP = """
SecResponseBodyMimeType text/plain text/html text/xml application/json
SecAction "id:1,phase:1,pass,nolog,\\
setvar:tx.crs_validate_utf8_encoding=1,setvar:tx.arg_name_length=100,setvar:tx.arg_length=400,\\
setvar:tx.total_arg_length=64000,setvar:tx.max_num_args=255,setvar:tx.max_file_size=64100,\\
setvar:tx.combined_file_sizes=65535"
"""
"""What CRS's own test set-up turns on: all paranoia levels, every limit, and responses of all text types."""


@dataclass(slots=True)
class Seen:
    """What one stage brought about."""

    answer: Answer
    event: dict[str, Any]

    @property
    def rules(self) -> set[int]:
        return {rule["id"] for rule in self.event.get("rules", ())}

    @property
    def log(self) -> str:
        """The log as ModSecurity would have written it, as far as the tests look at it."""
        lines = (
            f'[id "{rule["id"]}"] [msg "{rule["message"]}"] [data "{rule["data"]}"] '
            + " ".join(match["variable"] for match in rule["matched"])
            for rule in self.event.get("rules", ())
        )
        return "\n".join(re.sub(r"[\x00-\x1f]", lambda found: f"\\x{ord(found[0]):02x}", line) for line in lines)


def address_of(number: int) -> str:
    """Return a loopback address for a stage; 127.0.0.1 is nobody's."""
    return f"127.{1 + number // 65536}.{number // 256 % 256}.{number % 256}"


def problems(wanted: Expectation, seen: Seen) -> list[str]:
    """Return how a stage differs from what is expected of it."""
    rules, found = seen.rules, []
    found += [f"{rule} did not fire" for rule in wanted.expect_ids if rule not in rules]
    found += [f"{rule} fired" for rule in wanted.no_expect_ids if rule in rules]
    if wanted.match_regex and not re.search(wanted.match_regex, seen.log):
        found.append(f"no log line matches {wanted.match_regex}")
    if wanted.no_match_regex and re.search(wanted.no_match_regex, seen.log):
        found.append(f"fired: {', '.join(map(str, sorted(rules)))}")
    if wanted.status is not None and seen.answer.status != wanted.status:
        found.append(f"status {seen.answer.status}, not {wanted.status}")
    if wanted.expect_error and seen.answer.status:
        found.append(f"status {seen.answer.status}, not an error")
    if found and "cause" in seen.event:
        found.append(f"cause {seen.event['cause']}")
    return found


async def play(bascule: Guarded, cases: list[Case]) -> dict[str, list[Answer]]:
    """Send all stages of all cases, those of one case one after the other; a last request ends the log."""
    gate = asyncio.Semaphore(AT_ONCE)
    numbers = iter(range(1, 1 << 24))
    answers: dict[str, list[Answer]] = {}

    async def one(case: Case, sources: list[str]) -> None:
        async with gate:
            answers[case.name] = [
                await send(bascule.address, stage.request, source)
                for stage, source in zip(case.stages, sources, strict=True)
            ]

    async with asyncio.TaskGroup() as tasks:
        for case in cases:
            tasks.create_task(one(case, [address_of(next(numbers)) for _ in case.stages]))
    await send(bascule.address, b"GET /?last=/etc/passwd HTTP/1.1\r\nhost: last\r\n\r\n", "127.0.0.1")
    await asyncio.to_thread(bascule.event, client="127.0.0.1")
    return answers


def results(cases: list[Case], answers: dict[str, list[Answer]], events: list[dict[str, Any]]) -> dict[str, str]:
    """Return what is wrong, by test."""
    by_client = {event["client"]: event for event in events}
    numbers = iter(range(1, 1 << 24))
    wrong = {}
    for case in cases:
        found = []
        for stage, answer in zip(case.stages, answers[case.name], strict=True):
            event = by_client.get(address_of(next(numbers)), {})
            found += problems(stage.expectation, Seen(answer, event))
        if found:
            wrong[case.name] = "; ".join(found)
    return wrong


@pytest.mark.timeout(480)
def test_crs_regression_tests_over_the_wire(tmp_path: Path) -> None:
    cases = list(read_cases(shared_dir("crs/tests/regression/tests")))
    assert len(cases) > 4900
    known = YAML(typ="safe").load(Path(__file__).with_name("differences.yaml"))
    expected = {str(test): reason for reason, tests in known.items() for test in tests}

    async def run() -> tuple[dict[str, list[Answer]], list[dict[str, Any]]]:
        async with reflector() as port:
            waf = {"mode": "detect", "crs": str(crs_folder(tmp_path, _SETUP)), "paranoia": 4, "budget": "2s"}
            timeouts = {"header": "3s", "body_idle": "3s"}  # of a cold program on a busy machine
            with guarded(f"127.0.0.1:{port}", waf, timeouts=timeouts) as bascule:
                return await play(bascule, cases), bascule.events()

    wrong = results(cases, *asyncio.run(run()))
    new = {name: what for name, what in wrong.items() if name not in expected}
    assert not new, f"{len(new)} of {len(cases)} tests of CRS fail"
    healed = sorted(set(expected) - set(wrong))
    assert not healed, "these pass now: take them out of differences.yaml"
    for name, reason in expected.items():
        for cause in re.findall(r"cause \w+", reason):
            assert cause in wrong[name], "the event must tell why no rule saw the request"
