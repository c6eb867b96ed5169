"""What the firewall decided."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision that ends the exchange. `message` is for events, never for the client.

    `action` is "block", "redirect" (with `location`), "page" (with `page`, HTML), "tarpit" (a block that comes `delay`
    seconds late), "drop" (close without an answer), "challenge" (a block for who did not pass it before) or "allow".
    """

    action: str
    status: int
    rule_id: int
    message: bytes = b""
    location: bytes = b""
    phase: int = 0
    page: bytes = b""
    delay: float = 0.0
    page_type: bytes = b"text/html; charset=utf-8"
