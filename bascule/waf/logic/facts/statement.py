"""SQL that goes on behind a value with any operator, predicate or clause: `'^1#`, `1 limit 0,1`, `' rlike'`, `1 * 1 --`.

`continuation.py` asks that what AND and OR join is nothing that people write. Here a value is read by a wider grammar, that
of MariaDB, PostgreSQL, SQLite, Oracle and SQL Server together, and what tells is that all of it is read: from the quote
that ends a string to a comment, or to another string that is left open, which the statement closes. Nothing else leaves
a statement whole. Behind a number anything may end it, and people write numbers with operators: only what they do not
write counts, and at strict presets.
"""

from __future__ import annotations

import re

from .fact import Fact
from .sqlgrammar import RESERVED, VALUES, Grammar
from .sqltokens import is_marked, is_quoted_word

FACTS = (
    Fact(
        "sql.operates",
        "goes on with SQL, from a closed quote or a number to a comment, an open string or the end, or with a rare statement",
        (),
        True,
    ),
    Fact(
        "sql.operates_on_number",
        "a number or name that goes on with operators, clauses or statements of SQL as people do not write them",
        (),
        telling=True,
    ),
    Fact(
        "_sql.reads",
        "",
        (
            rb"^[^\n'\"]{0,80}['\"][\s)]*(?:[-+*/%&|^~!<>=?;,@\#]|::|(?:xor|isnull|notnull|collate|escape|glob|match|ilike|similar|sounds|limit|offset|order|group|procedure|into|for|lock|returning|window|fetch|except|intersect|minus)\b)",
            rb"^[\s(+~!-]{0,8}[\d.]{1,20}[\s)]*(?:;[\s\w]|(?:or|and|xor|is|in|not|like|rlike|regexp|glob|match|sounds|between|div|mod|limit|offset|order|group|having|union|except|intersect|minus|procedure|into|for|lock|fetch|window|collate|isnull|notnull)\b|[-+*/%&|^]{1,2}[\s~!+-]{0,8}(?:[(@]|[a-z]\w{1,30}\s?\(|(?:null|true|false|current_\w{4,9}|binary)\b)|[|&^]\s*\d+\s*[=<>]|[<>=!]{1,3}[\s\w(]|::|[-+*/%^&|\s.(]{1,8}\d[-+*/%^&|\d\s.()]{0,40}(?:--|\#|/\*)[\s+-]{0,4}$)",
            rb"^(?:[a-z_][\w.]{0,40}(?:--[\s+]{1,3}-|/\*)|[a-z_][\w.]{0,40}\s(?:asc|desc)\s{0,3}(?:--|\#|/\*)[\s+-]{0,4})$",
            rb"^\s*(?:i?if|ascii|ord|chr|n?char|concat|concat_ws|group_concat|json_\w{2,12}|substr|substring|mid|ifnull|nullif|coalesce|nvl2?|decode|elt|field|strcmp|hex|unhex|cast|convert|typeof|unicode|iif|case|interval|row|export_set|make_set|find_in_set|crc32|md5|sha1|sha2)\s*[\s(]",
            rb"^[a-z_][\w.]{0,40}\s(?:(?:asc\s|desc\s)?\s*limit\s+\d|collate\s|into\s+@|from\s+\w)",
        ),
    ),
)
_PLAIN = rb"(?:begin|commit|rollback|end|vacuum|analyze|reindex|checkpoint|resignal|throw|reconfigure|shutdown|go)\s*;?\s*(?:--|\#|/\*|\Z)"
"""Statements of one word."""
_RARE = (
    rb"(?:deallocate\s+\w|unlock\s+tables|savepoint\s+\w|release\s+savepoint|unlisten\s|discard\s+(?:all|plans|temp|sequences)\b"
    rb"|revoke\s+[\w, ]{2,40}\s(?:on|from)\s|(?:un)?install\s+(?:plugin|soname|component)\s|refresh\s+materialized\s|purge\s+(?:recyclebin"
    rb"|binary|master)\b|signal\s+sqlstate\b|get\s+(?:current\s+)?diagnostics\s|xa\s+(?:start|begin|end|prepare|commit|recover)\b"
    rb"|(?:start|stop|reset)\s+(?:slave|replica|master)\b|binlog\s+'|cache\s+index\s|change\s+(?:master|replication)\s|security\s+label\s"
    rb"|reassign\s+owned\s|do\s*(?:\d|[($'\"])|table\s+\w+\s*(?:$|;|limit|order|--|\#)|values\s*(?:row\s*)?\(|replace\s+(?:into\s+)?\w+\s*(?:values|\()"
    rb"|insert\s+\w+\s+values|load\s+'|handler\s+\w|prepare\s+\w+\s+from|execute\s+(?:immediate\s)?\w|exec\s*\(|declare\s+@?\w"
    rb"|describe\s+\w+\s*(?:$|;|--|\#)|(?:if|while)\s*\(?\s*\d+\s*[=<>]|copy\s+[\w(]|attach\s+['\"]|deny\s+\w+\s+on\s|set\s+[@\w.]+\s*(?:=|to\b)"
    rb"|call\s+[\w.]+\s*(?:\(|;|--|\#)|pragma\s+\w|merge\s+(?:into\s+)?\w+\s|bulk\s+insert\s|grant\s+[\w, ]{2,40}\s(?:on|to)\s)"
)
"""Statements that are rare, and in no sentence."""
_WORDS = rb"(?:desc|use|open|close|fetch|listen|notify|cluster|detach|print|goto|call|help|import|kill|load|reset|analyze|truncate)\s*['\"@]?\w"
"""Those that are words of sentences, too."""
_STACKED = re.compile(
    rb"[^'\";\n]{0,40}['\"][\s)]*+;\s*+(?:(?:"
    + _PLAIN
    + rb"|"
    + _RARE
    + rb")|"
    + _WORDS
    + rb"[^\n'\"]{0,80}['\"]?\s*;?\s*(?:--|\#)[\s+-]{0,4}\Z)|[\w@.-]{0,30}['\"]\s*,\s*\w{1,30}\s*=\s*['\"][\w@.-]{0,40}\Z",
    re.IGNORECASE,
)
"""A statement behind a closed quote, or another column that is set."""
_STACKED_ON_NUMBER = re.compile(
    rb"\s*+-?\d{1,20}[\s)]*+;(?:\s*+" + _PLAIN + rb"|\s*+" + _RARE + rb"|" + _WORDS + rb")", re.IGNORECASE
)

