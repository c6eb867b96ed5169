"""SQL that goes on where a value was to end: read by a grammar of expressions, from a number or a closed quote to the end.

A statement takes a value as a number (`WHERE id = 5`) or in quotes (`WHERE name = 'anne'`). What an attacker adds must
be an expression of SQL, to the very end or to a comment: `5) and (role='admin'`, `anne' and quarter(now())`,
`anne'||user||'`. Words of people break off where the grammar wants an operator. The last string and the last brackets
may be open: the statement closes them.
"""

from __future__ import annotations

import re

from .fact import Fact
from .sqltokens import Reader, is_marked, is_quoted_word

FACTS = (
    Fact(
        "sql.goes_on",
        "an expression of SQL, from a number or a closed quote on to the end of the value",
        (),
        True,
    ),
    Fact(
        "sql.number_comment",
        "a number with a comment behind it, which ends the statement",
        (rb"^\s*-?\d{1,10}['\")]*\s*(?:--(?:[\s+]+-?)?|\#|/\*(?:\*/)?)\s*$",),
        telling=True,
    ),
    Fact(
        "_sql.look",
        "",
        (
            rb"['\")\d]\s*\)*\s*(?:or|and|xor|not|having|where|like|rlike|between|in|is|div|mod|union|regexp|select|if|case|when|exec|as)\b",
            rb"['\"`\\]\s*\)*\s*(?:\|\||&&|=|<|>|--|#|/\*|;\s*(?:--|#|[a-z]{2,10}\s)|!=|\+|\*|-\s*[\d(]|[|&^%/]\s*[\d('\"@~!-])",
            rb"^\s*-?\d+\s+is\s+(?:not\s+)?distinct\s|(?:\b(?:or|and|xor|having|where)\b|&&|\|\|)[\s(!'\"+-]*(?:not\s+)?[\w'\"@.]{1,40}[\s)'\"]*(?:[=<>!]|like\b|is\b|in\b|between\b|\()",
            rb"\b(?:select|union|insert|delete|update|drop|exec|declare|waitfor|sleep|benchmark|having)\b[\s(@'\"]",
        ),
    ),
)
MAX_READ = 600
"""Bytes of the longest value that is read: an expression, and no document."""
MAX_TOKENS = MAX_READ + 1
MAX_LEAD = 80
"""Bytes before the quote that ends the string."""
MAX_DEPTH = 12
"""Brackets within each other that are read."""

