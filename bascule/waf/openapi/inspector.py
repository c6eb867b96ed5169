"""The contract in a transaction: what is not as it says is told, and refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.config.policies import PathPolicy
from bascule.http.errors import HttpError
from bascule.http.path import is_normal, normalise
from bascule.waf.openapi.contract import Contract, Fault, Operation

if TYPE_CHECKING:
    from bascule.waf.transaction import Transaction

PATH, METHOD, PARAMETER, UNKNOWN, CONTENT_TYPE, BODY = range(723_001, 723_007)
_POLICY = PathPolicy()
_VARIABLES = {
    "query": b"ARGS_GET:",
    "unknown": b"ARGS_GET:",
    "header": b"REQUEST_HEADERS:",
    "cookie": b"REQUEST_COOKIES:",
    "body": b"ARGS_POST:",
}


def judge_head(t: Transaction, contract: Contract) -> None:
    """Judge path, method, parameters, and what the head says of the body."""
    raw = t.target.partition(b"?")[0]
    try:
        path = raw if is_normal(raw) else normalise(raw, _POLICY).route
    except HttpError as error:
        _tell(t, PATH, Fault("path", "", error.detail or error.cause))
        return
    found = contract.find(path.decode("latin-1"))
    if found is None:
        _tell(t, PATH, Fault("path", "", "the contract has no such path"))
        return
    route, names = found
    method = t.method.decode("latin-1")
    operation = route.operations.get(method) or (route.operations.get("GET") if method == "HEAD" else None)
    if operation is None:
        if not (method == "OPTIONS" and t.header(b"access-control-request-method")):
            words = f"{method}, the contract has {' and '.join(route.operations) or 'none'} here"
            _tell(t, METHOD, Fault("method", "", words))
        return
    t.operation = operation
    _judge_parameters(t, operation, names)
    _judge_type(t, operation)


def _judge_parameters(t: Transaction, operation: Operation, names: list[tuple[str, str]]) -> None:
    headers = [(name.decode("latin-1"), value.decode("utf-8", "backslashreplace")) for name, value in t.headers]
    for place, pairs in (
        ("path", names),
        ("query", _texts(t.args_get) if t.query else []),
        ("header", headers),
        ("cookie", _texts(t.cookies)),
    ):
        for fault in operation.faults(place, pairs):
            _tell(t, UNKNOWN if fault.place == "unknown" else PARAMETER, fault)


def _judge_type(t: Transaction, operation: Operation) -> None:
    has_body = (t.header(b"content-length") or b"0") != b"0" or t.header(b"transfer-encoding") is not None
    if not has_body:
        if operation.body_required:
            _tell(t, BODY, Fault("body", "", "it is missing"))
        return
    kind = _media_type(t)
    if operation.body_of(kind) is None:
        wanted = " or ".join(body.kind for body in operation.bodies) or "none"
        _tell(t, CONTENT_TYPE, Fault("body", "", f"{kind or 'no type'}, the contract has {wanted} here"))


def judge_body(t: Transaction, content: bytes) -> None:
    """Judge the content of the body."""
    body = t.operation.body_of(_media_type(t)) if t.operation is not None else None
    if body is None:
        return
    if t.inbound_data_error and body.is_read:
        _tell(t, BODY, Fault("body", "", "it is larger than body_limit, and so cannot be checked"))
        return
    for fault in body.faults(t.header(b"content-type") or b"", content):
        _tell(t, BODY, fault)


def _tell(t: Transaction, rule: int, fault: Fault) -> None:
    """Note a fault and answer it."""
    if t.verdict is not None:
        return
    name = fault.name.encode("utf-8", "backslashreplace")
    variable = _VARIABLES.get(fault.place, b"")
    variable = variable + name if variable and name else b"REQUEST_BODY" if fault.place == "body" else b"REQUEST_URI"
    rules = t.waf.named
    data = next((value for key, value in t.args_get if key == name), t.target) if fault.place != "body" else b""
    words = f"{fault.name or fault.place}: {fault.words}".encode("utf-8", "backslashreplace")
    message = rules.note(t, (rule, variable, data), words)
    if message and rules.refuses:
        t.carry_out(t.waf.answers, rule, message)


def _texts(pairs: list[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(n.decode("utf-8", "backslashreplace"), v.decode("utf-8", "backslashreplace")) for n, v in pairs]


def _media_type(t: Transaction) -> str:
    return (t.header(b"content-type") or b"").partition(b";")[0].strip().lower().decode("latin-1")
