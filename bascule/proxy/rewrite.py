"""What changes on the way: the path towards the server, and on the way back whatever would name an origin.

Origin hiding is the first promise of a reverse proxy: redirects and cookies speak of the public site only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from bascule.config.grammar import compile_pattern
from bascule.config.policies import CookieMap, Rewrite
from bascule.upstream.pool import PoolState
from bascule.upstream.server import ServerState

_ABSOLUTE = re.compile(rb"(https?:)?//([^/?#\s\"';,]*)([^\s\"';]*)", re.IGNORECASE)
_IN_TEXT = re.compile(rb"((?:https?|wss?):)?//([^/?#\s\"';,]*)([^\s\"';,]*)", re.IGNORECASE)
_REFERENCE = re.compile(rb"<([^<>]*)>")
_REFRESH = re.compile(rb"(\s*[0-9.]+\s*[;,]?\s*(?:url\s*=\s*)?[\"']?)(.*)", re.IGNORECASE | re.DOTALL)

PathRewrite = Callable[[bytes], bytes]


def compile_rewrite(rewrite: Rewrite) -> PathRewrite | None:
    """Return the function from normal path to the server's path, or None if it is the same."""
    if rewrite == Rewrite():
        return None
    strip = rewrite.strip_prefix.rstrip("/").encode()
    add = rewrite.add_prefix.rstrip("/").encode()
    pattern = compile_pattern(rewrite.pattern) if rewrite.pattern else None
    replacement = rewrite.replacement.encode()

    def apply(path: bytes) -> bytes:
        if strip and path.startswith(strip) and path[len(strip) : len(strip) + 1] in (b"/", b""):
            path = path[len(strip) :]
        if pattern is not None:
            path = pattern.sub(replacement, path, 1)
        path = add + path
        return path if path[:1] == b"/" else b"/" + path

    return apply


class Origins:
    """Every way in which a URL or cookie could name a server behind the bridge, also one discovered meanwhile."""

    __slots__ = ("_pools",)

    def __init__(self, pools: Sequence[PoolState]) -> None:
        self._pools = pools

    def __contains__(self, authority: bytes) -> bool:
        """Whether a lower-case authority names a server, with or without a default port."""
        for server in self._servers():
            address = server.origin.address
            if authority in (str(address).lower().encode(), server.host_header.lower()):
                return True
            host = f"[{address.host}]" if ":" in address.host else address.host
            if address.port in (80, 443) and authority == host.lower().encode():
                return True
        return False

    def at(self, host: bytes) -> bool:
        """Whether a server runs at a lower-case host name or address."""
        return any(host == server.origin.address.host.lower().encode() for server in self._servers())

    def named_in(self, text: bytes) -> list[bytes]:
        """Return the lower-case authorities of servers that occur in lower-case `text`."""
        authorities = {str(server.origin.address).lower().encode() for server in self._servers()}
        authorities.update(server.host_header.lower() for server in self._servers())
        return [authority for authority in authorities if authority in text]

    def _servers(self) -> Iterator[ServerState]:
        """Yield the servers that have a host: not those at UNIX sockets."""
        for pool in self._pools:
            for server in pool.servers:
                if not server.origin.address.path:
                    yield server


