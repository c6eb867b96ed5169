"""The forms of an event line besides Bascule's own: ModSecurity's JSON audit log, and one cut to fit a datagram.

ModSecurity's form is that of libmodsecurity's `Transaction::toJSON` (SecAuditLogFormat JSON, serial), with the parts
that an event knows: A (who), B (request head), F (response status) and H (messages).
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import msgspec

from bascule import __version__

_SEVERITIES: Final = ("EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG")
_ENGINE: Final = {"On": "Enabled", "DetectionOnly": "DetectionOnly", "Off": "Disabled"}
_CTIME: Final = "%a %b %d %H:%M:%S %Y"


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
                "server_id": "",
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
                    "modsecurity": "",
                    "connector": f"Bascule {__version__}",
                    "secrules_engine": _ENGINE.get(event["mode"], event["mode"]),
                    "components": [],
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
    return {
        "message": rule["message"],
        "details": {
            "match": "; ".join(
                f"Matched \"{one['operator']}\" against variable `{one['variable']}' (Value: `{one['value']}' )"
                for one in rule["matched"]
            ),
            "reference": "",
            "ruleId": str(rule["id"]),
            "file": rule["file"],
            "lineNumber": str(rule["line"]),
            "data": rule["data"],
            "severity": str(_SEVERITIES.index(severity)) if severity in _SEVERITIES else "0",
            "ver": "",
            "rev": "",
            "tags": rule["tags"],
            "maturity": "0",
            "accuracy": "0",
        },
    }


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
        "status": int(response.get("http_code", 0)),
        "mode": next((k for k, v in _ENGINE.items() if v == producer.get("secrules_engine")), ""),
        "verdict": verdict,
        "rules": rules,
        "scores": {},
        "notes": [],
        "engine_us": 0,
    }


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
        "matched": [{"variable": "", "value": details["match"], "after": [], "operator": ""}]
        if details.get("match")
        else [],
        "changes": [],
    }


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
