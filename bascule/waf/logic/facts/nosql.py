"""MongoDB, CouchDB, Redis and GraphQL where a plain value should be."""

from __future__ import annotations

from .fact import Fact

FACTS = (
    Fact(
        "nosql.operator",
        "a query operator as key or value",
        (
            rb"[\"']\$(?:ne|eq|gte?|lte?|n?in|not|n?or|and|exists|type|regex|where|expr|mod|all|size|elemmatch|options|jsonschema|lookup|function|accumulator|set|unset|inc|push|pull|rename|out|merge|group|match|project|unionwith|func)[\"']\s*:",
            rb"[\[{,(]\s*\$(?:ne|eq|gte?|lte?|n?in|not|n?or|exists|regex|where|expr|elemmatch)\s*[:=]",
            rb"\.\$(?:ne|eq|gte?|lte?|n?in|not|n?or|and|exists|regex|where|expr|elemmatch|func|function)\b",
            rb"^\$(?:ne|eq|gte?|lte?|n?in|not|n?or|exists|regex|where|expr|elemmatch)\b",
        ),
    ),
    Fact(
        "nosql.bracket_operator",
        "a parameter name that becomes an operator: user[$ne]",
        (rb"\[\s*['\"]?\$\w{2,12}['\"]?\s*\]",),
    ),
    Fact(
        "nosql.where_code",
        "script in a query: $where, mapReduce, this.field",
        (
            rb"\$where\b",
            rb"\bthis\.\w+\s*(?:\.match\s*\(|==|!=|\[|\.length|>|<|\.indexof|\.charat|\.constructor|\.substr)",
            rb"\bobject\.keys\s*\(\s*this",
            rb"['\"]\s*(?:\|\||&&|;)\s*(?:return\b|this\.|sleep\s*\(|\d+\s*==|true|false|'[^']{0,10}'\s*==|1\b)",
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
        "nosql.graphql",
        "GraphQL introspection, batching or deep nesting",
        (
            rb"\b__(?:schema|type|typename|directive|field)\b\s*[({]",
            rb"\bintrospectionquery\b",
            rb"\b(?:querytype|mutationtype|subscriptiontype)\s*\{",
            rb"(?:\{\s*\w+\s*){12}",
        ),
    ),
    Fact(
        "nosql.redis",
        "commands of Redis or memcached behind a line end",
        (
            rb"[\r\n]\s*\*?\d*[\r\n]*\s*(?:set|get|flushall|flushdb|config\s+set|slaveof|eval|keys|save|auth|delete|stats|gets|replace)\s+[\w*\"'/.-]+",
            rb"\bconfig\s+set\s+(?:dir|dbfilename)\b|\bslaveof\s+[\w.]+\s+\d+|\bflushall\b",
            rb"\*\d\r?\n\$\d",
        ),
    ),
)
