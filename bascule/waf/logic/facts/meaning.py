"""What facts mean in a field by its name: there are fields for queries, documents, texts, and for where somebody is."""

from __future__ import annotations

import re

from bascule.waf.bodies.percent import url_decode

from .arguments import as_argument
from .documents import quoted
from .patterns import beginning
from .queries import asked
from .recogniser import facts_of
from .told import is_for_texts, told
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
_WHOLE = frozenset(
    (
        "code.whole_call",
        "code.whole_statement",
        "template.only_name",
        "path.windows_tree",
        "ssrf.own_number",
        "http.formula_start",
    )
)
"""What programs and addresses look like as a whole, which people look for, write about, and keep."""
_LOOKED_FOR = frozenset(b"q query search s term terms keyword keywords find lookup srsearch text".split())
_FRAMES = re.compile(rb"\.frames\.array_\d+\.")
_FRAME = re.compile(rb"\.frames\.array_\d+\.(?:filename|abs_path|module)\Z")
"""The file in which a program was when an error was reported, as Sentry's clients tell it."""
_LINE_OF_FRAME = re.compile(rb"\.frames\.array_\d+\.(?:context_line|(?:pre|post)_context\.array_\d)\Z")
"""The lines around that place, which are shown to who reads the report."""
MAX_LINE = 512
_OF_LINES = _OF_PAGES | beginning("code.", "template.", "nosql.", "ldap.", "xpath.", "ssrf.")
_CHANGED = re.compile(rb"\.(?:commits\.array_\d+|head_commit)\.(?:added|modified|removed)\.array_\d+\Z")
"""Files that a commit changed, by their names in its repository, as GitHub, GitLab and Gitea tell it."""
_IN_REPOSITORY = re.compile(rb"(?:[\w@+~-][\w.@+~-]*|\.[\w-][\w.-]*)(?:/(?:[\w@+~-][\w.@+~-]*|\.[\w-][\w.-]*))*+")
"""From a folder down, and nowhere up."""


_KEEPS_FOLDER = re.compile(rb"(?:\A|[.\[])[a-z]{3,20}_?dir(?:ectory)?\]?\Z", re.IGNORECASE)
"""A setting that says where a program keeps something: `backup_dir`, `config[savedir]`."""
_FOLDER = re.compile(
    rb"/(?:var/(?:lib|www|log|cache|backups|spool)|srv|opt|home|mnt|data|tmp|usr/(?:local|share))(?:/[\w-]{1,40}){0,8}+/?"
)
"""A folder on a server, by names without a dot: none of a file that somebody reads."""
_FORM = re.compile(rb"[\w.\[\]-]{1,60}=[\w.~%+*!()/:,-]*(?:&[\w.\[\]-]{1,60}=[\w.~%+*!()/:,-]*){1,60}")
"""A form inside of a value, as Algolia's clients send searches: what is encoded in it is read by who takes it apart."""
MAX_FORM = 4096


def _of_form(text: bytes, place: str) -> frozenset[str]:
    """Return the facts of the values of a form, each for itself."""
    fields = [url_decode(field.partition(b"=")[2]) for field in text.split(b"&")]
    return frozenset().union(*(facts_of(field, place) for field in fields if field))


def _is_kept_path(name: bytes, text: bytes) -> bool:
    """Tell whether a text names a file of a repository in a list of changes, or a folder in a setting."""
    if _CHANGED.search(name):
        return _IN_REPOSITORY.fullmatch(text) is not None
    return _KEEPS_FOLDER.search(name) is not None and _FOLDER.fullmatch(text) is not None


def meant(facts: frozenset[str], place: str, name: bytes, text: bytes) -> frozenset[str]:
    """Return the facts of a text without those that mean nothing in a field of this name in this place."""
    if place == "body" and "enc.url" in facts and len(text) <= MAX_FORM and _FORM.fullmatch(text):
        facts = _of_form(text, place)
    if place == "body" and len(text) <= MAX_SAMPLE and _SAMPLE.search(name):
        facts -= _OF_SCRIPT
    elif place == "body" and _FRAME.search(name):
        facts -= _OF_PATHS
    elif place == "body" and len(text) <= MAX_LINE and _LINE_OF_FRAME.search(name):
        facts -= _OF_LINES
    elif place == "body" and _is_kept_path(name, text):
        facts -= _OF_PATHS
    if not facts.isdisjoint(_WHOLE) and _are_words(place, name):
        facts -= _WHOLE
    if place == "cookie" and facts and _SIGNED.fullmatch(text):
        facts -= _OF_PAGES
    facts = quoted(asked(whereabouts(facts, name, text), name, text), place, name, text)
    facts = as_argument(facts, place, name, text)
    return told(facts, name, text) if place == "body" else facts


def _are_words(place: str, name: bytes) -> bool:
    """Tell whether what is in a field is looked for, shown, or what a program says of itself."""
    if place == "body" and (is_for_texts(name) or _FRAMES.search(name) or _SAMPLE.search(name)):
        return True
    return name.rpartition(b".")[2].lower() in _LOOKED_FOR
