"""Cross-site scripting, judged by a browser: what the firewall lets through must not run.

The page echoes what it is sent wherever pages put such things, so that an attack for any of these places would work.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from urllib.parse import quote

import pytest

from tests.support.browser import PATIENCE, browser
from tests.support.shared import shared_dir
from tests.waf.attackers.vulnerable import vulnerable
from tests.waf.wire.world import guarded, send

PAYLOADS = 400
AT_ONCE = 16


def payloads() -> list[str]:
    """Texts of the cross-site scripting cases that nothing was learned from."""
    found = set()
    folder = shared_dir("corpora", "devtest")
    with gzip.open(folder / "waftester.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["set"].lower() == "xss" and row["expect"] == "block":
                found.add(row["text"])
    for line in (folder / "gotestwaf.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        if "xss" in row["case"]:
            found.add(row["payload"])
    return random.Random(1).sample(sorted(found), min(PAYLOADS, len(found)))


def test_the_page_runs_what_it_is_sent_without_a_firewall() -> None:
    attacks = ["<script>alert(1)</script>", "'-alert(1)-'", '" onfocus=alert(1) x="', "javascript:alert(1)"]
    with vulnerable() as (_, port), browser() as tab:
        for attack in attacks:
            assert tab.runs_script(f"http://127.0.0.1:{port}/echo?text={quote(attack)}", PATIENCE), attack
        assert not tab.runs_script(f"http://127.0.0.1:{port}/echo?text=harmless")


async def passed(address: tuple[str, int], texts: list[str]) -> list[str]:
    """Return the texts that the firewall lets through."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(text: str) -> bool:
        async with gate:
            target = f"/echo?text={quote(text, safe='')}".encode()
            answer = await send(address, b"GET " + target + b" HTTP/1.1\r\nHost: a.test\r\n\r\n")
            return answer.status == 200

    verdicts = await asyncio.gather(*map(one, texts))
    return [text for text, through in zip(texts, verdicts, strict=True) if through]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_that_passes_runs() -> None:
    texts = payloads()
    with vulnerable() as (_, port), guarded(f"127.0.0.1:{port}", {"mode": "block"}) as bascule:
        through = asyncio.run(passed(bascule.address, texts))
        assert len(through) < len(texts) / 10
        with browser() as tab:
            url = f"http://{bascule.address[0]}:{bascule.address[1]}/echo?text="
            ran = [text for text in through if tab.runs_script(url + quote(text, safe=""))]
    assert not ran, f"{len(ran)} of {len(texts)}"
