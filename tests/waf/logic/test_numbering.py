"""Ids of rules over trainings."""

from __future__ import annotations

import msgspec
import pytest

from bascule.waf.logic.facts import FACTS
from bascule.waf.logic.learn.numbering import FIRST_ID, MOST, Numbering
from bascule.waf.logic.rules import SHIPPED, RuleBook, read


@pytest.fixture(scope="module")
def shipped() -> RuleBook:
    return read(SHIPPED, frozenset(FACTS))


def test_rules_keep_their_ids_and_new_ones_get_ids_that_no_rule_had(shipped: RuleBook) -> None:
    for family in shipped.families:
        rules = sorted((rule.strict, rule.facts, rule.id) for rule in shipped.rules if rule.family == family.name)
        every = [facts for _, facts, _ in rules]
        del rules[next(index for index, facts in enumerate(every) if every.count(facts) == 1)]
        kept = [facts for _, facts, _ in rules]  # another order, one rule gone
        new = [("html.tag", "sql.comment"), ("a.b", "c.d")]
        ids = Numbering([shipped]).ids(family.name, family.number, [new[0], *kept, new[1]])
        assert ids[1:-1] == [id_ for _, _, id_ in rules]
        assert not {ids[0], ids[-1]} & {rule.id for rule in shipped.rules}
        assert {id_ // 1000 for id_ in ids} == {FIRST_ID // 1000 + family.number}
        assert len(set(ids)) == len(ids)


def test_ones_own_rule_set_counts_first(shipped: RuleBook) -> None:
    first, second, *_ = [rule for rule in shipped.rules if rule.family == "sql"]
    own = msgspec.structs.replace(
        shipped, rules=(msgspec.structs.replace(first, id=second.id), msgspec.structs.replace(second, id=801_900))
    )
    assert Numbering([own, shipped]).ids("sql", 1, [first.facts, second.facts]) == [second.id, 801_900]


def test_without_a_set_from_before_ids_are_in_order_and_they_are_not_endless() -> None:
    many = [(f"x.{n}",) for n in range(MOST)]
    assert Numbering().ids("sql", 1, many) == [801_001 + n for n in range(MOST)]
    with pytest.raises(ValueError, match="999 rules of sql"):
        Numbering().ids("sql", 1, [*many, ("y.y",)])
