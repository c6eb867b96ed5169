"""The grammars that parts of a configuration follow: tokens, field values, hosts, paths, patterns, placeholders."""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import urlsplit

import re2

from bascule.config.errors import suggest

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110, 5.6.2."""
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
HEADER_PLACEHOLDERS = ("client_address", "host", "scheme", "request_id", "path")
REDIRECT_PLACEHOLDERS = ("host", "path", "query", "uri")
MAX_HOST = 253


def is_token(text: str) -> bool:
    """Tell whether a text is a token, as field names, methods and cookie names are."""
    return _TOKEN.fullmatch(text) is not None


def value_fault(text: str) -> str:
    """Return what is wrong with a field value (RFC 9110, 5.5), or nothing."""
    if any(char in text for char in "\r\n\0"):
        return "a field value holds no line break and no NUL"
    if any((char < " " and char != "\t") or char == "\x7f" for char in text):
        return "a field value holds no control characters"
    if any(char > "\xff" for char in text):
        return "a field value holds only ASCII (and at most Latin-1) characters"
    return "" if text == text.strip(" \t") else "a field value does not begin or end with a blank"


def host_fault(host: str) -> str:
    """Return what is wrong with the host of a site, or nothing. A host is a name, ``*.name``, an address or ``*``."""
    if host == "*" or _is_address(host):
        return ""
    if "://" in host or "/" in host:
        return f"{host!r} is not a host: write the name alone, without scheme and path"
    if not host.isascii():
        return f"{host!r}: write the name in its ASCII form{_punycode(host)}"
    name, separator, port = host.partition(":")
    if separator and port.isdigit():
        return f"{host!r}: a host stands without its port: {name}"
    rest = host[2:] if host.startswith("*.") else host
    if "*" in rest:
        return f"{host!r}: a wildcard is the whole first label, as in *.example.com"
    if len(rest) > MAX_HOST or not all(_LABEL.fullmatch(label) for label in rest.lower().split(".")):
        return f"{host!r} is not a host name"
    return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host[1:-1] if host.startswith("[") else host)
    except ValueError:
        return False
    return host.startswith("[") == (":" in host)


def _punycode(host: str) -> str:
    try:
        return f": {host.encode('idna').decode()}"
    except UnicodeError:
        return ""


def host_of_url(url: str) -> str:
    """Return the host of a URL; empty where there is none, or where it or the port is malformed."""
    try:
        parts = urlsplit(url)
        return "" if parts.port == 0 else parts.hostname or ""
    except ValueError:
        return ""


def path_fault(path: str) -> str:
    """Return why a literal path could never equal the normal form of a request's path, or nothing."""
    if not path.startswith("/"):
        return f"the path {path!r} does not begin with a slash; write /{path}"
    if "?" in path or "#" in path:
        return f"the path {path!r} holds a query or fragment; use match: {{query: ...}}"
    if path.endswith("*"):
        return f"the path {path!r}: a path is a prefix as it is, so write {path.rstrip('*') or '/'}"
    if any(segment in (".", "..") for segment in path.split("/")) or "//" in path:
        return f"the path {path!r} is not in normal form (it holds //, . or ..), so no request would ever match it"
    if any(char <= " " or char == "\x7f" for char in path):
        return f"the path {path!r} holds a blank or control character"
    return ""


def over_bytes(**more: Any) -> Any:
    """Return RE2's options for an expression over bytes that says on stderr nothing of its own; `more` sets others."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    for name, value in more.items():
        setattr(options, name, value)
    return options


def compile_pattern(pattern: str) -> Any:
    """Return a linear-time regular expression over bytes. Raises ValueError saying what RE2 does not accept."""
    try:
        return re2.compile(pattern.encode("latin-1"), over_bytes())
    except UnicodeEncodeError:
        raise ValueError(f"{pattern!r}: a pattern matches bytes; write others than Latin-1 as \\x..") from None
    except re2.error as error:
        detail = error.args[0] if error.args else ""
        reason = detail.decode("latin-1") if isinstance(detail, bytes) else str(detail)
        hint = "; RE2 has no look-around and no back-references" if "(?" in reason or "escape" in reason else ""
        raise ValueError(f"{pattern!r} is not an RE2 pattern: {reason}{hint}") from None


def pattern_fault(pattern: str) -> str:
    """Return why a pattern does not compile, or nothing."""
    try:
        compile_pattern(pattern)
    except ValueError as error:
        return str(error)
    return ""


def unknown_placeholder(text: str, known: tuple[str, ...]) -> str:
    """Return a sentence about the first ``{name}`` that is not known, or nothing."""
    for name in _PLACEHOLDER.findall(text):
        if name not in known:
            near = suggest(name, known)
            shown = ", ".join(f"{{{word}}}" for word in known)
            return f"{{{name}}} is not known here{'; ' + near if near else ''} (known are {shown})"
    return ""
