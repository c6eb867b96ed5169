"""DNS block lists with a real name server on loopback: who is listed is refused at once, and nobody waits for long."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from bascule.config.types import parse_address
from bascule.proxy import blocklists
from bascule.proxy.blocklists import BlockLists
from tests.server.harness import wait_for
from tests.support.pace import unless_stalled
from tests.support.reflector import reflector
from tests.upstream.dns_server import DnsServer, dns_server
from tests.waf.wire.world import Answer, Guarded, guarded, send

RULES = """
SecRule REMOTE_ADDR "@rbl bl.test" "id:1,phase:1,deny,status:403,log,msg:'listed'"
SecRule REQUEST_URI "@beginsWith /login" "id:2,phase:1,deny,status:429,log,chain"
    SecRule REMOTE_ADDR "@rbl login.test" ""
SecRule ARGS:site "@rbl names.test" "id:3,phase:2,deny,status:451,log"
"""
LISTED, HARMLESS, SILENT = "127.0.9.1", "127.0.9.2", "127.0.9.3"


def request(target: str = "/", body: bytes = b"") -> bytes:
    fields = (
        b"host: x\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: %d\r\n"
    )
    return b"POST %b HTTP/1.1\r\n" % target.encode() + fields % len(body) + b"\r\n" + body


def reverse(address: str, zone: str) -> str:
    return ".".join(reversed(address.split("."))) + "." + zone


async def with_lists(tmp_path: Path, steps) -> None:  # type: ignore[no-untyped-def]
    """Run `steps(program, server)` with a name server whose lists name `LISTED`."""
    (tmp_path / "own.conf").write_text(RULES)
    async with reflector() as port, dns_server() as server:
        server.zone[reverse(LISTED, "bl.test"), "A"] = (60, ["127.0.0.2"])
        server.zone[reverse(HARMLESS, "login.test"), "A"] = (60, ["127.0.0.3"])
        server.zone["evil.test.names.test", "A"] = (60, ["127.0.0.4"])
        waf = {"mode": "block", "directives": [str(tmp_path / "own.conf")], "resolver": server.address}
        # A thread: a name server of this loop must go on answering while the program starts.
        manager = guarded(f"127.0.0.1:{port}", waf)
        program = await asyncio.to_thread(manager.__enter__)
        try:
            await steps(program, server)
        finally:
            await asyncio.to_thread(manager.__exit__, None, None, None)


@unless_stalled
def test_the_listed_are_refused_from_their_first_request_on(tmp_path: Path) -> None:
    async def steps(program: Guarded, server: DnsServer) -> None:
        async def status(source: str, message: bytes) -> int:
            answer: Answer = await send(program.address, message, source)
            return answer.status

        assert [await status(LISTED, request()) for _ in range(3)] == [403] * 3
        assert [await status(HARMLESS, request()) for _ in range(3)] == [200] * 3
        assert server.queries == [(reverse(LISTED, "bl.test"), "A"), (reverse(HARMLESS, "bl.test"), "A")], "each once"
        assert await status(HARMLESS, request("/login")) == 429, "a chain asks when the rest of it fits"
        assert program.event(client=LISTED)["rules"][0]["message"] == "listed"

    asyncio.run(with_lists(tmp_path, steps))


def test_the_body_that_came_meanwhile_is_judged(tmp_path: Path) -> None:
    async def steps(program: Guarded, server: DnsServer) -> None:
        attack = request(body=b"q=" + b"1' union select password from users--")
        assert (await send(program.address, attack, "127.0.9.4")).status == 403
        large = request(body=b"q=" + b"a" * 100_000)
        assert (await send(program.address, large, "127.0.9.5")).status == 200

    asyncio.run(with_lists(tmp_path, steps))


def test_other_values_count_from_the_next_request_on(tmp_path: Path) -> None:
    async def steps(program: Guarded, server: DnsServer) -> None:
        statuses = []
        end = time.monotonic() + 30
        while statuses[-1:] != [451] and time.monotonic() < end:
            statuses.append((await send(program.address, request(body=b"site=evil.test"), HARMLESS)).status)
        assert statuses[0] == 200
        assert statuses[-1] == 451

    asyncio.run(with_lists(tmp_path, steps))


@pytest.mark.parametrize("answer", ["silence", "SERVFAIL", "refusal"])
@unless_stalled
def test_a_list_that_does_not_answer_costs_a_bounded_wait_once(tmp_path: Path, answer: str) -> None:
    async def steps(program: Guarded, server: DnsServer) -> None:
        if answer == "silence":
            server.datagram_received = lambda data, addr: None  # type: ignore[method-assign]
        elif answer == "SERVFAIL":
            server.broken.add("A")
        else:
            server.zone[reverse(SILENT, "bl.test"), "A"] = (60, ["127.255.255.254"])
        times = []
        for _ in range(2):
            began = time.monotonic()
            assert (await send(program.address, request(), SILENT)).status == 200
            times.append(time.monotonic() - began)
        assert times[0] < 5, "it waits half a second at most, and the machine is busy"
        await asyncio.to_thread(program.wait_said, "@rbl: ")

    asyncio.run(with_lists(tmp_path, steps))


def test_names_that_requests_bring_push_no_client_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocklists, "MAX_NAMES", 4)
    client = reverse(LISTED, "bl.test")

    async def main() -> None:
        async with dns_server() as server:
            server.zone[client, "A"] = (60, ["127.0.0.2"])
            lists = BlockLists(parse_address(server.address))
            lists.open(asyncio.get_running_loop())
            here = asyncio.Event()
            assert lists.wait([client], here.set)
            await here.wait()
            names = [f"n{number}.names.test" for number in range(12)]
            for name in names:
                assert lists.look_up(name) is None
            asked = {(name, "A") for name in names}
            await asyncio.to_thread(wait_for, lambda: asked <= set(server.queries), "all questions")
            assert lists.knows(client)
            assert lists.look_up(client) == "127.0.0.2"
            lists.close()

    asyncio.run(main())
