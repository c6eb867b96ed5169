"""Ways out without a program around them: names, addresses, kept connections, safe search."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from bascule.config.schema import Forward
from bascule.forward.egress import Egress, address_of
from bascule.forward.resolver import ResolveError, Resolver, _interleaved
from bascule.forward.safesearch import reached_as
from bascule.forward.target import Target
from bascule.http.h1.head import ResponseParser
from bascule.telemetry import causes
from bascule.tls.client import destination_context
from bascule.upstream.connection import OriginConnection


class Names(Resolver):
    """A resolver that knows what it is told, and remembers what it was asked."""

    def __init__(self, **known: tuple[str, ...]) -> None:
        self.told = known
        self.asked: list[str] = []

    def known(self, host: str) -> tuple[str, ...] | None:
        return ("127.0.0.1",) if host == "remembered" else None

    async def resolve(self, host: str) -> tuple[str, ...]:
        self.asked.append(host)
        if host not in self.told:
            raise ResolveError(host)
        return self.told[host]


async def dial(
    egress: Egress, target: Target, name: str, judge: Callable[[str], str] = lambda address: ""
) -> tuple[OriginConnection | None, str]:
    answer: asyncio.Future[tuple[OriginConnection | None, str]] = asyncio.get_running_loop().create_future()
    egress.dial(target, name, judge, 2.0, lambda connection, cause: answer.set_result((connection, cause)))
    assert not answer.done(), "nobody knows yet what was dialled"
    return await answer


def run(test: Callable[[Names, Egress, int], object], **known: tuple[str, ...]) -> None:
    """Run a test with an egress that keeps two connections, and the port of a server."""

    async def main() -> None:
        served: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            served.add(asyncio.current_task())  # type: ignore[arg-type]
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        names = Names(**known)
        egress = Egress(ResponseParser(), names, asyncio.get_running_loop(), 2, 10.0, destination_context())
        done = test(names, egress, server.sockets[0].getsockname()[1])
        assert asyncio.iscoroutine(done)
        await done
        egress.close()
        server.close()
        await asyncio.wait(served)

    asyncio.run(main())


def test_every_address_is_judged_and_the_first_that_may_be_dialled_is() -> None:
    async def test(names: Names, egress: Egress, port: int) -> None:
        judged: list[str] = []

        def judge(address: str) -> str:
            judged.append(address)
            return causes.EGRESS_PRIVATE if address.startswith("10.") else ""

        connection, cause = await dial(egress, Target("a.example", port), "a", judge)
        assert connection is not None
        assert (address_of(connection), cause, judged) == ("127.0.0.1", "", ["10.0.0.1", "127.0.0.1"])
        connection.close()
        refused = await dial(egress, Target("b.example", port), "b", judge)
        assert refused == (None, causes.EGRESS_PRIVATE)
        assert await dial(egress, Target("c.example", port), "c", judge) == (None, causes.DNS_FAILED)
        assert await dial(egress, Target("a.example", 1), "b2", judge) == (None, causes.CONNECT_FAILED)
        assert await dial(egress, Target("127.0.0.1", 1, "127.0.0.1"), "", judge) == (None, causes.CONNECT_FAILED)
        assert names.asked == ["a", "b", "c", "b2"]  # an address is not asked for

    run(test, a=("10.0.0.1", "127.0.0.1"), b=("10.0.0.1", "10.0.0.2"), b2=("127.0.0.1", "10.0.0.1"))


def test_an_only_address_is_dialled_at_once_and_can_be_given_up() -> None:
    async def test(names: Names, egress: Egress, port: int) -> None:
        called: list[object] = []
        one, nobody = Target("127.0.0.1", port, "127.0.0.1"), Target("127.0.0.1", 1, "127.0.0.1")
        refused_at_once = Target("255.255.255.255", 1, "255.255.255.255")
        for target, judge in ((nobody, ""), (nobody, causes.EGRESS_LOOP), (refused_at_once, "")):
            egress.dial(target, "", lambda _, cause=judge: cause, 2.0, lambda *told: called.append(told)).cancel()
        assert await dial(egress, refused_at_once, "") == (None, causes.CONNECT_FAILED)
        for target, name in ((one, ""), (Target("a.example", port), "remembered")):
            connection, cause = await dial(egress, target, name)
            assert connection is not None
            assert not cause
            connection.close()
        assert await dial(egress, one, "", lambda address: causes.EGRESS_LOOP) == (None, causes.EGRESS_LOOP)
        assert await dial(egress, nobody, "") == (None, causes.CONNECT_FAILED)
        assert not called
        assert not names.asked

    run(test)


def test_kept_connections_are_bounded_and_judged_again() -> None:
    async def test(names: Names, egress: Egress, port: int) -> None:
        targets = [Target(f"{name}.example", port) for name in "abc"]
        for target in targets:
            connection, _ = await dial(egress, target, "a")
            assert connection is not None
            connection.keep = True
            connection.release(100.0)
        assert egress.kept(targets[0], lambda address: "", 100.0) is None  # the oldest had to go
        assert egress.kept(targets[1], lambda address: causes.EGRESS_PRIVATE, 100.0) is None
        assert egress.kept(targets[1], lambda address: "", 100.0) is None
        kept = egress.kept(targets[2], lambda address: "", 100.0)
        assert kept is not None
        kept.release(100.0)
        egress.prune(105.0)
        egress.prune(111.0)
        assert egress.kept(targets[2], lambda address: "", 111.0) is None

    run(test, a=("127.0.0.1",))


def test_addresses_of_both_families_take_turns() -> None:
    assert _interleaved(["::1", "::2", "::3", "1.1.1.1", "::1"]) == ("::1", "1.1.1.1", "::2", "::3")
    assert _interleaved(["1.1.1.1", "::1", "2.2.2.2"]) == ("1.1.1.1", "::1", "2.2.2.2")


def test_answers_are_remembered_and_asked_for_once() -> None:
    async def main() -> None:
        now = [0.0]
        resolver = Resolver(asyncio.get_running_loop(), lambda: now[0])
        first, second = await asyncio.gather(resolver.resolve("localhost"), resolver.resolve("localhost"))
        assert first == second
        assert first[0] in ("127.0.0.1", "::1")
        assert resolver.known("localhost") == first
        now[0] = 31.0
        assert resolver.known("localhost") is None
        with pytest.raises(ResolveError):
            await resolver.resolve("no-such-name.invalid")
        assert resolver.known("no-such-name.invalid") == ()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("host", "search", "youtube"),
    [
        ("www.google.com", "forcesafesearch.google.com", ""),
        ("google.co.uk", "forcesafesearch.google.com", ""),
        ("www.google.com.au", "forcesafesearch.google.com", ""),
        ("mail.google.com", "", ""),
        ("notgoogle.com", "", ""),
        ("www.bing.com", "strict.bing.com", ""),
        ("duckduckgo.com", "safe.duckduckgo.com", ""),
        ("www.youtube.com", "", "restrict.youtube.com"),
        ("a.example", "", ""),
    ],
)
def test_safe_search(host: str, search: str, youtube: str) -> None:
    assert reached_as(Forward.model_validate({"listen": [1]}), host) == host
    assert reached_as(Forward.model_validate({"listen": [1], "safe_search": True}), host) == (search or host)
    assert reached_as(Forward.model_validate({"listen": [1], "youtube": "strict"}), host) == (youtube or host)
