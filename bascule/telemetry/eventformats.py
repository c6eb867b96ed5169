"""The forms of an event line besides Bascule's own: ModSecurity's JSON audit log, and one cut to fit a datagram.

ModSecurity's form is that of libmodsecurity's `Transaction::toJSON` (SecAuditLogFormat JSON, serial), with the parts
that an event knows: A (who), B (request head), F (response status) and H (messages). Where in the request a match is
(`reference`) it does not know: only the transformations stand there. Secrets are masked here, too.
"""

from __future__ import annotations

import hashlib
import platform
import re
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import msgspec

from bascule import __version__

_SEVERITIES: Final = ("EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG")
_ENGINE: Final = {"On": "Enabled", "DetectionOnly": "DetectionOnly", "Off": "Disabled"}
_CTIME: Final = "%a %b %d %H:%M:%S %Y"
_PRODUCER: Final = f"Bascule v{__version__} ({platform.system()})"
_SERVER: Final = hashlib.sha1(platform.node().encode(), usedforsecurity=False).hexdigest()
"""As in ModSecurity, an id of the machine."""
_OPERATOR: Final = re.compile(r"!?@(\w+) ?(.*)", re.DOTALL)
_MATCHED: Final = re.compile(
    r"Matched \"Operator `(\w+)' with parameter `(.*?)' against variable `(.*?)' \(Value: `(.*)' \)", re.DOTALL
)
_NAMES: Final = """
    base64Decode base64DecodeExt base64Encode cmdLine compressWhitespace cssDecode escapeSeqDecode hexDecode hexEncode
    htmlEntityDecode jsDecode normalisePath normalisePathWin normalizePath normalizePathWin parityEven7bit
    parityOdd7bit parityZero7bit removeComments removeCommentsChar removeNulls removeWhitespace replaceComments
    replaceNulls sqlHexDecode trimLeft trimRight upperCase urlDecode urlDecodeUni urlEncode utf8toUnicode
    beginsWith containsWord detectSQLi detectXSS endsWith geoLookup inspectFile ipMatch ipMatchFromFile noMatch
    pmFromFile rxGlobal strEq strMatch fuzzyHash unconditionalMatch validateByteRange validateDTD validateSchema
    validateUrlEncoding validateUtf8Encoding verifyCC verifyCPF verifySSN verifySVNR
"""
SPELLED: Final = {name.lower(): name for name in _NAMES.split()}
"""Operators and transformations as ModSecurity's manual spells them, where that is not in lower case."""
_LIBINJECTION: Final = {
    "detectsqli": "detected SQLi using libinjection.",
    "detectxss": "detected XSS using libinjection.",
}
_MAX_PARAMETER: Final = 200
_MAX_VALUE: Final = 100
"""Characters that ModSecurity shows of an operator's parameter, and of a value."""


def to_modsecurity(line: bytes) -> bytes:
    """Return an event as a line of ModSecurity's JSON audit log."""
    event = msgspec.json.decode(line)
    moment = datetime.fromisoformat(event["time"]).timestamp()
    verdict = event.get("verdict") or {}
    return msgspec.json.encode(
        {
            "transaction": {
                "client_ip": event["client"],
                "time_stamp": time.strftime(_CTIME, time.localtime(moment)),
                "server_id": _SERVER,
                "client_port": event.get("client_port", 0),
                "host_ip": event.get("server_address", ""),
                "host_port": event.get("server_port", 0),
                "unique_id": event["reference"],
                "is_interrupted": bool(verdict.get("enforced")),
                "request": {
                    "method": event["method"],
                    "http_version": event.get("version", ""),
                    "hostname": event["host"],
                    "uri": event["target"],
                    "headers": _mapping(event.get("headers", ())),
                },
                "response": {"http_code": event["status"], "headers": {}},
                "producer": {
                    "modsecurity": _PRODUCER,
                    "connector": _PRODUCER,
                    "secrules_engine": _ENGINE.get(event["mode"], event["mode"]),
                    "components": event.get("components", []),
                },
                "messages": [_message(rule) for rule in event["rules"]],
            }
        }
    )


def _mapping(headers: Iterable[Iterable[str]]) -> dict[str, str]:
    """Return header fields by name; those of one name in one value, as RFC 9110, 5.3 allows."""
    found: dict[str, str] = {}
    for name, value in headers:
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _message(rule: dict[str, Any]) -> dict[str, Any]:
    severity = rule.get("severity")
    last = rule["matched"][-1] if rule["matched"] else None  # ModSecurity tells of the last value that matched
    return {
        "message": rule["message"],
        "details": {
            "match": _match(last) if last else "",
            "reference": ",".join(f"t:{SPELLED.get(name, name)}" for name in last["after"]) if last else "",
            "ruleId": str(rule["id"]),
            "file": rule["file"],
            "lineNumber": str(rule["line"]),
            "data": rule["data"],
            "severity": str(_SEVERITIES.index(severity)) if severity in _SEVERITIES else "0",
            "ver": rule.get("ver", ""),
            "rev": rule.get("rev", ""),
            "tags": rule["tags"],
            "maturity": str(rule.get("maturity", 0)),
            "accuracy": str(rule.get("accuracy", 0)),
        },
    }


