"""The scan of ordinary texts: one pass over all that a request says, for what can match letters, digits and separators.

Nearly all texts consist of the bytes in ALPHABET. For these, expressions are cut down (`alphabet.py`) until Hyperscan
takes all of them in one database a third as large; no match reaches beyond its text, since none of the
expressions admits a seam; and texts are transformed together where no transformation looks across a seam. Whoever sends
other bytes, or has them made by a transformation, is scanned with the whole expressions instead (`scanner.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path
from typing import Final

from bascule.waf.matcher import triggers
from bascule.waf.matcher.alphabet import branches_of, needle
from bascule.waf.matcher.automaton import MAX_FORMS, OTHER_SEAM, Automaton, Chain, Step, TooManyFormsError, make_chain
from bascule.waf.matcher.cut import spans
from bascule.waf.matcher.database import open_database
from bascule.waf.matcher.encoded import Encoded
from bascule.waf.matcher.marks import bytes_of
from bascule.waf.matcher.patterns import BASE, CASELESS, SEAM, Brief, Expression, Patterns, literal
from bascule.waf.matcher.scanner import UNUSUAL, Scanner, Steps, collect
from bascule.waf.matcher.triggers import ACTIVE, ALPHABET, ALWAYS, ENTITIES, PERCENT_CODE, PLUS, SHELL, SPACE, shown
from bascule.waf.seclang.operators.pcre import parse

_ALL: Final = ALPHABET + OTHER_SEAM
State = frozenset[Chain]
Clues = tuple[tuple[int, bytes], ...]

LOCAL = frozenset(
    {
        "none", "lowercase", "urldecode", "urldecodeuni", "htmlentitydecode", "jsdecode", "cssdecode",
        "escapeseqdecode", "utf8tounicode", "removenulls", "replacenulls", "removewhitespace", "compresswhitespace",
        "cmdline", "removecommentschar",
    }
)  # fmt: skip
"""Transformations that do to ordinary texts with OTHER_SEAM between them what they do to each."""
NEVER = frozenset({"replacecomments"})
"""Those that do nothing to ordinary texts: none has an asterisk."""
REMOVAL = "removewhitespace"
_SQUEEZING = frozenset({"urldecode", "urldecodeuni", REMOVAL})
_SQUEEZED: Final = b" +"


class Forms:
    """The forms that ordinary texts take under the chains before the expressions.

    `live` and `squeezing` are the chains behind which some expression is left; the others matter to texts with
    something to decode only, for what is decoded may not be ordinary, and to those that hold one of `needles`.
    A rough look leaves out the `squeezing` ones: see `squeezes`.
    """

    def __init__(
        self, chains: Iterable[Chain], live: set[Chain], squeezing: set[Chain], needles: Iterable[bytes]
    ) -> None:
        self._clues: dict[tuple[State, bool], Clues] = {}
        self._codes: dict[State, tuple[tuple[int, int], ...]] = {}
        self._decoding, self._plain = _local(chains), _local(live)
        self._moves = Automaton(self._decoding)
        others = [chain for chain in map(_active, chains) if not all(map(_is_local, chain))]
        self._others = Automaton(others)
        """The chains with steps that look at a text as a whole."""
        self._other_clues = [
            clue for _, clue in triggers.clues(step.needs for chain in others for step in chain if not _is_local(step))
        ]
        rare = [clue for _, clue in self._clues_of(_local(live | squeezing), True) if len(clue) > 1]
        entities = ENTITIES if any(clue == b"&" for _, clue in self._clues_of(self._decoding, True)) else ()
        self.rare = tuple(dict.fromkeys([*rare, *self._other_clues, *entities, *needles]))
        """What shows, case aside, that a rough look does not suffice."""

    def _clues_of(self, state: State, thorough: bool) -> Clues:
        found = self._clues.get((state, thorough))
        if found is None:
            found = triggers.clues(step.needs for chain in state for step in chain)
            if not thorough:
                found = tuple((bit, clue) for bit, clue in found if len(clue) == 1 and clue not in b"%&")
            self._clues[state, thorough] = found
        return found

    def _codes_of(self, state: State) -> tuple[tuple[int, int], ...]:
        """The clues of a rough look, as numbers: `37 in text` takes a tenth of the time of `b"%" in text`."""
        found = self._codes[state] = tuple((bit, clue[0]) for bit, clue in self._clues_of(state, False))
        return found

    def rough(self, joined: bytes) -> list[bytes]:
        """Return the forms of texts (joined by OTHER_SEAM, without `%`) if none of them holds any of `rare`.

        Steps change only texts that have one of their clues: the others are in the first form alone.
        """
        found = [joined]
        codes = self._codes.get(self._plain) or self._codes_of(self._plain)
        clues = [code for _, code in codes if code in joined]
        if clues:
            concerned = [joined[begin:end] for begin, end in spans(joined, clues, OTHER_SEAM)]
            self._follow(OTHER_SEAM.join(concerned), self._plain, False, found)
        return found

    def thorough(self, texts: list[bytes], joined: bytes) -> tuple[list[bytes], list[bytes]]:
        """Return the forms of the texts together, and those of single texts that have to be looked at as a whole.

        Raises:
            TooManyFormsError: there are more than MAX_FORMS.
        """
        found = [joined]
        self._follow(joined, self._decoding, True, found)
        if any(clue in form for clue in self._other_clues for form in found):
            return found, list(self._others.forms(texts, joined, bytes_of(joined)))
        return found, []

    def _follow(self, joined: bytes, state: State, thorough: bool, into: list[bytes]) -> None:
        present = 0
        if thorough:
            present = shown(joined, 0, self._clues.get((state, True)) or self._clues_of(state, True))
        else:
            codes = self._codes.get(state)
            for bit, code in self._codes_of(state) if codes is None else codes:
                if code in joined:
                    present |= bit
        if not present:
            return
        for function, following, more in self._moves.moves(state, present):
            result = function(joined)
            into.append(result)
            if len(into) > MAX_FORMS:
                raise TooManyFormsError
            if more:
                self._follow(result, following, thorough, into)


def _is_local(step: Step) -> bool:
    return step.name in LOCAL


def _active(chain: Chain) -> Chain:
    return tuple(step for step in chain if step.name not in NEVER)


def _local(chains: Iterable[Chain]) -> State:
    """The chains without the steps that look at a text as a whole."""
    return frozenset(local for chain in chains if (local := tuple(filter(_is_local, _active(chain)))))


def squeezes(chain: Chain) -> bool:
    """Whether all that a chain does to texts with nothing to decode, from its first removal on, is to delete blanks.

    Pluses are blanks by then.
    """
    acting = [step.name for step in chain if step.needs & (PLUS | SPACE | SHELL)]
    return acting[:1] in (["urldecode"], ["urldecodeuni"]) and acting[-1] == REMOVAL and _SQUEEZING.issuperset(acting)


_LASTING = b"0123456789-._:=?&@~"
_KEEPING = LOCAL - {REMOVAL, "removecommentschar"}
"""Steps that in texts without anything to decode neither make these bytes nor bring them together."""


def _lasting(briefs: list[Brief]) -> set[bytes]:
    """Texts of which each match of one of some expressions holds one, and held it before `cmdline`; or nothing."""
    found = {needle(branch) for text, _ in briefs for branch in branches_of(parse(text))}
    return set() if any(len(text) < 2 or text.translate(None, _LASTING) for text in found) else found


_BLIND = frozenset(
    {
        "urldecode", "urldecodeuni", "utf8tounicode", "jsdecode", "cssdecode", "escapeseqdecode", "htmlentitydecode",
        "removenulls", "replacenulls",
    }
)  # fmt: skip
"""Steps to which, in ordinary texts, a plus is as good as the blank that URL-decoding makes of it."""


def spares_plus(chain: Chain) -> bool:
    """Whether a chain's expressions may take pluses for blanks, so that it need not be followed for their sake."""
    return any(step.needs & PLUS for step in chain) and _BLIND.issuperset(step.name for step in chain)


