"""Documents pasted as they are: a configuration, a patch, a page whose text shows tags.

The first line of such a text belongs to no shell and no script, and all lines have the form of the first. Commands
in them are what somebody else's machine runs, or what is to be read.
"""

from __future__ import annotations

import re

MIN_LINES = 4
MAX_LINES = 400
_IN_LINES = ("shell.", "path.", "template.server_tag")
_ACTS = ("shell.reverse_shell", "shell.substitution")
_KEY = re.compile(
    rb"[ \t]*(?:- ){0,2}(?:[\"']?[A-Za-z_][\w.$/ -]{0,60}[\"']?:(?:[ \t].*|)|-[ \t].*|#.*|---|[ \t]{2,}[\"'\w].*|)\r?"
)
_FIRST_KEY = re.compile(rb"[\"']?[A-Za-z_][\w.-]{0,60}[\"']?:(?:[ \t]+[\w\"'\[{|>./-].*|)\r?")
"""YAML."""
_SECTION = re.compile(rb"\[[A-Za-z][\w .:-]{0,60}\]\r?")
_SETTING = re.compile(rb"(?:\[[A-Za-z][\w .:-]{0,60}\]|[ \t]*[A-Za-z][\w.-]{0,60}[ \t]*=.*|[#;].*|)\r?")
"""INI files, and what systemd reads."""
_PATCH = re.compile(rb"(?:diff --git |diff -|Index: |--- )[\w./ -]")
_HUNK = re.compile(rb"^@@ -\d{1,7}(?:,\d{1,7})? \+\d{1,7}(?:,\d{1,7})? @@", re.MULTILINE)
_BLOCK = re.compile(rb"(?:server|location|upstream|http|events|stream)[^;{}\n]{0,120}\{[ \t]*\r?\n")
_DIRECTIVE = re.compile(rb"[ \t]*(?:[a-z_]{2,40}\b[^\n]{0,300}[;{}]|[^;{}\n]{0,20}\}|#.*|)[ \t]*\r?")
"""What nginx reads."""
_PROSE_BEHIND = re.compile(rb"(?:[A-Za-z][\w',.-]{0,30}[ \t]+){3,30}[A-Za-z][\w',.-]{0,30}[.?!:]?\r?\Z")
"""A line of words, as people write below what they have pasted."""


def spared(found: set[str], text: bytes, place: str) -> set[str]:
    """Return those of the facts found that do nothing in a pasted document."""
    concerned = (
        {name for name in found if name.startswith(_IN_LINES) and name not in _ACTS} if place == "body" else set()
    )
    return concerned if concerned and is_document(text) else set()


def is_document(text: bytes) -> bool:
    """Tell whether a text is a patch, or a whole configuration and at most some lines of words behind it."""
    text = text.strip(b"\r\n")
    if not MIN_LINES <= text.count(b"\n") + 1 <= MAX_LINES:
        return False
    if _PATCH.match(text) and _HUNK.search(text):
        return True
    lines = text.split(b"\n")
    if _FIRST_KEY.fullmatch(lines[0]):
        return _all(_KEY, lines)
    if _SECTION.fullmatch(lines[0]):
        return _all(_SETTING, lines)
    return _BLOCK.match(text) is not None and _all(_DIRECTIVE, lines)


def _all(form: re.Pattern[bytes], lines: list[bytes]) -> bool:
    """Tell whether all lines have a form, but those of words that stand last."""
    rest = len(lines)
    while rest > MIN_LINES and (not lines[rest - 1].strip() or _PROSE_BEHIND.match(lines[rest - 1])):
        rest -= 1
    return all(form.fullmatch(line) for line in lines[:rest])
