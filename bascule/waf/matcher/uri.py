"""What rules ask of the request line and its parts, prepared once: for the gates on them (`nominator.py`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bascule.waf.matcher.linear import linear_set
from bascule.waf.matcher.marks import before, decoded_by, marks_of
from bascule.waf.matcher.plan import ExactGate
from bascule.waf.matcher.triggers import ACTIVE, ALWAYS
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


def tester(link: BoundLink) -> Callable[[bytes], bool]:
    """Return a function that tells whether a link matches a value.

    For a negated @rx that is one pass of RE2 without captures; its `^` differs from PCRE's after a line feed
    that ends the value, so values with line feeds go to the operator.
    """
    pattern = link.argument.literal
    plain = link.link.operator_name == "rx" and not link.functions and not link.actions.multi_match
    if not plain or not link.negated or not pattern or link.link.operator.backtracks:
        return lambda value: matches(link, value)
    search = linear_set([translated(pattern).text])
    return lambda value: not search(value) if b"\n" not in value else matches(link, value)


def marks_of_weak(gate: ExactGate) -> set[int]:
    """Bytes of which a file name has one if its rule's weak expressions match it, or has something to decode."""
    steps = gate.link.actions.transformations
    decoded = decoded_by(ACTIVE.get(name, ALWAYS) for name in steps) if gate.weak else 0
    asked = [before(expression.clauses, steps, gate.link.actions.multi_match) for expression in gate.weak]
    return marks_of([*asked, (decoded,)] if decoded else asked)
