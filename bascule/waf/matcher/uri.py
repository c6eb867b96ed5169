"""What rules ask of the request line and its parts, prepared once: for the gates on them (`nominator.py`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bascule.waf.matcher.certain import is_found_in_all
from bascule.waf.matcher.linear import linear_set
from bascule.waf.matcher.marks import before, decoded_by, marks_of
from bascule.waf.matcher.plan import ExactGate
from bascule.waf.matcher.triggers import ACTIVE, ALPHABET, ALWAYS
from bascule.waf.seclang.evaluate import BoundLink, matches
from bascule.waf.seclang.operators.translated import translated

if TYPE_CHECKING:
    from bascule.waf.transaction import Transaction

URI: dict[str, Callable[[Transaction], bytes]] = {
    "REQUEST_URI": lambda t: t.request_uri,
    "REQUEST_URI_RAW": lambda t: t.target,
    "REQUEST_FILENAME": lambda t: t.filename,
    "REQUEST_BASENAME": lambda t: t.basename,
    "QUERY_STRING": lambda t: t.query,
    "PATH_INFO": lambda t: t.filename,
}
"""What the names stand for, but for REQUEST_LINE, which is at hand."""


USUAL_METHODS = (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS")
USUAL_VERSIONS = (b"1.1", b"1.0", b"2")
_USUAL_BYTES = ALPHABET.replace(b" ", b"")
"""Of which usual targets consist."""
Test = Callable[[bytes], bool]


class ExactUri:
    """The gates on the request line and its parts that are no matter of scanning.

    Many of them say what all usual lines are like; which of them do is found out once for each usual method.
    """

    def __init__(self, gates: list[tuple[str, ExactGate]]) -> None:
        self._gates = [(URI.get(name), _tester(gate.link), gate.bit) for name, gate in gates]
        links = [gate.link for _, gate in gates]
        self._left = {
            (method, version): [
                gate for gate, link in zip(self._gates, links, strict=True)
                if gate[0] is not None or not _is_certain(link, method, version)
            ]
            for method in USUAL_METHODS for version in USUAL_VERSIONS
        }  # fmt: skip

    def opened(self, t: Transaction, line: bytes) -> int:
        """The gates that a request opens, whose request line is `line`."""
        target, gates = t.target, self._gates
        if target[:1] == b"/" and not target.translate(None, _USUAL_BYTES):
            gates = self._left.get((t.method, t.version), gates)
        found = 0
        for read, test, bit in gates:
            if test(line if read is None else read(t)):
                found |= bit
        return found


def _is_certain(link: BoundLink, method: bytes, version: bytes) -> bool:
    """Whether a link that looks for what is not as a pattern says finds nothing in lines with usual targets."""
    pattern = link.argument.literal
    if not _is_plain(link) or not pattern or not link.negated or link.link.operator.backtracks:
        return False
    return is_found_in_all(pattern, method + b" /", _USUAL_BYTES, b" HTTP/" + version)


def _is_plain(link: BoundLink) -> bool:
    return link.link.operator_name == "rx" and not link.functions and not link.actions.multi_match


def _tester(link: BoundLink) -> Test:
    """Return a function that tells whether a link matches a value.

    For a negated @rx that is one pass of RE2 without captures; its `^` differs from PCRE's after a line feed
    that ends the value, so values with line feeds go to the operator.
    """
    pattern = link.argument.literal
    if not _is_plain(link) or not pattern or not link.negated or link.link.operator.backtracks:
        return lambda value: matches(link, value)
    search = linear_set([translated(pattern).text])
    return lambda value: not search(value) if b"\n" not in value else matches(link, value)


def marks_of_weak(gate: ExactGate) -> set[int]:
    """Bytes of which a file name has one if its rule's weak expressions match it, or has something to decode."""
    steps = gate.link.actions.transformations
    decoded = decoded_by(ACTIVE.get(name, ALWAYS) for name in steps) if gate.weak else 0
    asked = [before(expression.clauses, steps, gate.link.actions.multi_match) for expression in gate.weak]
    return marks_of([*asked, (decoded,)] if decoded else asked)
