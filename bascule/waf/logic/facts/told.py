"""Texts of several lines in fields for texts: posts, pages, programs, notes. What they quote or hold is kept and shown.

An injection goes on in what a server puts around it: it begins with what ends that, or leaves a string open. A text of
lines that begins as texts do, and closes every string that it opens, does neither. Nor does one line of prose that
quotes commands or paths. Whoever has a field for programs
runs them for those who may. So at the lenient presets such a text is refused for what reaches out only: what opens a
shell to somebody, downloads and runs, reads the files that attackers read, or hides. The strict ones count it all.
"""

from __future__ import annotations

import binascii
import re

from .conditions import GOES_ON
from .context import begins_with_words
from .documents import acting, is_document
from .patterns import beginning

TOLD = "place.told"
"""Says of a set of facts that they were seen in such a text. No rule asks for it."""
SHOWN = "place.shown"
"""Says that they were seen in a text that is shown as characters: a leaf of an editor's document, a wiki's source."""
MIN_TOLD, MIN_BREAKS = 40, 2
"""Bytes and line feeds of the shortest such text."""
MAX_TOLD = 1 << 16
"""Bytes of the longest one that is read; a longer one is judged as anything else."""
MAX_LINE = 2000
"""Bytes of the longest line of prose."""
_FIRST_WORD = re.compile(
    rb"[\s\"(>*_-]{0,4}[A-Za-z\x80-\xff]{1,60}(?:'[A-Za-z\x80-\xff]{1,20})?(?::[ \t]|,?[ \t]+[\"'(`*]{0,2}[A-Za-z\d\x80-\xff])"
)
"""A word before another or a number, or with a colon behind it."""
_CODE_SPAN = re.compile(rb"`[^`\n]{1,400}`")
"""What Markdown shows as code in a line (CommonMark 6.1)."""
_PROSE = re.compile(
    rb"(?<![\w'/.-])[A-Za-z\x80-\xff]{1,30}(?:['-][A-Za-z\x80-\xff]{1,20})?(?:[,:]?[ \t]+[A-Za-z\x80-\xff]{1,30}(?:['-][A-Za-z\x80-\xff]{1,20})?){3}(?=[\s.,:;!?)]|\Z)"
)
"""Four words in a row."""
_NAMES = frozenset(
    b"""content contents body message messages text description desc comment comments note notes details raw code
    source source_code snippet script html html_body markdown wikitext wptextbox1 data_text bodytext plain_text summary
    query_text cover_letter about bio answer solution question reply post story steps instructions pipeline config configuration
    definition template patch diff log logs output stdout stderr annotations func expr expression sql value storage attachment""".split()
)
"""What fields for texts are called, in lower case, by the last or last but one part of their names."""
_LEAF = re.compile(
    rb"\.(?:content|children)\.array_\d{1,6}\.text\Z|\.ops\.array_\d{1,6}\.insert\Z|\.blocks\.array_\d{1,6}(?:\.data)?\.code\Z"
    rb"|\.children\.array_\d{1,6}\.code\Z|\.childnodes\.array_\d{1,6}\.textcontent\Z"
)
"""Where a text stands in the trees of editors and recorders, which tell marks and elements apart from text: ProseMirror,
Slate, Lexical, Quill (its deltas), Editor.js, rrweb. Who draws such a tree makes a text of it, and no markup."""
_SOURCES = frozenset(b"wptextbox1 wpfilterrules wikitext".split())
"""Fields of wikis (MediaWiki, DokuWiki), which escape what is none of their own markup."""
_PARTS = re.compile(rb"[.\[\]_:-]++(?:array_\d{1,6})?|[\[\]]")
_BEGINS = re.compile(rb"\s*+(?:[a-z\x80-\xff_#<>{@*!`=%/-]|\d{1,3}[.)] |\[[\w ]|\"[a-z])", re.IGNORECASE)
"""How texts begin: with no quote, bracket or separator that would end something, and with no number of a column."""
_BREAK = re.compile(rb"\n|</(?:p|div|li|h[1-6]|pre|tr|blockquote)\s*>|<br\b", re.IGNORECASE)
"""What ends a line: of a text, or of a page as editors in browsers send it."""
_STATEMENT = re.compile(
    rb"\s*+(?:select\s(?!\s*+(?:sleep|benchmark|pg_sleep)\b)|insert\s++into\s|update\s++[\w.]++\s++set\s|delete\s++from\s|(?:create|alter)\s++(?:table|view|index)\s|explain\s)",
    re.IGNORECASE,
)
"""How a statement begins that is all of its text, which needs no lines: it goes on from nothing."""
_TOOL = re.compile(
    rb"(?:# )?(?:sudo +)?(?:(?:docker|podman|git|npm|npx|yarn|pnpm|pip3?|pipx|poetry|apt|apt-get|dnf|yum|brew|pacman|snap|systemctl|journalctl"
    rb"|kubectl|helm|terraform|ansible|ansible-playbook|make|cmake|cargo|mvn|gradle|composer|bundle|rails|rsync) +[-\w./]"
    rb"|(?:PowerShell: *)?(?:Get|Set|New|Select|Where|Test|Import|Install)-[A-Z][a-zA-Z]{2,30}\b)"
)
"""How commands begin that developers paste to each other, and that no attack begins with: it comes behind a separator."""
_MAIL = re.compile(
    rb"(?:from|to|subject|date|received|return-path|delivered-to|message-id|mime-version): [^\n]{0,998}\n(?:[^\n]{1,998}\n){0,200}?\r?\n",
    re.IGNORECASE,
)
"""A message that begins with its own head: nothing was injected into another's."""
_ASKS_SERVER = re.compile(
    rb"^(?:mail from|rcpt to|data\r?$|ehlo|helo|\.\r?$)|<script|^http/1", re.IGNORECASE | re.MULTILINE
)
_IN_STRING = (
    rb"[^'\"\\\n;]|\\[^'\"\n]"
    rb"|;(?![^'\"\n]{0,80}\(|\s*(?:select|insert|update|delete|drop|create|alter|exec|execute|declare|waitfor|truncate|grant|shutdown|--))|"
)
_STRING = re.compile(
    rb"'" + GOES_ON + rb"(?:" + _IN_STRING + rb"\\?\"" + GOES_ON + rb"|\\'" + GOES_ON + rb"){0,200}+'"
    rb"|\"" + GOES_ON + rb"(?:" + _IN_STRING + rb"\\?'" + GOES_ON + rb"|\\\"" + GOES_ON + rb"){0,200}+\"",
    re.IGNORECASE,
)  # fmt: skip
"""A string of a program, with escapes and quotes of the other kind in it, behind none of which a statement goes on."""
_QUOTE = re.compile(rb"['\"]")
_APOSTROPHE = re.compile(rb"(?<=[a-z\x80-\xff])'(?=[a-z\x80-\xff])" + GOES_ON, re.IGNORECASE)
"""Between the letters of a word or name, where no statement goes on if it ends a string: it's, O'Brien, l'homme."""
_EMPHASIS = re.compile(rb"(?<!')('{2,5})(?=[^\s'])" + GOES_ON + rb"[^'\n]{1,300}\1(?!')", re.IGNORECASE)
"""What wikis write slanted and bold, which would not go on as a statement either."""
_REACHES_OUT = re.compile(
    rb"169\.254\.169\.254|metadata\.google|100\.100\.100\.200|/etc/(?:passwd|shadow|sudoers)|/proc/self|\.ssh/|\bid_rsa|\.aws/|/win\.ini|boot\.ini"
    rb"|/dev/tcp/|\bnc(?:at)?(?:\.exe)?\s+-\w*[ecl]|\bsocat\b|\bmkfifo\b|pty\.spawn|\bdup2\b|fsockopen|\bsh\s+-i\b"
    rb"|\b(?:curl|wget|fetch|iwr|irm|lwp-download)\b[^\n]{0,300}(?:\|\s*(?:sudo\s+)?(?:\w{0,3}sh|python\d?|perl|php|iex)\b|[;&\n]\s*(?:sudo\s+)?(?:chmod\s+\+?[\d x]|\w{0,3}sh\s|\./|/tmp/))"
    rb"|downloadstring|downloadfile|downloaddata|\s-e(?:nc?|ncodedcommand)?\s+[a-z\d+/=]{20}|frombase64string|\biex\b|\bcertutil\b|\bbitsadmin\b|\bmshta\b"
    rb"|\b(?:eval|assert|system|passthru|shell_exec|exec|popen|proc_open|create_function|include|require)(?:_once)?\b[\s(@\"']{0,6}\$"
    rb"|\b(?:base64_decode|gzinflate|str_rot13|hex2bin|b64decode|fromcharcode|unhexlify)\b|\bchr\s*\("
    rb"|getparameter\s*\(|request\.(?:args|form|params|query)|\bsubclasses\b|\bmro\b|__globals__|__builtins__"
    rb"|into\s+(?:out|dump)file|\bload_file\b|\bxp_\w|\butl_http\b|\bdbms_\w|pg_read_file|\blo_import\b|to\s+program\b|from\s+program\b"
    rb"|\bconfig\s+set\b|\bslaveof\b|^content-length:",
    re.IGNORECASE | re.MULTILINE,
)
_INTERNALS = "template.python_internals"
_IN_TEMPLATE = re.compile(
    rb"(?:\{[{%]|[$#@*]\{|<%)(?:(?!\{[{%]|[$#@*]\{|<%)[^\n]){0,300}?(?:__\w|\battr\b|\b(?:config|request|self|cycler|joiner|namespace|lipsum|url_for|session|g)\s*[.|\[(]|debug)",
    re.IGNORECASE,
)
"""Python's internals asked for by a template. In a program they are every class's `__init__` and every script's `__name__`."""
_HIDES = (
    "enc.", "shell.space_trick", "shell.split_word", "shell.assembles_command", "shell.shellshock", "shell.reverse_shell",
    "sql.builds_string", "sql.comment_as_space", "sql.file_access", "sql.system_call", "js.obfuscated", "js.builds_name",
    "code.web_shell", "code.php_object", "code.php_array", "code.java_object", "ssrf.cloud_metadata", "ssrf.callback_host",
    "template.jndi", "template.runs", "template.java", "template.object", "template.names", "path.climbs_encoded",
)  # fmt: skip
"""Facts, or beginnings of their names, with which a text is no honest one: evasion, and what reaches out."""
_QUIET = beginning("shell.", "code.", "path.", "sql.", "ldap.", "xpath.") | {
    _INTERNALS, "template.expression", "template.server_tag", "nosql.redis", "nosql.leaves_string", "nosql.where_code",
    "js.leaves_string", "http.response_after_line_end",
}  # fmt: skip
_OF_MAIL = frozenset(("http.mail_header", "http.header_after_line_end", "http.response_after_line_end"))
_OF_STYLE = frozenset(("html.style_script", "html.script_url"))
"""What runs in no text but a page, if it does not name script."""
_PAGE = re.compile(rb"<|script:|expression\s*\(|@import|behaviou?r", re.IGNORECASE)
_CALLS = frozenset(("js.dangerous_call", "js.whole_script"))
_INERT = _CALLS | {"html.tag", "html.active_tag", "html.leaves_attribute", "html.loads_foreign", "js.leaves_string"}
"""What runs no script: a call in such a text runs if a tag, an attribute or an address makes it run."""
_OF_STRINGS = beginning("sql.", "xpath.") | {"js.leaves_string"}
"""What goes on where a string ends, which such a text does not leave open."""
_OF_SHELL = beginning("shell.")
_IN_LINE = ("template.", "code.php_tag", "code.web_shell", "nosql.")
"""What acts in the middle of a line, too: told in several lines only."""
_MARKUP = beginning("html.", "js.")
"""What acts in no text that is shown as characters."""
_KEPT = _QUIET | _MARKUP | beginning("nosql.", "http.")
_SENDS = re.compile(
    rb"\b(?:document\s*\.\s*cookie|localstorage|sessionstorage|document\s*\.\s*location)\b", re.IGNORECASE
)
"""What script takes that sends away who is logged in."""
_ASKED = _QUIET | _OF_MAIL | _OF_STYLE | _CALLS


