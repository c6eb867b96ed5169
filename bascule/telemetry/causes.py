"""Why Bascule itself answered or cut an exchange: one name each, for the access log and the metrics.

A name is part of the operators' interface: rename none, add at the end of its group. The number of a cause in
`ALL` is the place of its counter in shared memory; a counter never outlives the program that laid it out.
"""

from __future__ import annotations

from typing import Final

MEANINGS: Final[dict[str, str]] = {
    # What the client sent is not a request we pass on (RFC 9112): 4xx and 501
    "bad_request": "malformed request that no narrower cause describes",
    "bad_request_line": "request line is not method SP target SP version",
    "bad_method": "method is not a token, or is one that is not served",
    "bad_version": "HTTP version is not 1.0 or 1.1",
    "bad_target": "request target is not in a form that its method allows",
    "bad_path": "path breaks the site's path policy (dot segments, encoded slash, NUL, backslash)",
    "bad_field_name": "field name is not a token, or a space stands before its colon",
    "bad_field_value": "field value holds NUL or a control character",
    "bare_cr": "CR without LF",
    "bare_lf": "LF without CR",
    "obs_fold": "obsolete folding of a field over several lines",
    "bad_host": "Host is missing, repeated, malformed, or contradicts the target",
    "bad_content_length": "Content-Length is not one number of digits, or two of them differ",
    "length_with_transfer_encoding": "Content-Length together with Transfer-Encoding",
    "bad_transfer_encoding": "Transfer-Encoding in HTTP/1.0, repeated, or with chunked not last",
    "unknown_transfer_coding": "Transfer-Encoding names a coding other than chunked",
    "bad_chunk": "chunk size, extension or end is malformed",
    "bad_trailer": "trailer section is malformed or holds a field that may not come there",
    "bad_expect": "Expect asks for something other than 100-continue",
    "underscore_field": "field name with an underscore or a dot where the policy refuses them",
    "bad_proxy_header": "PROXY protocol header is missing, malformed, or from a peer that may not send one",
    "tls_handshake": "TLS handshake failed",
    "client_certificate": "client certificate is missing or not one that is let in",
    "misdirected": "Host is not one that the TLS connection was made for",
    "bad_frame": "WebSocket frame is malformed, or its message is larger than what is inspected",
    "unknown_scheme": "forward proxy was asked for a URL that is not http or https",
    "bad_socks": "SOCKS handshake is malformed or asks for what is not served",
    "not_for_a_proxy": "forward proxy was asked for a page of its own",
    # Limits and deadlines towards the client
    "too_many_fields": "more header fields than the limit",
    "header_too_large": "header section larger than the limit",
    "target_too_long": "request target longer than the limit",
    "body_too_large": "request body larger than the limit",
    "header_timeout": "request head not complete in time",
    "body_timeout": "client fell silent inside the request body",
    "body_too_slow": "request body slower than the lowest rate",
    "send_timeout": "client took nothing of its response for too long",
    "send_too_slow": "client took its response slower than the lowest rate",
    "tls_timeout": "TLS handshake not complete in time",
    "idle_timeout": "upgraded connection or tunnel silent for too long",
    "total_timeout": "exchange with all its tries took longer than its limit",
    "over_limit_connections": "more connections than a worker keeps",
    "over_limit_address": "more connections than one address may hold",
    "over_arrivals": "more new connections or TLS handshakes than allowed",
    "culled": "head or handshake too slow while the worker had hardly a place left",
    "client_abort": "client went away before the end",
    # Defence
    "rate_limited": "more requests than a rate limit allows",
    "shed": "worker has too much to do, and others go first",
    "waiting_room": "visitor waits for its turn, or finds even the queue full",
    "banned": "client is banned or on a deny list",
    "trap": "path that nobody is led to: a honeypot",
    "crawler": "crawler is refused, or is not the one that it says it is",
    "challenged": "client was shown a challenge",
    "challenge_required": "client passed no challenge, and the request can be shown none",
    "challenge_failed": "answer to a challenge is wrong, late or somebody else's",
    "challenge_passed": "client passed a challenge, and is sent on",
    "login_limited": "more failed logins than are allowed",
    "password_refused": "new password is weak, or known from breaches",
    # The way of the request
    "no_site": "no site serves this host",
    "no_route": "no route of the site matches",
    "method_not_allowed": "route exists but not for this method",
    "redirect": "route redirects",
    "https_redirect": "plain HTTP sent on to HTTPS",
    "respond": "route gives a fixed answer",
    "maintenance": "maintenance mode",
    "waf": "refused by the web application firewall",
    "drain": "worker is stopping",
    # The way out: the forward proxy
    "proxy_authentication": "forward proxy wants to know who asks",
    "proxy_locked_out": "too many wrong passwords from this address",
    "proxy_identity": "directory that knows the users does not answer",
    "egress_client": "client is not in a network that may use the forward proxy",
    "egress_denied": "rule of the forward proxy denies it",
    "egress_redirect": "rule of the forward proxy redirects it",
    "egress_private": "address is private, local or reserved",
    "egress_port": "port is not among those the forward proxy serves",
    "egress_loop": "request has come through this proxy before, or leads back to it",
    "quota_used": "budget of bytes or time is used up",
    "quota_connections": "more requests and tunnels at a time than a quota allows",
    "forged_name": "name that a client asks for does not lead to the address it called (transparent mode)",
    "opaque_tunnel": "tunnel that is to be opened and cannot be: no TLS, or a name beyond the authority's domains",
    "bumped": "tunnel was opened: its requests are logged one by one",
    "parent_refused": "parent proxy did not open the way",
    "parent_authentication": "parent proxy does not accept our name and password",
    "dns_failed": "name of the destination cannot be resolved",
    # The servers
    "no_server": "no usable server in the pool",
    "queue_full": "every server full and the queue too",
    "queue_timeout": "no server had a free slot in time",
    "connect_failed": "no connection to a server",
    "connect_timeout": "connection to a server not open in time",
    "origin_tls": "TLS handshake or verification with the server failed",
    "origin_reset": "server closed before its response was complete",
    "origin_timeout": "server gave no response head in time",
    "origin_idle": "server fell silent inside its response",
    "origin_protocol_error": "response is malformed or ambiguous",
    "origin_header_too_large": "header section of the response larger than the limit",
    "intercepted": "server's own error page replaced",
    "cache_broken": "stored response could not be read to its end",
    "not_cached": "client asked for a stored response only, and there is none that fits",
    "internal": "fault inside Bascule",
}

