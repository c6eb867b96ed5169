"""What a text shows without doing it: traces of errors, tags that are named or do nothing, names in templates, paths.

Each language has rules by which a text does nothing in it: a script whose first line is no script does not run, an
element of a page acts by its attributes only, a path ends at the end of its line.
"""

from __future__ import annotations

import re

from . import html
from .compiles import MAX_READ, compiles_nowhere, is_no_script, is_no_sql, is_no_xpath
from .pages import is_layout
from .patterns import beginning

_TRACE = re.compile(
    rb"\s*(?:Traceback \(most recent call last\):\r?\n"
    rb"|(?:Exception in thread \"[^\"\n]{0,80}\" |Caused by: |Unhandled exception\. )?"
    rb"[A-Za-z][\w.$]{0,120}(?:Exception|Error|Throwable)\b(?:: [^\n]{0,2000})?\r?\n\s{1,8}at [\w.$<>/]{2,200}[ (])"
)
"""How runtimes report an error: a name and words, or words and brackets, on which every compiler gives up."""
_TRACED = beginning("code.j", "code.python_call", "code.dotnet", "code.node_call", "path.")

_ASSEMBLIES = re.compile(
    rb"(?:;{1,2}[A-Za-z][\w.]{0,80}(?:, Version=[\d.]{1,20}, Culture=[\w-]{1,12}, PublicKeyToken=\w{1,20})?"
    rb"(?::[\w.-]{1,60}+){1,400}+){1,64};?"
)
"""Whose scripts a page of ASP.NET has loaded, as its ScriptManager has it in a hidden field: assemblies, and no types."""

_TWO_WORDS = (
    rb"(?!(?:new|var|let|const|typeof|void|delete|return|throw|await|yield|async|function|class|import|export|if|for|while"
    rb"|do|try|with|switch|static|else|case|using)\b)"
    rb"[A-Za-z]{2,20}[ \t]+(?!(?:in|of|instanceof)\b)[A-Za-z]{2,20}(?=[\s.,:;!?)]|\Z)"
)
"""What begins with them is no script: nothing of it runs."""
_SCRIPT_OPENS = re.compile(rb"<script(?:\s+(?:async|defer|type=[\"']?[\w/]{1,30}[\"']?)){0,3}\s*>", re.IGNORECASE)
_ADDRESS_OF_WORDS = re.compile(rb"javascript:[ \t]*+" + _TWO_WORDS, re.IGNORECASE)
_CONSTANT = re.compile(rb"org\.(?:apache|springframework)\.(?:\w{1,40}\.){1,8}[A-Z][A-Z_]{2,40}")
"""A name of a field or cookie of Struts or Spring: a constant, and no class that could be loaded."""
_COMPILED = beginning("js.", "nosql.leaves", "nosql.where", "nosql.operator") | {
    "code.php_call", "code.php_runs", "code.python_call", "code.node_call", "code.java_call",
}  # fmt: skip
"""What runs only as part of a program that compiles."""
_OF_SQL = beginning("sql.")
_OF_XPATH = beginning("xpath.")
_OF_JAVA = frozenset(("code.java_call", "code.java_object", "template.java_internals"))
_WHOLE_XML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*<\?xml\s+version=[\"']1\.[01][\"'](?:\s+encoding=[\"'](?i:utf-8|us-ascii|iso-8859-\d{1,2}|windows-125\d)[\"'])?"
    rb"(?:\s+standalone=[\"'](?:yes|no)[\"'])?\s*\?>(?:\s*<!--[^<>]*-->)*\s*<(?!xsl:|methodCall)([A-Za-z][\w:.-]{0,60})[\s>].*</\1\s*>\s*",
    re.DOTALL,
)
"""A document of no type, with all of its root, in characters that hide none."""
_BESIDE_XML = beginning("xml.") - {"xml.declaration"}
_MAIL = re.compile(rb"<[\w.+-]{1,64}@[\w.-]{1,255}>")
_NAMED = frozenset(("html.script_tag", "html.tag"))

_PASSIVE = re.compile(
    rb"<meta\s+charset=[\"']?(?:utf-8|us-ascii|iso-8859-\d{1,2}|windows-125\d)[\"']?\s*/?>"
    rb"|<meta\s+http-equiv=[\"']?content-type[\"']?\s+content=[\"']text/html;\s*charset=(?:utf-8|us-ascii|iso-8859-\d{1,2}|windows-125\d)[\"']\s*/?>"
    rb"|<meta\s+name=[\"']?(?:generator|viewport|author|progid|originator|format-detection|color-scheme)[\"']?\s+content=(?:\"[^\"<>]{0,300}\"|'[^'<>]{0,300}'|[\w./-]{1,80})\s*/?>"
    rb"|<style(?:\s+(?:type|media)=[\"'][\w/ ]{1,40}[\"']){0,2}\s*>(?:(?!url|@import|expression|behavio|-moz)[^<\\]){0,8000}</style\s*>"
    rb"|<body(?:\s+(?:style|lang|dir|class|link|vlink|text|bgcolor)=(?:\"[^\"<>()\\]{0,400}\"|'[^'<>()\\]{0,400}'|[\w#-]{1,40})){0,6}\s*>|</body>"
    rb"|</?details(?:\s+open)?>",
    re.IGNORECASE,
)
"""Elements that load nothing and run nothing: of mail as it is written in HTML, and of posts in Markdown."""
_TAG = re.compile(rb"<[^<>]{0,400}>")
_WORDS = re.compile(rb"(?:[A-Za-z\x80-\xff][\w'\x80-\xff-]{0,30}[,.:;!?]?\s+){4}")
_ACTIVE = {
    fact.name: [re.compile(pattern, re.IGNORECASE | re.DOTALL) for pattern in fact.patterns]
    for fact in html.FACTS
    if fact.name in ("html.active_tag", "html.embedding_tag", "html.loads_foreign", "html.script_url")
}
"""What acts in the rest of the text, seen again without them."""

