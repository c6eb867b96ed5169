"""Sets of networks: what they find, and how much they remember of a flood of addresses."""

from __future__ import annotations

from bascule.defence.clients import ClientPrefix
from bascule.defence.networks import NetworkMap

MOST = 8192


def test_the_narrowest_network_says_the_word() -> None:
    networks = NetworkMap([("192.0.2.0/24", "wide"), ("192.0.2.7/32", "narrow"), ("2001:db8::/32", "six")])
    found = [networks.find(address) for address in (b"192.0.2.7", b"192.0.2.8", b"192.0.3.1", b"2001:db8::1", b"")]
    assert found == ["narrow", "wide", "", "six", ""]


def test_a_flood_of_addresses_is_not_remembered() -> None:
    networks, nothing, clients = NetworkMap([("192.0.2.0/24", "x")]), NetworkMap([]), ClientPrefix()
    for number in range(3 * MOST):
        address = b"10.%d.%d.1" % divmod(number, 256)
        assert networks.find(address) == nothing.find(address) == ""
        clients.of(b"2001:db8:%x::1" % number)
    assert 0 < len(networks._known) <= MOST
    assert 0 < len(clients._known) <= MOST
    assert not nothing._known
