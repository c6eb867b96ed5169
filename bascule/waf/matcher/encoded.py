"""What ordinary texts say in Base64: all that can be decoded is decoded, transformed further and scanned in one go.

Any word of eight letters is Base64 of something, so nearly every request has some.
"""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from bascule.waf.matcher.automaton import OTHER_SEAM, Chain
from bascule.waf.matcher.database import open_database
from bascule.waf.matcher.factors import ASIDE, factors
from bascule.waf.matcher.patterns import BASE, CASELESS, Expression, literal
from bascule.waf.matcher.scanner import Scanner, collect
from bascule.waf.matcher.triggers import BASE64
from bascule.waf.seclang.operators import OperatorError
from bascule.waf.seclang.operators.pcre import parse
from bascule.waf.seclang.transformations.binary import base64_decode

_DIGITS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_GAP, _BETWEEN = b"AQEB", b"\1\1\1"
_ESCAPES: Final = b"%\\"
"""What steps behind the decoding may make any byte of; the others only delete some, or make blanks."""
_BEFORE = frozenset({"lowercase", "urldecode", "urldecodeuni", "jsdecode", "removewhitespace"})
_BEHIND = (_BEFORE - {"lowercase"}) | {"replacecomments"}
"""Steps that may stand before and behind the decoding: they work byte by byte, but for escapes and comments, and never
look at a seam unless a backslash stands before it, or a comment begins."""
_LEAVING = frozenset({"removewhitespace", "replacecomments"})
"""Of these, steps that only take ASIDE away, where no comment begins."""
_COMMENT: Final = b"/*"


class Encoded:
    """Scans for a scanner's expressions behind steps that change nearly any text."""

    def __init__(self, scanner: Scanner, cache_dir: Path | None) -> None:
        self._scanner = scanner
        self._least, chains = scanner.unusual()
        behind = {_behind(chain) for chain in chains}
        followed = [chain for chain in behind if chain is not None]
        self._others = None in behind
        self._steps = _steps_of(followed)
        self._no_marks = bytes(set(range(256)) - scanner.unusual_marks() - set(_ESCAPES))
        self._look = None if self._others else _Look(scanner.unusual_expressions, followed, cache_dir)

    def scan(self, joined: bytes, forms: bytes) -> int:
        """Return the gates that texts open once they are decoded.

        `joined`: ordinary texts, joined by OTHER_SEAM; `forms`: their forms, joined likewise. Where blanks and pluses
        are all that can go or turn into blanks before they are decoded, the texts without these are enough.
        """
        if self._others:
            return self._scanner.scan_unusual(joined.split(OTHER_SEAM))
        least = self._least
        words = plain = [word for word in forms.split(OTHER_SEAM) if not len(word) & 3 and len(word) >= least]
        if not words:
            return 0
        encoded = _GAP.join(words)
        if encoded.translate(None, _DIGITS):
            plain = [word for word in words if not word.translate(None, _DIGITS)]
            encoded = _GAP.join(plain)
        if plain is words or not any(word[-1:] == b"=" for word in words):
            decoded = a2b_base64(encoded)
            if not decoded.translate(None, self._no_marks) or (self._look is not None and self._look.is_vain(decoded)):
                return 0
            results = self._results(decoded)
            whole = _BETWEEN.join(results)
            if not _is_blurred(whole, len(results) * len(plain)):
                return self._scanner.scan_decoded(whole, _BETWEEN)
        return self._scanner.scan_unusual(joined.split(OTHER_SEAM))

    def _results(self, decoded: bytes) -> set[bytes]:
        """Return the forms that decoded texts take behind."""
        forms = [decoded]
        for function, given in self._steps:
            forms.append(function(forms[given]))
        return set(forms)


class _Look:
    """A look for what each match of some expressions holds, lest all forms of noise be scanned with these."""

    def __init__(self, expressions: list[Expression], chains: list[Chain], cache_dir: Path | None) -> None:
        acting = {chain: tuple(step for step in chain if step.name not in _LEAVING) for chain in chains}
        self._steps = _steps_of(acting.values())
        known = [_factors_of(expression.text) for expression in expressions]
        sought = [Expression(literal(text), BASE | CASELESS) for text in sorted(frozenset().union(*known))]
        possible = all(known) and all(chain[: len(steps)] == steps for chain, steps in acting.items())
        database = open_database(sought, cache_dir) if possible else None
        self._scan = None if database is None else database.scan

    def is_vain(self, decoded: bytes) -> bool:
        """Whether none of the expressions matches what becomes of decoded texts."""
        if self._scan is None:
            return False
        forms = [decoded]
        for function, given in self._steps:
            forms.append(function(forms[given]))
        bare = OTHER_SEAM.join({form.translate(None, ASIDE) for form in forms})
        if bare.find(_COMMENT) >= 0:
            return False
        hits: list[int] = []
        self._scan(bare, match_event_handler=collect, context=hits)
        return not hits


def _factors_of(pattern: bytes) -> frozenset[bytes]:
    try:
        return factors(parse(pattern))
    except OperatorError:  # in a dialect of its own
        return frozenset()


def _steps_of(chains: Iterable[Chain]) -> list[tuple[Callable[[bytes], bytes], int]]:
    """The steps of chains, what they begin with in common once: each with the number of the form it is taken on."""
    steps: dict[tuple[Callable[[bytes], bytes], int], int] = {}
    for chain in chains:
        form = 0
        for step in chain:
            form = steps.setdefault((step.function, form), len(steps) + 1)
    return list(steps)


def _is_blurred(joined: bytes, count: int) -> bool:
    """Whether texts joined with _BETWEEN may not have been transformed as each would be, or cannot be told apart."""
    return (
        joined.count(_BETWEEN) >= count
        or OTHER_SEAM + _BETWEEN in joined
        or b"\\" + OTHER_SEAM in joined
        or b"/*" in joined
    )


def _behind(chain: Chain) -> Chain | None:
    """The steps behind the only decoding of a chain whose other steps are known not to look across seams; else None."""
    places = [place for place, step in enumerate(chain) if step.needs & BASE64]
    if len(places) != 1 or chain[places[0]].function is not base64_decode:
        return None
    before, behind = chain[: places[0]], chain[places[0] + 1 :]
    if not any(step.name in ("urldecode", "urldecodeuni") for step in before):
        return None  # then a plus is a digit
    if any(step.name not in _BEFORE for step in before) or any(step.name not in _BEHIND for step in behind):
        return None
    return behind
