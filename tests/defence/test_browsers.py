"""Browsers that cannot be, and those that are: by hand, and among recorded ones."""

from __future__ import annotations

import gzip
import json

import pytest

from bascule.defence.browsers import contradiction
from tests.support.shared import shared_dir

CHROME = """sec-ch-ua: "Chromium";v="120", "Google Chrome";v="120", "Not?A_Brand";v="99"
sec-ch-ua-mobile: ?0
sec-ch-ua-platform: "Windows"
upgrade-insecure-requests: 1
user-agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36
accept: text/html,application/xhtml+xml
sec-fetch-site: none
sec-fetch-mode: navigate
sec-fetch-dest: document
accept-encoding: gzip, deflate, br
accept-language: en"""
FIREFOX = """user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0
accept: text/html
accept-language: en
accept-encoding: gzip
sec-fetch-dest: document
sec-fetch-mode: navigate"""


def fields(text: str) -> list[tuple[bytes, bytes]]:
    pairs = [line.partition(": ") for line in text.encode().decode().splitlines()]
    return [(name.encode(), value.encode()) for name, _, value in pairs]


def without(text: str, *names: str) -> str:
    return "\n".join(line for line in text.splitlines() if line.partition(":")[0] not in names)


@pytest.mark.parametrize(
    ("text", "secure", "why"),
    [
        (CHROME, True, ""),
        (CHROME, False, ""),
        (FIREFOX, True, ""),
        (without(CHROME, "sec-ch-ua", "sec-fetch-mode"), False, ""),
        (without(CHROME, "sec-ch-ua", "sec-fetch-mode"), True, "Chromium without sec-ch-ua"),
        (without(CHROME, "sec-ch-ua"), False, "Chromium without sec-ch-ua"),
        (without(CHROME, "sec-fetch-mode"), True, "Chromium without sec-fetch-mode"),
        (without(CHROME, "accept-language"), False, "Chromium without accept-language"),
        (CHROME.replace("Chrome/120", "Chrome/119"), True, "Sec-CH-UA and User-Agent name different versions"),
        (CHROME.replace("Windows NT", "X11; Linux"), True, "Sec-CH-UA-Platform and User-Agent name different systems"),
        (CHROME.replace("Chrome/120", "HeadlessChrome/120"), True, "it says itself that it has no window"),
        (without(CHROME, "accept-language") + "x", False, "Chromium without accept-language"),
        ("\n".join(reversed(CHROME.splitlines())), True, "fields in an order that Chromium does not send"),
        (FIREFOX + '\nsec-ch-ua: "Chromium";v="120"', True, "Firefox sends no client hints"),
        (without(FIREFOX, "sec-fetch-mode"), True, "Firefox without Sec-Fetch-Mode"),
        (without(FIREFOX, "sec-fetch-mode"), False, ""),
        ("user-agent: curl/8.0\naccept: text/html", True, ""),  # says what it is
        ("accept: text/html", True, ""),
    ],
)
def test_what_cannot_be(text: str, secure: bool, why: str) -> None:
    assert contradiction(fields(text), secure) == why


def test_recorded_browsers_are_what_they_say() -> None:
    """Navigations of recorded browsers: none may be found."""
    seen = 0
    found = []
    file = shared_dir("corpora", "train") / "benign_requests.jsonl.gz"
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            if '"navigate"' not in line:
                continue
            headers = [(name.lower().encode(), value.encode()) for name, value in json.loads(line)["headers"]]
            values = dict(headers)
            if values.get(b"sec-fetch-mode") == b"navigate" and values.get(b"sec-fetch-dest") != b"empty":
                seen += 1
                if why := contradiction(headers, True):
                    found.append(why)
    assert seen > 3000
    assert not found
