"""What facts mean in a field by its name: there are fields for queries, documents, texts, and for where somebody is."""

from __future__ import annotations

import re

from .arguments import as_argument
from .documents import quoted
from .patterns import beginning
from .queries import asked
from .told import told
from .whereabouts import whereabouts

_SIGNED = re.compile(rb"\.?eJ[\w-]{8,4000}:[0-9A-Za-z]{6}:(?:[\w-]{27}|[\w-]{43})")
"""What a program packed and signed for itself (Django's signing): text, zlib, Base64, time, signature."""
_OF_SCRIPT, _OF_PATHS = beginning("html.", "js."), beginning("path.")
_OF_PAGES = beginning("html.", "js.", "sql.", "shell.", "path.", "enc.")
"""What a message that a program signs may quote. Code and objects are none of it."""
_SAMPLE = re.compile(rb"\.csp-report\.script-sample\Z|\.body\.sample\Z")
"""Where browsers report how a script or style begins that a policy kept from running (CSP 3, 5.3)."""
MAX_SAMPLE = 160
"""Bytes of 40 characters, which is all that they tell of it."""
_FRAME = re.compile(rb"\.frames\.array_\d+\.(?:filename|abs_path|module)\Z")
"""The file in which a program was when an error was reported, as Sentry's clients tell it."""


def meant(facts: frozenset[str], place: str, name: bytes, text: bytes) -> frozenset[str]:
    """Return the facts of a text without those that mean nothing in a field of this name in this place."""
    if place == "body" and len(text) <= MAX_SAMPLE and _SAMPLE.search(name):
        facts -= _OF_SCRIPT
    elif place == "body" and _FRAME.search(name):
        facts -= _OF_PATHS
    if place == "cookie" and facts and _SIGNED.fullmatch(text):
        facts -= _OF_PAGES
    facts = quoted(asked(whereabouts(facts, name, text), name, text), place, name, text)
    facts = as_argument(facts, place, name, text)
    return told(facts, name, text) if place == "body" else facts
