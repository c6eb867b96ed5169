"""What a text is as a whole, and which facts cannot act in it: prose that quotes code, and noise.

An injection must continue the syntax around it. A sentence does not: no SQL parser, shell or file system gets past
its first words, so what it quotes later is read by people. Only a quote can end the string around a sentence, and then
SQL must follow. Random characters (fingerprints of browsers, ciphertext) hold every short pattern sooner or later.
"""

from __future__ import annotations

import re

from .conditions import is_condition, is_search

_WORD = rb"(?:[A-Za-z\x80-\xff]{1,30}(?:['-][A-Za-z\x80-\xff]{1,20})?)"
_KEYWORD = (
    rb"(?:select|union|insert|update|delete|drop|create|alter|exec|execute|declare|or|and|xor|having|order|group|where|grant|asc|desc"
    rb"|truncate|case|not|waitfor|set|from|like|rlike|regexp|ilike|in|is|between|limit|div|mod|as|collate|null|true|false|unknown"
    rb"|procedure|into|sounds|escape|offset|distinct|interval|binary|when|then|else|end|exists|join|if|for|sleep|benchmark)\b"
)
_OTHER = rb"(?!" + _KEYWORD + rb")" + _WORD
_STRAY = rb"(?:is|in|for|if|select|insert|update|delete|drop|create|set|execute)"
_BEGINS_WITH_KEYWORD = (
    rb"(?:(?:in|as|is|where)[ \t]+"
    + _OTHER
    + rb"|(?:if|for|from|when)[ \t]+(?:I|you|we|they|it|the|this|that|my|your|our)\b)"
)
"""Sentences begin with some of them, and then go on as no expression does: IN has a list, IS one of four words."""
_SENTENCE = re.compile(
    rb"(?:\W{0,3}"
    + _BEGINS_WITH_KEYWORD
    + rb"[ \t]+"
    + _OTHER
    + rb"(?=[\s,.:;!?'\"`()-]|\Z)|\W{0,3}(?:"
    + _OTHER
    + rb"[,:.;!?]\s+){0,3}"
    + _OTHER
    + rb"[ \t]+"
    rb"(?:"
    + _OTHER
    + rb"|"
    + _STRAY
    + rb"[ \t]+"
    + _OTHER
    + rb"|(?:like|or|and)[ \t]+"
    + _OTHER
    + rb"[ \t]+"
    + _OTHER
    + rb")"
    rb"(?=[\s,.:;!?'\"`()-]|\Z))",
    re.I,
)
"""A name behind a name, or behind a word that asks for something else: no expression goes on like that."""
_LONG = re.compile(
    rb"\W{0,3}(?:"
    + _WORD
    + rb"|\d[\d.,]{0,9})(?:[,:.;!?)]{0,3}(?:\s+|\s+[-&+/]\s+)[(\"]?(?:"
    + _WORD
    + rb"|\d[\d.,]{0,9})){4}",
    re.I,
)
"""Five words in a row."""
_FOUR = re.compile(_WORD + rb"(?:[,:;]?[ \t]+" + _WORD + rb"){3}", re.I)
_ADDRESS = re.compile(rb"https?://[A-Za-z\d.:-]{3,255}/[^\s?#]{0,255}\?[\w.-]{1,40}=", re.I)
"""An address with a query, where a page says what page it is: no number and no name of SQL, so it can only end a string."""
_MARKUP = re.compile(
    rb"\s*<(?:!--\s|(?:p|div|h[1-6]|ul|ol|table|section|article|span|strong|em|a|img|figure|blockquote|pre|html|fetch|style)[\s>])",
    re.I,
)
"""A document or piece of one in HTML, from its first character on: no expression of SQL begins with less-than."""
_OF_PEOPLE = ("query", "body", "header:referer")
"""Places of what people write, and of the page on which they wrote it."""
_ENDS_IN_WORDS = re.compile(rb"[ \t][A-Za-z][A-Za-z']{0,19}(?:[,;:]?[ \t][A-Za-z0-9.,'()-]{1,20}){2,}\W{0,3}\Z")
"""Three words and more, with nothing behind them: what is before them is no command, which takes words for arguments."""
_ENDS_IN_TWO = re.compile(rb"[ \t][A-Za-z][A-Za-z']{0,19}(?:[,;:]?[ \t][A-Za-z][A-Za-z0-9.,'()-]{0,19})+\W{0,3}\Z")
"""Two: what is before them is no path, for no file is named like that."""
_TAIL = 160
"""Bytes of a text's end in which such words are looked for."""
_PATHS = ("path.unix", "path.windows", "path.app", "path.java", "path.dot", "path.system")
"""Not addresses, of which a loader takes some of what follows for a query, for arguments, or for nothing."""
_CLIMBS = ("path.climbs", "path.climbs_twice")
_CLIMB = re.compile(rb"(?:\.\.[/\\]++)++")
_BEHIND_CLIMB = re.compile(rb"[\"'`)?!,:]{0,3}[ \t]+[A-Za-z]")
"""A word behind a blank: no file's or folder's name begins so."""
_WHOLE = ("ssrf.loopback", "ssrf.private", "code.php_object", "code.java_object")
"""Nor addresses that somebody fetches, nor objects that somebody reads."""
_COMMANDS = ("shell.only", "shell.command_with")
"""Nor do people's words stand behind a command's arguments, but in a comment or on lines of their own."""
_COMMAND = re.compile(rb"[^#\r\n]*")
"""As far as the first command goes at most."""
_CONTINUES = re.compile(
    rb"[\s)]*(?:$|[;,|&=<>!*/+^%#~-]|--|(?:or|and|xor|not|having|where|union|like|rlike|regexp|between|in|is|div|mod|limit"
    rb"|order|group|procedure|into|as|collate|when|then|else|end|select|waitfor|exec|sounds|glob|ilike|if|case|except|intersect"
    rb"|insert\s+into|delete\s+from|drop\s+(?:table|database)|update\s+\w+\s+set"
    rb"|minus|offset|for|from|returning|values)\b|/\*|@|0x|\()",
    re.I,
)
"""What SQL may go on with where a string has just ended."""
_ENDS_STRING = ("sql.", "nosql.operator", "nosql.where", "nosql.leaves", "xpath.")
"""Languages whose injections must end a string first, if they do not begin the value."""
_MUST_BEGIN = (
    "path.unix", "path.windows", "path.app", "path.dot", "path.java", "path.file", "path.wrapper", "code.j", "code.php_", "code.python",
    "code.node", "code.ruby", "code.dotnet", "code.perl", "xml.", "ssrf.", "http.mail_header", "shell.interpreter", "shell.only",
    "shell.command_with", "shell.runs_on_new_line", "shell.backquoted", "shell.redirect", "shell.pipe", "shell.command_after",
)  # fmt: skip
"""What is a path, an address, a document or a program only from its beginning, and what people quote on lines of their
own. Separators of a shell, climbs, tags and templates act anywhere: those facts stay."""
_BEHIND_WORDS = tuple(name for name in _MUST_BEGIN if name.startswith(("shell.", "path.")))
"""Those of them that words in tags of HTML spare, too: what runs on a server acts anywhere in a page that is kept there."""
_TAG = re.compile(rb"</?[a-z][a-z0-9]{0,10}(?:\s[^<>]{0,120})?>|<!--[^<>]{0,200}-->", re.IGNORECASE)
_TELLS_WORDS = re.compile(rb"[A-Za-z\x80-\xff]{2,}")
MAX_MARKED = 2
"""Words outside of tags up to which markup is there for its own sake: with more it is somebody's text."""
MAX_LEAD = 400
"""Bytes of a text in which its words begin, tags and all."""
_IN_LINES = ("shell.", "code.", "path.", "nosql.", "js.")
"""What people show on lines of their own: no string of script goes on there, either. Quotes that end a string of SQL,
tags, documents and templates act there, too."""
_LINE_OF_WORDS = re.compile(rb"(?:\A|\n)(?:" + _LONG.pattern + rb")", re.IGNORECASE)
_FENCE = re.compile(rb"(?:\A|(?<=\n))[ \t]{0,3}```[^`\n]{0,80}(?=\n|\Z)")
"""The line before and behind what Markdown shows as code (CommonMark 4.5)."""
_CODE = re.compile(rb"<(pre|code)\b[^<>]{0,120}>(?:[^<]|<(?!/?(?:pre|code)\b)){0,8000}+</\1>", re.IGNORECASE)
"""What HTML shows as code."""
_HEADING = re.compile(
    rb"(?!(?:if|elif|else|while|for|with|def|class|case|async)\b)" + _WORD + rb"(?:[ \t]+" + _WORD + rb"){1,7}:\s*\Z",
    re.I,
)
"""Two words or more before a colon. One would be a label, behind which script and PHP go on."""
_ANYWHERE = ("shell.reverse_shell", "shell.substitution", "shell.runs_command")
"""What acts on any line that a shell comes to."""
MIN_POST, MIN_BREAKS = 80, 2
"""Bytes and line feeds of the shortest text that is a post."""
_LEADS_TO_SCRIPT = re.compile(rb"[<;\\]|[$#]\{|//|script:", re.IGNORECASE)
"""What brings a browser from words of a text, of an attribute or of a string to script, besides a quote."""
_NO_SCRIPT = re.compile(rb"[ \t]*(?!(?:in|of|instanceof)\b)\w", re.IGNORECASE)
"""A word, which script does not go on with where a string has just ended on the same line."""
_LAST_LINE_OF_WORDS = re.compile(
    rb"\n[A-Z][a-z']{0,20}(?:,?[ \t]+[A-Za-z][\w'().-]{0,30}){3,30}[.?!:]{0,3}[ \t]*\r?\n?\Z"
)
_GOES_ON_BEHIND = re.compile(rb"/\*|\?>|'{3}|\"{3}|<<|__|[$#%*@]\{|\{\{|<%|<!|=begin|`|</|\A\s*[{\[]")
"""What lets a program end before, or hold, a line of words: comments, long strings, a page around it, templates."""
_COMPILED = (
    "code.php_tag", "code.php_runs", "code.php_call", "code.java_call", "code.python_call", "code.node_call", "code.ruby_call",
    "code.dotnet", "code.perl_call", "nosql.where_code", "nosql.leaves_string",
)  # fmt: skip
"""What runs only where a compiler gets to the end of the text. A shell does not: it reads line by line."""
_HANDLER = re.compile(rb"\bon\w{3,30}\s*=", re.IGNORECASE)
"""An attribute that holds script, whatever other attributes come before it."""
_IS_SCRIPT = re.compile(rb"\W{0,3}(?:new|await|throw|typeof|void|delete|yield|async|var|const)\b", re.IGNORECASE)
"""Words that a statement or expression of script begins with."""
_SHORT = ("shell.", "code.php_tag")
"""Decisive facts that a few characters show: they come up in noise by chance."""
_SHORT_IN_LONG = (
    *_SHORT,
    "xpath.leaves",
    "ldap.leaves",
    "http.mail_header",
    "code.python_call",
    "sql.ends",
    "sql.quoted",
    "template.runs",
    "nosql.operator",
)
"""Those that came up in a hundred times 256 KiB of random bytes."""
_IN_FILLERS: tuple[str, ...] = ("http.only_long_run",)
"""What content made up for a trial has, too: whoever measures a server sends it bodies of one character."""
_WORDS = re.compile(rb"[a-z]{5,}")
MIN_NOISE = 700
"""Bytes from which on a text can be told to be noise."""
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"()")
LONG_NOISE = 1 << 14
"""Bytes of noise, a picture or an archive in a field, in which more comes up by chance."""
_LETTERS = bytes(range(48, 58)) + bytes(range(65, 91)) + bytes(range(97, 123)) + b" \n\t"