class OrdinaryBuilder:
    """Collects expressions with the gate each opens. `plus`: for texts that are not decoded yet (`spares_plus`)."""

    def __init__(self, patterns: Patterns, plus: bool = False) -> None:
        self._patterns, self._plus = patterns, plus
        self._bits: dict[Brief, int] = {}
        self._always = 0
        self._chains: set[Chain] = set()
        self._live: set[Chain] = set()
        self._needles: set[bytes] = set()
        self._squeezing: set[Chain] = set()
        self._squeezed: set[Brief] = set()
        """Those behind such a chain."""

    def add(self, expressions: list[Expression], steps: Steps, bit: int, each: bool = False) -> None:
        """Let each of `expressions`, matched after `steps` (or after `each`), open the gate `bit`.

        What makes nearly any text another (`scanner.py`, UNUSUAL) is left out of the steps, and to `encoded.py`.
        """
        usual = [step for step in steps if not ACTIVE.get(step[0], ALWAYS) & UNUSUAL]
        chain = make_chain(usual, exact_case=False)
        plus = self._plus and spares_plus(chain)
        if plus:
            chain = tuple(step._replace(needs=step.needs & ~PLUS) for step in chain)
        self._chains.add(chain)
        names = [name for name, _ in steps]
        keeps = "cmdline" in names and _KEEPING.issuperset(LOCAL.intersection(names))
        for expression in expressions:
            left = self._patterns.ordinary(expression, names, each, plus)
            if left is None:
                self._always |= bit
            elif left:  # else it matches nothing ordinary
                needles = _lasting(left) if keeps and not expression.phrase else set()
                self._needles |= needles
                if not needles and squeezes(chain):
                    self._squeezing.add(chain)
                    self._squeezed.update(left)
                    self._live.add(tuple(takewhile(lambda step: step.name != REMOVAL, chain)))  # `each`
                elif not needles:
                    self._live.add(chain)
                for brief in left:
                    self._bits[brief] = self._bits.get(brief, 0) | bit

    def needles(self) -> set[bytes]:
        """Texts (in lower case) of which each form of a text that opens a gate has one."""
        return {b""} if self._always else {needle(parse(text)) for text, _ in self._bits}

    def signs(self) -> tuple[bytes, ...]:
        """Texts (in lower case) of which a text that opens a gate has one, or something to decode."""
        found = self.needles()
        return tuple(found | {b"%", b"&#", b"&amp"}) if found else ()

    def sought(self) -> list[Brief]:
        """All that is looked for."""
        return [*self._bits, *map(_rare, self._forms().rare)]

    def _forms(self) -> Forms:
        return Forms(self._chains, self._live, self._squeezing, self._needles)

    def build(self, cache_dir: Path | None, scanner: Scanner, database: Database | None = None) -> Ordinary:
        """Compile what was added; `scanner` has the same gates, for other texts. `database` may hold more."""
        encoded = Encoded(scanner, cache_dir) if scanner.unusual()[1] else None
        database = database or Database(self.sought(), cache_dir)
        return Ordinary(self._bits, self._squeezed, self._always, self._forms(), encoded, database, cache_dir)


