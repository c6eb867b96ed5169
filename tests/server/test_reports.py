"""What children say to the supervisor: what is taken, and that the rest ends the child and not the supervisor."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from bascule.server import reports
from bascule.server.reports import MessageError
from tests.server.harness import running, wait_for


@pytest.mark.parametrize(
    ("message", "report"),
    [
        ({"event": "ready"}, reports.Ready()),
        ({"event": "draining"}, reports.Draining()),
        ({"event": "failed", "error": "no port"}, reports.Failed("no port")),
        ({"event": "swollen", "kept": 5 << 20}, reports.Swollen(5 << 20)),
        ({"event": "keep", "topic": "bans", "payload": [1, None]}, reports.Keep("bans", [1, None])),
        ({"event": "keep", "topic": "bans", "payload": None}, reports.Keep("bans", None)),
        ({"event": "call", "call": "reload", "id": 1}, reports.Call("reload", 1)),
    ],
)
def test_is_taken_for_what_it_says(message: Any, report: reports.Report) -> None:
    assert reports.read(message, keeper=True) == report


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        "ready",
        {},
        {"do": "stop"},
        {"event": None},
        {"event": ["ready"]},
        {"event": "unheard of"},
        {"event": "failed"},
        {"event": "failed", "error": ["no port"]},
        {"event": "swollen"},
        {"event": "swollen", "kept": "much"},
        {"event": "swollen", "kept": -1},
        {"event": "swollen", "kept": 1e300},
        {"event": "keep", "topic": "bans"},
        {"event": "keep", "topic": {}, "payload": 1},
        {"event": "call", "call": "status"},
        {"event": "call", "id": 1},
        {"call": "status", "id": 1},
    ],
)
def test_no_child_says_this(message: Any) -> None:
    with pytest.raises(MessageError):
        reports.read(message, keeper=True)


@pytest.mark.parametrize(
    "message", [{"event": "call", "call": "reload", "id": 1}, {"event": "keep", "topic": "bans", "payload": []}]
)
def test_a_worker_may_not_ask(message: Any) -> None:
    with pytest.raises(MessageError, match="only the keeper"):
        reports.read(message, keeper=False)


def test_a_worker_that_says_what_none_says_is_replaced_and_the_supervisor_goes_on() -> None:
    with running() as program:
        with contextlib.suppress(OSError):  # it may be gone before its answer
            program.ask("mumble much")
        assert "(pid " in program.wait_said("said what none says: Expected `int`, got `str` - at `$.kept`; killing it")
        program.wait_said("restarting it now")  # killed, or gone by itself as its line closed
        wait_for(lambda: len(program.processes("worker")) == 2, "another worker")
        assert program.ask("hello") == "hello"
        assert program.call("status")["restarts"] == 1
