"""Documents pasted as they are: a configuration, a patch, a page whose text shows tags.

The first line of such a text belongs to no shell and no script, and all lines have the form of the first. Commands
in them are what somebody else's machine runs, or what is to be read. But a shell would run them line by line, so a
field that takes a host, a file or a name takes no document; nor do values of one begin with a shell's separator.
"""

from __future__ import annotations

import re

from .forms import forms
from .patterns import NAMES, level_of

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
_LINE_OF_PATCH = re.compile(
    rb"(?:[ +\\@-].*|(?:diff|index|Index:|new file|deleted file|old mode|new mode|similarity|dissimilarity|rename|copy|Binary files"
    rb"|Only in|Property changes|Added:|Modified:|=====)[\w ./:=%@+,-]*|)\r?"
)
_NAMES_OF_SHORT = frozenset(
    b"""host hostname ip ipaddr ip_address addr address server target domain dns ping cmd command exec execute shell run
    file filename filepath path dir directory folder port user username login name id uid uuid email mail url uri link
    lang locale page date time count size mode action op device interface iface mac arg args param option opt q search
    title subject phone zip city country sort order limit callback cb view template theme format type key token code""".split()
)
"""What fields are called that take some words, and no document."""
_VALUE_WITH_SEPARATOR = re.compile(
    rb"[ \t]*(?:- )*(?:[\"']?[A-Za-z_][\w.$/ -]{0,60}[\"']?\s*[:=]|-)[ \t]*(?:[\"'][ \t]*)?(?:;|&&?|\|(?![-+0-9]{0,2}[ \t]*(?:#.*)?\r?$)).*"
)
"""A value that begins with a separator of a shell; alone behind its key, a vertical bar begins a block of lines."""
_PROSE_BEHIND = re.compile(rb"(?:[A-Za-z][\w',.-]{0,30}[ \t]+){3,30}[A-Za-z][\w',.-]{0,30}[.?!:]?\r?\Z")
"""A line of words, as people write below what they have pasted."""


def quoted(facts: frozenset[str], place: str, name: bytes, text: bytes) -> frozenset[str]:
    """Return the facts without those that do nothing in a pasted document."""
    dead = {each for each in facts if each.startswith(_IN_LINES) and each not in _ACTS} if place == "body" else set()
    if not dead or name.rpartition(b".")[2].lower() in _NAMES_OF_SHORT or not is_document(text):
        return facts
    return facts - (dead - acting(text))


def acting(text: bytes) -> set[str]:
    """Return the facts seen in the lines of a document that act whatever the others say."""
    return {NAMES[hit] for form in forms(acting_lines(text)) for hit in level_of(form).scan(form)}


def acting_lines(text: bytes) -> bytes:
    """Return the lines of a document that a shell runs whatever the others say: the first, and values that begin with a separator."""
    first, *others = text.strip(b"\r\n").split(b"\n")
    if _PATCH.match(first):
        return first
    return b"\n".join([first, *(line for line in others if _VALUE_WITH_SEPARATOR.fullmatch(line))])


def is_document(text: bytes) -> bool:
    """Tell whether a text is a patch, or a whole configuration and at most some lines of words behind it."""
    text = text.strip(b"\r\n")
    if not MIN_LINES <= text.count(b"\n") + 1 <= MAX_LINES:
        return False
    lines = text.split(b"\n")
    if _PATCH.match(text) and _HUNK.search(text):
        return _all(_LINE_OF_PATCH, lines)
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