ALL: Final[tuple[str, ...]] = tuple(MEANINGS)
NUMBER: Final[dict[str, int]] = {name: number for number, name in enumerate(ALL)}

BAD_REQUEST: Final = "bad_request"
BAD_REQUEST_LINE: Final = "bad_request_line"
BAD_METHOD: Final = "bad_method"
BAD_VERSION: Final = "bad_version"
BAD_TARGET: Final = "bad_target"
BAD_PATH: Final = "bad_path"
BAD_FIELD_NAME: Final = "bad_field_name"
BAD_FIELD_VALUE: Final = "bad_field_value"
BARE_CR: Final = "bare_cr"
BARE_LF: Final = "bare_lf"
OBS_FOLD: Final = "obs_fold"
BAD_HOST: Final = "bad_host"
BAD_CONTENT_LENGTH: Final = "bad_content_length"
LENGTH_WITH_TRANSFER_ENCODING: Final = "length_with_transfer_encoding"
BAD_TRANSFER_ENCODING: Final = "bad_transfer_encoding"
UNKNOWN_TRANSFER_CODING: Final = "unknown_transfer_coding"
BAD_CHUNK: Final = "bad_chunk"
BAD_TRAILER: Final = "bad_trailer"
BAD_EXPECT: Final = "bad_expect"
UNDERSCORE_FIELD: Final = "underscore_field"
BAD_PROXY_HEADER: Final = "bad_proxy_header"
TLS_HANDSHAKE: Final = "tls_handshake"
CLIENT_CERTIFICATE: Final = "client_certificate"
MISDIRECTED: Final = "misdirected"
BAD_FRAME: Final = "bad_frame"
UNKNOWN_SCHEME: Final = "unknown_scheme"
BAD_SOCKS: Final = "bad_socks"
NOT_FOR_A_PROXY: Final = "not_for_a_proxy"
TOO_MANY_FIELDS: Final = "too_many_fields"
HEADER_TOO_LARGE: Final = "header_too_large"
TARGET_TOO_LONG: Final = "target_too_long"
BODY_TOO_LARGE: Final = "body_too_large"
HEADER_TIMEOUT: Final = "header_timeout"
BODY_TIMEOUT: Final = "body_timeout"
BODY_TOO_SLOW: Final = "body_too_slow"
SEND_TIMEOUT: Final = "send_timeout"
SEND_TOO_SLOW: Final = "send_too_slow"
TLS_TIMEOUT: Final = "tls_timeout"
IDLE_TIMEOUT: Final = "idle_timeout"
TOTAL_TIMEOUT: Final = "total_timeout"
OVER_LIMIT_CONNECTIONS: Final = "over_limit_connections"
OVER_LIMIT_ADDRESS: Final = "over_limit_address"
OVER_ARRIVALS: Final = "over_arrivals"
CULLED: Final = "culled"
CLIENT_ABORT: Final = "client_abort"
RATE_LIMITED: Final = "rate_limited"
SHED: Final = "shed"
WAITING_ROOM: Final = "waiting_room"
BANNED: Final = "banned"
TRAP: Final = "trap"
CRAWLER: Final = "crawler"
CHALLENGED: Final = "challenged"
CHALLENGE_REQUIRED: Final = "challenge_required"
CHALLENGE_FAILED: Final = "challenge_failed"
CHALLENGE_PASSED: Final = "challenge_passed"
LOGIN_LIMITED: Final = "login_limited"
PASSWORD_REFUSED: Final = "password_refused"  # noqa: S105 - a name
NO_SITE: Final = "no_site"
NO_ROUTE: Final = "no_route"
METHOD_NOT_ALLOWED: Final = "method_not_allowed"
REDIRECT: Final = "redirect"
HTTPS_REDIRECT: Final = "https_redirect"
RESPOND: Final = "respond"
MAINTENANCE: Final = "maintenance"
WAF: Final = "waf"
DRAIN: Final = "drain"
PROXY_AUTHENTICATION: Final = "proxy_authentication"
PROXY_LOCKED_OUT: Final = "proxy_locked_out"
PROXY_IDENTITY: Final = "proxy_identity"
EGRESS_CLIENT: Final = "egress_client"
EGRESS_DENIED: Final = "egress_denied"
EGRESS_REDIRECT: Final = "egress_redirect"
EGRESS_PRIVATE: Final = "egress_private"
EGRESS_PORT: Final = "egress_port"
EGRESS_LOOP: Final = "egress_loop"
QUOTA_USED: Final = "quota_used"
QUOTA_CONNECTIONS: Final = "quota_connections"
FORGED_NAME: Final = "forged_name"
OPAQUE_TUNNEL: Final = "opaque_tunnel"
BUMPED: Final = "bumped"
PARENT_REFUSED: Final = "parent_refused"
PARENT_AUTHENTICATION: Final = "parent_authentication"
DNS_FAILED: Final = "dns_failed"
NO_SERVER: Final = "no_server"
QUEUE_FULL: Final = "queue_full"
QUEUE_TIMEOUT: Final = "queue_timeout"
CONNECT_FAILED: Final = "connect_failed"
CONNECT_TIMEOUT: Final = "connect_timeout"
ORIGIN_TLS: Final = "origin_tls"
ORIGIN_RESET: Final = "origin_reset"
ORIGIN_TIMEOUT: Final = "origin_timeout"
ORIGIN_IDLE: Final = "origin_idle"
ORIGIN_PROTOCOL_ERROR: Final = "origin_protocol_error"
ORIGIN_HEADER_TOO_LARGE: Final = "origin_header_too_large"
INTERCEPTED: Final = "intercepted"
CACHE_BROKEN: Final = "cache_broken"
NOT_CACHED: Final = "not_cached"
INTERNAL: Final = "internal"
