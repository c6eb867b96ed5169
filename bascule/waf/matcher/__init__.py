"""The prefilter: one scan of a request nominates the few rules that could match it.

**Why a nomination never misses a match.** A rule is skipped only if one of its *gates* stays shut, and every
gate is a necessary condition of the rule:

1. A chain matches only if each link matches, so a gate on any link suffices (`plan.py`). If a link that does
   not come last writes TX names some other rule reads, only the first link may be a gate.
2. A link matches only if one of its values, transformed, satisfies its operator. `patterns.py` gives for an
   operator regular expressions of which one matches every text the operator accepts; an operator for which
   there are none has no pattern gate.
3. The texts of a request are joined with line feeds and scanned in one go by Hyperscan with MULTILINE and
   DOTALL. If an expression matches a text, it matches the joined text at the same place: `^` and `$` hold
   beside a line feed, `\\b` and `\\B` see a non-word character there as they see the edge of a text, and nothing
   else in an expression looks beyond the edges. Matches across the seam only nominate too much.
4. Of every text, all forms it takes under the transformations of the rules are scanned (`automaton.py`). A step
   is left out only if the text has none of the bytes without which that transformation changes
   nothing (`triggers.py`, checked by a property test against the transformations themselves). Lower-casing is
   left out where the expression, compiled caseless, matches whatever it matched in lower case.
   A chain is left out for texts that cannot meet the clauses of any expression behind it (`marks.py`): each match
   contains a byte of every clause, and steps other than decoders only delete bytes or make blanks, so a text that has
   neither such a byte nor anything to decode never gets one. So are groups of expressions none of which can match.
5. Conditions on headers, method and protocol are evaluated by the rules themselves on first sight of a value and
   remembered in bounded tables, or with the block of header fields it came in; the operators are pure functions of it.
   So are names of JSON's leaves (`names.py`): of the gates that a name opens, those stay open whose link matches it.
6. Rules that only take others or targets away (`seclang/quiet.py`) need no gate: they are evaluated before the
   first rule that is. A rule that only skips others is not evaluated where it would skip nothing that is nominated.
7. Texts of ordinary bytes alone, in all their forms, are scanned for less (`ordinary.py`). An expression in which each
   set is cut down to these bytes matches there what the whole one does (`alphabet.py`); parts of it and looser forms
   match more. A step that leaves the seam and what is beyond it alone is carried out on the joined texts. A first
   scan goes without steps that answer to rare sequences and without decoding; it looks for these as well, in every form
   it makes, and if there is one, or a `%`, all steps are carried out. As soon as a form has another byte, or a seam too
   many, points 3 and 4 hold instead. Rules that ask for the file name alone and match most other texts (920440) are not
   scanned for: they are evaluated where the file name has a byte of their rarest clause, or one to decode.
   What is to be Base64-decoded is (`encoded.py`), and scanned with the whole expressions, unless it lacks what each of
   their matches holds (`factors.py`) in every form it takes; blanks aside, which is all that the last steps change.
   Expressions for what is not decoded yet take a plus wherever a blank would do, which URL-decoding makes of it.
   Parsed values and what they were parsed of are scanned together (`ordinary.Screen`); if that finds anything, apart.
   Queries and cookies with nothing to decode are not taken apart for that scan: seams take the place of their
   separators (`glance.py`). Where all that a chain does to such texts is to delete blanks, only what stands behind it
   is looked for in the texts without them.
8. Where no rule of any phase is nominated, no phase is run; the phases that were left out are gone through, as they
   would have been, as soon as something opens a gate (`Transaction._open`).

`tests/waf/engine/test_ordinary.py` holds point 7 to the operators; `tests/waf/engine/test_prefilter.py` compares rule
ids and TX with the engine that nominates every rule.
"""
