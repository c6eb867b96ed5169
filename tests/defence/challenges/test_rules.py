"""Rules of the firewall that are answered with a challenge (`waf.answers`)."""

from __future__ import annotations

import json
from typing import Any

from bascule.defence.challenges.pages import ENDPOINT
from bascule.defence.challenges.proof import BITS
from tests.defence.challenges.test_challenged import KEY, ask, cookies_of, ticket_of
from tests.defence.support import solve
from tests.support.browser import browser
from tests.support.origins import Origin
from tests.support.program import Bascule, wait_for

FOUND = "/?q=casino"
OTHER = "/?q=darn"


def config(origin: Origin) -> dict[str, Any]:
    filters = {"words": ["casino"], "patterns": [{"name": "darn", "pattern": "darn"}]}
    challenge = {"difficulty": "light", "level": "off", "under_attack": "proof", "tokens": {"x-api-key": [KEY]}}

    def site(**more: Any) -> dict[str, Any]:
        return {"challenge": {**challenge, **more}, "routes": {"/": [f"127.0.0.1:{origin.port}"]}}

    return {
        "events": {"path": "events.jsonl"},
        "defence": {"allow": ["127.0.9.0/24"]},
        "waf": {"mode": "block", "filters": filters, "answers": {"input-content": "challenge"}},
        "sites": {
            "proof.test": site(),
            "cookie.test": site(under_attack="cookie"),
            "detect.test": site(mode="detect"),
            "open.test": site(others="pass", exempt=["/"]),
            "127.0.0.1": site(),
        },
    }


def test_who_breaks_the_rule_is_challenged_and_passes_with_the_pass(bascule: Bascule, origin: Origin) -> None:
    assert ask(bascule, "proof.test").status == 200, "the rule is not broken"
    seen = len(origin.seen)
    found = f"{FOUND}&once"
    page = ask(bascule, "proof.test", found)
    assert (page.status, b"data-ticket" in page.body, len(origin.seen)) == (403, True, seen)
    answer = solve(ticket_of(page).encode(), BITS["light"]).decode()
    target = f"{ENDPOINT.decode()}?t={ticket_of(page)}&a={answer}"
    cookies = cookies_of(ask(bascule, "proof.test", target, cookies=cookies_of(page)))
    assert ask(bascule, "proof.test", found, cookies=cookies).status == 200
    assert ask(bascule, "proof.test", found, cookies=cookies, source="127.0.3.1").status == 403, "somebody else's"
    assert ask(bascule, "proof.test", OTHER, cookies=cookies).status == 403, "a rule that refuses does so"

    def events() -> list[dict[str, Any]]:
        lines = (bascule.folder / "events.jsonl").read_text().splitlines()
        told = [event for event in map(json.loads, lines) if event["target"] == found]
        return told if len(told) == 3 else []

    first, second, _ = wait_for(events, "the events")
    assert (first["verdict"]["action"], first["reference"]) == ("challenge", page["x-bascule-ref"])
    assert (second["verdict"], "passed its challenge before" in second["notes"][0]) == (None, True)


def test_a_body_is_challenged_too(bascule: Bascule) -> None:
    form = {"method": "POST", "body": b"q=casino", "Content_Type": "application/x-www-form-urlencoded"}
    first = ask(bascule, "cookie.test", "/form", **form)
    assert first.status == 307
    second = ask(bascule, "cookie.test", first["location"] or "", cookies=cookies_of(first), **form)
    assert (second.status, second["location"]) == (307, "/form")
    assert ask(bascule, "cookie.test", "/form", cookies=cookies_of(second), **form).status == 200
    kept = ask(bascule, "cookie.test", "/form", **form)
    assert (kept.status, kept["connection"]) == (307, None)


def test_what_can_be_shown_no_page_is_refused(bascule: Bascule) -> None:
    for host in ("proof.test", "open.test"):
        refused = ask(bascule, host, FOUND, Accept="*/*")
        assert (refused.status, b"data-ticket" in refused.body, bool(refused["x-bascule-ref"])) == (403, False, True)
    assert ask(bascule, "open.test", FOUND).status == 403, "no path is exempt of a rule"


def test_whom_no_rule_challenges(bascule: Bascule) -> None:
    assert ask(bascule, "proof.test", FOUND, x_api_key=KEY).status == 200
    assert ask(bascule, "proof.test", FOUND, source="127.0.9.1").status == 200
    assert ask(bascule, "detect.test", FOUND).status == 200


def test_chromium_passes(bascule: Bascule) -> None:
    with browser() as tab:
        tab.open(f"http://127.0.0.1:{bascule.port}{FOUND}")
        assert tab.shows("start"), tab.evaluate("document.body.innerText")