class Ordinary:
    """Scans ordinary texts."""

    def __init__(
        self,
        bits: dict[Brief, int],
        squeezed: set[Brief],
        always: int,
        forms: Forms,
        encoded: Encoded | None,
        database: Database,
        cache_dir: Path | None,
    ) -> None:
        self.always, self._forms, self._encoded = always, forms, encoded
        self.expressions = frozenset(bits)
        self.rare = {_rare(clue): clue for clue in forms.rare}
        """What shows that a rough look does not suffice, and the text it stands for."""
        self._rare = 1 << max([always, 1, *bits.values()]).bit_length()
        """Says that something rare was found."""
        everything = {**dict.fromkeys(self.rare, 0), **bits}
        opened = {brief: bit | (self._rare if brief in self.rare else 0) for brief, bit in everything.items()}
        self._whole = Table(opened, database)
        few = [brief for brief in opened if brief in squeezed or brief in self.rare] if squeezed else []
        self._few = Table(opened, Database(few, cache_dir))
        """What is looked for in texts without their blanks."""
        self._squeezes = bool(few) or encoded is not None

    def scan(self, texts: list[bytes]) -> int | None:
        """Return the gates that texts, in any of their forms, open; None if they are not ordinary."""
        joined = OTHER_SEAM.join(texts)
        if joined.translate(None, ALPHABET) != OTHER_SEAM * (len(texts) - 1):
            return None
        return self.scan_joined(joined)

    def scan_joined(self, joined: bytes) -> int | None:
        """As `scan`, for texts of ordinary bytes that are joined by OTHER_SEAM."""
        if PERCENT_CODE not in joined:
            forms, squeezed = self.rough(joined)
            mask = self._whole.hits(forms) | self.always
            if len(squeezed) < len(joined):
                mask |= self._few.hits([squeezed])
            if not mask & self._rare:
                return mask | self.decoded(joined, squeezed)
        try:
            found, single = self._forms.thorough(joined.split(OTHER_SEAM), joined)
        except TooManyFormsError:
            return None
        seams = joined.count(OTHER_SEAM)
        if any(form.translate(None, _ALL) or form.count(OTHER_SEAM) != seams for form in found):
            return None
        if any(form.translate(None, ALPHABET) for form in single):
            return None
        mask = self._whole.hits(found + single) & ~self._rare | self.always
        return mask | self.decoded(joined, OTHER_SEAM.join(found).translate(None, b" "))  # which may end Base64

    def rough(self, joined: bytes) -> tuple[list[bytes], bytes]:
        """Return the forms of texts without `%`, but for that without their blanks; and that."""
        squeezed = joined.translate(None, _SQUEEZED) if self._squeezes else joined
        return self._forms.rough(joined), squeezed

    def decoded(self, joined: bytes, forms: bytes) -> int:
        """Return the gates that texts open once they are Base64-decoded: see `Encoded.scan`."""
        return 0 if self._encoded is None else self._encoded.scan(joined, forms)