def _match(found: dict[str, Any]) -> str:
    """Say what matched, in ModSecurity's words."""
    split = _OPERATOR.fullmatch(found["operator"])
    name, parameter = split.groups() if split else ("rx", found["operator"])
    if name in _LIBINJECTION:
        return _LIBINJECTION[name]
    spelled = SPELLED.get(name, name)
    return (
        f"Matched \"Operator `{spelled[:1].upper()}{spelled[1:]}' with parameter `"
        f"{_shortened(parameter, _MAX_PARAMETER)}' against variable `{found['variable']}' "
        f"(Value: `{_shortened(found.get('raw', found['value']), _MAX_VALUE)}' )"
    )


def _shortened(text: str, most: int) -> str:
    """Return a text on one line, and no more of it than ModSecurity shows."""
    shown = "".join(char if " " <= char <= "~" else _escaped(char) for char in text)
    return shown if len(shown) <= most else f"{shown[:most]} ({len(shown) - most} characters omitted)"


def _escaped(char: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))


def from_modsecurity(audit: dict[str, Any]) -> dict[str, Any]:
    """Return a transaction of ModSecurity's JSON audit log in the form of Bascule's events, as far as it tells.

    Raises KeyError, TypeError, ValueError and AttributeError if it is not one.
    """
    found = audit["transaction"]
    request = found["request"]
    response = found.get("response", {})
    headers = [[name.lower(), value] for name, value in request.get("headers", {}).items()]
    interrupted = found.get("is_interrupted", int(response.get("http_code", 0)) == 403)
    rules = [_rule(message) for message in found.get("messages", ())]
    verdict = None
    if rules and interrupted:
        verdict = {
            "action": "block",
            "status": int(response.get("http_code", 0)),
            "rule": rules[-1]["id"],
            "message": rules[-1]["message"],
            "phase": 0,
            "enforced": True,
        }
    producer = found.get("producer") or {}
    return {
        "reference": str(found.get("unique_id", "")),
        "time": _stamp(found.get("time_stamp", "")),
        "client": found.get("client_ip", ""),
        "method": request["method"],
        "target": request["uri"],
        "host": request.get("hostname") or dict(headers).get("host", ""),
        "version": str(request.get("http_version", "1.1")),
        "headers": headers,
        "body": request.get("body", ""),
        "body_bytes": _length(dict(headers)),
        "status": int(response.get("http_code", 0)),
        "mode": next((k for k, v in _ENGINE.items() if v == producer.get("secrules_engine")), ""),
        "verdict": verdict,
        "rules": rules,
        "scores": {},
        "notes": [],
        "engine_us": 0,
    }


def _length(headers: dict[str, str]) -> int:
    """Return the length that a request announced: its body may not have been kept."""
    text = headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def _stamp(text: str) -> str:
    """Return ModSecurity's local time in the form of an event; the text itself if it is something else."""
    try:
        moment = time.mktime(time.strptime(text, _CTIME))
    except ValueError:
        return text
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(moment))


def _rule(message: dict[str, Any]) -> dict[str, Any]:
    details = message.get("details", {})
    severity = int(details.get("severity") or 0)
    return {
        "id": int(details.get("ruleId") or 0),
        "phase": 0,
        "message": message.get("message", ""),
        "data": details.get("data", ""),
        "severity": _SEVERITIES[severity] if 0 < severity < len(_SEVERITIES) else None,
        "tags": details.get("tags", []),
        "file": details.get("file", ""),
        "line": int(details.get("lineNumber") or 0),
        "matched": [_matched(details["match"])] if details.get("match") else [],
        "changes": [],
    }


def _matched(text: str) -> dict[str, Any]:
    """Return what a rule fired on, out of ModSecurity's words: an exception can then be for one parameter only."""
    split = _MATCHED.fullmatch(text)
    if split is None:
        return {"variable": "", "value": text, "after": [], "operator": ""}
    name, parameter, variable, value = split.groups()
    operator = f"@{name[:1].lower()}{name[1:]} {parameter}".rstrip()
    return {"variable": variable, "value": value, "after": [], "operator": operator}


def fit(line: bytes, limit: int) -> bytes:
    """Return an event (of either form) cut down to `limit` bytes, still whole JSON: the last rules go first.

    What remains says so in `cut`. An event that does not fit even without rules is replaced by its reference.
    """
    event = msgspec.json.decode(line)
    inner = event.get("transaction", event)
    inner["cut"] = True
    inner.pop("headers", None)
    rules: list[dict[str, Any]] = inner["messages" if "messages" in inner else "rules"]
    for rule in rules:
        rule.get("details", rule)["tags"] = []
    while len(encoded := msgspec.json.encode(event)) > limit and rules:
        del rules[len(rules) // 2 :]
    if len(encoded) <= limit:
        return encoded
    return msgspec.json.encode({"reference": inner.get("reference", inner.get("unique_id")), "cut": True})