def told(facts: frozenset[str], name: bytes, text: bytes) -> frozenset[str]:
    """Return the facts, and `TOLD` if they were seen in a text of lines in a field for texts, and nothing reaches out."""
    if facts.isdisjoint(_KEPT):
        return facts
    if _is_shown(name) and kept(facts, text) is not facts:
        begins = _BEGINS.match(text) is not None and not _leaves_string(text)
        return facts | {SHOWN, TOLD} if begins else facts | {SHOWN}
    if facts.isdisjoint(_ASKED):
        return facts
    if _is_chat(name) and begins_with_words(text):
        return as_text(facts, text, in_chat=True)
    return as_text(facts, text) if is_for_texts(name) else facts


def as_text(facts: frozenset[str], text: bytes, in_chat: bool = False) -> frozenset[str]:
    """Return the same for a field that is known to be one for texts; `in_chat`: of a model of language, to which people
    write one line and quote what they like.
    """
    if facts.isdisjoint(_ASKED):
        return facts
    if "enc.base64" in facts and b"\n" not in text:
        text = _decoded(text)
        seen = facts - {"enc.base64"}
    else:
        seen = facts
    if not MIN_TOLD <= len(text) <= MAX_TOLD:
        return facts
    if (
        _is_short(text)
        and not in_chat
        and (
            any(each.startswith(_IN_LINE) for each in seen)
            or not (_is_prose(text) or _STATEMENT.match(text) or _TOOL.match(text))
        )
    ):
        return facts
    if any(each.startswith(_HIDES) for each in seen) or _BEGINS.match(text) is None or _REACHES_OUT.search(text):
        return facts
    if _INTERNALS in facts and _IN_TEMPLATE.search(text):
        return facts
    if not facts.isdisjoint(_OF_SHELL) and is_document(text) and not _OF_SHELL.isdisjoint(acting(text)):
        return facts
    if "http.mail_header" in facts:
        return facts - _OF_MAIL if _MAIL.match(text) and _ASKS_SERVER.search(text) is None else facts
    if not in_chat and not facts.isdisjoint(_OF_STRINGS) and _leaves_string(text):
        return facts
    if not facts.isdisjoint(_OF_STYLE) and _PAGE.search(text) is None:
        facts -= _OF_STYLE
    if not facts.isdisjoint(_CALLS) and all(each in _INERT for each in facts if each.startswith(("html.", "js."))):
        facts -= _CALLS
    return facts | {TOLD}


