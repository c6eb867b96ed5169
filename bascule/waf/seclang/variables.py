"""The variables of SecLang: how each is read from a transaction, and what kind of input it is.

A scalar yields one value, empty where there is nothing to tell (`read` returning None means no value at
all); a collection yields (key, value) pairs. `source` tells the matcher where a value comes from, so that it knows
what must be scanned before a rule can be dismissed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bascule.waf.transaction import Transaction

Pairs = Iterable[tuple[bytes, bytes]]

HEADER, HEADER_NAME, METHOD, URI, VALUE, BODY, PART = "header", "header-name", "method", "uri", "value", "body", "part"
RESPONSE, RESPONSE_BODY, TX, MATCHED, OTHER = "response", "response-body", "tx", "matched", "other"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable: `read` gives bytes or None for a scalar, pairs for a collection."""

    name: str
    collection: bool
    read: Callable[[Transaction], Any]
    source: str


VARIABLES: dict[str, Variable] = {}
"""Every variable this engine knows, by upper-case name."""

UNSUPPORTED: dict[str, str] = {
    "WEBSERVER_ERROR_LOG": "the web server's own error log is not visible to a proxy",
    "STREAM_INPUT_BODY": "a ModSecurity 2 variable; use REQUEST_BODY",
    "STREAM_OUTPUT_BODY": "a ModSecurity 2 variable; use RESPONSE_BODY",
    "PERF_ALL": "a ModSecurity 2 variable; the event carries the engine's time",
    "SCRIPT_FILENAME": "there is no script behind a proxy's own file system",
}


def _scalar(source: str, **readers: Callable[[Transaction], bytes | None]) -> None:
    for name, read in readers.items():
        VARIABLES[name] = Variable(name, False, read, source)


def _collection(source: str, **readers: Callable[[Transaction], Pairs]) -> None:
    for name, read in readers.items():
        VARIABLES[name] = Variable(name, True, read, source)


def _names(pairs: Pairs) -> Pairs:
    return [(key, key) for key, _ in pairs]


def _number(value: int) -> bytes:
    return b"%d" % value


def _local(form: str) -> Callable[[Transaction], bytes]:
    return lambda t: time.strftime(form, time.localtime(t.time)).encode("ascii")


_scalar(
    URI,
    REQUEST_LINE=lambda t: t.request_line,
    REQUEST_URI=lambda t: t.request_uri,
    REQUEST_URI_RAW=lambda t: t.target,
    REQUEST_FILENAME=lambda t: t.filename,
    REQUEST_BASENAME=lambda t: t.basename,
    QUERY_STRING=lambda t: t.query,
    PATH_INFO=lambda t: t.filename,
)
_scalar(METHOD, REQUEST_METHOD=lambda t: t.method, REQUEST_PROTOCOL=lambda t: t.protocol)
_collection(HEADER, REQUEST_HEADERS=lambda t: t.headers)
_collection(HEADER_NAME, REQUEST_HEADERS_NAMES=lambda t: _names(t.headers))
_collection(
    VALUE,
    ARGS=lambda t: t.args,
    ARGS_NAMES=lambda t: _names(t.args),
    ARGS_GET=lambda t: t.args_get,
    ARGS_GET_NAMES=lambda t: _names(t.args_get),
    ARGS_POST=lambda t: t.args_post,
    ARGS_POST_NAMES=lambda t: _names(t.args_post),
    REQUEST_COOKIES=lambda t: t.cookies,
    REQUEST_COOKIES_NAMES=lambda t: _names(t.cookies),
    XML=lambda t: (),
)
_scalar(BODY, REQUEST_BODY=lambda t: t.request_body_variable)
_scalar(
    OTHER,
    REQUEST_BODY_LENGTH=lambda t: _number(t.body_length) if t.body_seen else b"",
    ARGS_COMBINED_SIZE=lambda t: _number(sum(len(k) + len(v) for k, v in t.args)),
    FULL_REQUEST=lambda t: t.full_request,
    FULL_REQUEST_LENGTH=lambda t: _number(len(t.full_request)),
    REQBODY_PROCESSOR=lambda t: t.body_processor or b"",
    REQBODY_ERROR=lambda t: _number(t.body_error) if t.body_seen else b"0",
    REQBODY_ERROR_MSG=lambda t: t.body_error_message,
    REQBODY_PROCESSOR_ERROR=lambda t: _number(t.body_error) if t.body_seen else b"0",
    REQBODY_PROCESSOR_ERROR_MSG=lambda t: t.body_error_message,
    URLENCODED_ERROR=lambda t: _number(t.args_get is not None and t.urlencoded_error),
    INBOUND_DATA_ERROR=lambda t: _number(t.inbound_data_error),
    OUTBOUND_DATA_ERROR=lambda t: _number(t.outbound_data_error),
    AUTH_TYPE=lambda t: t.auth_type or b"",
    REMOTE_USER=lambda t: t.remote_user,
    REMOTE_ADDR=lambda t: t.connection.client_address,
    REMOTE_HOST=lambda t: t.connection.client_address,
    REMOTE_PORT=lambda t: _number(t.connection.client_port),
    SERVER_ADDR=lambda t: t.connection.server_address,
    SERVER_PORT=lambda t: _number(t.connection.server_port),
    SERVER_NAME=lambda t: t.server_name,
    UNIQUE_ID=lambda t: t.unique_id,
    DURATION=lambda t: b"%.6f" % ((t.clock() - t.started) * 1000),
    HIGHEST_SEVERITY=lambda t: _number(t.highest_severity),
    MODSEC_BUILD=lambda t: b"030000013",
    MSC_PCRE_ERROR=lambda t: b"0",
    MSC_PCRE_LIMITS_EXCEEDED=lambda t: _number(t.limits_exceeded),
    SESSIONID=lambda t: t.collection_key("SESSION") or b"",
    USERID=lambda t: t.collection_key("USER") or b"",
    WEBAPPID=lambda t: t.config.web_app_id,
    TIME=_local("%H:%M:%S"),
    TIME_DAY=lambda t: _number(time.localtime(t.time).tm_mday),
    TIME_EPOCH=lambda t: _number(int(t.time)),
    TIME_HOUR=_local("%H"),
    TIME_MIN=_local("%M"),
    TIME_SEC=_local("%S"),
    TIME_MON=lambda t: _number(time.localtime(t.time).tm_mon - 1),
    TIME_WDAY=_local("%w"),
    TIME_YEAR=_local("%Y"),
    RESOURCE_KEY=lambda t: t.collection_key("RESOURCE"),
)
_collection(
    PART,
    FILES=lambda t: t.multipart_pairs("files"),
    FILES_NAMES=lambda t: t.multipart_pairs("files_names"),
    FILES_SIZES=lambda t: t.multipart_pairs("files_sizes"),
    FILES_TMPNAMES=lambda t: (),
    FILES_TMP_CONTENT=lambda t: t.multipart_pairs("files_tmp_content"),
    MULTIPART_FILENAME=lambda t: t.multipart_pairs("multipart_filename"),
    MULTIPART_NAME=lambda t: t.multipart_pairs("multipart_name"),
    MULTIPART_PART_HEADERS=lambda t: t.multipart_pairs("part_headers"),
)
_scalar(PART, FILES_COMBINED_SIZE=lambda t: _number(t.files_combined_size) if t.multipart_seen else b"")