MAX_READ = 400
"""Bytes of the longest value that is read."""
MAX_LEAD = 80
"""Bytes before the quote that ends the string."""
_TAIL = re.compile(rb"(?:(?:--|/\*)[\s+\-*/'\")]{0,6}\w{0,3}|\#[\s+\-'\")]{0,6})\s*\Z")
"""A comment as attackers leave it, with nothing or next to nothing in it."""
_LONE_TAIL = re.compile(rb"--[\s+]+\w{0,3}|(?:--|\#|/\*)[\s+*/'\")-]{0,6}")
_CUT_LATER = re.compile(rb";[^'\"]*?(?:--[\s+-]{0,4}|\#)\s*")
_OPENS = re.compile(rb"(?:\w\s*=|\b(?:like|in|is))\s*\Z", re.IGNORECASE)
"""What a string begins behind: the quote there ends none."""
_COLUMNS = frozenset(
    b"id uid userid user_id username uname passwd password pass pwd email admin is_admin role rowid".split()
)
"""Names that an attacker guesses first."""
_CUT = re.compile(rb"--[\s+]+-|/\*")


def operates(text: bytes) -> str | None:
    """Return the fact that a value shows, if any: that it leaves its string, or that it is a number that goes on."""
    if len(text) > MAX_READ:
        return None
    if b";" in text or b"=" in text:
        if _STACKED.match(text):
            return "sql.operates"
        if _STACKED_ON_NUMBER.match(text):
            return "sql.operates_on_number"
    for quote in (b"'", b'"'):
        at = text.find(quote)
        if 0 <= at <= MAX_LEAD and _may_end(text, at) and _Reader(text, at + 1, quote).leaves_string():
            return "sql.operates"
    return _Reader(text, 0, b"").behind_number() or _Reader(text, 0, b"").behind_name()


