"""Frames of players and maps that pages embed: the one foreign frame that honest authors save day by day."""

from __future__ import annotations

import re

_PLAYER = (
    rb"https://(?:(?:www\.)?youtube(?:-nocookie)?\.com/embed/|player\.vimeo\.com/video/|(?:www\.)?google\.[a-z.]{2,6}/maps/embed"
    rb"|(?:www\.)?openstreetmap\.org/export/embed|open\.spotify\.com/embed|w\.soundcloud\.com/player|(?:www\.)?dailymotion\.com/embed)"
)
_OTHER = rb"\s++(?:width|height|title|name|id|class|style|allow|loading|scrolling|frameborder|referrerpolicy|(?:webkit|moz)?allowfullscreen)(?:=(?:\"[\w .:;%,-]*\"|'[\w .:;%,-]*'|\d+))?"
"""An attribute that can hold no other: no equals sign and no quote in its value."""
_FRAME = re.compile(
    rb"<iframe(?:" + _OTHER + rb"){0,12}\s++src=(?:\"" + _PLAYER + rb"[^\"'`<>\s]*\"|'" + _PLAYER + rb"[^\"'`<>\s]*')"
    rb"(?:" + _OTHER + rb"){0,12}\s*+/?>(?:</iframe>)?",
    re.IGNORECASE,
)


def without_players(text: bytes) -> bytes:
    """Return a text without such frames, and blanks where they stood."""
    return _FRAME.sub(b" ", text) if b"<iframe" in text.lower() else text