def _multipart_flag(name: str) -> Callable[[Transaction], bytes]:
    return lambda t: t.multipart_flag(name)


MULTIPART_FLAGS = (
    "MULTIPART_STRICT_ERROR", "MULTIPART_UNMATCHED_BOUNDARY", "MULTIPART_BOUNDARY_QUOTED",
    "MULTIPART_BOUNDARY_WHITESPACE", "MULTIPART_DATA_BEFORE", "MULTIPART_DATA_AFTER",
    "MULTIPART_HEADER_FOLDING", "MULTIPART_LF_LINE", "MULTIPART_CRLF_LF_LINES", "MULTIPART_MISSING_SEMICOLON",
    "MULTIPART_INVALID_QUOTING", "MULTIPART_INVALID_PART", "MULTIPART_INVALID_HEADER_FOLDING",
    "MULTIPART_FILE_LIMIT_EXCEEDED",
)  # fmt: skip
for _flag in MULTIPART_FLAGS:
    _scalar(OTHER, **{_flag: _multipart_flag(_flag)})

_scalar(
    RESPONSE,
    RESPONSE_STATUS=lambda t: _number(t.status) if t.status else b"",
    STATUS=lambda t: _number(t.status) if t.status else b"",
    RESPONSE_PROTOCOL=lambda t: t.protocol if t.status else b"",
    RESPONSE_CONTENT_LENGTH=lambda t: _number(t.response_body_length),
    RESPONSE_CONTENT_TYPE=lambda t: t.response_content_type or b"",
)
_collection(
    RESPONSE,
    RESPONSE_HEADERS=lambda t: t.response_headers,
    RESPONSE_HEADERS_NAMES=lambda t: _names(t.response_headers),
)
_scalar(RESPONSE_BODY, RESPONSE_BODY=lambda t: t.response_body_variable)
_collection(TX, TX=lambda t: list(t.tx.items()))
_scalar(MATCHED, MATCHED_VAR=lambda t: t.matched_var, MATCHED_VAR_NAME=lambda t: t.matched_var_name)
_collection(
    MATCHED,
    MATCHED_VARS=lambda t: list(t.matched_vars),
    MATCHED_VARS_NAMES=lambda t: _names(t.matched_vars),
)
_collection(
    OTHER,
    RULE=lambda t: t.rule_pairs(),
    GEO=lambda t: t.geo_pairs(),
    ENV=lambda t: t.environment_pairs(),
    IP=lambda t: t.collection_pairs("IP"),
    GLOBAL=lambda t: t.collection_pairs("GLOBAL"),
    SESSION=lambda t: t.collection_pairs("SESSION"),
    USER=lambda t: t.collection_pairs("USER"),
    RESOURCE=lambda t: t.collection_pairs("RESOURCE"),
)
VARIABLES["RESOURCE_ID"] = VARIABLES.pop("RESOURCE_KEY")
PERSISTENT = ("IP", "GLOBAL", "SESSION", "USER", "RESOURCE")
ALIASES = {"RESPONSE_CODE": "RESPONSE_STATUS", "REQUEST_BASENAME_RAW": "REQUEST_BASENAME"}


def find_variable(name: str) -> Variable:
    """Return the variable called `name` (upper case).

    Raises:
        ValueError: no such variable, or one that a proxy cannot offer, with the reason.
    """
    variable = VARIABLES.get(ALIASES.get(name, name))
    if variable is None:
        raise ValueError(
            f"variable {name} is not supported: {UNSUPPORTED[name]}"
            if name in UNSUPPORTED
            else f"there is no variable called {name}; check the spelling"
        )
    return variable