def _may_end(text: bytes, at: int) -> bool:
    lead = text[:at]
    return b"\n" not in lead and _OPENS.search(lead) is None and not is_quoted_word(text, at)


class _Reader(Grammar):
    """Reads what a value does to the statement around it."""

    def leaves_string(self) -> bool:
        """Read `' or 1#`, `'^(1)^'`, `') limit 1#`, `' is null or '`: to a comment or a string that is left open.

        What people mark in a sentence is left out: two words with an operator, paths, searches with wild cards.
        """
        self._closers()
        began = self._at
        if not self._rest():
            return False
        read = self._tokens[began : self._at]
        if not read or read[-1][0] != "open":
            tail = self._text()
            if not read or tail[:1] == b";":
                return (_CUT_LATER if read else _LONE_TAIL).fullmatch(tail) is not None
            return _TAIL.match(tail) is not None
        last = read[-1][1]
        if self._text() or not last.lstrip(b"nbxeq").startswith(self._quote):
            return False
        marks = len(read) == 2 and read[0][0] != "word"
        if marks and (read[0][0] == "logic" or last == self._quote or last[1:2].isspace()):
            return False
        return not is_marked(read)

    def behind_number(self) -> str | None:
        """Read `-1 or id`, `1 limit 0,1`, `1 is true`, `1^(1=1)`, `1 * 1 --`."""
        negative = self._text() == b"-"
        while self._text() in (b"-", b"(", b"~", b"!", b"+"):
            self._at += 1
        if self._kind() != "number":
            return None
        self._at += 1
        closed = self._closers()
        began = self._at
        if not self._rest() or self._at == began or self._tokens[self._at - 1][0] == "open":
            return None
        read, end = self._tokens[began : self._at], self._text()
        if _TAIL.match(end):
            sure = self.clause or self.calls or self.matches or self.constants or self.odd
            return "sql.operates" if sure else "sql.operates_on_number"
        if end and end[:1] not in b";\0":
            return None
        if self.sure or self.calls or (self.logic and self.within):
            return "sql.operates"
        if self.clause or self.odd or (self.matches and not closed) or self._tells(read):
            return "sql.operates_on_number"
        return "sql.operates_on_number" if negative and self.logic else None

    def _tells(self, read: list[tuple[str, bytes]]) -> bool:
        """Tell whether constants are compared otherwise than in an equation, or AND or OR has a column's name behind it."""
        if self.constants and (
            self.logic or self.within or any(text in b"|&^" for kind, text in read if kind == "math")
        ):
            return True
        if len(read) == 2 and read[0][1] in (b"<>", b"!=", b"<=>"):
            return read[1][0] == "number" and self.tight
        return any(kind == "word" and text in _COLUMNS for kind, text in read) and self.logic

    def behind_name(self) -> str | None:
        """Read `id-- -`, `name desc#`, `id limit 0,1`, `name collate nocase`, `concat(name,pass)`."""
        kind, name = self._tokens[0]
        if kind != "word" or name in RESERVED | VALUES or name[:1] == b"@":
            return None
        if not self._term():
            return None
        if self._text() in (b"asc", b"desc"):
            self._at += 1
        chosen = name in (b"if", b"iif") and sum(text == b"," for _, text in self._tokens) == 2
        called = (self.calls or chosen) and self._kind() == "end" and not self._text()
        began = self._at
        if called or (self._at > 1 and _TAIL.match(self._text())) or _CUT.fullmatch(self._text()):
            return "sql.operates_on_number"
        whole = self._rest() and self._at > began and self._kind() == "end" and self._tokens[self._at - 1][0] != "open"
        return "sql.operates_on_number" if whole and not self.logic and (self.sure or self.odd) else None

    def _rest(self) -> bool:
        """Read operators with their terms, predicates and clauses; return whether all that was read is whole."""
        while self._kind() != "end":
            if self._kind() == "logic":
                self.logic = True
                self._at += 1
                whole = self._expression()
            elif self.at_clause():
                whole = self._clause()
            else:
                whole = self._operation()
            if not whole:
                return False
            self._closers()
        return True
