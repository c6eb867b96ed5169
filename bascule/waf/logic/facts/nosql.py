"""MongoDB, CouchDB, Redis and GraphQL where a plain value should be."""

from __future__ import annotations

import re

from .fact import Fact

_OFFERED = re.compile(
    rb"(?:filters?|where|query|criteria|conditions?)(?:\[(?:\d{1,4}|\$(?:and|or|not))\]){0,6}"
    rb"(?:\[(?!(?:user(?:_?name)?|login|e?mail|pass\w*|otp|pin|code)\]"
    rb"|\w{0,40}?(?:passw|passphrase|passcode|pwd|token|secret|hash(?!tag)|credential|(?:api|private|session)_?key|session_?id))"
    rb"\w{1,40}\](?:\[\d{1,4}\])?){1,4}"
    rb"\[\$(?:eqi?|nei?|gte?|lte?|in|nin|notin|null|notnull|between|(?:not)?containsi?|startswithi?|endswithi?)\](?:\[\d{0,4}\])?",
    re.IGNORECASE,
)


def is_offered(name: bytes) -> bool:
    """Tell whether a parameter's name is a comparison of a field that is no secret, below what is there for filters.

    So APIs (Strapi, Sails, qs) let clients ask: ``filters[price][$gte]``. The root alone, as in ``filter[$ne]``, has no field.
    """
    return _OFFERED.fullmatch(name) is not None


_DECLARES = re.compile(
    rb"\s*(?:query|mutation|subscription)\b[^(){}\"']{0,80}\((?=[^(){}\"']{0,400}\$where\s*:\s*\[?\w)", re.IGNORECASE
)
_WHERE = re.compile(rb"\$where\b")
OF_VARIABLES = frozenset(("nosql.operator", "nosql.leaves_string"))
"""Facts that a variable of GraphQL shows by its name."""


def without_declared(text: bytes) -> bytes:
    """Return an operation of GraphQL that declares a variable `$where` as if it had another name; else the text."""
    return text if _DECLARES.match(text) is None else _WHERE.sub(b"$w", text)


