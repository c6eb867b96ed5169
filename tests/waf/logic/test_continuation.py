"""Values that go on as an expression of SQL, to their end; words and numbers of people beside them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.waf.logic.facts import facts_of
from bascule.waf.logic.facts.continuation import MAX_READ, goes_on

ATTACKS = [
    b"9 and (price>0)", b"9) and (role='admin'", b"9 and quarter(now())", b"anne' and quarter(now())", b"9 or category=9 or 1=2",
    b"blue%' or price>0 or name like '%", b"5 div 1 or 3>2", b"3'-(1)-'0", b"3'||user||'", b"anne' || to_char(1/0) || '",
    b"9 or id between 1 and 9", b"x' or 'q' between 'a' and 'z", b"1 and length(password)>8", b"aa' or column*0 like '0",
    b"1'||lower(utl_raw.cast_to_varchar2(utl_encode.base64_encode('a')))||'", b"5 or (select count(*) from users)>0",
    b"') OR EXISTS(SELECT 1 FROM users WHERE role='admin') AND ('x'='x", b"1 AND 9=LIKE('A',UPPER(HEX(RANDOMBLOB(500000000/2))))",
    b"x\" and not exists(select 1) -- y", b"7/**/and/**/name/**/is/**/not/**/null", b"1 and id in (select 2", b"2 or a=a;x", b"7 is not distinct from 1",
    b"admin'^('q')-'7", b"-1)\tor\n(name=username", b"x' or username=id", b"1 div 7 or password=name", b"x' having not false",
    b"blue shoes'||email||'", b"7 and st_latfromgeohash(current_user)",
]  # fmt: skip
HONEST = [
    b"5 and counting", b"1 and 2", b"pages 3 and 4", b"27\" and width > 3", b"O'Brien and sons", b"rock 'n' roll", b"5' - 6'",
    b"'Hello '+name+'!'", b"the 'best' and x=3", b"3 or more items (see below)", b"10 and under", b"status = 'paid' and x > 3",
    b"0 < x and x < 5", b"2 and 2 = 4", b"'and'", b"2 and f(x)", b"7 and 8 (both)", b"12 or higher = better", b"it's or its",
    b"James' and Anna's house", b"Rock' or 'Roll", b"don't and can't", b"size 5' or 6' (feet)", b"1 or 2 of them, or none", b"7 is distinct",
    b"3 is more than 2", b"5) or so", b"2) and (optional", b"rock'n'roll", b"4 having 3 or more",
]  # fmt: skip


@pytest.mark.parametrize("value", ATTACKS)
def test_an_expression_to_the_end_is_known(value: bytes) -> None:
    assert goes_on(value)


@pytest.mark.parametrize("value", HONEST)
def test_words_break_off(value: bytes) -> None:
    assert not goes_on(value)


def test_it_is_looked_for_in_other_spellings() -> None:
    assert "sql.goes_on" in facts_of(b"9%27+and+quarter(now())", "query")
    assert "sql.goes_on" not in facts_of(b"we have 9 and a quarter (now)", "query")


_PIECES = st.sampled_from(
    [b"1", b"'", b'"', b" or ", b" and ", b"(", b")", b"a", b"f(", b"select", b"=", b">", b",", b"like ", b"is ", b"not ", b"in ",
     b"between ", b"--", b"/*", b"*/", b"#", b";", b"||", b"-", b"*", b"\\", b"\n", b"@", b"null", b"x'", b"`", b"glob(", b"\xc3"]
)  # fmt: skip


@settings(max_examples=400)
@given(st.lists(_PIECES, max_size=60).map(b"".join))
def test_it_reads_whatever_comes(value: bytes) -> None:
    assert goes_on(value) in (True, False)


@pytest.mark.parametrize(
    "unit", [b"(", b"f(", b"a=1 or ", b")", b"-1", b"not ", b"/**/", b"'", b"1 or ", b"in (", b"/*"]
)
@pytest.mark.parametrize("start", [b"1 or ", b"a' or ", b"'"])
def test_it_ends_soon(start: bytes, unit: bytes) -> None:
    text = (start + unit * MAX_READ)[:MAX_READ]
    began = time.process_time()
    goes_on(text)
    assert time.process_time() - began < 0.05
