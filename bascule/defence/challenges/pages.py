"""The pages of challenges: one frame, and what is in it for each rung. Strict CSP; nothing comes from anywhere else."""

from __future__ import annotations

import html
import secrets
from dataclasses import dataclass
from importlib.resources import files
from typing import Final
from urllib.parse import urlsplit

from bascule.config.challenge import Captcha
from bascule.defence.challenges.proof import PUZZLES
from bascule.http.pages import frame

ENDPOINT: Final = b"/.bascule/challenge"
"""Where answers go, at every site that asks."""
WAIT: Final = 3
"""Seconds after which a page of the rung ``refresh`` goes on."""
_FRAME: Final = frame(
    "One moment",
    """<h1>One moment, please</h1>
<p>This site is checking that its visitors are people with browsers. Nothing is installed, and nobody else is asked.</p>
{body}
{posted}
<footer><p>Reference: <code>{ref}</code></p></footer>""",
    head="{head}\n",
    nonce="{nonce}",
)
_SCRIPT: Final = files(__package__).joinpath("proof.js").read_text("utf-8")
_POSTED: Final = (
    """<p>What you sent did not arrive yet. After this you are back where you wrote it: send it again then.</p>"""
)
_REFRESH: Final = """<p role="status">The page goes on by itself in a few seconds.</p>
<p><a href="{link}">Go on</a>, if it does not after ten.</p>"""
_PROOF: Final = """<p id="state" role="status" data-done="Done. The page goes on."
 data-failed="That did not work. Allow cookies for this site and reload the page; if that does not help, pass on the
 reference.">Your browser computes for a moment, then the page goes on by itself.</p>
<progress id="work" max="{puzzles}" value="0" aria-label="Progress of the check"></progress>
<noscript><p>This check needs JavaScript. Allow it for this site and reload the page; if you cannot, pass on the
reference below to the people of this site.</p></noscript>
<script nonce="{nonce}" data-ticket="{ticket}" data-endpoint="{endpoint}" data-puzzles="{puzzles}" data-bits="{bits}"
 data-posted="{was_posted}">
{script}</script>"""
_CAPTCHA: Final = """<form action="{endpoint}" method="get">
<input type="hidden" name="t" value="{ticket}">
<input type="hidden" name="to" value="{to}">
<div class="{widget}" data-sitekey="{key}"></div>
<p><button type="submit">Go on</button></p>
</form>
<noscript><p>This check needs JavaScript. Allow it for this site and its captcha, and reload the page.</p></noscript>
<script nonce="{nonce}" src="{source}" async defer></script>"""


@dataclass(frozen=True, slots=True)
class Page:
    """A page, and the value of its Content-Security-Policy."""

    content: bytes
    policy: bytes


def refresh_page(ref: str, link: str, posted: bool) -> Page:
    """Return the page that goes on to `link` by itself, without any script."""
    safe = html.escape(link)
    head = f'<meta http-equiv="refresh" content="{WAIT};url={safe}">'
    return _page(ref, posted, head, _REFRESH.replace("{link}", safe), "")


def proof_page(ref: str, ticket: str, bits: int, posted: bool) -> Page:
    """Return the page that computes."""
    body = (
        _PROOF.replace("{ticket}", ticket)
        .replace("{endpoint}", ENDPOINT.decode())
        .replace("{puzzles}", str(PUZZLES))
        .replace("{bits}", str(bits))
        .replace("{was_posted}", "1" if posted else "")
        .replace("{script}", _SCRIPT)
    )
    return _page(ref, posted, "", body, "script-src 'nonce-{nonce}'; connect-src 'self'; ")


def captcha_page(ref: str, ticket: str, captcha: Captcha, to: str, posted: bool) -> Page:
    """Return the page with the provider's element; `to` is where it goes on."""
    script = urlsplit(captcha.script)
    sources = " ".join((f"{script.scheme}://{script.netloc}", *captcha.sources))
    body = (
        _CAPTCHA.replace("{endpoint}", ENDPOINT.decode())
        .replace("{ticket}", ticket)
        .replace("{widget}", captcha.widget)
        .replace("{key}", html.escape(captcha.site_key))
        .replace("{source}", html.escape(captcha.script))
        .replace("{to}", html.escape(to))
    )
    policy = (
        f"script-src 'nonce-{{nonce}}' 'strict-dynamic'; connect-src {sources}; frame-src {sources}; "
        f"style-src 'nonce-{{nonce}}' {sources}; img-src {sources}; "
    )
    return _page(ref, posted, "", body, policy)


def _page(ref: str, posted: bool, head: str, body: str, policy: str) -> Page:
    nonce = secrets.token_urlsafe(16)
    text = (
        _FRAME.replace("{head}", head)
        .replace("{posted}", _POSTED if posted else "")
        .replace("{ref}", ref)
        .replace("{body}", body)
        .replace("{nonce}", nonce)
    )
    styles = "" if "style-src" in policy else "style-src 'nonce-{nonce}'; "
    whole = f"default-src 'none'; {policy}{styles}form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    return Page(text.encode(), whole.replace("{nonce}", nonce).encode())
