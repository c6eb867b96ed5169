"""Header fields of responses through the running proxy: taken out, mended or refused, and told of in events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.support.reflector import origin, read_request
from tests.waf.wire.world import Guarded, guarded, send

SAID = (
    b"content-type: text/html\r\nx-debug-token: a1b2\r\nx-debug-token-link: /_profiler/a1b2\r\nx-app: PHP/8.1.2\r\n"
    b"x-node: 10.1.2.3\r\nlocation: http://10.1.2.3:8080/next?a=1\r\nset-cookie: PHPSESSID=abc; path=/\r\nx-kept: 1\r\n"
    b"server: nginx/1.22\r\nx-php-version: 8.1\r\n"
)


def run(test: Callable[[Guarded], Awaitable[None]], route: dict[str, Any] | None = None, **waf: Any) -> None:
    """Run a test with a Bascule before an origin that says `SAID`, or what a parameter `lang` writes into its head."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            method, target, _ = await read_request(reader)
            fields = SAID
            if target == b"/hidden":
                fields = b"server: nginx/1.22.1\r\nx-powered-by: PHP/8.1.2\r\nx-own: PHP/8.1.2\r\n"
            if b"?lang=" in target:
                fields = b"x-lang: %b\r\n" % target.partition(b"=")[2].replace(b"%0D%0A", b"\r\n").replace(b"%20", b" ")
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n%b\r\n%b" % (fields, b"" if method == b"HEAD" else b"ok")
            )
            await writer.drain()

    async def main() -> None:
        async with origin(serve) as port:
            with guarded(f"127.0.0.1:{port}", {"mode": "block", **waf}, route) as bascule:
                await test(bascule)

    asyncio.run(main())


def ask(bascule: Guarded, target: bytes = b"/", method: bytes = b"GET", fields: bytes = b"") -> Awaitable[Any]:
    head = b"%b %b HTTP/1.1\r\nhost: shop.example.com\r\nuser-agent: y\r\n%b\r\n" % (method, target, fields)
    return send(bascule.address, head)


def written(bascule: Guarded) -> str:
    return bascule.events_file.read_text() if bascule.events_file.exists() else ""


def test_debuggers_fields_are_taken_out_and_told_once_an_hour() -> None:
    async def test(bascule: Guarded) -> None:
        for method in (b"GET", b"GET", b"HEAD"):
            answer = await ask(bascule, method=method)
            assert answer.status == 200
            assert not any(name.startswith(b"x-debug") for name in answer.headers)
            assert answer.headers[b"x-kept"] == b"1"
            assert answer.headers[b"x-app"] == b"PHP/8.1.2", "versions are for headers: all"
            assert answer.headers[b"location"] == b"http://10.1.2.3:8080/next?a=1"
            assert b"server" not in answer.headers
            assert b"x-php-version" not in answer.headers
        event = await asyncio.to_thread(bascule.event, status=200)
        assert [rule["id"] for rule in event["rules"]] == [716001, 716001]
        assert event["rules"][0]["matched"][0]["variable"] == "RESPONSE_HEADERS:x-debug-token"
        assert event["verdict"] is None
        assert (await asyncio.to_thread(written, bascule)).count('"id":716001') == 2, "not in every response"

    run(test)


def test_all_takes_out_versions_and_inner_addresses_and_tells_of_cookies() -> None:
    async def test(bascule: Guarded) -> None:
        answer = await ask(bascule)
        assert answer.status == 200
        assert not {b"x-app", b"x-node", b"x-debug-token"} & set(answer.headers)
        assert answer.headers[b"location"] == b"/next?a=1"
        assert answer.headers[b"set-cookie"] == b"PHPSESSID=abc; path=/", "not over HTTPS: left as it is"
        told = {rule["id"] for rule in (await asyncio.to_thread(bascule.event, status=200))["rules"]}
        assert told == {716001, 716002, 716003}

    run(test, response={"headers": "all"})


