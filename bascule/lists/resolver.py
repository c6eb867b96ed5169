"""Who is asked in the DNS: for the servers of a pool, the name of a crawler, and lists that are kept there."""

from __future__ import annotations

import dns.asyncresolver

from bascule.config.types import Address


def resolver_at(server: Address | None) -> dns.asyncresolver.Resolver:
    """Return what asks a DNS server, or those of the machine. Raises dns.exception.DNSException where it has none."""
    resolver = dns.asyncresolver.Resolver(configure=server is None)
    if server is not None:
        resolver.nameservers, resolver.port = [server.host], server.port
    return resolver