def prose_drops(text: bytes, place: str) -> tuple[str, ...]:
    """Return the languages (as prefixes of facts) whose facts cannot act in this text."""
    if place not in _OF_PEOPLE or len(text) < 12:
        return ()
    if is_condition(text) or is_search(text):
        return ("sql.",)
    dead = _IN_FILLERS if place == "body" else ()
    if b"\0" not in text and b"\n" not in text and _ENDS_IN_TWO.search(text, max(len(text) - _TAIL, 0)):
        dead += _PATHS
    if (b"../" in text or b"..\\" in text) and _climbs_nowhere(text):
        dead += _CLIMBS
    if b"\0" not in text and _ends_in_words(text):
        dead += _PATHS if b"\n" in text else _PATHS + _WHOLE
        command = _COMMAND.match(text)
        if command and _ends_in_words(command[0]):
            dead += _COMMANDS
    if b"\n" in text and place == "body" and _ends_in_line_of_words(text):
        dead += _COMPILED
    is_sentence = _SENTENCE.match(text) is not None
    if (is_sentence or _ADDRESS.match(text) or _MARKUP.match(text)) and not _leaves_quotes(text):
        dead += _ENDS_STRING
    if b"<" in text[:MAX_LEAD]:
        words = _TAG.sub(b" ", text[:MAX_LEAD])
        if _SENTENCE.match(words) and _LONG.match(words):
            dead += _BEHIND_WORDS
    if (is_sentence or _ENDS_IN_TWO.search(text, max(len(text) - _TAIL, 0))) and not _leaves_brackets(text):
        dead += ("ldap.",)
    if not is_sentence:
        return dead
    if not (_IS_SCRIPT.match(text) or _LEADS_TO_SCRIPT.search(text) or _leaves_script_string(text)):
        dead += ("js.",)
    if _LONG.match(text) is not None:
        dead += _MUST_BEGIN
    return dead


