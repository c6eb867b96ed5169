"""What a response should not tell: stack traces, database errors, directory listings, source code, private keys.

Each is told by a form that the program which prints it always gives it, never by a word that a page could be about.
By default only answers with an error status are looked at: there a stack trace is nobody's article.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.config.grammar import compile_pattern

if TYPE_CHECKING:
    from bascule.waf.request import Pairs

FIRST_ERROR = 500
TEXTS = frozenset(
    (b"text/html", b"text/plain", b"text/xml", b"application/json", b"application/xml", b"application/xhtml+xml",
     b"application/problem+json")
)  # fmt: skip
"""Media types that are looked at. Not event streams: they never wait."""


STACK_TRACE, DATABASE_ERROR, LISTING, SOURCE, PRIVATE_KEY = 704_001, 704_002, 703_001, 704_003, 704_004
_LEAKS: dict[int, tuple[str, ...]] = {
    STACK_TRACE: (
        r"Traceback \(most recent call last\):",  # Python
        r"(?m:^(?:<[a-z/]+>)?\s*at [\w$.]+(?:\.<init>)?\([\w$]+\.(?:java|kt|scala):[0-9]+\))",  # the JVM
        r"(?i:(?:error|warning|notice|deprecated)(?:</b>)?: [^\n]{1,200} in (?:<b>)?[/\w.\\:-]+\.php)",  # PHP
        r"(?m:^\s+at [^\n]{1,200} in [A-Za-z]:\\[^\n]{1,200}:line [0-9]+)",  # .NET
        r"Server Error in '/[\w./-]*' Application",
        r"(?m:^\s+at [^\n]{1,200}\((?:/|file:///|node:)[\w./@-]+\.[cm]?[jt]s:[0-9]+:[0-9]+\))",  # Node
        r"goroutine [0-9]+ \[[a-z ]+\]:",  # Go
        r"(?m:^[\w./-]+\.rb:[0-9]+:in ['`])",  # Ruby
        r"thread '[\w.<>:-]{1,64}' panicked at ",  # Rust
        r"(?m:^\s+\([a-z_]+ [0-9.]+\) lib/[\w/]{1,200}\.ex:[0-9]+)",  # Elixir
        r" at /[\w./-]{1,200}\.p[lm] line [0-9]+\.",  # Perl
    ),
    DATABASE_ERROR: (
        r"You have an error in your SQL syntax|valid MySQL result|com\.mysql\.(?:cj\.)?jdbc|pymysql\.err\.",
        r"PG::\w+Error|psycopg2?\.(?:errors\.)?\w+Error|pg_query\(\)|syntax error at or near \"",
        r"sqlite3\.OperationalError|SQLITE_ERROR|near \"[^\"\n]{1,64}\": syntax error",
        r"Unclosed quotation mark after the character|System\.Data\.SqlClient\.SqlException|\[Microsoft\]\[ODBC ",
        r"ORA-[0-9]{5}: |SQLSTATE\[\w{5}\]|Microsoft OLE DB Provider for|MongoServerError",
        r"java\.sql\.SQL\w*Exception|org\.hibernate\.exception|com\.microsoft\.sqlserver\.jdbc\.",
        r"Unknown column '[^'\n]{1,64}' in '(?:where|field|order|on) (?:clause|list)'",
        r"(?:relation|column) \"[^\"\n]{1,64}\" (?:of relation \"[^\"\n]{1,64}\" )?does not exist",
    ),
    LISTING: (
        r"(?i:<title>Index of /)",  # Apache, nginx, lighttpd
        r"(?i:<title>Directory listing for \[?/)",  # Python, Tomcat
        r"<title>Directory: /|<title>listing directory /",  # Jetty, Express
        r"(?i:\[To Parent Directory\]</a>)",  # IIS
    ),
    SOURCE: (r"(?:^|\n)\s*<\?php\s", r"(?:^|\n)<%@ ?(?i:page|language|import)\b"),
    PRIVATE_KEY: (
        r"-----BEGIN (?:(?:RSA |EC |DSA |OPENSSH |ENCRYPTED )?PRIVATE KEY|PGP PRIVATE KEY BLOCK)-----",
        r"PuTTY-User-Key-File-[23]: ",
    ),
}
"""Patterns by the rule that they belong to."""
_ERRORS = frozenset((STACK_TRACE, DATABASE_ERROR))


def is_text(headers: Pairs) -> bool:
    """Whether the body of a response is of a type that is looked at."""
    for name, value in headers:
        if name == b"content-type":
            return value.partition(b";")[0].strip().lower() in TEXTS
    return False


class Leaks:
    """What one firewall looks for in responses. `cloak` is "errors" (error answers alone) or "all"."""

    def __init__(self, cloak: str) -> None:
        self._all = cloak == "all"
        wanted = {rule: texts for rule, texts in _LEAKS.items() if self._all or rule in _ERRORS}
        self.patterns = [(rule, compile_pattern("|".join(texts))) for rule, texts in wanted.items()]
        """What is searched for, by rule."""

    def passes(self, status: int) -> bool:
        """Whether no body of a response with this status is looked at."""
        return status < FIRST_ERROR and not self._all

    def looks_at(self, status: int, headers: Pairs) -> bool:
        """Whether the body of a response is to be looked at."""
        return not self.passes(status) and is_text(headers)

    def find(self, body: bytes) -> list[tuple[int, bytes]]:
        """Return (rule, what it found) for each rule that finds something in the beginning of a body."""
        found = ((rule, pattern.search(body)) for rule, pattern in self.patterns)
        return [(rule, match[0]) for rule, match in found if match is not None]
