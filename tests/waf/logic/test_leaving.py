"""What ends a string of the script that it is put into and acts there, and what only looks like it."""

from __future__ import annotations

import pytest

from bascule.waf.logic.engine import Logic
from bascule.waf.logic.facts.html import breaks_out
from bascule.waf.logic.facts.leaving import leaves_string
from bascule.waf.logic.values import Value
from tests.support.linear import assert_linear


@pytest.fixture(scope="module")
def logic() -> Logic:
    return Logic.load("standard")


@pytest.mark.parametrize(
    "text",
    [
        b"'-print(1)-'", b"'\nprint\n(1)\n//", b'"+`${({get a(){print(1)}}).a}`+"', b"'-\\u{70}rint(1)-'",
        b'boat"+[1].map(print)+"', b"1';print?.(1);'", b"x';if(1)print(1)//", b"'}catch(e){print(1)//",
        b"1\\'];$.getScript('/a')//", b'"/requestAnimationFrame(f)/"', b"'+`${print(1)}`+'", b"`+print`1`+`",
        b"',x:(class{static{print(1)}}),y:'", b"';onerror=print;throw 1//", b"';document.title=1//", b"'\nprint(1)\n//",
        b"*/print(1)/*", b"'-({get a(){print(1)}}).a-'", b"' in \\u0070rint(1) in '", b"'-/a'b/.exec(1)-'",
        b"'-[...{*[Symbol.iterator](){print(1)}}]-'", b"'-(x=>x)(print)(1)-'", b"a" * 5000 + b"'-print(1)-'",
        b"'-print(1)//" + b"a" * 5000, b"\\'-print(1)//", b"\\' '-print(1)-'", b"${print(1)}", b"a b ${[1].find(print)} c",
        b"${x}${print`1`}", b"${f()?1:0}",
    ],
)  # fmt: skip
def test_what_compiles_between_quotes_and_acts_is_refused(logic: Logic, text: bytes) -> None:
    assert leaves_string(text)
    assert logic.judge([Value("query", b"q", text)])


@pytest.mark.parametrize(
    "text",
    [
        b"the boys' (and girls') rooms", b"5'-10\" (tall)", b"it's f(x)", b"y'' + p(x)y' = 0", b"f'(x) = g(x)",
        b"rock 'n' roll (live)", b"John's (really)", b'he said "(quietly (sic))"', b"'a' + f('b')", b"x = '';foo()",
        b"str.split(',').map(f)", b"$('#id').click(f)", b'{"a": "(x)", "b": f("y")}', b"'-1-'", b"'+a+'",
        b"the Joneses', the Smiths' (and others')", b"'-print(1)", b"'-(1)-'", b"don't do f(x) // bad", b"`ls` (files)",
        b"/* f(1) */ and 'g'", b'"-" + f(1) // note', b"3' x 5' (about 1 x 1.5 m) // rug", b"${name} (x)", b"${fn:length(x)}",
        b"${arr[@]} $(ls)", b"${x:-$(date)}", b"const s = `hello ${name()}`", b'println("Hi ${who.first()}")', b"${a.b} and f(x)",
    ],
)  # fmt: skip
def test_what_does_not_compile_there_is_not(text: bytes) -> None:
    assert not leaves_string(text)


@pytest.mark.parametrize(
    "text",
    [b'" accesskey=x\noncontentvisibilityautostatechange=\'a:f(1)\' "', b'a" type=image src=x onerror=!f() "',
     b'"//autofocus class="b c" onfocus=f(1) x="'],
)  # fmt: skip
def test_a_handler_behind_other_attributes_behind_a_quote_is_refused(logic: Logic, text: bytes) -> None:
    assert breaks_out(text)
    assert logic.judge([Value("query", b"q", text)])


@pytest.mark.parametrize(
    "text",
    [b"setInterval('f'+'(10)')", b"Set.constructor('f'+'(13)')()", b"Set.constructor('f(1)')()", b"new Function`f\\`6\\``",
     b"Array.from([1],alert)", b"/1/[Symbol.replace]('1',alert)", b"[][(![]+[])[+[]]+(![]+[])[!+[]+!+[]]+(![]+[])[+!+[]]]()",
     b"with(document)body.append(createElement('script'))", b"Object.assign(document.createElement('script'),{src:'//h.example'})"],
)  # fmt: skip
def test_script_alone_that_calls_by_other_ways_is_refused(logic: Logic, text: bytes) -> None:
    assert logic.judge([Value("query", b"q", text)])


@pytest.mark.parametrize(
    "text",
    [b"Great!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!! (really) []", b"work with (document) review", b"Array.from([1], double)",
     b"The new function `foo` (or the constructor `Foo`) is called", b"a setTimeout('f(' + x + ')', 10) is slow",
     b"[x] done [ ] open [][] ((()))", b"sound('beep', alert)", b"online=shop(berlin)"],
)  # fmt: skip
def test_what_looks_like_such_script_is_not(logic: Logic, text: bytes) -> None:
    assert not logic.judge([Value(place, b"q", text) for place in ("query", "body")])


@pytest.mark.parametrize(
    "text",
    [b"onclick=print(1)", b"tabindex=1 onfocus='[1].map(print)' autofocus", b"hello onmouseover=!function(){f(1)}()",
     b"<p oncontentvisibilityautostatechange=f(1)>"],
)  # fmt: skip
def test_a_handler_alone_is_refused_where_a_page_may_have_it_in_a_tag(logic: Logic, text: bytes) -> None:
    assert logic.judge([Value("query", b"q", text)])
    assert not logic.judge(
        [Value("query", b"q", b"onclick=showLogin();"), Value("body", b"q", b"onclick=showLogin();")]
    )


def test_a_picture_with_a_link_that_runs_script_is_refused(logic: Logic) -> None:
    picture = b'<svg xmlns="http://www.w3.org/2000/svg"><a href="%b"><text>x</text></a></svg>'
    assert logic.judge([Value("document", b"file", picture % b"javascript:f(1)")])
    assert not logic.judge([Value("document", b"file", picture % b"https://shop.example/a?b=c")])
    assert not logic.judge([Value("document", b"file", picture % b"javascript:void(0)")])


def test_an_address_that_does_nothing_first_is_judged_by_what_follows(logic: Logic) -> None:
    page = b'<svg><a href="javascript:void(0);%b">'
    assert logic.judge([Value("query", b"q", page % b"print.apply(null,[1])")])
    assert not logic.judge([Value("body", b"item", b'<p>Press <a href="javascript:void(0);">here</a> twice</p>')])


@pytest.mark.parametrize(
    "part",
    [
        b"'",
        b"${",
        b"`${",
        b"(",
        b"})",
        b"/[",
        b"/*",
        b"*/",
        b"*/}",
        b"\\u",
        b'""',
        b"'\\",
        b"\\'",
        b"a(",
        b";",
        b"a?b:",
        b"-f()",
    ],
)
@pytest.mark.parametrize("before", [b"", b"'", b"'-", b"\\'", b"*/", b"${"])
def test_reading_takes_time_as_texts_are_long(part: bytes, before: bytes) -> None:
    assert_linear(leaves_string, part, before)


@pytest.mark.parametrize("part", [b'"', b'" ', b'" a=b', b"a=b ", b"a='b' ", b"a=", b" ", b"hidden "])
def test_finding_a_handler_takes_time_as_texts_are_long(part: bytes) -> None:
    assert_linear(breaks_out, part, b'" ')