_NAMES_ONLY = re.compile(
    rb"\$?\{\{-?\s{0,4}[$.]?[A-Za-z_][\w-]{0,40}(?:\.\w{1,40}){0,5}"
    rb"(?:\s{0,4}\|\s{0,4}\w{1,20}(?:\s{0,4}[:(]\s{0,4}(?:['\"][\w /:.,-]{0,40}['\"]|\d{1,4})\)?|\s\"%[\d.]{0,4}[a-z]\")?){0,3}\s{0,4}-?\}\}"
    rb"|\{%-?\s{0,4}(?:for\s\w{1,40}\sin\s|(?:el)?if\s(?:not\s)?)[A-Za-z]\w{0,40}(?:\.[A-Za-z]\w{0,40}){0,3}\s{0,4}-?%\}"
    rb"|\{%-?\s{0,4}(?:else|endif|endfor)\s{0,4}-?%\}|<%=\s{0,4}@?[A-Za-z]\w{0,40}(?:\.[a-z]\w{0,40})?\s{0,4}-?%>"
)
"""A name in a template, with filters that format what it stands for, and what shows or repeats a part by a name."""
_WIKI = re.compile(rb"\{\{\s*\w[\w .:/-]{0,60}\|\s*\w[\w -]{0,40}=[^=]")
"""A template of MediaWiki with an argument by name, with which no other engine compiles."""
_OPENS_TEMPLATE = re.compile(rb"\{[{%#]|[$#@*~]\{|\[[\[(%]|<%")
_TELLS_ENGINE = re.compile(
    rb"\b(?:config|settings|self|request|session|app|application|env|environ|g|cycler|this|constructor|class)\b|(?<!\w)_|__",
    re.I,
)
_WORD_OUTSIDE = re.compile(rb"[A-Za-z]{2}[ \t]+\$?\{\{|\}\}[ \t]+[A-Za-z]{2}")

_PATHS = frozenset(
    f"path.{name}"
    for name in (
        "unix_secret",
        "windows_secret",
        "app_secret",
        "dot_file",
        "java_private",
        "absolute",
        "backup_copy",
        "climbs",
    )
)
"""Facts that act as a path only, which ends at the end of the value's first line."""
MIN_PASTE, MIN_BREAKS = 80, 2
"""Bytes and line feeds of the shortest text that is more than a path with a command behind it."""

_WITHIN = re.compile(rb"(?<![\w.%/\\-])/?(?:[A-Za-z][\w-]{0,40}/){1,6}\.\./(?=[A-Za-z][\w-]{0,60}[./])")
"""Down into a folder and back again: to where the path began."""
_SOURCE = re.compile(rb"\.(?:m?[jt]sx?|s?css|less|png|jpe?g|gif|svg|webp|woff2?|rs|go|md)\b", re.IGNORECASE)
_DRAWN = rb"(?:svg|g|path|rect|circle|ellipse|line|poly(?:line|gon)|title|desc|defs|text|tspan|(?:linear|radial)Gradient|stop|clipPath)"
_DRAWING = re.compile(
    rb"\s*+(?=<svg[\s>])(?:</?"
    + _DRAWN
    + rb"(?:\s++(?!on|style|href|xlink)[A-Za-z][\w-]{0,30}(?::[a-z]{2,10})?=(?:\"[^\"<>&]*\"|'[^'<>&]*'))*+\s*+/?>[^<>&]*+)++",
    re.IGNORECASE,
)
"""A picture in SVG of shapes and words only: nothing in it runs, links, loads or moves."""
_COMMAND_OF_MAIL = re.compile(
    rb"[\r\n](?:mail from|rcpt to|data|ehlo|helo|quit|rset|vrfy|starttls|capability|noop|expn|auth|fetch|[a-z]{1,4}\d{1,5} |\.[\r\n])"
    rb"|%0|\\[rn]",
    re.IGNORECASE,
)
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_TEMPLATES = frozenset(("template.expression", "template.server_tag"))
_CONCERNED = (
    _TRACED
    | _COMPILED
    | _OF_SQL
    | _OF_XPATH
    | _ACTIVE.keys()
    | _OF_JAVA
    | _TEMPLATES
    | {"html.script_tag", "xml.declaration"}
)
"""Facts without one of which there is nothing to ask."""