def _rare(clue: bytes) -> Brief:
    return literal(clue), BASE | CASELESS


class Database:
    """Expressions for ordinary texts in one database, which several groups may look things up in."""

    def __init__(self, sought: Iterable[Brief], cache_dir: Path | None) -> None:
        self.sought = tuple(dict.fromkeys(sought))
        database = open_database([Expression(text, flags) for text, flags in self.sought], cache_dir)
        self._scan = None if database is None else database.scan

    def hits(self, forms: list[bytes]) -> list[int]:
        """Return the places in `sought` of what forms of texts, joined by OTHER_SEAM, match."""
        hits: list[int] = []
        if self._scan is not None:
            joined = OTHER_SEAM.join(forms) if len(forms) > 1 else forms[0]
            self._scan(joined.replace(OTHER_SEAM, SEAM), match_event_handler=collect, context=hits)
        return hits


class Table:
    """The gates that a group's expressions in a database open."""

    __slots__ = ("_bits", "_database")

    def __init__(self, bits: dict[Brief, int], database: Database) -> None:
        self._database = database
        self._bits = [bits.get(brief, 0) for brief in database.sought]

    def hits(self, forms: list[bytes]) -> int:
        """Return the gates that forms of texts open."""
        mask = 0
        for hit in self._database.hits(forms):
            mask |= self._bits[hit]
        return mask


class Screen:
    """One scan for what two groups look for, each in its own texts, as most requests have none of it.

    What one group looks for may also be found in the other's texts: then they are to be scanned apart. Only what shows
    that a rough look at the `first` does not suffice is so common elsewhere (the `//` of an address) that it is looked
    for once more.
    """

    def __init__(self, first: Ordinary, second: Ordinary, database: Database) -> None:
        """`database` has what both look for."""
        self._first, self._second = first, second
        self._database = database
        self._always = first.always | second.always
        wanted = first.expressions.union(second.expressions, second.rare)
        self._signs = [b"" if brief in wanted else first.rare[brief] for brief in database.sought]
        """What has to be in the first group's texts for a hit to count."""

    def scan(self, first: bytes, second: bytes) -> int | None:
        """Return the gates that the texts of both groups open; None if something may be in them.

        Both are of ordinary bytes without `%`, and joined by OTHER_SEAM.
        """
        forms, squeezed = self._first.rough(first)
        if len(squeezed) < len(first):
            forms.append(squeezed)
        others, squeezed_others = self._second.rough(second)
        if len(squeezed_others) < len(second):
            others.append(squeezed_others)
        for hit in self._database.hits(forms + others):
            sign = self._signs[hit]
            if any(sign in form.lower() for form in forms):
                return None
        return self._always | self._first.decoded(first, squeezed) | self._second.decoded(second, squeezed_others)
