"""What limits count by."""

from __future__ import annotations

import json

import pytest

from bascule.config.defence import Limit
from bascule.defence.clients import ClientPrefix
from bascule.defence.geo import Database, GeoError, countries, operators
from bascule.defence.keys import Key, Keys
from tests.defence.support import Asked, Head
from tests.support.shared import shared_dir


def key(per: str, ipv4: int = 32, ipv6: int = 64, **databases: Database) -> Key:
    return Keys(ClientPrefix(ipv4, ipv6), **databases).of(Limit.model_validate({"rate": "1/s", "per": per}))


BASIC = b"Basic YW5uOnNlY3JldA=="  # ann:secret


@pytest.mark.parametrize(
    ("per", "asked", "expected"),
    [
        ("client", Asked(), b"192.0.2.1"),
        ("client", Asked(client=b"2001:db8:1:2:3::4"), b"2001:db8:1:2::/64"),
        ("client", Asked(client=b""), b""),
        ("all", Asked(), b""),
        ("host", Asked(head=Head(host=b"b.test")), b"b.test"),
        ("method", Asked(method=b"POST"), b"POST"),
        ("path", Asked(), b"/page"),
        ("header:X-Key", Asked(headers={b"x-key": b"k1"}), b"=k1"),
        ("header:x-key", Asked(), b"192.0.2.1"),
        ("header:x-key", Asked(headers={b"x-key": b""}), b"192.0.2.1"),
        ("cookie:Sid", Asked(cookies={b"Sid": b"s1"}), b"=s1"),
        ("user", Asked(headers={b"authorization": BASIC}), b"=ann"),
        ("user", Asked(headers={b"authorization": b"Basic ?"}), b"192.0.2.1"),
        ("user", Asked(headers={b"authorization": b"Bearer YW5uOnNlY3JldA=="}), b"192.0.2.1"),
        ("ja4", Asked(ja4=b"t13d"), b"=t13d"),
        ("ja4", Asked(), b"192.0.2.1"),
        ("client, path", Asked(), b"192.0.2.1\0/page"),
    ],
)  # fmt: skip
def test_keys(per: str, asked: Asked, expected: bytes) -> None:
    assert key(per)(asked) == expected


def test_a_field_cannot_pass_for_an_address() -> None:
    """Else anybody could use up somebody else's limit by naming its address."""
    victim, attacker = Asked(), Asked(client=b"203.0.113.5", headers={b"x-key": b"192.0.2.1"})
    assert key("header:x-key")(victim) != key("header:x-key")(attacker)


@pytest.mark.parametrize(
    ("ipv4", "ipv6", "address", "expected"),
    [
        (24, 64, b"192.0.2.77", b"192.0.2.0/24"),
        (32, 48, b"2001:db8:1:2:3::4", b"2001:db8:1::/48"),
        (32, 128, b"2001:db8::1", b"2001:db8::1"),
        (8, 64, b"unix:", b"unix:"),
    ],
)
def test_prefixes(ipv4: int, ipv6: int, address: bytes, expected: bytes) -> None:
    prefix = ClientPrefix(ipv4, ipv6)
    assert [prefix.of(address), prefix.of(address)] == [expected, expected]


def test_countries_and_operators() -> None:
    folder = shared_dir("lists", "maxmind")
    database = next(folder.rglob("GeoIP2-City-Test.mmdb"))
    found = countries(str(database)).find
    assert (found(b"81.2.69.142"), found(b"127.0.0.1"), found(b"unix:"), found(b"")) == (b"GB", b"", b"", b"")
    asn = next(folder.rglob("GeoLite2-ASN-Test.mmdb"))
    assert operators(str(asn)).find(b"1.128.0.1") == b"1221"
    assert key("country", countries=countries(str(database)))(Asked(client=b"81.2.69.142")) == b"GB"
    with pytest.raises(GeoError, match="is a GeoLite2-ASN database, and one of Country"):
        countries(str(asn))


def test_what_is_no_database(tmp_path: object) -> None:
    with pytest.raises(GeoError, match="cannot be read"):
        countries(__file__)
    with pytest.raises(GeoError, match="cannot be read: No such file"):
        operators(json.dumps(str(tmp_path)))
