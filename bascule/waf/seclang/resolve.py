"""Target to values: which (name, key, value) a target yields for a transaction, and single look-ups for macros."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from bascule.waf.seclang.model import Target
from bascule.waf.seclang.targets import selector_regex
from bascule.waf.seclang.variables import HEADER, HEADER_NAME, find_variable

if TYPE_CHECKING:
    from bascule.waf.transaction import Transaction

Pairs = Iterable[tuple[bytes, bytes]]


class Reader(NamedTuple):
    """What a target yields: (key, value) pairs. A value's full name is `prefix` and its key (b"ARGS:" + b"q")."""

    prefix: bytes
    pairs: Callable[[Transaction], Pairs]


def reader(target: Target) -> Reader:
    """Return a function that lists the values `target` covers."""
    variable = target.variable
    name = variable.name.encode("ascii")
    if target.count:
        counted = reader(Target(variable, target.name, target.pattern, target.xpath, source=target.source)).pairs
        full = name + b":" + target.name if target.name is not None else name
        return Reader(full, lambda t: ((b"", b"%d" % len(list(counted(t)))),))
    read: Any = variable.read
    if variable.name == "XML":
        return _xml(target)
    if variable.collection:
        return Reader(name + b":", _members(target))

    def scalar(t: Transaction) -> Pairs:
        value = read(t)
        return () if value is None else ((b"", value),)

    return Reader(name, scalar)


def _members(target: Target) -> Callable[[Transaction], Pairs]:
    """The members of a collection that the target's selector covers."""
    read: Any = target.variable.read
    wanted, variable = target.name, target.variable.name
    if wanted is not None:
        if variable == "TX":
            return lambda t: ((wanted, t.tx[wanted]),) if wanted in t.tx else ()
        if target.variable.source in (HEADER, HEADER_NAME):  # names of headers are lower case already
            return lambda t: [pair for pair in read(t) if pair[0] == wanted]
        return lambda t: [pair for pair in read(t) if pair[0].lower() == wanted]
    if target.pattern is None:
        return read  # type: ignore[no-any-return]
    search = target.pattern.search
    start = literal_start(target)
    if start and variable == "TX":
        return lambda t: [(k, v) for k, v in t.tx.items() if k.startswith(start) and search(k) is not None]
    return lambda t: [pair for pair in read(t) if search(pair[0]) is not None]


def literal_start(target: Target) -> bytes:
    """The text every name a selector's regular expression matches begins with, in lower case; empty if unknown."""
    text = target.source.partition(":")[2].strip("'").strip("/").lower()
    found = re.match(r"\^([\w-]+)([*?{+|]?)", text)
    if found is None or "|" in text:
        return b""
    return (found[1][:-1] if found[2] else found[1]).encode("latin-1")


def _xml(target: Target) -> Reader:
    """Values of an XPath; of XML itself, for @validateDTD and @validateSchema, the whole document as it was sent."""
    path = target.xpath
    if path is None:
        return Reader(b"XML", lambda t: ((b"", t.raw_body),) if t.body_processor == b"XML" else ())
    return Reader(b"XML:" + path.encode("latin-1"), lambda t: [(b"", value) for value in t.xml_values(path)])


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
    pairs = values.pairs

    def first(t: Transaction) -> bytes:
        return next((value for _, value in pairs(t)), b"")

    return first
