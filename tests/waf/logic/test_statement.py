"""Values that go on with any operator or clause of SQL, as databases take them; what people write beside them.

Each of the attacks was run in a statement of MariaDB, PostgreSQL or SQLite, and is no syntax error in one of them.
"""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.waf.logic.facts import facts_of
from bascule.waf.logic.facts.statement import MAX_READ, operates

LEAVES = [
    b"'^1#", b"'^(1)^'", b"'^id#", b"'&0#", b"'*1#", b"'-(1)-'", b"'div 1#", b"' is null#", b"' is not null-- -", b"' in(name)#",
    b"' between '' and 'z", b"' not between'a'and'b", b"' rlike'", b"' regexp'^", b"' sounds like'", b"' collate utf8_bin#",
    b"' order by id desc#", b"' group by id#", b"' limit 0,1#", b"' limit 1 offset 1-- -", b"' into @a#", b"' for update#",
    b"' procedure analyse()#", b"' union table users#", b"' or name like'%a%", b"' or name is not null#", b"' or id -- ", b"'or(id)#",
    b"' or''::text='", b"'=''::text--", b"' or name~'a", b"' is not distinct from'", b"' isnull or'", b"'->>'$.a", b"' -- x",
    b"' or array[1]@>array[1]--", b"' or $$a$$=$$a$$--", b"' or rowid>0--", b"' or interval(1,0)#", b"a') or ('x'<'y", b"x' and id^0#",
    b"';commit#", b"' limit 1;#", b"'^null limit 1;#", b"';do 1#", b"';do $$begin end$$--", b"';load 'x", b"';use x#", b"',role='admin", b"1 union values row(1,2,3)",
    b"1 limit 0,1", b"1 order by id desc", b"-1 or case 1 when 1 then 1 else 0 end", b"-1 or cast(1 as signed)", b"7 is true-- -",
    b"(96-pg_backend_pid()+60)", b"(96-@@error+60)", b"77 and not(6<>6)", b"1 into outfile '/tmp/x'", b"-1 or name ilike 'a'-- ",
]  # fmt: skip
TELL = [
    b"1 is true", b"1 sounds like name", b"1 or binary 1", b"7^pi()", b"1<=>pi()", b"0/null", b"1 not in(2)", b"1 sounds like 1", b"1 limit 1", b"1 isnull", b"1 glob 1", b"1 collate binary", b"-1 or id", b"-1 or 1e0",
    b"-1 or name~'a'", b"1 or true::bool", b"1 or array[1]=array[1]", b"1 for update", b"1 window w as()", b"1 into @a", b"1 * 1 --", b"1^(1=1)",
    b"1*(2>1)", b"1|1=1", b"1<>2", b"1;vacuum", b"1;checkpoint", b"1;xa start 'a'", b"1;table users", b"1;desc users", b"id-- -", b"name desc#",
    b"id limit 1,1", b"name collate nocase", b"concat(name,pass)", b"iif(1,id,name)", b"1 or id", b"0 or null",
]  # fmt: skip
HONEST = [
    b"O'Brien", b"rock 'n' roll", b"rock'-n-'roll", b"5' - 6'", b"5' or 6' ladder", b"27\" + 3\"", b"12\"x12\"", b"boys' or girls' shoes",
    b"the 'or' operator", b"'and'", b"'like' button", b"say \"or\"", b"'/usr/bin/'", b"'%smith%'", b"\"*smith*\"", b"use '+' or '-'",
    b"'-' sign", b"girls' - boys", b"boys' & girls'", b"kids' & adults #2", b"the boss' union", b"Ross' having", b"James' limit", b"can't or won't",
    b"name = 'Smith'", b"where name like '%smith%'", b"' + name + '", b"Tr0ub4dor&3'--x", b"x='y'", b"\"a\",\"b\"", b"'a' and 'b'",
    b"1-1", b"2^10", b"2^n", b"6 & 7", b"a^sin(x)", b"1/2", b"2*(3+4)=14", b"2 + 2 = 4", b"1 and 2", b"5 or more", b"3 in 1", b"2 like us", b"7 is heaven", b"4 in a row",
    b"1 limit", b"10 union jacks", b"2 into 10", b"1 union street", b"8 having lunch", b"100 mod 7", b"1 or 2 bedrooms", b"5 or (see below)",
    b"1|2|3", b"0~-1~0~||-1||", b"a|b|c", b"10%", b"1.2.3 || 2.0.0", b">=1.2 <2", b"2026-11-29", b"1; call me", b"50;", b"ok; begin",
    b"max(id)", b"sin(x)+1", b"price desc", b"price desc,name asc", b"credit limit 5000", b"wait for update", b"Tom -- Anna", b"C#", b"a b c #",
]  # fmt: skip


@pytest.mark.parametrize("value", LEAVES)
def test_what_only_a_statement_goes_on_with_decides(value: bytes) -> None:
    assert "sql.operates" in facts_of(value, "query")


@pytest.mark.parametrize("value", TELL)
def test_what_people_could_write_but_browsers_do_not_send_tells(value: bytes) -> None:
    assert "sql.operates_on_number" in facts_of(value, "query")


@pytest.mark.parametrize("value", HONEST)
def test_numbers_names_quotes_and_words_of_people_are_neither(value: bytes) -> None:
    assert operates(value) is None


@pytest.mark.parametrize("value", [b"press 'n' or 'y'", b"'and'", b'say "or"', b"the 'like' button"])
def test_words_in_quotes_among_words_are_no_sql(value: bytes) -> None:
    assert facts_of(value, "query").isdisjoint(("sql.fingerprint", "sql.logic_literal", "sql.quote_then_logic"))


@pytest.mark.parametrize("value", [b"( 'a' or @a) --", b"x' or 'y'='y", b"1 or 'a'='a'", b"'a' or 1#"])
def test_words_in_quotes_among_marks_are(value: bytes) -> None:
    assert "sql.fingerprint" in facts_of(value, "query")


_PIECES = st.sampled_from(
    [b"1", b"'", b'"', b" or ", b" and ", b"(", b")", b"a", b"f(", b"select", b"=", b">", b",", b"like ", b"is ", b"not ", b"in ", b"limit ",
     b"between ", b"--", b"/*", b"*/", b"#", b";", b"||", b"-", b"*", b"\\", b"\n", b"@", b"null", b"x'", b"`", b"case ", b"when ", b"end ",
     b"order by ", b"union ", b"::", b"[", b"]", b"$$", b"~", b"collate ", b"\xc3", b"\0", b"interval ", b"begin", b"for "]
)  # fmt: skip


@settings(max_examples=400)
@given(st.lists(_PIECES, max_size=60).map(b"".join))
def test_it_reads_whatever_comes(value: bytes) -> None:
    assert operates(value) in ("sql.operates", "sql.operates_on_number", None)


@pytest.mark.parametrize(
    "unit",
    [b"(", b"f(", b"a=1 or ", b")", b"-1", b"not ", b"/**/", b"'", b"case when ", b"in (", b"1,", b"~", b"[", b" "],
)
@pytest.mark.parametrize("start", [b"1 or ", b"a' or ", b"'", b"1 limit ", b"';revoke ", b"1;grant "])
def test_it_ends_soon(start: bytes, unit: bytes) -> None:
    text = (start + unit * MAX_READ)[:MAX_READ]
    began = time.process_time()
    operates(text)
    assert time.process_time() - began < 0.05
