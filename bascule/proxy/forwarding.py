"""What the server is told of the client, and what client certificates a site asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.http.errors import HttpError
from bascule.http.forwarded import ClientInfo, forwarding_lines
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.proxy.exchange import Exchange
    from bascule.proxy.peer import Peer
    from bascule.proxy.route import RouteRuntime
    from bascule.proxy.router import SiteRuntime


def fixed_lines(peer: Peer) -> bytes:
    """Return the usual lines up to the host's value, for a client that no trusted hop stands before.

    Its connection remembers them from its first request on, and nothing else does: what outlives a crowd lies scattered
    among what the crowd had, and keeps all of that memory.
    """
    if not peer.fixed_lines:
        client = ClientInfo(peer.address, None, None, ())
        told = forwarding_lines("x-forwarded", client, peer.address, peer.scheme, b"")
        peer.fixed_lines = told + b"X-Forwarded-Host: "
    return peer.fixed_lines


def lines(connection: Peer, exchange: Exchange) -> bytes:
    """Return all lines about the client for one request."""
    written = exchange.route.forwarded
    authority = exchange.head.authority
    if connection.info is None and written == "x-forwarded" and authority:
        told = b"%b%b\r\n" % (fixed_lines(connection), authority)
    else:
        info = connection.info or ClientInfo(connection.address, None, None, ())
        told = forwarding_lines(written, info, connection.peer_address, connection.scheme, authority)
    tls = exchange.site.plan.tls
    if tls is not None and tls.client_auth is not None and tls.client_auth.forward and connection.tls is not None:
        subject = connection.tls.peer_subject
        if subject:
            told += b"X-Client-Cert-Subject: %b\r\n" % subject.encode("ascii", "backslashreplace")
    return told


def check_certificate(connection: Peer, site: SiteRuntime[RouteRuntime]) -> None:
    """Let in only whom the site's client certificates allow.

    The handshake asked for a certificate by SNI; a request for this site on a connection made for another name
    would go around that, so it is sent to a connection of its own (RFC 9110 15.5.20).
    Raises HttpError(421) and HttpError(403).
    """
    tls = site.plan.tls
    assert tls is not None and tls.client_auth is not None  # noqa: PT018 - the caller looked
    policy = tls.client_auth
    filter_ = connection.tls
    if filter_ is None:
        raise HttpError(403, causes.CLIENT_CERTIFICATE)
    refusal = filter_.client_auth_refusal(policy)
    if refusal:
        raise HttpError(421 if refusal == causes.MISDIRECTED else 403, refusal)
