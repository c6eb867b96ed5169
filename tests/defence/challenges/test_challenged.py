"""Challenges on the wire: who is asked, who is not, what an answer is worth, and to whom."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bascule.defence.challenges.pages import ENDPOINT
from bascule.defence.challenges.proof import BITS
from tests.defence.support import solve
from tests.support.clients import Message, connect
from tests.support.command import tell
from tests.support.origins import Origin
from tests.support.pace import unless_stalled
from tests.support.program import Bascule, wait_for

BROWSER = {"User-Agent": "Mozilla/5.0", "Accept": "text/html,*/*;q=0.8"}
KEY = "0123456789abcdef"


def config(origin: Origin) -> dict[str, Any]:
    def site(**challenge: Any) -> dict[str, Any]:
        return {"challenge": {"difficulty": "light", **challenge}, "routes": {"/": [f"127.0.0.1:{origin.port}"]}}

    api = {"servers": [f"127.0.0.1:{origin.port}"], "challenge": "off"}
    cookie = site(level="cookie", tokens={"x-api-key": [KEY]})
    cookie["routes"]["/api/"] = api
    return {
        "workers": 2,
        "events": {"path": "events.jsonl"},
        "defence": {"allow": ["127.0.9.0/24"]},
        "sites": {
            "cookie.test": cookie,
            "refresh.test": site(level="refresh"),
            "proof.test": site(level="proof"),
            "auto.test": site(under_attack="cookie"),
            "detect.test": site(level="proof", mode="detect"),
            "open.test": site(level="proof", others="pass"),
        },
    }


def ask(bascule: Bascule, host: str, target: str = "/", source: str = "127.0.0.1", method: str = "GET",
        cookies: dict[str, str] | None = None, body: bytes = b"", **fields: str) -> Message:  # fmt: skip
    """Ask as a browser does; a field given as empty is left out."""
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    lines = {"Host": host, **BROWSER, **named}
    if cookies:
        lines["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    if body:
        lines["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    with connect(bascule.port, source) as wire:
        wire.send(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body)
        return wire.response(method)


def cookies_of(message: Message) -> dict[str, str]:
    pairs = [value.split(";")[0].partition("=") for value in message.values("set-cookie")]
    return {name: value for name, _, value in pairs}


def ticket_of(message: Message) -> str:
    if location := message["location"]:
        return parse_qs(urlsplit(location).query)["t"][0]
    text = message.body.decode()
    return text.split('data-ticket="' if "data-ticket" in text else "?t=")[1][:40]


def passed(bascule: Bascule, host: str, **asked: Any) -> dict[str, str]:
    """Pass the challenge of a site and return the cookies."""
    first = ask(bascule, host, **asked)
    answer = solve(ticket_of(first).encode(), BITS["light"]).decode() if host == "proof.test" else ""
    target = f"{ENDPOINT.decode()}?t={ticket_of(first)}&a={answer}"
    done = ask(bascule, host, target, **{**asked, "cookies": cookies_of(first)})
    assert done.status == 204, done.body
    return cookies_of(done)


def test_cookie_check(bascule: Bascule, origin: Origin) -> None:
    first = ask(bascule, "cookie.test", "/a?b=c&d")
    assert (first.status, first["cache-control"]) == (307, "no-store")
    assert not origin.seen
    second = ask(bascule, "cookie.test", first["location"] or "", cookies=cookies_of(first))
    assert (second.status, second["location"]) == (307, "/a?b=c&d")
    assert ask(bascule, "cookie.test", "/a?b=c&d", cookies=cookies_of(second)).status == 200
    assert "SameSite=Lax" in second.values("set-cookie")[0]


def test_who_keeps_no_cookies_is_told(bascule: Bascule) -> None:
    first = ask(bascule, "cookie.test")
    second = ask(bascule, "cookie.test", first["location"] or "")
    assert (second.status, bool(second["x-bascule-ref"])) == (403, True)
    assert b"needs cookies" in second.body


def test_a_redirect_keeps_what_was_posted(bascule: Bascule, origin: Origin) -> None:
    first = ask(bascule, "cookie.test", "/form", method="POST", body=b"a=1")
    second = ask(bascule, "cookie.test", first["location"] or "", method="POST", body=b"a=1", cookies=cookies_of(first))
    assert (first.status, second.status, second["location"]) == (307, 307, "/form")


def test_refresh(bascule: Bascule) -> None:
    page = ask(bascule, "refresh.test", "/a'\"<b>&c")
    assert (page.status, b"<script" in page.body) == (403, False)
    assert "default-src 'none'" in (page["content-security-policy"] or "")
    assert b"<b>" not in page.body
    target = f"{ENDPOINT.decode()}?t={ticket_of(page)}&to=/x"
    early = ask(bascule, "refresh.test", target, cookies=cookies_of(page))
    assert (early.status, b"too early" in early.body) == (403, True)
    done = wait_for(
        lambda: (m := ask(bascule, "refresh.test", target, cookies=cookies_of(page))).status == 303 and m, "time"
    )
    assert ask(bascule, "refresh.test", cookies=cookies_of(done)).status == 200


def test_proof(bascule: Bascule) -> None:
    page = ask(bascule, "proof.test")
    assert (page.status, b"<noscript>" in page.body) == (403, True)
    policy = page["content-security-policy"] or ""
    nonce = policy.split("script-src 'nonce-")[1].split("'")[0]
    assert f'<script nonce="{nonce}"' in page.body.decode()
    assert "unsafe" not in policy
    ticket = ticket_of(page)
    wrong = ask(bascule, "proof.test", f"{ENDPOINT.decode()}?t={ticket}&a=1.2.3", cookies=cookies_of(page))
    assert (wrong.status, b"proof of work is wrong" in wrong.body) == (403, True)
    answer = solve(ticket.encode(), BITS["light"]).decode()
    target = f"{ENDPOINT.decode()}?t={ticket}&a={answer}"
    done = ask(bascule, "proof.test", target, cookies=cookies_of(page))
    assert ask(bascule, "proof.test", cookies=cookies_of(done)).status == 200
    again = [ask(bascule, "proof.test", target, cookies=cookies_of(page)) for _ in range(4)]
    assert {message.status for message in again} == {403}, "at any worker"
    assert b"was used before" in again[0].body


def test_answers_are_not_in_the_access_log(origin: Origin) -> None:
    with Bascule({**config(origin), "access_log": {"path": "access.log"}, "limit": "4/h"}) as bascule:
        page = ask(bascule, "proof.test", "/?t=told")
        target = f"{ENDPOINT.decode()}?t={ticket_of(page)}&a={solve(ticket_of(page).encode(), BITS['light']).decode()}"
        statuses = [ask(bascule, "proof.test", target, cookies=cookies_of(page)).status for _ in range(4)]
        assert statuses == [204, 403, 403, 429]
        log = bascule.folder / "access.log"
        lines = wait_for(lambda: len(found := log.read_text().splitlines()) == 5 and found, "the log")
    own = [line for line in lines if ENDPOINT.decode() in line]
    assert len(own) == 4, "the other is of the page"
    assert not any("?" in line or ticket_of(page) in line for line in own)


def test_a_pass_is_its_clients_and_its_sites(bascule: Bascule) -> None:
    cookies = passed(bascule, "proof.test", source="127.0.1.1")
    assert ask(bascule, "proof.test", source="127.0.1.1", cookies=cookies).status == 200
    assert ask(bascule, "proof.test", source="127.0.1.2", cookies=cookies).status == 403
    assert ask(bascule, "proof.test", source="127.0.1.1", cookies=cookies, User_Agent="Other").status == 403
    assert ask(bascule, "refresh.test", source="127.0.1.1", cookies=cookies).status == 403
    lower = passed(bascule, "cookie.test", source="127.0.1.1")
    assert ask(bascule, "proof.test", source="127.0.1.1", cookies=lower).status == 403


def test_nobody_is_sent_elsewhere(bascule: Bascule) -> None:
    for place in ("//evil.test/", "https://evil.test/", "/\\evil.test", "/%09/evil.test", "evil", "/%0d%0aX:y", "/%ff"):
        first = ask(bascule, "cookie.test")
        target = f"{ENDPOINT.decode()}?t={ticket_of(first)}&to={place}"
        second = ask(bascule, "cookie.test", target, cookies=cookies_of(first))
        assert (second.status, second["location"]) == (307, "/"), place


@pytest.mark.parametrize("query", ["", "?t=x", "?t=" + "A" * 40, "?" + "&".join("abcdefghij"), "?t=" + "%00" * 40])
def test_answers_to_nothing(bascule: Bascule, query: str) -> None:
    message = ask(bascule, "proof.test", ENDPOINT.decode() + query)
    assert (message.status, bool(message["x-bascule-ref"])) == (403, True)


@pytest.mark.parametrize(
    "fields",
    [
        {"Accept": "*/*"},
        {"Accept": ""},
        {"Accept": "application/json"},
        {"Sec_Fetch_Mode": "cors", "Sec_Fetch_Dest": "empty"},
        {"Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "image"},
    ],
)
def test_what_can_show_no_page_is_refused(bascule: Bascule, fields: dict[str, str]) -> None:
    message = ask(bascule, "proof.test", **fields)
    assert (message.status, bool(message["x-bascule-ref"])) == (403, True)
    assert b"Open the site in a browser" in message.body
    assert ask(bascule, "open.test", **fields).status == 200
    cookies = passed(bascule, "proof.test")
    assert ask(bascule, "proof.test", cookies=cookies, **fields).status == 200, "a page's own requests"


def test_whom_nobody_asks(bascule: Bascule) -> None:
    assert ask(bascule, "cookie.test", "/robots.txt").status == 200
    assert ask(bascule, "cookie.test", "/.well-known/acme-challenge/x").status == 200
    assert ask(bascule, "cookie.test", "/api/x").status == 200
    assert ask(bascule, "cookie.test", x_api_key=KEY, Accept="").status == 200
    assert ask(bascule, "cookie.test", x_api_key=KEY[:-1] + "x", Accept="").status == 403
    assert ask(bascule, "cookie.test", source="127.0.9.1").status == 200
    assert ask(bascule, "detect.test").status == 200


def command(bascule: Bascule, *words: str) -> subprocess.CompletedProcess[str]:
    return tell(bascule, "under-attack", *words)


def test_under_attack_by_hand(bascule: Bascule) -> None:
    assert ask(bascule, "auto.test").status == 200
    done = command(bascule, "on", "--site", "auto.test")
    assert "auto.test: under attack, says operator" in done.stdout
    wait_for(lambda: ask(bascule, "auto.test").status == 307, "the attack")
    bascule.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "generation 2" in " ".join(bascule.lines), "the reload")
    assert [ask(bascule, "auto.test").status for _ in range(4)] == [307] * 4, "over a reload"
    assert "auto.test: quiet, says nobody" in command(bascule, "auto").stdout
    wait_for(lambda: ask(bascule, "auto.test").status == 200, "peace")
    assert "no site 'x' has challenges" in command(bascule, "on", "--site", "x").stderr


def test_events_tell_why(bascule: Bascule) -> None:
    reference = ask(bascule, "proof.test", "/told")["x-bascule-ref"]

    def event() -> dict[str, Any] | None:
        lines = (bascule.folder / "events.jsonl").read_text().splitlines()
        return next((e for e in map(json.loads, lines) if e["reference"] == reference), None)

    found = wait_for(event, "the event")
    assert (found["verdict"]["message"], found["notes"]) == ("asked to pass: proof", ["everybody passes it"])


@pytest.fixture
def lasting(tmp_path: Any, origin: Origin) -> dict[str, Any]:
    return {**config(origin), "defence": {"challenge_key": str(tmp_path / "key")}}


def test_a_pass_outlives_workers_and_the_program(lasting: dict[str, Any]) -> None:
    with Bascule(lasting) as bascule:
        cookies = passed(bascule, "proof.test")
        for pid in bascule.children():
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: ask(bascule, "proof.test", cookies=cookies).status == 200, "another worker")
    with Bascule(lasting) as bascule:
        assert ask(bascule, "proof.test", cookies=cookies).status == 200


@unless_stalled
def test_an_attack_is_noticed_and_ends(origin: Origin) -> None:
    attack = {"requests": "20/s", "after": "1s", "until": "2s", "calm": 0.5}
    site = {"challenge": {"under_attack": "cookie"}, "routes": {"/": [f"127.0.0.1:{origin.port}"]}}
    with Bascule({"defence": {"attack": attack}, "sites": {"a.test": site, "b.test": site}}) as bascule:

        def attacked() -> bool:
            return {ask(bascule, "a.test").status for _ in range(20)} == {307}

        wait_for(attacked, "the attack")
        assert ask(bascule, "b.test").status == 200, "another site is not its target"
        assert any("a.test is under attack" in line for line in bascule.lines)
        wait_for(lambda: any("under attack no more" in line for line in bascule.lines), "its end")
        wait_for(lambda: ask(bascule, "a.test").status == 200, "its end at the worker")
