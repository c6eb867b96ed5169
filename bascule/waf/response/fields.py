"""What header fields of responses should not tell or do: debuggers, versions, inner addresses, injections, cookies.

Names that servers always send, such as ``Server``, are taken out by `headers.hide` on every route; here is what only a
look at the field, its value or the request can tell. Each is told by a form that has no other meaning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import re2

from bascule.http.fields import Field

DEBUG, VERSION, INNER, INJECTED, COOKIE = 716_001, 716_002, 716_003, 716_004, 716_005
SURE = frozenset((DEBUG, INJECTED))
"""Rules that run unless they are taken out: no page that is meant for visitors has what they look for."""
EVERY = frozenset((DEBUG, VERSION, INNER, INJECTED, COOKIE))

_DEBUGGERS = frozenset(
    b"x-debug-token x-debug-token-link x-debug-exception x-debug-exception-file"  # Symfony's profiler
    b" x-chromelogger-data x-chromephp-data x-clockwork-id x-clockwork-version x-clockwork-path"
    b" phpdebugbar phpdebugbar-id phpdebugbar-stack x-sourcefiles x-diaginfo x-atmosphere-error".split()
)
_FIREPHP = (b"x-wf-", b"phpdebugbar-", b"x-clockwork-")
_MOST_PRODUCTS = (
    rb"php|apache|nginx|openresty|iis|tomcat|coyote|jetty|undertow|jboss|wildfly|weblogic|websphere|glassfish|payara|"
    rb"express|kestrel|openssl|mod_\w{1,20}|perl|python|wsgiserver|werkzeug|gunicorn|uvicorn|hypercorn|daphne|waitress|"
    rb"cherrypy|tornado\w{0,10}|twisted\w{0,10}|ruby|rails|puma|unicorn|thin|webrick|passenger|phusion|node(?:\.js)?|"
    rb"drupal|wordpress|joomla!?|typo3|django|laravel|symfony|magento|coldfusion|lucee|asp\.net|servlet|jsp|java|"
    rb"varnish|squid|haproxy|envoy|traefik|caddy|lighttpd|litespeed|cowboy|zope|plone|confluence|jenkins"
)
_PRODUCT: Final = re2.compile(rb"(?i)(?:^|[\s,;(])(?:" + _MOST_PRODUCTS + rb")[/ ]v?[0-9]{1,3}(?:\.[0-9]{1,6}){1,4}")
_OF_PAGES = (b"content-", b"set-cookie", b"location", b"link", b"refresh", b"etag", b"access-control-", b"cache-",
             b"report", b"accept", b"vary", b"date", b"expires", b"last-modified", b"www-authenticate", b"alt-svc",
             b"strict-", b"cross-origin-", b"permissions-", b"referrer-", b"timing-", b"age", b"allow")  # fmt: skip
"""What names of fields begin with that name files and pages, or hold nothing but words of HTTP: not looked into."""
_PLACES = frozenset((b"location", b"content-location", b"refresh"))
_AUTHORITY: Final = re.compile(
    rb"(?:https?:)?//(?:[^/?#\s@\"']{0,256}@)?(\[[0-9a-f:.]{2,45}\]|[^/?#\s:\"';,]{1,253})(:[0-9]{1,5})?", re.IGNORECASE
)
_OCTET = rb"(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
_IPV4 = (
    rb"(?:10\." + _OCTET + rb"|127\." + _OCTET + rb"|192\.168|169\.254|172\.(?:1[6-9]|2[0-9]|3[01]))\."
    + _OCTET + rb"\." + _OCTET
)  # fmt: skip
_INNER_HOST: Final = re2.compile(
    rb"(?i)(?:" + _IPV4 + rb"|localhost|\[?(?:::1|f[cd][0-9a-f]{2}:[0-9a-f:]{1,40}|fe80:[0-9a-f:]{1,40})\]?"
    rb"|(?:[a-z0-9_-]{1,63}\.){1,8}(?:local|localdomain|internal|intranet|corp|lan|home\.arpa))"
)
_INNER_VALUE: Final = re2.compile(
    rb"(?i)(?:^|[\s,;=@]|//)(?:" + _IPV4 + rb"(?::[0-9]{1,5})?"
    rb"|(?:[a-z0-9_-]{1,63}\.){1,8}(?:local|localdomain|internal|intranet|corp|lan)(?::[0-9]{1,5})?)(?:$|[\s,;/)\"])"
)
_WRITTEN: Final = frozenset((b"set-cookie", b"location", b"refresh", b"access-control-allow-origin"))
"""Fields that are worth injecting. Of others the same line may stand in a text that somebody pasted."""
_BEHIND_LINE_END: Final = re.compile(
    rb"[\r\n][ \t]*(set-cookie|location|refresh|access-control-allow-origin)[ \t]*:[ \t]*([^\r\n]{1,4096})", re.I
)
_SESSION: Final = re2.compile(
    rb"(?i)(?:__host-|__secure-)?(?:phpsessid|jsessionid|asp\.net_sessionid|aspsessionid[a-z]{8}|\.aspxauth|\.aspnetcore\.(?:session|cookies|"
    rb"identity\.application)|connect\.sid|cfid|cftoken|laravel_session|ci_session|symfony|sessionid|session_?id|session|"
    rb"sess|sid|_?[a-z0-9]{1,32}_session(?:_id)?|rack\.session|auth_?token|access_token|refresh_token|jwt|remember_\w{1,64}|"
    rb"wordpress_(?:logged_in|sec)_\w{1,64})"
)
Pairs = list[tuple[bytes, bytes]]


class FieldFinding(NamedTuple):
    """What a rule finds in a field. `instead` is the value that does no harm; None takes the field out."""

    rule: int
    name: bytes
    value: bytes
    instead: bytes | None = None


class Asked(NamedTuple):
    """What of the request decides: its host, whether it came over TLS, its parameters, and which servers are hidden
    anyway."""

    host: bytes
    tls: bool
    parameters: Callable[[], Pairs]
    hides: Callable[[bytes], bool]


class Told(NamedTuple):
    """What a block of fields shows by itself: findings, and fields of which the request decides."""

    found: tuple[FieldFinding, ...]
    asks: Pairs


NOTHING: Final = Told((), [])


class FieldRules:
    """The rules of one firewall about fields. Immutable."""

    def __init__(self, level: str) -> None:
        self._rules = EVERY if level == "all" else SURE

    def look(self, fields: Iterable[Field]) -> Told:
        """Return what the fields of a response show, whatever was asked; `NOTHING` for nearly all."""
        found: list[FieldFinding] = []
        asks: Pairs = []
        for field in fields:
            name, value = field[0], field[1]
            if name in _DEBUGGERS or name.startswith(_FIREPHP):
                found.append(FieldFinding(DEBUG, name, value))
            elif name in _WRITTEN or name in _PLACES:
                asks.append((name, value))
            elif VERSION in self._rules and not name.startswith(_OF_PAGES):
                if _PRODUCT.search(value) is not None:
                    found.append(FieldFinding(VERSION, name, value))
                elif b"version" not in name and b"policy" not in name and _INNER_VALUE.search(value) is not None:
                    asks.append((name, value))
        return Told(tuple(found), asks) if found or asks else NOTHING

    def judge(self, told: Told, asked: Asked) -> list[FieldFinding]:
        """Return all that is found, given what was asked."""
        found = list(told.found)
        for name, value in told.asks:
            if INNER in self._rules and (inner := _inner(name, value, asked)) is not None:
                found.append(inner)
            if name == b"set-cookie" and COOKIE in self._rules and asked.tls:
                found += _unprotected(value)
        written = [pair for pair in told.asks if pair[0] in _WRITTEN]
        if written:
            found += [FieldFinding(INJECTED, *pair) for pair in _injected(asked.parameters()) if pair in written]
        return found


def is_inner(host: bytes) -> bool:
    """Whether a host, without port, is an address or a name that only means something inside."""
    return (b"." not in host.strip(b"[]") and b":" not in host) or _INNER_HOST.fullmatch(host) is not None


def _inner(name: bytes, value: bytes, asked: Asked) -> FieldFinding | None:
    """Return a finding where a field names an inner host to a client that asked for a public one."""
    if is_inner(asked.host):
        return None
    if name not in _PLACES:
        return FieldFinding(INNER, name, value) if name not in _WRITTEN else None
    match = _AUTHORITY.search(value)
    if match is None or not is_inner(match[1]) or asked.hides((match[1] + (match[2] or b"")).lower()):
        return None
    rest = value[match.end() :]
    return FieldFinding(INNER, name, value, value[: match.start()] + (rest if rest[:1] == b"/" else b"/" + rest))


def _injected(parameters: Pairs) -> Pairs:
    """Return the fields that parameters would write if a line end in them reached a header."""
    lines = (match for _, value in parameters if b"\n" in value or b"\r" in value
             for match in _BEHIND_LINE_END.finditer(value))  # fmt: skip
    return [(match[1].lower(), match[2].strip(b" \t")) for match in lines]


def _unprotected(value: bytes) -> list[FieldFinding]:
    """Return a finding where a cookie that holds a session lacks Secure or HttpOnly."""
    pair, *attributes = value.split(b";")
    name, equals, content = pair.partition(b"=")
    if not equals or not content.strip() or _SESSION.fullmatch(name.strip()) is None:
        return []
    given = {attribute.partition(b"=")[0].strip().lower() for attribute in attributes}
    lacking = [word for word in (b"Secure", b"HttpOnly") if word.lower() not in given]
    return [FieldFinding(COOKIE, b"set-cookie", value, b"; ".join((value, *lacking)))] if lacking else []