def _ends_in_line_of_words(text: bytes) -> bool:
    """Tell whether people's words are the last line of a text, where every compiler gives up."""
    last = _LAST_LINE_OF_WORDS.search(text, max(len(text) - 2 * _TAIL, 0))
    return last is not None and _GOES_ON_BEHIND.search(text) is None


def _climbs_nowhere(text: bytes) -> bool:
    """Tell whether climbs in a text of one line, as they are named, all end before a blank and a word."""
    if b"\0" in text or b"\n" in text or b"%" in text:
        return False
    return all(_BEHIND_CLIMB.match(text, climb.end()) for climb in _CLIMB.finditer(text))


def _ends_in_words(text: bytes) -> bool:
    return _ENDS_IN_WORDS.search(text, max(len(text) - _TAIL, 0)) is not None


def beginning_of_post(text: bytes, place: str) -> bytes | None:
    """Return what acts of what people write who ask about code: all but the code that they mark as such beside words,
    or the first paragraph of lines, of which one at least is of words.

    That paragraph begins with a sentence or is a heading, lest a line of words in a comment spare the code above it. Of the languages
    `_IN_LINES`, only what is returned acts. None: the text is no such post.
    """
    if place != "body" or len(text) < MIN_POST:
        return None
    text = text.replace(b"\r\n", b"\n")
    told = b"".join(_FENCE.split(_CODE.sub(b"", text))[::2])
    if len(told) < len(text) and _LONG.search(_TAG.sub(b" ", told)):
        return told
    if text.count(b"\n") < MIN_BREAKS or not _LINE_OF_WORDS.search(text):
        return None
    beginning = text.lstrip().partition(b"\n\n")[0]
    if not any(begun.match(beginning) for begun in (_HEADING, _SENTENCE, _LONG)):
        return None
    return beginning


