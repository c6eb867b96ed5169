"""Target to values: which (name, key, value) a target yields for a transaction, and single look-ups for macros."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bascule.waf.seclang.model import Target
from bascule.waf.seclang.targets import selector_regex
from bascule.waf.seclang.variables import find_variable

if TYPE_CHECKING:
    from bascule.waf.transaction import Transaction

Value = tuple[bytes, bytes]
"""A value with its full name: (b"ARGS:q", b"1")."""

Reader = Callable[["Transaction"], list[Value]]


def reader(target: Target) -> Reader:
    """Return a function that lists the values `target` covers, each with its full name."""
    variable = target.variable
    name = variable.name.encode("ascii")
    if target.count:
        counted = reader(Target(variable, target.name, target.pattern, target.xpath))
        full = name + b":" + target.name if target.name is not None else name
        return lambda t: [(full, b"%d" % len(counted(t)))]
    read: Any = variable.read
    if variable.name == "XML":
        return _xml(target)
    if not variable.collection:

        def scalar(t: Transaction) -> list[Value]:
            value = read(t)
            return [] if value is None else [(name, value)]

        return scalar
    prefix = name + b":"
    if variable.name == "TX" and target.name is not None:
        key, full = target.name, prefix + target.name

        def member(t: Transaction) -> list[Value]:
            value = t.tx.get(key)
            return [] if value is None else [(full, value)]

        return member
    if target.name is not None:
        wanted = target.name
        return lambda t: [(prefix + k, v) for k, v in read(t) if k.lower() == wanted]
    if target.pattern is not None:
        search = target.pattern.search
        start = literal_start(target)
        if start and variable.name == "TX":
            return lambda t: [(prefix + k, v) for k, v in t.tx.items() if k.startswith(start) and search(k) is not None]
        return lambda t: [(prefix + k, v) for k, v in read(t) if search(k) is not None]
    return lambda t: [(prefix + k, v) for k, v in read(t)]


def literal_start(target: Target) -> bytes:
    """The text every name a selector's regular expression matches begins with, in lower case; empty if unknown."""
    text = target.source.partition(":")[2].strip("'").strip("/").lower()
    found = re.match(r"\^([\w-]+)([*?{+|]?)", text)
    if found is None or "|" in text:
        return b""
    return (found[1][:-1] if found[2] else found[1]).encode("latin-1")


def _xml(target: Target) -> Reader:
    path = target.xpath
    name = b"XML" if path is None else b"XML:" + path.encode("latin-1")
    if path is None:
        return lambda t: []
    return lambda t: [(name, value) for value in t.xml_values(path)]


def excluder(exclusions: list[Target]) -> Callable[[bytes], bool]:
    """Return a test whether a value's full name is covered by one of the exclusions."""
    tests: list[Callable[[bytes], bool]] = [_covers(target) for target in exclusions]
    if len(tests) == 1:
        return tests[0]
    return lambda full: any(test(full) for test in tests)


def _covers(target: Target) -> Callable[[bytes], bool]:
    name = target.variable.name.encode("ascii")
    if target.xpath is not None:
        exact = name + b":" + target.xpath.encode("latin-1")
        return lambda full: full == exact
    if target.name is None and target.pattern is None:
        prefix = name + b":"
        return lambda full: full == name or full.startswith(prefix)
    prefix, start = name + b":", len(name) + 1
    return lambda full: full.startswith(prefix) and target.selects(full[start:])


def lookup(name: str, key: str | None) -> Callable[[Transaction], bytes]:
    """Return the look-up for a macro reference: the first value, or empty.

    Raises:
        ValueError: there is no such variable.
    """
    variable = find_variable(name)
    if variable.collection and key is not None and len(key) > 1 and key[0] == key[-1] == "/":
        source = f"{name}:{key}"
        return _first(reader(Target(variable, pattern=selector_regex(key[1:-1]), source=source)))
    if variable.collection and key is not None:
        wanted = key.lower().encode("latin-1")
        if name == "TX":
            return lambda t: t.tx.get(wanted, b"")
        if name == "RULE":
            return lambda t: dict(t.rule_pairs()).get(wanted, b"")
        values = reader(Target(variable, name=wanted))
    else:
        values = reader(Target(variable))

    return _first(values)


def _first(values: Reader) -> Callable[[Transaction], bytes]:
    def first(t: Transaction) -> bytes:
        found = values(t)
        return found[0][1] if found else b""

    return first
