"""Conditions of rules, made ready to be asked: named tests of an `Access` that say yes, no, or what is missing.

A test answers with a `Need` where a fact is not known yet but can become so: who the user is, the address a name
resolves to, the response. What can never be known (the path inside a tunnel) is a no.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Final

from bascule.config.auth import Auth
from bascule.config.forward import Condition
from bascule.config.grammar import compile_pattern
from bascule.forward.sniffing import kind_of
from bascule.http.addresses import TrustedNetworks

if TYPE_CHECKING:
    from bascule.forward.policy import Access


class Need(Enum):
    """What has to be known before a rule can be decided."""

    USER = "user"
    ADDRESS = "address"
    RESPONSE = "response"


Answer = bool | Need
Test = Callable[["Access"], Answer]
NamedTest = tuple[str, Test]
_ANY_USER: Final = "*"


def compile_condition(condition: Condition, auth: Auth | None) -> tuple[NamedTest, ...]:
    """Return the tests of a condition, what is cheap to know first; there are none in an empty one.

    `auth` tells how users are known.
    """
    tests: list[tuple[str, bool, Callable[[], Test]]] = [
        ("when", condition.when is not None, lambda: _when(condition)),
        ("method", bool(condition.method), lambda: _method(condition.method)),
        ("port", bool(condition.port), lambda: _port(condition.port)),
        ("source", bool(condition.source), lambda: _source(condition.source)),
        ("for", bool(condition.for_), lambda: _user(condition.for_, auth)),
        ("domain", bool(condition.domain), lambda: _domain(condition.domain)),
        ("category", bool(condition.category), lambda: _category(condition.category)),
        ("quota", bool(condition.quota), lambda: _quota(condition.quota)),
        ("path", bool(condition.path), lambda: _path(condition.path)),
        ("header", bool(condition.header), lambda: _header(condition.header)),
        ("request_type", bool(condition.request_type), lambda: _request_type(condition.request_type)),
        ("ip", bool(condition.ip), lambda: _ip(condition.ip)),
        ("country", bool(condition.country), lambda: _country(condition.country)),
        ("mime", bool(condition.mime), lambda: _mime(condition.mime)),
        ("content", bool(condition.content), lambda: _content(condition.content)),
        ("size", bool(condition.size), lambda: _size(condition.size)),
    ]
    return tuple((name, make()) for name, given, make in tests if given)


def _when(condition: Condition) -> Test:
    when = condition.when
    assert when is not None
    return lambda access: when.holds(*access.week_time)


def _method(methods: Sequence[str]) -> Test:
    wanted = frozenset(method.upper().encode() for method in methods)
    return lambda access: access.method in wanted


def _port(ranges: Sequence[tuple[int, int]]) -> Test:
    return lambda access: any(first <= access.target.port <= last for first, last in ranges)


def _source(networks: Sequence[IPv4Network | IPv6Network]) -> Test:
    known = TrustedNetworks(networks)
    return lambda access: access.client in known


def _user(names: Sequence[str], auth: Auth | None) -> Test:
    wanted = frozenset(names)
    users = wanted if auth is None else auth.known_as(names)

    def test(access: Access) -> Answer:
        if access.user is None:
            return Need.USER
        if not access.user:
            return False
        return _ANY_USER in wanted or access.user in users or not wanted.isdisjoint(access.groups)

    return test


def _domain(texts: Sequence[str]) -> Test:
    exact = frozenset(text[1:].lower() for text in texts if text.startswith("="))
    below = frozenset(text.lower() for text in texts if text[:1] not in "=~")
    patterns = [compile_pattern(text[1:]) for text in texts if text.startswith("~")]

    def test(access: Access) -> Answer:
        host = access.target.host
        if host in exact or (below and is_below(host, below)):
            return True
        return bool(patterns) and any(pattern.search(host.encode()) for pattern in patterns)

    return test


def is_below(host: str, domains: frozenset[str]) -> bool:
    """Tell whether a host is one of some domains or stands below one."""
    while host not in domains:
        _, dot, host = host.partition(".")
        if not dot:
            return False
    return True


def _category(names: Sequence[str]) -> Test:
    wanted = frozenset(names)
    return lambda access: not wanted.isdisjoint(access.categories)


def _quota(names: Sequence[str]) -> Test:
    def test(access: Access) -> Answer:
        answers = [access.used_up(name) for name in names]
        return True if True in answers else Need.USER if Need.USER in answers else False

    return test


def _path(texts: Sequence[str]) -> Test:
    prefixes = tuple(text.encode() for text in texts if not text.startswith("~"))
    patterns = [compile_pattern(text[1:]) for text in texts if text.startswith("~")]

    def test(access: Access) -> Answer:
        path = access.path
        if not path:
            return False
        return path.startswith(prefixes) or any(pattern.search(path) for pattern in patterns)

    return test


def _header(wanted: dict[str, str]) -> Test:
    tests = [(name.lower().encode(), _value(value)) for name, value in wanted.items()]

    def test(access: Access) -> Answer:
        fields = access.fields
        return all(any(field[0] == name and holds(field[1]) for field in fields) for name, holds in tests)

    return test


def _value(wanted: str) -> Callable[[bytes], bool]:
    if wanted == "*":
        return lambda value: True
    if wanted.startswith("~"):
        pattern = compile_pattern(wanted[1:])
        return lambda value: pattern.search(value) is not None
    expected = wanted.encode("latin-1", "replace")
    return lambda value: value == expected


def _types(texts: Sequence[str]) -> Callable[[bytes], bool]:
    whole = frozenset(text.lower().encode() for text in texts)
    kinds = frozenset(text[:-1].lower().encode() for text in texts if text.endswith("/*"))

    def holds(value: bytes) -> bool:
        mime = value.partition(b";")[0].strip(b" \t").lower()
        kind, slash, _ = mime.partition(b"/")
        return mime in whole or kind + slash in kinds

    return holds


def _request_type(texts: Sequence[str]) -> Test:
    holds = _types(texts)
    return lambda access: any(field[0] == b"content-type" and holds(field[1]) for field in access.fields)


def _ip(networks: Sequence[IPv4Network | IPv6Network]) -> Test:
    known = TrustedNetworks(networks)
    return lambda access: access.address.encode() in known if access.address else Need.ADDRESS


def _country(codes: Sequence[str]) -> Test:
    wanted = frozenset(codes)
    return lambda access: access.country in wanted if access.address else Need.ADDRESS


def _mime(texts: Sequence[str]) -> Test:
    holds = _types(texts)

    def test(access: Access) -> Answer:
        if access.response is None:
            return False if access.is_tunnel else Need.RESPONSE
        return holds(access.response.value(b"content-type"))

    return test


def _content(kinds: Sequence[str]) -> Test:
    wanted = frozenset(kinds)

    def test(access: Access) -> Answer:
        if access.response is None:
            return False if access.is_tunnel else Need.RESPONSE
        return kind_of(access.start) in wanted

    return test


def _size(most: int) -> Test:
    def test(access: Access) -> Answer:
        if access.response is None:
            return False if access.is_tunnel else Need.RESPONSE
        return access.response.announced > most

    return test
