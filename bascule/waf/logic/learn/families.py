"""The families of the rule set: what they are called, which facts they may use, which attacks they are to find."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A family before it has rules. `languages` are prefixes of facts, `classes` labels of the corpora."""

    name: str
    title: str
    says: str
    languages: tuple[str, ...]
    classes: tuple[str, ...]
    cwe: tuple[int, ...]
    owasp_2021: str = "A03 Injection"
    owasp_2025: str = "A05 Injection"
    risk: str = "critical"
    answer: str = "block"
    decides: tuple[str, ...] = ()
    """Languages whose decisive facts are rules of this family; its first language unless given."""

    @property
    def own(self) -> tuple[str, ...]:
        """The languages whose decisive facts are rules of this family."""
        return self.decides or self.languages[:1]


_ACCESS = ("A01 Broken Access Control", "A01 Broken Access Control")

KINDS = (
    Kind("sql", "SQL Injection", "reads as a piece of SQL that changes the statement it stands in", ("sql",), ("sqli",), (89,)),
    Kind("xss", "Cross-Site Scripting", "makes a browser run script", ("html", "js"), ("xss",), (79, 80, 83), decides=("html", "js")),
    Kind("traversal", "Directory Traversal and File Inclusion", "reaches for files outside the site, or includes another's",
         ("path",), ("traversal", "lfi", "rfi"), (22, 98, 548), *_ACCESS),
    Kind("command", "Stealth Commanding", "runs a command of a shell", ("shell",), ("rce",), (77, 78)),
    Kind("template", "Template Injection", "is evaluated by a template or expression language", ("template", "code"), ("ssti", "log4shell"), (1336, 917)),
    Kind("code", "Code Injection and Deserialisation", "is code, or an object that becomes code when read", ("code", "template"),
         ("code", "php", "java", "node", "deserialisation", "rce"), (94, 95, 502), "A08 Software and Data Integrity Failures",
         "A08 Software or Data Integrity Failures"),
    Kind("nosql", "NoSQL Injection", "puts operators into a document database's query", ("nosql",), ("nosqli",), (943,)),
    Kind("ldap", "LDAP and XPath Injection", "changes a directory's filter or an XPath expression", ("ldap", "xpath"), ("ldapi", "xpath"), (90, 643), risk="high", decides=("ldap", "xpath")),
    Kind("xml", "XML External Entities", "makes an XML parser fetch files or grow without bound", ("xml",), ("xxe",), (611, 776, 91),
         "A05 Security Misconfiguration", "A02 Security Misconfiguration"),
    Kind("ssrf", "Server-Side Request Forgery", "sends the server to an inner address", ("ssrf",), ("ssrf",), (918,),
         "A10 Server-Side Request Forgery", "A01 Broken Access Control", "high"),
    Kind("http", "Header Injection and Parameter Tampering", "writes header fields, mail, includes or prototypes", ("http",),
         ("crlf", "node"), (93, 113, 97, 1321, 601), risk="high"),
    Kind("scanner", "Suspicious Access", "asks for what only scanners ask for", ("scanner", "path"), ("scanner",), (200, 538), *_ACCESS, "medium"),
)  # fmt: skip
"""In the order of their numbers: the first has 1."""
EVASION = "enc"
"""The prefix of facts on how a value was encoded; every family may use them."""
