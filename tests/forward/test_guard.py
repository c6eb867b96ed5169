"""No spelling of an inside address counts as a public one."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.forward.guard import inside_range

INSIDE = [
    ("0.0.0.0", "this-network"),
    ("10.255.0.1", "private"),
    ("100.100.100.200", "carrier-grade-nat"),
    ("127.8.8.8", "loopback"),
    ("168.63.129.16", "metadata"),
    ("169.254.169.254", "link-local"),
    ("172.31.255.255", "private"),
    ("192.0.0.192", "protocol-assignments"),
    ("192.168.1.1", "private"),
    ("198.19.0.1", "benchmarking"),
    ("224.0.0.1", "multicast"),
    ("255.255.255.255", "reserved"),
    ("::", "unspecified"),
    ("::1", "loopback"),
    ("::ffff:127.0.0.1", "loopback"),
    ("::ffff:a9fe:a9fe", "link-local"),
    ("::10.0.0.1", "private"),
    ("64:ff9b::169.254.169.254", "link-local"),
    ("::ffff:0:10.0.0.1", "private"),
    ("64:ff9b:1::1", "local-nat64"),
    ("2002:7f00:1::", "loopback"),
    ("2001:0:1::1", "protocol-assignments"),
    ("fd00:ec2::254", "private"),
    ("fe80::1", "link-local"),
    ("fe80::1%lo", "link-local"),
    ("ff02::1", "multicast"),
]
PUBLIC = [
    "8.8.8.8",
    "172.32.0.1",
    "100.128.0.1",
    "192.169.0.1",
    "2606:4700::1111",
    "64:ff9b::8.8.8.8",
    "2002:808:808::",
]


@pytest.mark.parametrize(("address", "name"), INSIDE)
def test_inside(address: str, name: str) -> None:
    assert inside_range(address) == name


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert inside_range(address) == ""


def test_a_name_is_no_address() -> None:
    with pytest.raises(ValueError):
        inside_range("localhost")


@given(st.ip_addresses(v=4))
def test_no_less_strict_than_the_standard_library(address: IPv4Address) -> None:
    if not address.is_global or address.is_multicast:
        known_public = str(address) in ("192.0.0.9", "192.0.0.10")
        assert inside_range(str(address)) or known_public
    for wrapped in (f"::ffff:{address}", f"64:ff9b::{address}", f"::{address}"):
        if int(address) > 1:
            assert inside_range(wrapped) == inside_range(str(address))


@given(st.ip_addresses(v=6))
def test_six(address: object) -> None:
    six = ip_address(str(address))
    if six.is_loopback or six.is_link_local or six.is_multicast or six.is_private or six.is_unspecified:
        assert inside_range(str(six))
