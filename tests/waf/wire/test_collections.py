"""IP and its kind over several workers: a limit that rules count is the same as with one, over a reload and a death."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.program import children_of
from tests.support.reflector import reflector
from tests.waf.wire.world import Guarded, guarded, send, wait_for

LIMIT = 30
RULES = f"""
SecAction "id:1,phase:1,pass,nolog,initcol:ip=%{{REMOTE_ADDR}}"
SecAction "id:3,phase:1,pass,nolog,setvar:ip.asked=+1"
SecRule IP:asked "@gt {LIMIT}" "id:2,phase:1,deny,status:429,log,msg:'asked too often'"
"""
GET = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


def workers(program: Guarded) -> set[int]:
    return {pid for pid, name in children_of(program.process.pid).items() if "bascule-w" in name}


def reload(program: Guarded) -> None:
    before = workers(program)
    program.process.send_signal(signal.SIGHUP)
    wait_for(lambda: len(workers(program) - before) == 2, "a new generation")
    wait_for(lambda: program.said("generation 2 serves"), "its readiness")


def kill_one(program: Guarded) -> None:
    before = workers(program)
    os.kill(min(before), signal.SIGKILL)
    wait_for(lambda: len(workers(program)) == 2 and workers(program) != before, "another worker")


@pytest.mark.parametrize("event", [None, reload, kill_one])
def test_a_limit_of_rules_is_exact_over_two_workers(tmp_path: Path, event: Callable[[Guarded], None] | None) -> None:
    rules = tmp_path / "own.conf"
    rules.write_text(RULES)

    async def main() -> None:
        async with reflector() as port:
            waf = {"mode": "block", "directives": [str(rules)]}
            with guarded(f"127.0.0.1:{port}", waf, workers=2) as program:
                first = [(await send(program.address, GET, "127.0.7.1")).status for _ in range(LIMIT // 2)]
                if event is not None:
                    await asyncio.to_thread(event, program)
                then = [(await send(program.address, GET, "127.0.7.1")).status for _ in range(LIMIT)]
                assert (first + then) == [200] * LIMIT + [429] * (LIMIT // 2)
                # At once, too: each request counts itself before it looks, so no more than the limit can pass.
                together = await asyncio.gather(*(send(program.address, GET, "127.0.7.2") for _ in range(2 * LIMIT)))
                assert 0 < sum(answer.status == 200 for answer in together) <= LIMIT
                assert (await send(program.address, GET, "127.0.7.3")).status == 200, "somebody else's count"

    asyncio.run(main())
