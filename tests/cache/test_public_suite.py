"""The cases of `suite.py` over the wire: one program, one origin, each case under a path of its own.

They go side by side, step by step, so that the pauses of all are one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from typing import Any

import pytest

from tests.cache.suite import DECLINED, OPTIMAL, REQUIRED, Cases, Fields
from tests.support.clients import Message, Wire, connect
from tests.support.origins import Origin, answer
from tests.support.program import Bascule, wait_for

ALL: Cases = REQUIRED | OPTIMAL
DATES = frozenset(("date", "expires", "last-modified", "if-modified-since"))
PHRASE = {code: f"{code} Status" for code in range(200, 600)}


def lines(fields: Fields, base: int, path: str = "") -> list[str]:
    """Return fields as they are sent; the numbers of dates count from `base`."""
    found = []
    for name, value in fields:
        if isinstance(value, int):
            assert name.lower() in DATES
            value = formatdate(base + value, usegmt=True)
        found.append(f"{name}: {value.replace('{path}', path)}")
    return found


class World:
    """The origin, which answers as the steps of a case say, and what came of each."""

    def __init__(self) -> None:
        self.origin = Origin(self.handle)
        self.base = int(time.time())
        self.asked: dict[tuple[str, int], Message] = {}
        """By case and number of the step: what the server was asked."""

    def handle(self, wire: Wire, message: Message) -> bool:
        wire.read_body(message)
        case, number = message["test-id"], int(message["req-num"] or 0)
        if case is None:  # the clock
            wire.send(answer(b"", "200 OK", "Cache-Control: max-age=60"))
            return True
        self.asked[case, number] = message
        step = ALL[case][number]
        if step.dies:
            return False
        status, own = PHRASE[step.status], lines(step.response, self.base, f"/{case}")
        if step.expect == "validated":
            wants = "if-none-match" if any(name == "ETag" for name, _ in step.response) else "if-modified-since"
            status = "304 Not Modified" if message[wants] is not None else "299 Unconditional"
        own.append(f"Server-Step: {number}")
        body = b"" if status.startswith("304") or step.status == 204 else (step.body or case).encode()
        head = answer(body, status, *own)
        if status[:3] in ("304", "204"):
            head = head.replace(b"Content-Length: 0\r\n", b"")
        wire.send(head)
        return True


def run_step(port: int, base: int, case: str, number: int) -> Message:
    step = ALL[case][number]
    body = step.body if step.method != "GET" else ""
    head = [f"{step.method} /{case}{step.suffix} HTTP/1.1", "Host: site.test", f"Test-ID: {case}", f"Req-Num: {number}"]
    head += lines(step.request, base) + ([f"Content-Length: {len(body)}"] if body else [])
    with connect(port) as wire:
        wire.send("\r\n".join([*head, "", body]).encode())
        return wire.response(step.method)


def run_all(world: World, port: int) -> dict[str, list[Message]]:
    """Run every case as far as it goes without a pause; then let time pass for all, and so on."""
    answers: dict[str, list[Message]] = {case: [] for case in ALL}
    ready = list(ALL)
    with ThreadPoolExecutor(16) as pool:
        while ready:
            pausing: list[str] = []
            while ready:
                done = pool.map(lambda case: run_step(port, world.base, case, len(answers[case])), ready)
                for case, found in zip(ready, list(done), strict=True):
                    answers[case].append(found)
                left = [case for case in ready if len(answers[case]) < len(ALL[case])]
                pausing += [case for case in left if ALL[case][len(answers[case]) - 1].pause]
                ready = [case for case in left if case not in pausing]
            clock = f"/clock{sum(map(len, answers.values()))}"
            if pausing:
                wait_for(lambda path=clock: seconds_since_first(port, path) >= 3, "three seconds to pass")
            ready = pausing
    return answers


def seconds_since_first(port: int, path: str) -> int:
    """Return the age of a stored response: the time as the cache sees it."""
    with connect(port) as wire:
        wire.send(f"GET {path} HTTP/1.1\r\nHost: site.test\r\n\r\n".encode())
        return int(wire.response()["age"] or 0)


@pytest.fixture(scope="module")
def results() -> Iterator[tuple[World, dict[str, list[Message]]]]:
    world = World()
    config = {"sites": {"site.test": {"cache": {"max_error_ttl": 0}, "routes": {"/": world.origin.address}}}}
    with world.origin, Bascule({**config, "headers": {"hide": []}}) as bascule:
        world.base = int(time.time())
        yield world, run_all(world, bascule.port)


@pytest.mark.parametrize("case", list(ALL))
def test_case(results: tuple[World, dict[str, list[Message]]], case: str) -> None:
    world, answers = results
    if case in DECLINED:
        with pytest.raises(AssertionError):
            check(world, answers[case], case)
    else:
        check(world, answers[case], case)


def check(world: World, answers: list[Message], case: str) -> None:
    for number, (step, found) in enumerate(zip(ALL[case], answers, strict=True)):
        what = f"step {number}: {found.start} {json.dumps(found.fields)}"
        asked = world.asked.get((case, number))
        assert found.status == (
            step.expect_status or (200 if step.expect == "validated" else expected(case, number))
        ), what
        if step.expect == "cached":
            assert asked is None, what
        elif step.expect:
            assert asked is not None, what
        if asked is not None:
            for name, value in step.wants:
                assert asked[name.lower()] == value, what
        if step.expect == "validated":
            assert asked is not None, what
            assert asked["if-none-match"] or asked["if-modified-since"], what
        for line in lines(step.shows, world.base):
            name, _, value = line.partition(": ")
            assert value in found.values(name.lower()), what
        for name in step.hides:
            assert found[name] is None, what
        if step.age is not None:
            assert int(found[step.age[0]] or 0) > step.age[1], what
        if found.status == 206:
            assert found.body == step.body.encode(), what


def expected(case: str, number: int) -> int:
    """Return the status that the server gave for what answers a step."""
    steps: Any = ALL[case]
    return int(steps[number].status)
