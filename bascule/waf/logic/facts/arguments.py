"""What people write in a field for words is at most one argument to a shell, and at most a string to a database.

Whole commands are run where a field is for commands. What somebody looks for, the subject of a ticket or the text of a
post comes to a shell, if ever, as a part of a command that is there already: without a separator, a substitution or a
redirection nothing in it is run (POSIX.1-2017, shell 2.2 and 2.10). A password of one word comes to
a database between quotes, which only a quote or a backslash leaves; and marks of a path in it that no name of a file
follows lead nowhere.
"""

from __future__ import annotations

import re

from .patterns import beginning

_WORDS = frozenset(
    b"""q query search s term terms keyword keywords subject title headline summary text message comment body content
    description note notes question answer caption post reply bio about feedback""".split()
)
"""What fields for words are called, in lower case, by the last part of their names. None is a command's, nor a file's."""
_RUNS = re.compile(rb"[;|&`$<>\r\n\0\\%^]|(?:\A|\s)-{1,2}[\w-]{1,40}=|\s-(?:exec|ok)(?:dir)?\s|\A\s*-")
"""What a shell reads on from, and options that run something: a program may be given several arguments."""
_OF_SHELL = beginning("shell.")
_IN_QUERIES = frozenset(("shell.only_command", "shell.command_with_target", "shell.variable"))
"""Those that words in the box of a search show; an interpreter by its path, or one with its switches, is no search."""
_WORDS_FIRST = re.compile(
    rb"(?!(?:cat|ls|cp|mv|rm|nl|less|more|head|tail|type|dir|file|include|require|source|sh|bash|vi|vim|sudo)\b)"
    rb"[a-z\x80-\xff]{2,30}+[,:]?[ \t]++[a-z\x80-\xff]{2,30}+[,:]?[ \t]++[a-z\x80-\xff]{2,30}+[,:]?[ \t]++(?!.*(?:\.\.|/etc/|/proc/|\.ssh))",
    re.IGNORECASE,
)
"""Three words, the first no command that reads: no folder is called like that. What attackers read they put behind words, too, where a
shell takes each for an argument."""
_PASSWORD = re.compile(
    rb"(?:passw(?:or)?d|passphrase|passwort|\Apass|pwd)(?:_?(?:confirm(?:ation)?|repeat|again|new|old)|[12])?\]?\Z|\Aconfirm\Z",
    re.I,
)
_LEAVES = re.compile(rb"['\"\\%\0]|[^\x00-\x7f]")
"""What may end a string: a quote, a backslash, and what becomes one by decoding it once more or in another character set."""
_STATES = re.compile(rb"\s|/\*|\+|\(.*\(|select", re.IGNORECASE | re.DOTALL)
"""What parts words in SQL. People do not part those of a password so, and a program may read one as a number."""
_NAMES_FILE = re.compile(rb"[/\\][\w.-]{1,60}[/\\][\w-]|\.\w{2,5}\Z|[%:\0]")
"""What follows the marks in a path that leads to a file: a name in a folder, or one with a suffix."""
_BOXES = frozenset(b"q query search s term terms keyword keywords".split())
"""The boxes of searches: what stands in them is looked for in texts, and neither opened nor fetched."""
MAX_NAMED = 64
_ONLY_NAMED = (
    (re.compile(rb"[\w.$]{1,40}\(\)"), beginning("js.")),
    (re.compile(rb"(?i:file|ftp|https?)://"), beginning("path.", "ssrf.")),
    (re.compile(rb"[A-Za-z]:\\(?:Windows|Program Files|Program Files \(x86\)|ProgramData|Users)(?:\\[A-Za-z\d]{1,30})?\\?"), beginning("path.")),
    (re.compile(rb"\.(?!htpasswd)[a-z]{2,12}"), frozenset(("path.dot_file",))),
    (re.compile(rb"https?://localhost(?::\d{2,5})?/?"), beginning("ssrf.")),
    (re.compile(rb"(?:cat|grep|sort|head|tail|wc|uniq|awk|sed|less|more|tee|cut|tr|xargs)(?: ?\| ?(?:grep|sort|head|tail|wc|uniq|awk|sed|less|more|tee|cut|tr|xargs))+"), beginning("shell.")),
)  # fmt: skip
"""What people look for by its name alone, and the facts that it shows: a function, called with nothing; a scheme; a folder of
Windows; a file without its folder; a developer's own machine; filters of a shell, which wait for an input."""
_OF_SQL = beginning("sql.")
_OF_PATHS = beginning("path.")


def as_argument(facts: frozenset[str], place: str, name: bytes, text: bytes) -> frozenset[str]:
    """Return the facts of a value without those that do nothing in it as one argument or one string."""
    if place not in ("query", "header:referer", "body") or any(each.startswith("enc.") for each in facts):
        return facts
    field = name.rpartition(b".")[2].lower()
    if field in _BOXES and len(text) <= MAX_NAMED:
        for pattern, named in _ONLY_NAMED:
            if not facts.isdisjoint(named) and pattern.fullmatch(text):
                return facts - named
    if field in _WORDS:
        dead = _OF_SHELL if place == "body" else _IN_QUERIES
        if _WORDS_FIRST.match(text):
            dead |= _OF_PATHS
        return facts if facts.isdisjoint(dead) or _RUNS.search(text) else facts - dead
    if _PASSWORD.search(field):
        if not facts.isdisjoint(_OF_PATHS) and _NAMES_FILE.search(text) is None:
            facts -= _OF_PATHS
        if facts.isdisjoint(_OF_SQL) or _LEAVES.search(text) or _STATES.search(text):
            return facts
        return facts - _OF_SQL
    return facts
