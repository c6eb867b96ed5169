"""LDAP filters (RFC 4515) and XPath expressions."""

from __future__ import annotations

from .fact import Fact

_NAMED = rb"(?:uid|cn|sn|ou|dc|mail|objectclass|objectcategory|userpassword|password|username|user|login|pwd|givenname|memberof|samaccountname|userprincipalname|name|pass|department|directory|security|documents|zone|userid|manager|telephonenumber|description|homedirectory|gidnumber|uidnumber|loginshell|badpwdcount|admincount|distinguishedname|displayname|employeetype|company|title|accountenabled|useraccountcontrol)"
_ATTRIBUTE = rb"(?:" + _NAMED[3:-1] + rb"|\w{2,20})"

FACTS = (
    Fact(
        "ldap.leaves_filter",
        "closes a filter's bracket and opens another",
        (
            rb"\)\s*\(+\s*[|&!]?\s*\(*\s*" + _NAMED + rb"\s*[~<>:]?=",
            rb"\)\s*\)+\s*\(+\s*[|&!]\s*\(?\s*" + _ATTRIBUTE + rb"\s*[~<>:]?=",
            rb"\*\s*\)+\s*\(+\s*(?:[|&!]|" + _ATTRIBUTE + rb"\s*[~<>:]?=)",
            rb"\(\s*[|&!]\s*\(\s*" + _NAMED + rb"\s*[~<>]?=",
            rb"\)\s*\(\s*[|&!]\s*(?:\)|\(\s*" + _ATTRIBUTE + rb"\s*[~<>:]?=)",
            rb"\*\)+(?:%00|\x00)",
            rb"^\w{0,20}\*?\)+\s*\(+[|&!]\)?$",
            rb"^\w{0,20}\)+\(+[|&!]\(",
            rb"^[^()\n]{0,60}\)+\s*\(+\s*[|&!]?\s*\(*\s*[\w;.:-]{1,40}\s*[~<>:]?=\s*(?:\*|[^()\n]{0,40}(?:[*(]|\)\)|$))",
            rb"^[^()\n]{0,60}\)+\s*\(+\s*[|&!]",
            rb"^\s*\*\s*(?:\(\)?\s*[|&]|\|\s*$)|\\2a\s*\)\s*\(|\\28[|&]|^\s*\(?[|&]\s*\(\w{1,30}[~<>]?=[^()]{0,40}\)\s*\(",
        ),
        True,
    ),
    Fact(
        "ldap.filter",
        "a whole LDAP filter",
        (
            rb"^\s*\(?[|&!]?\s*\(\s*(?:objectclass|objectcategory|uid|cn|sn|mail|samaccountname|userpassword|memberof)\s*[~<>:]?=\s*[^)]{0,60}\)",
            rb"\((?:objectclass|userpassword|samaccountname|objectcategory)\s*=\s*[*\w]",
            rb"1\.2\.840\.113556\.1\.4\.\d+",
        ),
        True,
    ),
    Fact(
        "ldap.wildcard_tail",
        "a wild card and a bracket or null byte at the end",
        (
            rb"\*\s*\)+\s*(?:\x00|%00)?$",
            rb"\*\x00$|\*\)\x00",
            rb"^[\w@.]{0,20}\*\)",
            rb"^\*?\)+\(?[|&]?$|\*\|$|\*%7c$|(?:^|[^\w\s])\s*\(\*\)|^\*\)\*|\)\*$",
            rb"\)\s*\)+\s*\(+\s*[|&!]|\)\s*\(\s*[|&!]\s*\(?",
        ),
    ),
    Fact(
        "xpath.function",
        "asks an XML document by XPath functions",
        (
            rb"\b(?:count|string-length|substring|name|local-name|namespace-uri|starts-with|contains|string|text|node|position|last|doc|doc-available|concat|translate|normalize-space|substring-before|substring-after|unparsed-text|encode-for-uri|base-uri|codepoints-to-string|string-to-codepoints|lower-case|upper-case|system-property|error|trace)\s*\(\s*(?:/|//|\.{1,2}/|\)|@|name\(|child::|parent::|\.\.|self::|text\(|user|doc\(|\(?/|\[|\.\s*,|concat\s*\(|substring\s*\()",
            rb"\b(?:string-length|substring(?:-before|-after)?|starts-with|(?:low|upp)er-case|name|local-name|namespace-uri|string|translate|normalize-space)\s*\(\s*\*",  # count(*) is of SQL
            rb"\b(?:child|parent|ancestor|descendant|following|preceding|attribute|self|following-sibling|preceding-sibling|descendant-or-self|ancestor-or-self)::(?:\w|\*|node|text)",
            rb"\b(?:name|local-name|position|last|text|node)\s*\(\s*\)\s*(?:=|\]|/|!=|<|>|,)",
        ),
    ),
    Fact(
        "xpath.leaves_predicate",
        "closes a predicate or a string of an XPath and goes on with another condition",
        (
            rb"['\"]\s*\)*\s*\]\s*(?:\||and\b|or\b|/{1,2}\*|/{1,2}\w+\s*\|)",
            rb"\]\s*\|\s*/{1,2}[\w*@.\[]",
            rb"['\"]\s*\)*\s*(?:or|and)//[\w*]",
            rb"['\"]\s*\)*\s*(?:or|and)\s+(?:count\(|position\(|name\(|local-name\(|string-length\(|substring\(|contains\(|starts-with\(|doc\(|true\(|not\(|last\(|text\(|ancestor|/{1,2}[\w*])",
            rb"\|\s*//\*|\|\s*/\*|/{1,2}\*\s*\||[\])]\s*\|\s*//?(?:node|text|comment)\(\)",
            rb"['\"]\s*\)*\s*(?:or|and)\s+(?:boolean|number|string|false|lang|sum|normalize-space|translate)\s*\(",
            rb"\[\s*(?:position|last)\s*\(\s*\)\s*(?:[=<>!]+\s*\d|\])|\b(?:name|local-name|count|string-length|string)\s*\(\s*/{1,2}[\w*]",
            rb"(?:^|[/\[(|'\"\s])(?:descendant|ancestor|following|preceding)(?:-or-self|-sibling)?::[\w*]|/(?:parent|child|self)::[\w*]",
            rb"(?:^|[\s'\"])(?:or|and)\s+(?:boolean\s*\(|(?:position|last|name|local-name)\s*\(\s*\)\s*[=<>])|^/{1,2}\*(?:/\*)?\[\d+\](?:/|$)|^/\*/\*",
            rb"\b(?:child|parent|ancestor|descendant|following|preceding)(?:-or-self|-sibling)?::(?:node\(|text\(|\*|\w{1,20}\[)",
            rb"/{1,2}\w{1,30}\s*\[[^\]]{1,40}\]\s*/(?:node|text)\(\)|\b(?:count|string-length|name|substring)\s*\(\s*/{1,2}[\w*]",
        ),
        True,
    ),
    Fact(
        "xpath.numbered_path",
        "a path to the first of many elements, and on from it",
        (rb"^\s*//[a-z][\w-]{0,40}\[\d{1,4}\]/{1,2}[a-z@*]",),
        telling=True,
    ),
    Fact(
        "xpath.path",
        "a path through an XML document with a condition",
        (
            rb"/{1,2}(?:\*|\w+)\s*\[\s*(?:\d+|@|position\(|contains\(|starts-with\(|last\(|name\(|text\(|\w+\s*=)",
            rb"['\"]\s*(?:or|and)\s+\d+\s*=\s*\d+",
            rb"//\w+/\w+/text\(\)|//\*\s*[\[|]|/\*/\*",
        ),
    ),
)