def only_shown(found: set[str], text: bytes, place: str) -> set[str]:
    """Return those of the facts found that the text shows and does not do."""
    shown: set[str] = set()
    if found.isdisjoint(_CONCERNED):
        return shown
    if (traced := found & _TRACED) and _TRACE.match(text):
        shown |= traced
    if "code.dotnet" in found and text[:1] == b";" and _ASSEMBLIES.fullmatch(text):
        shown.add("code.dotnet")
    if "html.script_tag" in found and _names_scripts(text):
        shown |= _NAMED if "html.event_handler" in found else {*_NAMED, "html.fingerprint"}
        text = _SCRIPT_OPENS.sub(b" + ", text)
    if not found.isdisjoint(_COMPILED) and _stands_alone(found - shown) and compiles_nowhere(text):
        shown |= _COMPILED
    if not found.isdisjoint(_OF_SQL) and is_no_sql(text):
        shown |= _OF_SQL
    if not found.isdisjoint(_OF_XPATH) and is_no_xpath(text):
        shown |= _OF_XPATH
    if "html.active_tag" in found and (_is_drawing(text) or (place == "body" and is_layout(text))):
        shown |= {name for name in found if name.startswith("html.")}
    if (
        "html.script_url" in found
        and (rest := _ADDRESS_OF_WORDS.sub(b"", text)) != text
        and not any(each.search(rest) for each in _ACTIVE["html.script_url"])
    ):
        shown |= {"html.script_url", "html.script_url_start"}
    if not found.isdisjoint(_OF_JAVA) and _CONSTANT.fullmatch(text):
        shown |= _OF_JAVA
    if "xml.declaration" in found and b"<!D" not in text and not found & _BESIDE_XML and _WHOLE_XML.fullmatch(text):
        shown.add("xml.declaration")
    if "html.active_tag" in found or "html.embedding_tag" in found:
        shown |= _of_passive_tags(found, text)
    if not found.isdisjoint(_TEMPLATES) and _names_in_templates(text):
        shown |= _TEMPLATES
    if "path.climbs" in found and b".." not in _WITHIN.sub(b"", text) and _SOURCE.search(text):
        shown.add("path.climbs")
    if "path.app_secret" in found and (_is_kept(text, place) or text[:8].lower() in (b"https://", b"http://")):
        shown |= {"path.app_secret", "path.backup_copy"}
    return shown


def paths_behind(found: set[str], text: bytes, place: str) -> tuple[set[str], bytes]:
    """Return the facts about paths that act only on the first line of a text of several lines, and that line."""
    paths = found & _PATHS if place in ("query", "body") and len(text) >= MIN_PASTE else set()
    lines = text.strip().split(b"\n", MIN_BREAKS) if paths else []
    return (paths, lines[0]) if len(lines) > MIN_BREAKS else (set(), b"")


def _is_drawing(text: bytes) -> bool:
    return text.lstrip()[:4].lower() == b"<svg" and _DRAWING.fullmatch(text) is not None


def head_of_mail(text: bytes, place: str) -> bytes | None:
    """Return what stands before the first empty line, which ends a message's head (RFC 5322 2.1): nobody reads fields
    behind it. None: there is none, or commands of a mail server stand somewhere.
    """
    head, *body = _END_OF_HEAD.split(text, 1)
    return head + b"\n" if place == "body" and body and _COMMAND_OF_MAIL.search(text) is None else None


def _names_scripts(text: bytes) -> bool:
    """Tell whether all tags of a text are script elements that hold prose, and that it does not close."""
    tags = text.count(b"<") - sum(1 for _ in _MAIL.finditer(text))
    opened = [each.end() for each in _SCRIPT_OPENS.finditer(text)]
    return tags == len(opened) and all(is_no_script(text[at : at + MAX_READ]) for at in opened)


def _stands_alone(found: set[str]) -> bool:
    """Tell whether nothing else brings a text to where programs run: no tag or attribute, no template, no block of PHP."""
    return not any(
        name.startswith(("html.", "template.")) or name in ("code.php_tag", "code.web_shell") for name in found
    )


def _of_passive_tags(found: set[str], text: bytes) -> set[str]:
    rest = _PASSIVE.sub(b"", text)
    if len(rest) == len(text) or not _WORDS.search(_TAG.sub(b" ", rest)):
        return set()
    return {name for name in found & _ACTIVE.keys() if not any(each.search(rest) for each in _ACTIVE[name])}


def _names_in_templates(text: bytes) -> bool:
    """Tell whether the templates in a text, which says more than they do, are of names only."""
    if _WIKI.search(text):
        return True
    rest = _NAMES_ONLY.sub(b"", text)
    if _OPENS_TEMPLATE.search(rest) or not (_WORD_OUTSIDE.search(text) or text.count(b"\n") >= MIN_BREAKS):
        return False
    return not any(_TELLS_ENGINE.search(each[0]) for each in _NAMES_ONLY.finditer(text))


def _is_kept(text: bytes, place: str) -> bool:
    """Tell whether a text is the bare name of a file that somebody sends: who reads one names its folder."""
    return place == "file" and b"/" not in text and b"\\" not in text