FACTS = (
    Fact(
        "nosql.operator",
        "a query operator as key or value",
        (
            rb"[\"']\$(?:ne|eq|gte?|lte?|n?in|not|n?or|and|exists|regex|where|expr|elemmatch|jsonschema|lookup|function|accumulator|unionwith|func)[\"']\s*:",
            rb"[\[{,(]\s*\$(?:ne|eq|gte?|lte?|n?in|not|n?or|exists|regex|where|expr|elemmatch)\s*[:=]",
            rb"\.\$(?:ne|eq|gte?|lte?|n?in|not|n?or|and|exists|regex|where|expr|elemmatch|func|function)\b",
            rb"^\$(?:ne|eq|gte?|lte?|n?in|not|n?or|exists|regex|where|expr|elemmatch|lookup|function|accumulator|unionwith|func|jsonschema|mod|rand)$",
        ),
        True,
    ),
    Fact(
        "nosql.bracket_operator",
        "a parameter name that becomes an operator: user[$ne]",
        (
            rb"\[\s*['\"]?\$\w{2,12}['\"]?\s*\]",
            rb"^[\w.\[\]-]{1,60}\.\$(?:ne|gte?|lte?|n?in|regex|where|exists|not|eq)$",
        ),
        True,
    ),
    Fact(
        "nosql.where_code",
        "script in a query: $where, mapReduce, this.field",
        (
            rb"\bthis\.\w+\s*(?:\.match\s*\(|==|!=|\[|\.length|>|<|\.indexof|\.charat|\.constructor|\.substr)",
            rb"\bobject\.keys\s*\(\s*this",
            rb"\bdb\s*\.\s*\w+\s*\.\s*(?:find|insert|drop|remove|update|mapreduce|count|aggregate|getcollection)\w*\s*\(",
            rb"\breturn\s*\(?\s*(?:true|1|'a'\s*==|\d+\s*==)",
            rb"\bmapreduce\b|\bdb\.(?:getcollectionnames|version|getname|hostinfo|serverstatus|adminCommand)\b",
            rb"['\"]\s*==\s*['\"]",
            rb";\s*(?:var|let)\s+\w+\s*=\s*['\"]?\w*$",
            rb"new\s+date\s*\(\s*\)\s*;?\s*(?:do|while)|date\s*=\s*new\s+date|sleep\s*\(\s*\d{3,}\s*\)",
            rb"\|\|\s*1\s*(?:==\s*1|//|%00)",
        ),
    ),
    Fact(
        "nosql.leaves_string",
        "closes a string in a query's script and goes on with a condition or statement",
        (
            rb"[\"',{(\s]\$where\b|^\$where\b",
            rb"['\"]\s*[)\]]*\s*(?:\|\||&&)\s*(?:this\.\w|sleep\s*\(|\d+\s*===?\s*\d|true\b|'[^']{0,10}'\s*===?\s*'|\"[^\"]{0,10}\"\s*===?\s*\"|1\s*(?://|%00|\x00))",
            rb"['\"]\s*[)}\]]*\s*;\s*(?:return\b\s*\(?\s*(?:true|1|'|\"|\d|this)|sleep\s*\(|while\s*\(|var\s+\w+\s*=\s*new\s+date)",
            rb"['\"]\s*,\s*\$(?:or|and|where|ne|gt|regex)\s*:|[,{]\s*\$comment\s*:",
            rb"\bdb\s*\.\s*\w{1,30}\s*\.\s*(?:find(?:one)?|insert\w{0,8}|remove|drop|update\w{0,8}|mapreduce|aggregate)\s*\(",
            rb"^\s*\|\|\s*\d+\s*={2,3}\s*\d|^\s*['\"]?\w{0,20}['\"]?\s*;\s*return\s+(?:true|1|!0)\s*;?[\s}'\"]*(?://.{0,20})?$",
            rb"^\W{0,6}(?:this\.\w+(?:\.\w+(?:\([^()]{0,40}\))?)?\s*(?:[=!]==?|>=?|<=?)\s*['\"\d/]|this\.\w+\.match\s*\()",
            rb"(?:^|[;{'\"])\s*(?:while\s*\(\s*(?:1|true)\s*\)|for\s*\(\s*;\s*;\s*\))|\bfunction\s*\(\s*\)\s*\{\s*(?:while\s*\(|for\s*\(|sleep\s*\(|return\s+(?:true\b|1\b|this\.\w+\s*[.=!<>]))",
            rb"\bvar\s+\w{1,12}\s*=\s*new\s+date\s*\(\s*\)\s*;\s*(?:do|while|for)\b|;?\s*do\s*\{[^}]{1,60}new\s+date\s*\(",
            rb"['\"]\s*[)\]}]*\s*(?:union\s+)?(?:\breturn\s+\w+\s+union\s+match|union\s+(?:match|call|unwind|load\s+csv)|detach\s+delete|\|?\s*load\s+csv\s+(?:with\s+headers\s+)?from|(?:call|with)\s+(?:db|dbms|apoc)\.)\b",
            rb"['\"]\s*(?:\|\||&&)\s*['\"]\w{0,12}['\"]?\s*={2,3}\s*['\"]|['\"]\s*\}\s*\]?\s*\}?\s*,\s*\$\w{2,12}\s*:",
        ),
        True,
    ),
    Fact(
        "nosql.query",
        "a whole query of Cypher, the parameters of one of Solr, or what leaves the brackets of one of Lucene",
        (
            rb"^[^()\n]{0,60}\)\s*(?:or|and|\|\||&&)\s*\([\w.]{1,40}:[*\w\"\[(]",
            rb"\b(?:match\s*\(\w{0,12}(?::\w+)?\)\s*(?:detach\s+)?(?:delete|set|remove|return)\s+\w|load\s+csv\s+from\s+['\"])",
            rb"^\s*\{!(?:func|xmlparser|frange|graph)\b|^_query_:\"\{!",
        ),
        True,
    ),
    Fact(
        "nosql.graphql",
        "GraphQL introspection, batching or deep nesting",
        (
            rb"\b__(?:schema|type|directive|field)\b\s*[({]",
            rb"\bintrospectionquery\b",
            rb"(?:@[a-z]\w{0,20}){10}|^\s*(?:query|mutation)[^{@\n]{0,80}(?:@[a-z]\w{0,20}\s{0,2}){8}",
            rb"\b(?:querytype|mutationtype|subscriptiontype)\s*\{",
            rb"(?:\{\s*\w+\s*(?:\([^()]{0,80}\)\s*)?){10}",
            rb"\bfragment\s+\w+\s+on\s+\w+\s*\{\s*\.\.\.\s*\w+\s*\}",
            rb"(?:\b\w{1,24}\s*:\s*(?:login|log_in|signin|sign_in|authenticate|verify\w*|check\w*|reset\w*|redeem\w*|apply\w*|token\w*|otp\w*)\s*\([^()]{0,120}\)\s*(?:\{[^{}]{0,120}\})?[\s,]*){4}",
            rb"(?:\b[a-z_]{1,12}\d{1,4}\s*:\s*\w{1,40}\s*\([^()]{0,80}\)\s*(?:\{[^{}]{0,80}\})?[\s,]*){8}",
            rb"(?:[a-z_]\w*\s*:\s*[a-z_]\w*\s*\{[\s\w,]*\}[\s,]*){16}",
            rb"\{\s*(?:[a-z_]\w*\s*:\s*[a-z_]\w*\s+){30}",
            rb"^\s*\[\s*(?:\{\s*\"query\"\s*:\s*\"[^\"]{1,80}\"\s*\}\s*,\s*){4}",
        ),
        True,
    ),
    Fact(
        "nosql.redis",
        "commands of Redis or memcached behind a line end",
        (
            rb"[\r\n]\s*\*?\d*[\r\n]*\s*(?:set\s+\S+\s+(?:\d+\s+){0,3}\S|flushall|flushdb|config\s+(?:set|get)\s|slaveof\s|eval\s+['\"]|auth\s+\S+\s*[\r\n]|stats\s*(?:items|slabs|[\r\n])|gets\s+\S+\s*[\r\n])",
            rb"\bconfig\s+set\s+(?:dir|dbfilename)\b|\bslaveof\s+[\w.]+\s+\d+|(?:^|[_\r\n*$\"']|%0a)\s*flushall\s*(?:$|[\r\n;\"'%])",
            rb"\*\d\r?\n\$\d",
            rb"\beval\s+['\"][^'\"]{0,60}\bredis\.(?:call|pcall)\b|\bredis\.(?:call|pcall)\s*\(\s*['\"]",
        ),
        True,
    ),
)
