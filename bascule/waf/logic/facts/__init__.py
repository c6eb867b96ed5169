"""Facts: named booleans that say what a value means in one of the languages attackers write.

`facts_of(value, place)` is the whole interface; `FACTS` names them all. One file per language; `recogniser.py` joins
their patterns into one Hyperscan database. No fact is a verdict: honest text trips single facts, rules need several.
May be imported by: waf/logic and waf/engine. Imports: waf/bodies, waf/libinjection, waf/matcher, waf/logic/decode.
"""

from .recogniser import ALL, FACTS, facts_of, facts_with_evidence, nominate, warm

__all__ = ["ALL", "FACTS", "facts_of", "facts_with_evidence", "nominate", "warm"]