_TOKEN = re.compile(
    rb"""\s*+(?:(?P<end>--.*+|\#.*+|/\*(?:(?!\*/).)*+\Z|;.*+|\Z)
    |/\*(?:(?!\*/).)*+\*/
    |(?P<string>(?:[nbxe]|_utf8|_latin1|_binary)?(?:'(?:[^'\\]|\\.|'')*+'|"(?:[^"\\]|\\.|"")*+"))
    |(?P<open>(?:[nbxe]|_utf8|_latin1|_binary)?(?:'(?:[^'\\]|\\.|'')*+|"(?:[^"\\]|\\.|"")*+))
    |(?P<number>0x[0-9a-f]++|0b[01]++|\d++(?:\.\d*+)?(?:e[+-]?\d++)?|\.\d++)
    |(?P<compare><=>|<>|!=|>=|<=|=|<|>)
    |(?P<logic>\|\||&&|(?:or|and|xor|having|where)\b)
    |(?P<math>[-+*/%&|^~!])
    |(?P<word>[`\[]?[a-z_@][\w@$.]*+[`\]]?)
    |(?P<punct>[(),]))""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_LITERALS = ("number", "string", "open")
_OPERATORS = (b"div", b"mod", b"collate", b"sounds")
"""Words between two terms that people do not write behind a number."""
_PREDICATES = frozenset(b"is like rlike regexp ilike glob in between not similar sounds".split())
_CALLED = frozenset((b"like", b"glob", b"regexp"))
"""Those of them that SQLite has as functions, too."""
_VALUES = frozenset(
    b"true false null unknown current_user session_user system_user user current_date current_time".split()
)
_RESERVED = _PREDICATES | frozenset(
    b"or and xor select union from where order group having limit into case when then else end div mod as the".split()
)
_KNOWN_CALLS = frozenset(
    b"""ascii ord char chr nchr concat concat_ws substr substring mid left right length len char_length octet_length
    bit_length lower upper hex unhex bin oct md5 sha sha1 sha2 crc32 if iif ifnull isnull nullif coalesce nvl nvl2 decode
    elt field strcmp sleep pg_sleep benchmark user database schema version current_user session_user system_user exp pow
    power sqrt log floor ceil ceiling round rand random mod abs sign cast convert count sum min max avg now sysdate curdate
    curtime getdate quarter month year day hour minute second date_add unix_timestamp to_char to_number to_date rownum
    instr locate position reverse repeat replace replicate stuff space trim ltrim rtrim lpad rpad load_file row exists
    any some all greatest least interval json_extract json_length json_keys extractvalue updatexml xmltype randomblob
    zeroblob typeof unicode glob like quote sqlite_version changes total_changes last_insert_rowid pi connection_id
    row_count uuid inet_aton is_member has_dbaccess object_id db_name db_id host_name user_name suser_name""".split()
)


def goes_on(text: bytes) -> bool:
    """Tell whether a value reads as one that ends, and goes on as an expression that a statement takes."""
    if len(text) > MAX_READ:
        return False
    if _Reader(text, 0).behind_number():
        return True
    for quote in (b"'", b'"'):
        at = text.find(quote)
        inches = quote == b'"' and text[:at][-1:].isdigit()
        ends = 0 <= at <= MAX_LEAD and b"\n" not in text[:at] and not (inches or is_quoted_word(text, at))
        if ends and _Reader(text, at + 1).behind_quote():
            return True
    return False


class _Reader(Reader):
    """Reads one text, token by token. `sure`: something of it is no word of people: a comparison, a call, a literal."""

    def __init__(self, text: bytes, at: int) -> None:
        super().__init__(_TOKEN, text, at, MAX_TOKENS)
        self._constants = 0
        self._closed = False
        self._compared = False
        self._told = False
        self._quoted = False
        self.sure = False

    def behind_number(self) -> bool:
        """Read `5 or a=1`, `5) and (b>2`, `5 div 1 or 3>2`."""
        if self._kind() == "math" and self._text() == b"-":
            self._at += 1
        if self._kind() != "number":
            return False
        self._at += 1
        while self._kind() == "math" or self._text() in _OPERATORS:
            self._constants = 1
            self._told = self._told or self._text() in _OPERATORS
            self._at += 1
            if self._text() == b"like":
                self._at += 1
            if not self._term():
                return False
        self._closers()
        if self._text() == b"is":
            return (
                self._rest_of_condition() is True
                and any(text == b"distinct" for _, text in self._tokens)
                and self._kind() == "end"
            )
        return self._kind() == "logic" and self._conditions(behind_number=True)

    def behind_quote(self) -> bool:
        """Read `' or a=1`, `') and f(b) and ('`, `'||user||'`, `'-(1)-'`."""
        self._quoted = True
        self._closers()
        if self._kind() == "logic":
            return self._conditions(behind_number=False)
        began = self._at
        while self._kind() in ("math", "compare"):
            self._at += 1
            if not self._term():
                return False
        if self._at > began + 1 and self._rest_of_condition() is None:
            return False
        if self._kind() == "logic":
            return self._at > began and self._conditions(behind_number=False)
        if self._at <= began + 2 or self._kind() != "end" or self._tokens[self._at - 1][0] != "open":
            return False
        return not is_marked(self._tokens[began : self._at])

    def _conditions(self, behind_number: bool) -> bool:
        """Read conditions to the end. People compare two numbers behind one, too, but not twice, nor behind arithmetic."""
        self.sure = self._told
        joins, began = self._text() == b"||", self._at
        while self._kind() == "logic":
            self._at += 1
            if not self._condition(behind_number):
                return False
            self._closers()
        if (
            joins
            and self._at > began + 3
            and [self._tokens[self._at - 2][1], self._tokens[self._at - 1][0]] == [b"||", "open"]
        ):
            return self._kind() == "end"
        return (self.sure or self._constants > 1) and self._kind() == "end"

    def _condition(self, behind_number: bool) -> bool:
        """Read a comparison, a predicate, a call or a literal, and say whether one was read."""
        told = behind_number and self._text() in (b"!", b"~")
        while self._text() in (b"not", b"!"):
            self._at += 1
        began = self._at
        negated = behind_number and self._tokens[began - 1][1] == b"not"
        if not self._term():
            return False
        compared = self._rest_of_condition()
        if compared is None:
            return False
        first = self._tokens[began]
        literal = self._tokens[self._at - 1][0] in ("number", "string")
        self.sure = self.sure or first[1].startswith(b"@@") or (literal and (told or (negated and compared)))
        self._compared = (
            compared or first[1] in _VALUES or any(k == "compare" for k, _ in self._tokens[began : self._at])
        )
        if compared:
            constants = all(kind in ("number", "compare", "punct") for kind, _ in self._tokens[began : self._at])
            self._constants += constants
            self.sure = self.sure or not (constants and behind_number)
        elif self._at - began > 2 and self._tokens[began + 1][1] == b"(" and first[0] == "word":
            self.sure = self.sure or not behind_number or first[1] in _KNOWN_CALLS or b"_" in first[1]
        elif not behind_number and (first[0] in ("number", "string") or first[1] in _VALUES or first[1][1:2].isdigit()):
            self.sure = self.sure or self._kind() in ("end", "logic")
        return True

    def _rest_of_condition(self) -> bool | None:
        """Read what follows a term: return whether it is compared with a literal or a call, None where that breaks off."""
        before = self._tokens[self._at - 1]
        compared = False
        if self._text() == b"not":
            self._at += 1
        match self._text():
            case b"is":
                self._at += 1
                if self._text() == b"not":
                    self._at += 1
                if self._text() == b"distinct" and self._tokens[self._at + 1][1] == b"from":
                    self._at += 2
                    return True if self._term() else None
                if self._text() not in (b"null", b"true", b"false", b"unknown"):
                    return None
                self._at += 1
                return True
            case b"in":
                self._at += 1
                return True if self._text() == b"(" and self._term() else None
            case b"between":
                self._at += 1
                if not self._term() or self._text() != b"and":
                    return None
                self._at += 1
                return True if self._term() else None
            case b"like" | b"rlike" | b"regexp" | b"ilike" | b"glob":
                self._at += 1
                began = self._at
                return self._tokens[began][0] != "word" if self._term() else None
        while self._kind() == "compare":
            self._at += 1
            began = self._at
            if not self._term():
                return None
            after = self._tokens[began]
            literal = "word" not in (before[0], after[0]) or before[0] in _LITERALS
            literal = literal or after[0] in ("number", "string", "open", "punct") or self._at - began > 1
            compared = compared or literal or after[1] == before[1] or self._quoted
        return compared

    def _term(self) -> bool:
        """Read a number, a string, a name, a call or what is in brackets, with arithmetic between them."""
        while True:
            while self._kind() == "math" and self._text() in (b"-", b"+", b"~", b"!"):
                self._at += 1
            if not self._factor():
                return False
            if self._kind() == "math" or self._text() in (b"div", b"mod", b"collate"):
                self._at += 1
                continue
            return True

    def _factor(self) -> bool:
        kind, text = self._tokens[self._at]
        if kind in _LITERALS:
            self._at += 1
            return True
        if kind == "word" and (text not in _RESERVED or (text in _CALLED and self._tokens[self._at + 1][1] == b"(")):
            self._at += 1
            return self._brackets() if self._text() == b"(" else True
        return text == b"(" and self._brackets()

    def _brackets(self) -> bool:
        """Read arguments, a list or a nested expression; the end may leave them open."""
        self._at += 1
        self._depth += 1
        try:
            if self._depth > MAX_DEPTH:
                return False
            if self._text() == b"select":
                self.sure = True
                return self._skip()
            while self._text() != b")":
                if self._kind() == "end":
                    self.sure = self.sure or (self._closed and self._compared)
                    return True
                if self._text() == b"*":
                    self._at += 1
                elif not self._condition(behind_number=True):
                    return False
                if self._kind() == "logic" or self._text() == b",":
                    self._at += 1
                elif self._text() != b")" and self._kind() != "end":
                    return False
            self._at += 1
            return True
        finally:
            self._depth -= 1

    def _closers(self) -> None:
        while self._text() == b")":
            self._at += 1
            self._closed = True
