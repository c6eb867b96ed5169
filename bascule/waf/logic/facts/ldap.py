"""LDAP filters (RFC 4515) and XPath expressions."""

from __future__ import annotations

from .fact import Fact

_ATTRIBUTE = rb"(?:uid|cn|sn|ou|dc|mail|objectclass|objectcategory|userpassword|password|user|username|login|pwd|givenname|memberof|samaccountname|userprincipalname|name|pass|department|directory|security|documents|zone|userid|manager|telephonenumber|description|homedirectory|gidnumber|uidnumber|loginshell|badpwdcount|admincount|distinguishedname|displayname|employeetype|company|title|l|st|c|o|dn|accountenabled|useraccountcontrol|\w{2,20})"

FACTS = (
    Fact(
        "ldap.leaves_filter",
        "closes a filter's bracket and opens another",
        (
            rb"\)\s*\(+\s*[|&!]?\s*\(*\s*" + _ATTRIBUTE + rb"\s*[~<>:]?=",
            rb"\)\s*\)+\s*\(+\s*[|&!]",
            rb"\*\s*\)+\s*\(+",
            rb"\(\s*[|&!]\s*\(\s*" + _ATTRIBUTE + rb"\s*[~<>]?=",
            rb"\)\s*\(\s*[|&!]\s*\(?",
            rb"\*\)\s*(?:%00|\x00|\(|\)|&|\|)",
            rb"^\*?\)+\(?[|&]?",
            rb"\*\|$|\*%7c$|\(\*\)|^\*\)\*|\)\*$",
        ),
    ),
    Fact(
        "ldap.filter",
        "a whole LDAP filter",
        (
            rb"^\s*\(?[|&!]?\s*\(\s*(?:objectclass|objectcategory|uid|cn|sn|mail|samaccountname|userpassword|memberof)\s*[~<>:]?=\s*[^)]{0,60}\)",
            rb"\b(?:objectclass|userpassword|samaccountname|objectcategory)\s*=\s*[*\w]",
            rb"1\.2\.840\.113556\.1\.4\.\d+",
        ),
    ),
    Fact(
        "ldap.wildcard_tail",
        "a wild card and a bracket or null byte at the end",
        (rb"\*\s*\)+\s*(?:\x00|%00)?$", rb"\*\x00$|\*\)\x00", rb"^[\w@.]{0,20}\*\)"),
    ),
    Fact(
        "xpath.function",
        "asks an XML document by XPath functions",
        (
            rb"\b(?:count|string-length|substring|name|local-name|namespace-uri|starts-with|contains|string|text|node|position|last|doc|doc-available|concat|translate|normalize-space|substring-before|substring-after|unparsed-text|encode-for-uri|base-uri|codepoints-to-string|string-to-codepoints|lower-case|upper-case|system-property|error|trace)\s*\(\s*(?:/|//|\.{1,2}/|\*|\)|@|name\(|child::|parent::|\.\.|self::|text\(|user|doc\(|\(?/|\[|\.\s*,|concat\s*\(|substring\s*\()",
            rb"\b(?:child|parent|ancestor|descendant|following|preceding|attribute|self|following-sibling|preceding-sibling|descendant-or-self|ancestor-or-self)::(?:\w|\*|node|text)",
            rb"\b(?:name|local-name|position|last|text|node)\s*\(\s*\)\s*(?:=|\]|/|!=|<|>|,)",
        ),
    ),
    Fact(
        "xpath.leaves_predicate",
        "closes a predicate and goes on with another path",
        (
            rb"['\"]\s*\)*\s*\]\s*(?:\||/|\[|and|or)",
            rb"\]\s*\|\s*/{1,2}[\w*@.\[]",
            rb"/{1,2}(?:\*|\w+)\s*\[\s*(?:\d+|@|position\(|contains\(|starts-with\(|last\(|name\(|text\(|\w+\s*=)",
            rb"['\"]\s*(?:or|and)\s+(?:\d+\s*=\s*\d+|count\(|position\(|name\(|string-length\(|substring\(|contains\(|starts-with\(|//)",
            rb"\|\s*//\*|\|\s*/\*|//\w+/\w+/text\(\)",
            rb"//\*\s*[\[|]|/\*/\*",
        ),
    ),
)