class PlaceMap:
    """Rewrites the places that a server names: in redirects, links, cross-origin grants and cookies."""

    __slots__ = ("_add", "_origins", "_strip")

    def __init__(self, rewrite: Rewrite, origins: Origins) -> None:
        self._origins = origins
        self._strip = rewrite.strip_prefix.rstrip("/").encode()
        self._add = rewrite.add_prefix.rstrip("/").encode()

    def hides(self, authority: bytes) -> bool:
        """Whether a lower-case authority is replaced wherever a field names it."""
        return authority in self._origins

    def place(self, value: bytes, scheme: bytes, authority: bytes) -> bytes:
        """Return a URI reference as the client may see it; `authority` is the public one."""
        match = _ABSOLUTE.match(value)
        if match is None:
            return self._path(value) if value[:1] == b"/" else value
        named = match.group(2).rpartition(b"@")[2].lower()
        if named not in self._origins:
            if named == authority.lower():
                return value[: match.start(3)] + self._path(match.group(3)) + value[match.end() :]
            return value
        return scheme + b"://" + authority + self._path(match.group(3)) + value[match.end() :]

    def refresh(self, value: bytes, scheme: bytes, authority: bytes) -> bytes:
        """Return a `Refresh` value (``5; url=...``) as the client may see it."""
        match = _REFRESH.match(value)
        if match is None:
            return value
        return match.group(1) + self.place(match.group(2), scheme, authority)

    def links(self, value: bytes, scheme: bytes, authority: bytes) -> bytes:
        """Return a `Link` value (RFC 8288: references in angle brackets) as the client may see it."""
        return _REFERENCE.sub(lambda match: b"<%b>" % self.place(match.group(1), scheme, authority), value)

    def grant(self, value: bytes, scheme: bytes, authority: bytes) -> bytes:
        """Return an `Access-Control-Allow-Origin` value: an origin, which has no path that could be mapped."""
        match = _ABSOLUTE.match(value)
        if match is None or match.group(2).lower() not in self._origins:
            return value
        return scheme + b"://" + authority

    def text(self, value: bytes, scheme: bytes, authority: bytes) -> bytes:
        """Return a value that may name places anywhere: policies and reports. Most name no server."""
        named = self._origins.named_in(value.lower())
        if not named:
            return value

        def public(match: re.Match[bytes]) -> bytes:
            if match.group(2).rpartition(b"@")[2].lower() not in self._origins:
                return match.group()
            given = match.group(1) or b""
            if given:
                secure = b"s" if scheme == b"https" else b""
                given = (b"ws%b:" if given[:1] in b"wW" else b"http%b:") % secure
            path = match.group(3)
            return b"%b//%b%b" % (given, authority, path and self._path(path))

        value = _IN_TEXT.sub(public, value)
        for bare in named:  # as sources of a policy are written
            value = re.sub(rb"(?<![\w.-])%b(?!\w)" % re.escape(bare), lambda _: authority, value, flags=re.IGNORECASE)
        return value

    def cookie(self, value: bytes, host: bytes) -> bytes:
        """Return a `Set-Cookie` value without a Domain that names a server.

        Browsers ignore a cookie whose domain does not match the host they asked (RFC 6265 5.3); one that does stays.
        """
        pair, *attributes = value.split(b";")
        kept = [pair]
        for attribute in attributes:
            name, _, domain = attribute.partition(b"=")
            bare = domain.strip().lower().lstrip(b".")
            foreign = name.strip().lower() == b"domain" and bare != host and not host.endswith(b"." + bare)
            if not (foreign and self._origins.at(bare)):
                kept.append(attribute)
        return b";".join(kept)

    def _path(self, path: bytes) -> bytes:
        """Undo the route's path rewrite."""
        if self._add and path.startswith(self._add) and path[len(self._add) : len(self._add) + 1] in (b"/", b"", b"?"):
            path = path[len(self._add) :] or b"/"
        if self._strip:
            path = self._strip + path
        return path


def compile_cookies(cookies: CookieMap) -> Callable[[bytes], bytes] | None:
    """Return the function that maps a `Set-Cookie` value, or None if nothing is mapped."""
    if cookies == CookieMap():
        return None
    domains = {name.lower().lstrip(".").encode(): public.encode() for name, public in cookies.domain.items()}
    paths = [(prefix.encode(), public.encode()) for prefix, public in cookies.path.items()]
    paths.sort(key=lambda pair: -len(pair[0]))
    same_site = cookies.same_site.encode()

    def apply(value: bytes) -> bytes:
        pair, *attributes = value.split(b";")
        kept = [pair]
        seen = set()
        for attribute in attributes:
            name, _, setting = attribute.strip().partition(b"=")
            lower = name.lower()
            seen.add(lower)
            if lower == b"domain" and (bare := setting.strip().lower().lstrip(b".")) in domains:
                if domains[bare]:
                    kept.append(b" Domain=" + domains[bare])
            elif lower == b"path":
                kept.append(b" Path=" + _map_path(setting.strip(), paths))
            elif lower == b"samesite" and same_site:
                continue
            else:
                kept.append(attribute)
        if cookies.secure and b"secure" not in seen:
            kept.append(b" Secure")
        if cookies.http_only and b"httponly" not in seen:
            kept.append(b" HttpOnly")
        if same_site:
            kept.append(b" SameSite=" + same_site)
        return b";".join(kept)

    return apply


def _map_path(path: bytes, paths: list[tuple[bytes, bytes]]) -> bytes:
    """Return `path` with its longest prefix of whole segments mapped; two slashes never meet."""
    for prefix, public in paths:
        rest = path[len(prefix) :]
        if path.startswith(prefix) and (not rest or prefix.endswith(b"/") or rest.startswith(b"/")):
            return public + rest.lstrip(b"/") if public.endswith(b"/") else (public + rest or b"/")
    return path