def test_over_https_a_sessions_cookie_is_mended_where_the_answer_says_so() -> None:
    async def test(bascule: Guarded) -> None:
        answer = await ask(bascule, fields=b"x-forwarded-proto: https\r\nx-forwarded-for: 192.0.2.9\r\n")
        assert answer.headers[b"set-cookie"] == b"PHPSESSID=abc; path=/; Secure; HttpOnly"
        event = await asyncio.to_thread(bascule.event, status=200)
        (fired,) = [rule for rule in event["rules"] if rule["id"] == 716005]
        assert fired["matched"][0]["value"] == "***", "events show no cookies"
        assert {"CWE-614", "CWE-1004"} <= set(fired["tags"])

    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n%b\r\nok" % SAID)

        waf = {"mode": "block", "response": {"headers": "all"}, "answers": {"weak-cookie": "neutralise"}}
        async with origin(serve) as port:
            with guarded(f"127.0.0.1:{port}", waf, trusted_proxies=["127.0.0.0/8"]) as bascule:
                await test(bascule)

    asyncio.run(main())


def test_answers_refuse_or_log_and_exclusions_hold() -> None:
    async def test(bascule: Guarded) -> None:
        answer = await ask(bascule)
        assert answer.status == 403
        assert b"x-debug-token" not in answer.headers
        event = await asyncio.to_thread(bascule.event, reference=answer.headers[b"x-bascule-ref"].decode())
        assert event["verdict"]["rule"] == 716002
        assert event["verdict"]["enforced"]
        answer = await ask(bascule, b"/debug/x")
        assert answer.status == 200
        assert answer.headers[b"x-app"] == b"PHP/8.1.2"
        assert answer.headers[b"x-debug-token"] == b"a1b2", "only logged"

    excluded = {"rules": [716002], "path": "/debug", "owner": "ann", "reason": "for developers"}
    run(
        test,
        response={"headers": "all"},
        answers={"version-in-field": "block", "debug-field": "log"},
        exclusions=[excluded],
    )


def test_what_no_client_sees_anyway_is_not_held_against_a_response() -> None:
    async def test(bascule: Guarded) -> None:
        answer = await ask(bascule, b"/hidden")
        assert answer.status == 200
        assert not {b"server", b"x-powered-by", b"x-own"} & set(answer.headers)
        assert (await ask(bascule)).status == 403

    run(
        test,
        {"headers": {"response": {"remove": ["X-Own"]}}},
        response={"headers": "all"},
        answers={"version-in-field": "block"},
    )


def test_a_field_that_a_parameter_wrote_is_refused() -> None:
    split = b"/?lang=en%0D%0ASet-Cookie:%20sid=evil"

    async def test(bascule: Guarded) -> None:
        answer = await ask(bascule, split)
        assert answer.status == 403
        assert b"set-cookie" not in answer.headers
        event = await asyncio.to_thread(bascule.event, status=403)
        assert event["verdict"]["rule"] == 716004
        assert (await ask(bascule, b"/?lang=en")).status == 200

    # The learned rules would refuse the request: here they only tell.
    run(test, answers={"http": "log"})


def test_detect_and_off_change_nothing() -> None:
    async def detect(bascule: Guarded) -> None:
        answer = await ask(bascule)
        assert answer.headers[b"x-debug-token"] == b"a1b2"
        assert {rule["id"] for rule in (await asyncio.to_thread(bascule.event, status=200))["rules"]} >= {
            716001,
            716002,
        }

    async def off(bascule: Guarded) -> None:
        answer = await ask(bascule)
        assert answer.headers[b"x-debug-token"] == b"a1b2"
        assert "716001" not in await asyncio.to_thread(written, bascule)

    run(detect, mode="detect", response={"headers": "all"})
    run(detect, preset="detect-only", response={"headers": "all"})
    run(off, response={"headers": "off"})