def begins_with_words(text: bytes) -> bool:
    """Tell whether a text begins with a sentence, and with four words in a row."""
    return _SENTENCE.match(text) is not None and _FOUR.match(text) is not None


def spared_in_posts(name: str) -> bool:
    """Tell whether a fact does nothing behind the first paragraph of a post."""
    return name.startswith(_IN_LINES) and name not in _ANYWHERE


def _leaves_quotes(text: bytes) -> bool:
    """Tell whether the first quote of any kind is followed by what SQL could go on with."""
    for quote in (b"'", b'"', b"`"):
        at = text.find(quote)
        if at >= 0 and _CONTINUES.match(text, at + 1):
            return True
    return b"\\" in text[:1]


def _leaves_script_string(text: bytes) -> bool:
    """Tell whether the first quote of any kind is followed by what script could go on with, or by a handler of a tag."""
    firsts = [at for quote in (b"'", b'"', b"`") if (at := text.find(quote)) >= 0]
    if any(_NO_SCRIPT.match(text, at + 1) is None for at in firsts):
        return True
    return bool(firsts) and _HANDLER.search(text, min(firsts)) is not None


def _leaves_brackets(text: bytes) -> bool:
    """Tell whether a bracket is closed that was not opened: only so does anything get out of a filter."""
    depth = 0
    for bracket in text.translate(None, _NO_BRACKETS):
        depth += 1 if bracket == 0x28 else -1
        if depth < 0:
            return True
    return False


def acting(found: set[str], text: bytes, place: str, decisive: frozenset[str]) -> set[str]:
    """Return those of the facts found that can act in this text, standing in this place."""
    if "html.markup" in found and len(_TELLS_WORDS.findall(_TAG.sub(b" ", text[:MAX_LEAD]))) > MAX_MARKED:
        found.discard("html.markup")
    dead = prose_drops(text, place)
    if dead:
        found = {name for name in found if not name.startswith(dead)}
    if found and is_noise(text):
        short = _SHORT_IN_LONG if len(text) >= LONG_NOISE else _SHORT
        found = {name for name in found & decisive if not name.startswith(short)}
    return found


def is_noise(text: bytes) -> bool:
    """Tell whether a text is random characters: a fifth and more are marks, and words are as rare as chance has it."""
    if len(text) < MIN_NOISE:
        return False
    marks = len(text.translate(None, _LETTERS))
    return marks * 5 >= len(text) and sum(1 for _ in _WORDS.finditer(text)) * 120 <= len(text)
