"""MongoDB, CouchDB, Redis and GraphQL where a plain value should be."""

from __future__ import annotations

from .fact import Fact

FACTS = (
    Fact(
        "nosql.operator",
        "a query operator as key or value",
        (
            rb"[\"']\$(?:ne|eq|gte?|lte?|n?in|not|n?or|and|exists|regex|where|expr|elemmatch|jsonschema|lookup|function|accumulator|unionwith|func)[\"']\s*:",
            rb"[\[{,(]\s*\$(?:ne|eq|gte?|lte?|n?in|not|n?or|exists|regex|where|expr|elemmatch)\s*[:=]",
            rb"\.\$(?:ne|eq|gte?|lte?|n?in|not|n?or|and|exists|regex|where|expr|elemmatch|func|function)\b",
            rb"^\$(?:ne|eq|gte?|lte?|n?in|not|n?or|exists|regex|where|expr|elemmatch|lookup|function|accumulator|unionwith)$",
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
            rb"^\s*\|\|\s*\d+\s*={2,3}\s*\d",
        ),
        True,
    ),
    Fact(
        "nosql.graphql",
        "GraphQL introspection, batching or deep nesting",
        (
            rb"\b__(?:schema|type|directive|field)\b\s*[({]",
            rb"\bintrospectionquery\b",
            rb"\b(?:querytype|mutationtype|subscriptiontype)\s*\{",
            rb"(?:\{\s*\w+\s*){12}",
            rb"^\s*\[\s*(?:\{\s*\"query\"\s*:\s*\"[^\"]{1,80}\"\s*\}\s*,\s*){4}",
        ),
        True,
    ),
    Fact(
        "nosql.redis",
        "commands of Redis or memcached behind a line end",
        (
            rb"[\r\n]\s*\*?\d*[\r\n]*\s*(?:set\s+\S+\s+(?:\d+\s+){0,3}\S|flushall|flushdb|config\s+(?:set|get)\s|slaveof\s|eval\s+['\"]|auth\s+\S+\s*[\r\n]|stats\s*(?:items|slabs|[\r\n])|gets\s+\S+\s*[\r\n])",
            rb"\bconfig\s+set\s+(?:dir|dbfilename)\b|\bslaveof\s+[\w.]+\s+\d+|\bflushall\b",
            rb"\*\d\r?\n\$\d",
        ),
        True,
    ),
)
