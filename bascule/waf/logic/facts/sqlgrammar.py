"""A grammar of SQL's expressions and clauses, that of MariaDB, PostgreSQL, SQLite, Oracle and SQL Server together.

It takes more than each of them, and words of people are hardly ever read to their end. What it meets it notes.
"""

from __future__ import annotations

import re

from .sqltokens import Reader

MAX_DEPTH = 12
"""Brackets within each other that are read."""
MAX_TOKENS = 120

_TOKEN = re.compile(
    rb"""\s*+(?:(?P<end>--.*+|\#(?!>).*+|/\*(?:(?!\*/).)*+\Z|;.*+|\0.*+|\Z)
    |/\*(?:(?!\*/).)*+\*/
    |(?P<string>(?:[nbxeq]|u&|_utf8(?:mb[34])?|_latin1|_binary)?(?:'(?:[^'\\]|\\.|'')*+'|"(?:[^"\\]|\\.|"")*+")|\$(?P<tag>\w{0,20})\$[^$]{0,60}\$(?P=tag)\$)
    |(?P<open>(?:[nbxeq]|_utf8(?:mb[34])?|_latin1|_binary)?(?:'(?:[^'\\]|\\.|'')*+|"(?:[^"\\]|\\.|"")*+))
    |(?P<number>0x[0-9a-f]++|0b[01]++|\d++(?:\.\d*+)?(?:e[+-]?\d++)?|\.\d++|\\n)
    |(?P<json>->>?|\#>>?|@>|<@|::|:=|\?[|&]?)
    |(?P<shift><<|>>)
    |(?P<compare><=>|<>|!=|>=|<=|==|=|<|>|!~\*?|!~~\*?|~~\*?|~\*)
    |(?P<logic>\|\||&&|(?:or|and|xor)\b)
    |(?P<math>[-+*/%&|^~!])
    |(?P<word>`[\w$ ]{1,40}`|[a-z_@][\w@$]*+(?:\.(?:[a-z_*`][\w@$*]*+`?))*+)
    |(?P<punct>[(),\[\]:.]))""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_MATCHES = frozenset(b"like rlike regexp ilike glob match similar sounds".split())
_LITERALS = frozenset((b"true", b"false", b"null", b"unknown"))
VALUES = frozenset(
    b"true false null unknown current_user session_user system_user current_date current_time current_timestamp localtime"
    b" localtimestamp utc_date utc_time utc_timestamp sysdate rownum rowid user".split()
)
_CLAUSES = frozenset(
    b"order group having limit offset fetch for into union except intersect minus procedure window where lock returning".split()
)
RESERVED = (
    _MATCHES
    | _CLAUSES
    | frozenset(
        b"""or and xor is in between not select from case when then else end div mod as by the collate escape isnull notnull
        asc desc on to with a an of""".split()
    )
)
_CONSTANTS = frozenset(("number", "string", "open", "quote", "punct"))
_TYPES = frozenset(
    b"int integer bigint text varchar char numeric float date bool boolean json jsonb regclass bytea name oid".split()
)
_OF_DATABASES = frozenset(
    b"""ascii ord char chr nchr unichar concat concat_ws group_concat substr substring mid char_length octet_length bit_length
    hex unhex md5 sha1 sha2 crc32 iif ifnull isnull nullif coalesce nvl nvl2 decode elt field strcmp sleep pg_sleep benchmark
    database schema version current_user session_user system_user user connection_id row_count found_rows last_insert_id
    uuid newid getdate sysdate to_char to_number to_date instr locate load_file json_extract json_valid json_length json_keys
    extractvalue updatexml xmltype randomblob zeroblob typeof unicode glob likely unlikely sqlite_version changes
    total_changes last_insert_rowid is_member has_dbaccess object_id db_name db_id host_name user_name suser_name suser_sname
    datalength charindex patindex isnumeric convert cast bit_count make_set find_in_set export_set interval inet_aton
    pg_backend_pid current_setting current_database current_schema greatest least row exists any array char_length
    quote_literal string_agg array_agg listagg rawtohex utl_raw dump row_number name_const st_astext benchmark""".split()
)
"""Functions that somebody calls who knows databases, and nobody in mathematics or a table of figures."""
_OPENERS = frozenset(b"exists any all some array row interval binary distinct prior date timestamp time".split())
"""Words before a term that is one with them."""


class Grammar(Reader):
    """Reads one text from a place on, token by token."""

    def __init__(self, text: bytes, at: int, quote: bytes) -> None:
        super().__init__(_TOKEN, text, at, MAX_TOKENS)
        self._quote = quote
        self.tight = b" " not in text
        """There is no blank in the text."""
        self.logic = False
        """AND, OR and their like."""
        self.clause = self.sure = False
        """A clause, of which people do not write the like; one that nobody writes but in a statement."""
        self.matches = False
        """A predicate in words: LIKE, IS, IN, BETWEEN."""
        self.calls = False
        """A function of databases, a query, CASE, or a value that only SQL has a word for."""
        self.constants = self.within = False
        """Constants are compared; they are, in brackets."""
        self.limited = False
        self.odd = False
        """What people do not write: a cast, a hexadecimal number, an operator that mathematics has not."""

    def at_clause(self) -> bool:
        """Tell whether a clause begins here."""
        kind, text = self._tokens[self._at]
        return kind == "word" and text in _CLAUSES

    def _expression(self) -> bool:
        while self._text() in (b"not", b"!"):
            self._at += 1
        if not self._term():
            return False
        while self._kind() not in ("end", "logic", "other") and self._text() not in _CLAUSES | {b")", b",", b"]"}:
            if self._text() in (
                b"then",
                b"else",
                b"when",
                b"end",
                b"and",
                b"as",
                b"from",
                b"for",
                b"using",
                b"asc",
                b"desc",
            ):
                return True
            if not self._operation():
                return False
        return True

    def _operation(self) -> bool:
        """Read an operator and the term behind it, or a predicate."""
        kind, text = self._tokens[self._at]
        before = self._tokens[self._at - 1] if self._at else ("quote", b"")
        self._at += 1
        if kind in ("math", "shift"):
            began = self._at
            if not self._term():
                return False
            bits = kind == "shift" or text in b"|&^"
            self.odd = self.odd or text == b"~" or (bits and self._at - began > 1 and self._tokens[began][0] == "word")
            return True
        if kind == "json":
            self.odd = self.odd or text != b"?"
            return self._text() in _TYPES and self._word() if text == b"::" else self._term()
        if kind == "compare":
            if self._text() in (b"any", b"all", b"some"):
                self._at += 1
            began = self._at
            if not self._term():
                return False
            if before[0] in _CONSTANTS and self._tokens[began][0] in _CONSTANTS:
                self.constants = True
                self.within = self.within or self._depth > 0
            self.odd = self.odd or text == b"<=>" or text[-1:] in b"~*"
            return True
        if kind != "word":
            return False
        if text == b"not":
            text = self._text()
            self._at += 1
            if text not in _MATCHES and text not in (b"in", b"between"):
                return False
        return self._predicate(text)

    def _predicate(self, text: bytes) -> bool:
        if text in (b"div", b"mod"):
            return self._literal_term()
        if text == b"collate":
            self.odd = True
            return self._word()
        if text in (b"isnull", b"notnull"):
            self.odd = True
            return True
        if text == b"escape":
            return self._term()
        if text == b"is":
            if self._text() == b"not":
                self._at += 1
            if self._text() == b"distinct" and self._tokens[self._at + 1][1] == b"from":
                self._at += 2
                self.odd = True
                return self._term()
            self.matches = True
            if self._text() not in (b"null", b"true", b"false", b"unknown"):
                return False
            self._at += 1
            return True
        if text == b"in":
            self.matches = True
            return self._text() == b"(" and self._literal_term()
        if text == b"between":
            self.matches = True
            if self._text() == b"symmetric":
                self._at += 1
            if not self._literal_term() or self._text() != b"and":
                return False
            self._at += 1
            return self._literal_term()
        if text in _MATCHES:
            if text == b"sounds" and self._text() == b"like":
                self._at += 1
                self.odd = self.matches = True
                return self._term()
            if text == b"similar" and self._text() == b"to":
                self._at += 1
            elif text in (b"sounds", b"similar"):
                return False
            if self._text() == b"binary":
                self._at += 1
            self.matches = True
            return self._literal_term()
        return False

    def _literal_term(self) -> bool:
        """Read a term that is no lone word: people write `like us`, `in one`, `mod it`."""
        kind, text = self._tokens[self._at]
        began = self._at
        if not self._term():
            return False
        return (
            kind != "word" or self._at - began > 1 or text[:1] == b"@" or (self._quote != b"" and self._kind() == "end")
        )

    def _term(self) -> bool:
        while self._text() in (b"-", b"+", b"~", b"~~", b"!", b"binary", b"distinct", b"prior", b"not"):
            self.odd = self.odd or self._text() == b"binary"
            self._at += 1
        kind, text = self._tokens[self._at]
        if kind in ("number", "string", "open"):
            self.odd = self.odd or text[:2] in (b"0x", b"0b", b"\\n") or text[:1] in (b"_", b"$")
            self._at += 1
            return True
        if text == b"(":
            return self._brackets()
        if kind != "word" or text == b"end":
            return False
        if text == b"case":
            return self._case()
        if text == b"array" and self._tokens[self._at + 1][1] == b"[":
            self._at += 1
            self.odd = True
            return self._brackets()
        called = self._tokens[self._at + 1][1] == b"("
        if text in RESERVED and not (called and text in _MATCHES):
            return False
        self._at += 1
        if text in VALUES or text[:2] == b"@@":
            self.odd = self.odd or text in _LITERALS
            self.calls = self.calls or (text not in _LITERALS and text != b"user")
        if called:
            self.calls = self.calls or text in _OF_DATABASES
            return self._brackets()
        if text in _OPENERS and self._kind() in ("string", "number"):
            self._at += 1
            self.odd = True
            if text == b"interval" and self._kind() == "word":
                self._at += 1
        return True

    def _case(self) -> bool:
        self.calls = True
        self._at += 1
        if self._text() != b"when" and not self._expression():
            return False
        while self._text() in (b"when", b"then", b"else"):
            self._at += 1
            while True:
                if not self._expression():
                    return False
                if self._kind() != "logic":
                    break
                self._at += 1
        if self._text() != b"end":
            return False
        self._at += 1
        return True

    def _brackets(self) -> bool:
        """Read arguments, a list, an expression or a query; the end may leave them open."""
        self._at += 1
        self._depth += 1
        try:
            if self._depth > MAX_DEPTH:
                return False
            if self._text() in (b"select", b"values", b"table", b"with"):
                self.calls = True
                return self._skip()
            while self._text() not in (b")", b"]"):
                if self._kind() == "end":
                    return True
                if self._text() == b"*":
                    self._at += 1
                elif not self._expression():
                    return False
                if self._kind() == "logic" or self._text() in (b",", b"from", b"for", b"as", b"using", b"in"):
                    self.logic = self.logic or self._kind() == "logic"
                    self._at += 1
                elif self._text() not in (b")", b"]") and self._kind() != "end":
                    return False
            self._at += 1
            return True
        finally:
            self._depth -= 1

    def _clause(self) -> bool:
        """Read a clause behind the condition, as far as it is one: `limit 1`, `order by id`, `into @a`, `union select`."""
        text = self._text()
        self._at += 1
        if text in (b"order", b"group"):
            if self._text() != b"by":
                return False
            self._at += 1
            return self._list()
        if text in (b"limit", b"offset"):
            self.clause = True
            if self._text() == b"all":
                self._at += 1
                return True
            if self._kind() != "number" and self._text() != b"(":
                return False
            began = self._at
            if not self._list():
                return False
            self.sure = self.sure or self._at - began > 2 or (text == b"offset" and self.limited)
            self.limited = True
            if self._text() in (b"rows", b"row"):
                self._at += 1
            return True
        if text in (b"having", b"where"):
            began = self._at
            if not self._expression():
                return False
            self.clause = self.clause or self._at - began > 1 or self._tokens[began][0] != "word" or self._quote != b""
            return True
        self.clause = True
        if text in (b"union", b"except", b"intersect", b"minus"):
            if self._text() in (b"all", b"distinct"):
                self._at += 1
            self.sure = self._text() in (b"select", b"values", b"table", b"(")
            return self.sure and self._skip_to_end()
        if text == b"into":
            if self._text() in (b"outfile", b"dumpfile"):
                self.sure = True
                self._at += 1
                return self._term()
            return self._text()[:1] == b"@" and self._list()
        if text == b"for":
            return self._text() in (b"update", b"share", b"json", b"xml") and self._skip_to_end()
        if text == b"fetch":
            return self._text() in (b"first", b"next") and self._skip_to_end()
        if text == b"lock":
            return self._text() == b"in" and self._skip_to_end()
        if text == b"procedure":
            return self._kind() == "word" and self._term()
        return text in (b"window", b"returning") and self._kind() == "word" and self._skip_to_end()

    def _list(self) -> bool:
        """Read terms with commas between them, each in its order."""
        while True:
            began = self._at
            if not self._expression():
                return False
            self.clause = self.clause or self._at - began > 1 or self._tokens[began][0] != "word" or self._quote != b""
            if self._text() in (b"asc", b"desc"):
                self.clause = self.sure = True
                self._at += 1
            if self._text() != b",":
                return True
            self._at += 1

    def _word(self) -> bool:
        self._at += 1
        return self._tokens[self._at - 1][0] == "word"

    def _skip_to_end(self) -> bool:
        while self._kind() not in ("end", "other"):
            self._at += 1
        return self._kind() == "end"

    def _closers(self) -> bool:
        began = self._at
        while self._text() == b")":
            self._at += 1
        return self._at > began
