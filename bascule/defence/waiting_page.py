"""The page of a waiting room: it tells a visitor's place in words, and asks again by itself, without any script."""

from __future__ import annotations

import secrets
from typing import Final

from bascule.defence.challenges.pages import Page
from bascule.http.pages import frame

_FRAME: Final = frame(
    "Waiting room",
    """<h1>There are many visitors at the moment</h1>
<p role="status"><strong>{place}</strong></p>
<p>Leave this page open: it keeps your place, asks again every {refresh} seconds, and goes on by itself when it is your
turn. Visitors come in in the order in which they came.</p>
<footer><p>Reference: <code>{ref}</code></p></footer>""",
    head='<meta http-equiv="refresh" content="{refresh}">\n',
    nonce="{nonce}",
)
_FULL: Final = "Even the queue is full at the moment. This page tries again by itself."
_LONGEST: Final = 7200
"""Seconds beyond which the wait is only said to be long."""


def render(refresh: int, ahead: int | None, seconds: int, ref: str) -> Page:
    """Return the page; `ahead` is how many visitors come first, None where there is no place to wait, `seconds` for how
    long that is at least."""
    if ahead is None:
        place = _FULL
    elif ahead == 0:
        place = "You are the next to come in."
    else:
        place = (
            f"{'About ' if ahead > 100 else ''}{ahead:,} {'visitor is' if ahead == 1 else 'visitors are'} before you."
        )
        place += f" {_time(seconds)}"
    nonce = secrets.token_urlsafe(16)
    text = _FRAME.replace("{refresh}", str(refresh)).replace("{place}", place).replace("{nonce}", nonce)
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )
    return Page(text.replace("{ref}", ref).encode(), policy.encode())


def _time(seconds: int) -> str:
    if seconds > _LONGEST:
        return "It takes some hours."
    minutes = max(1, round(seconds / 60))
    return f"It takes at least {minutes} minute{'s' if minutes > 1 else ''}." if seconds >= 30 else ""
