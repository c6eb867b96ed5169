"""A whole query in a field for queries asks; whatever goes beyond it, or is sent elsewhere, is judged as ever."""

import pytest

from bascule.waf.logic.engine import Logic
from bascule.waf.logic.facts.queries import is_query
from bascule.waf.logic.values import Value

_PANEL = (
    b'SELECT $__timeGroupAlias("time",$__interval), avg(value) AS "v" FROM metrics '
    b"WHERE $__timeFilter(\"time\") AND host IN ('a','b') GROUP BY 1 ORDER BY 1"
)
_BEACON = b"select * from x where a = '" + b'{"r":[{"t":"pv","u":"https://a.example/?b=c","q":"it\\\'s \\"new\\""}]}\''
_PACKED = b"select * from x where a = '" + b"0PGJf5x9YX2v/T+" * 90 + b"b6='"
_SALES = (
    b"SELECT Id, (SELECT Name FROM Contacts) FROM Account WHERE Name LIKE 'O\\'Re%' AND CreatedDate = LAST_N_DAYS:30"
)
_OPEN_DATA = b"SELECT * from \"b1a2-c3\" WHERE title LIKE 'jones' LIMIT 5"


@pytest.fixture(scope="module", params=["standard", "advanced"])
def logic(request: pytest.FixtureRequest) -> Logic:
    return Logic.load(request.param)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"json.queries.array_0.rawSql", _PANEL),
        (b"sql", _OPEN_DATA),
        (b"q", b"SELECT name FROM account ORDER BY 1;"),
        (b"q", _BEACON),
        (b"q", _PACKED),
        (b"q", _SALES),
        (b"tq", b"select A, sum(B) where C = 'x' group by A order by 2 desc"),
    ],
)
def test_a_whole_query_asks_where_queries_are_taken(logic: Logic, name: bytes, text: bytes) -> None:
    assert not logic.judge([Value("body", name, text)])
    assert logic.judge([Value("body", b"customer", _PANEL)])


@pytest.mark.parametrize(
    "text",
    [
        b"select * from users where name = 'a' union select 1, password from admins",
        b"select table_name from information_schema.tables",
        b"select load_file('/etc/passwd') from dual",
        b"select * from users into outfile '/var/www/a.php'",
        b"select a from b where c = '{\\' union select name, password from users -- }'",
        b"select name from users where id = 1; insert into users values (1)",
        b"select 1 from users where sleep(5)",
        b"select '' or 1=1 -- from a",
        b"select ' or 1=1 or ' from a",
        b"1' or id in (select id from users) and '1' = '1",
    ],
)
def test_what_goes_beyond_asking_is_refused_there_too(logic: Logic, text: bytes) -> None:
    assert logic.judge([Value("query", b"sql", text)])


@pytest.mark.parametrize(
    "text",
    [
        b"select 'a from b",
        b"select (a from b",
        b"select a from b where c = '{\\'",
        b"select a from b where c = '{' or '}'='}' -- ",
        b"select ' or sleep(1) or ' from a",
        b"select a from b -- c",
        b"a select",
        b"select a from b where",
        b"select sin(1)",
    ],
)
def test_what_leaves_a_string_or_bracket_open_is_no_whole_query(text: bytes) -> None:
    assert not is_query(text)