def loud(facts: frozenset[str]) -> frozenset[str]:
    """Return what of the facts the lenient presets count: in a text that is told, what acts wherever it stands."""
    if SHOWN in facts:
        facts -= _MARKUP
    return facts - _QUIET if TOLD in facts else facts


def kept(facts: frozenset[str], text: bytes) -> frozenset[str]:
    """Return what of the facts counts in a field of which the site's operator says that it holds texts of any language:
    short ones, pieces, and pages with script, too.
    """
    if any(each.startswith(_HIDES) for each in facts) or len(text) > MAX_TOLD:
        return facts
    if _REACHES_OUT.search(text) or _SENDS.search(text):
        return facts
    return facts - _KEPT


def is_for_texts(name: bytes) -> bool:
    """Tell whether a field is called as those for texts are."""
    name = name.lower()
    if name.rpartition(b".")[2] in _NAMES:
        return True
    return any(part in _NAMES for part in [part for part in _PARTS.split(name) if part][-2:])


def _is_shown(name: bytes) -> bool:
    name = name.lower()
    return name in _SOURCES or _LEAF.search(name) is not None


def _is_chat(name: bytes) -> bool:
    """Tell whether a field is what somebody says in `messages`, as the APIs of models of language take it."""
    parts = [part for part in _PARTS.split(name.lower()) if part]
    return parts[-2:] == [b"messages", b"content"] or parts[-3:] == [b"messages", b"content", b"text"]


def _is_short(text: bytes) -> bool:
    return sum(1 for _, _ in zip(range(MIN_BREAKS), _BREAK.finditer(text.lstrip()), strict=False)) < MIN_BREAKS


def _is_prose(text: bytes) -> bool:
    """Tell whether a line begins with words, and is of them beside what it marks as code."""
    if len(text) > MAX_LINE or _FIRST_WORD.match(text) is None:
        return False
    return _PROSE.search(_CODE_SPAN.sub(b" ", text)) is not None


def _decoded(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        return b""


def _leaves_string(text: bytes) -> bool:
    """Tell whether a quote is left when all strings that do not go on as statements are taken out."""
    rest = _EMPHASIS.sub(b" a ", _APOSTROPHE.sub(b"", text))
    quote = _QUOTE.search(rest)
    while quote is not None:  # the first that begins no string is left, which ends it: the time is linear
        string = _STRING.match(rest, quote.start())
        if string is None:
            return True
        quote = _QUOTE.search(rest, string.end())
    return False
