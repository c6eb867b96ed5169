"""The rules without any I/O: tables, and properties of the parsers."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.cache import conditions, dates, directives, keys
from bascule.cache.dates import parse_date
from bascule.cache.directives import MOST_SECONDS, cache_control, targeted
from bascule.cache.entry import Meta, decode, encode
from bascule.cache.keeper import PurgeError, normal_url
from bascule.cache.reuse import Use, age, instead_of_error, use
from bascule.cache.storing import Lifetime, Unstorable, initial_age, lifetime
from bascule.config.cache import Cache
from bascule.http.h1.head import RequestParser, ResponseParser
from bascule.http.message import RequestHead, ResponseHead

NOW = 1_700_000_000.0
DATE = "Date: Tue, 14 Nov 2023 22:13:20 GMT"
EARLIER = "Last-Modified: Tue, 14 Nov 2023 20:13:20 GMT"  # 7200 s
texts = st.text(st.characters(min_codepoint=9, max_codepoint=255), max_size=60).map(lambda text: text.encode("latin-1"))


def asked(*lines: str, target: str = "/page", method: str = "GET") -> RequestHead:
    head = "\r\n".join([f"{method} {target} HTTP/1.1", "Host: a.test", *lines, "", ""])
    return RequestParser().parse(head.encode("latin-1"))


def told(*lines: str, status: int = 200) -> ResponseHead:
    head = "\r\n".join([f"HTTP/1.1 {status} X", *lines, "", ""])
    return ResponseParser().parse(head.encode("latin-1"), b"GET")


def meta(**changes: object) -> Meta:
    facts = {
        "uri": b"http://a.test/", "status": 200, "reason": b"OK", "fields": (), "size": 10,
        "stored": NOW, "age": 0, "fresh": 60, "while_revalidating": 0, "if_error": 0, "always_validate": False,
        "strict": False, "for_known": False, "tags": (), "variant": b"",
    }  # fmt: skip
    return Meta(**{**facts, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"max-age=10", 10), (b"MAX-AGE=10", 10), (b'max-age="10"', 10), (b"a, max-age=10 ,b=c", 10),
        (b"max-age=010", 10), (b"max-age=99999999999", MOST_SECONDS), (b"max-age='10'", 0), (b"max-age=1.5", 0),
        (b"max-age=-1", 0), (b"max-age", 0), (b"max-age=", 0), (b"max-age =10", 0), (b"max-age= 10", 0),
        (b"max-age=10, max-age=5", 5), (b"max-age=5, max-age=x", 0), (b'x="max-age=9", max-age=1', 1),
        (b'x="a\\", max-age=9", max-age=1', 1), (b"s-maxage=3", None), (b"", None), (b",,;,", None),
    ],
)  # fmt: skip
def test_times_of_cache_control(value: bytes, seconds: int | None) -> None:
    assert cache_control([value]).seconds(b"max-age") == seconds


def test_a_quote_that_is_never_closed_hides_nothing() -> None:
    assert b"no-store" in cache_control([b'x="y, no-store'])
    assert b"no-store" in cache_control([b'x="y', b"no-store"])
    assert b"no-store" in cache_control([b"a" * 10_000])  # too long to be read


@given(texts, texts)
def test_no_store_is_found_whatever_stands_around_it(before: bytes, after: bytes) -> None:
    whole = b"%b, no-store, %b" % (before, after)
    if before.count(b'"') % 2 == 0 or after.count(b'"') % 2 == 0:  # else it may stand inside a quoted string
        before_open = before.replace(b"\\", b"").count(b'"') % 2
        assert before_open or b'"' in before or b"\\" in before or b"no-store" in cache_control([whole])


@given(texts)
def test_parsers_of_fields_never_fail(value: bytes) -> None:
    directives = cache_control([value])
    for name in (b"max-age", b"s-maxage"):
        seconds = directives.seconds(name)
        assert seconds is None or 0 <= seconds <= MOST_SECONDS
    targeted([value])
    parse_date(value)
    for name in (b"accept-encoding", b"accept-language", b"x"):
        assert keys.normal(name, keys.normal(name, value)) == keys.normal(
            name, keys.normal(name, keys.normal(name, value))
        )


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(b"max-age=10", 10), (b"no-store, max-age=10;x=1", 10), (b"max-age=1, max-age=2", 2), (b'max-age="1"', None)],
)
def test_targeted_fields(value: bytes, seconds: int | None) -> None:
    found = targeted([value])
    assert found is not None
    assert found.seconds(b"max-age") == seconds


@pytest.mark.parametrize("value", [b"", b"MAX-AGE=1", b"max-age =1", b"max-age=1,", b"a b", b"&", b"max-age=1, &&"])
def test_malformed_targeted_fields_are_not_there(value: bytes) -> None:
    assert targeted([value]) is None


@pytest.mark.parametrize(
    ("text", "time"),
    [
        (b"Sun, 06 Nov 1994 08:49:37 GMT", 784111777), (b"Sunday, 06-Nov-94 08:49:37 GMT", 784111777),
        (b"Sun Nov  6 08:49:37 1994", 784111777), (b"Sun, 06 Nov 1994 08:49:37 UTC", None), (b"0", None),
        (b"Sun, 31 Feb 1994 08:49:37 GMT", None), (b"Sun, 06 Nov 94 08:49:37 GMT", None),
        (b"Sun, 06 Nov 1994 24:49:37 GMT", None), (b"Sun, 06 Nov 0000 08:49:37 GMT", None),
    ],
)  # fmt: skip
def test_dates(text: bytes, time: int | None) -> None:
    assert parse_date(text) == time


STORED: list[tuple[tuple[str, ...], int]] = [
    (("Cache-Control: max-age=10",), 10), (("Cache-Control: s-maxage=5, max-age=10",), 5),
    (("Cache-Control: max-age=10", "Expires: 0"), 10), ((DATE, "Expires: Tue, 14 Nov 2023 22:14:20 GMT"), 60),
    (("CDN-Cache-Control: max-age=7", "Cache-Control: no-store"), 7),
    (("Bascule-Cache-Control: max-age=3", "CDN-Cache-Control: max-age=7"), 3),
    ((DATE, EARLIER), 720), (("Cache-Control: must-understand, no-store, max-age=9",), 9),
    (('Cache-Control: no-cache="set-x", max-age=4',), 4), (("Cache-Control: no-cache", 'ETag: "a"'), 0),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "fresh"), STORED)
def test_lifetimes(lines: tuple[str, ...], fresh: int) -> None:
    assert lifetime(asked(), told(*lines), Cache(), NOW).fresh == fresh


@pytest.mark.parametrize(
    ("request_lines", "lines", "status"),
    [
        ((), (), 200), ((), ("Cache-Control: max-age=0",), 200), ((), ("Cache-Control: private",), 200),
        ((), ("Cache-Control: max-age=9, no-store",), 200), ((), ("Cache-Control: max-age=9", "Set-Cookie: a=b"), 200),
        ((), ("Cache-Control: max-age=9", "Vary: a, *"), 200), (("Authorization: x",), ("Cache-Control: max-age=9",), 200),
        (("Cookie: a=b",), (DATE, EARLIER), 200), (("Cookie: a=b",), ("Cache-Control: max-age=9", "Vary: cookie"), 200),
        ((), ("Cache-Control: max-age=9",), 206), ((), ("Cache-Control: max-age=9",), 431),
        ((), ("Cache-Control: max-age=9",), 400), ((), (DATE, EARLIER), 404), ((), (DATE, EARLIER), 500),
        ((), ("Cache-Control: must-understand, max-age=9",), 499), ((), ("CDN-Cache-Control: no-store", EARLIER), 200),
    ],
)  # fmt: skip
def test_what_is_not_stored(request_lines: tuple[str, ...], lines: tuple[str, ...], status: int) -> None:
    with pytest.raises(Unstorable):
        lifetime(asked(*request_lines), told(*lines, status=status), Cache(), NOW)


def test_the_operator_bounds_lifetimes() -> None:
    policy = Cache(max_ttl=5, default_ttl=100, error_ttl=7, max_error_ttl=6, stale_if_error=9)
    assert lifetime(asked(), told("Cache-Control: max-age=10"), policy, NOW).fresh == 5
    assert lifetime(asked(), told(), policy, NOW).fresh == 5
    assert lifetime(asked(), told(status=404), policy, NOW).fresh == 6
    assert lifetime(asked(), told(), policy, NOW).if_error == 9
    assert lifetime(asked(), told("Cache-Control: s-maxage=3"), policy, NOW).if_error == 0
    assert lifetime(asked(), told("Cache-Control: s-maxage=3, stale-if-error=4"), policy, NOW).if_error == 4
    assert (
        lifetime(asked(), told("Cache-Control: max-age=3, must-revalidate, stale-if-error=4"), policy, NOW).if_error
        == 0
    )


@pytest.mark.parametrize(
    ("target", "kind", "kept"),
    [
        ("/a.css", "text/html", False), ("/a.png?x", "text/html; charset=utf-8", False), ("/a.js", "", False),
        ("/a.css", "text/css", True), ("/a.html", "text/html", True), ("/a.php", "text/html", True), ("/a", "", True),
        ("/a.b/c", "text/html", True),
    ],
)  # fmt: skip
def test_pages_in_disguise(target: str, kind: str, kept: bool) -> None:
    lines = ["Cache-Control: max-age=9", *([f"Content-Type: {kind}"] if kind else [])]
    if kept:
        assert lifetime(asked(target=target), told(*lines), Cache(), NOW).fresh == 9
    else:
        with pytest.raises(Unstorable):
            lifetime(asked(target=target), told(*lines), Cache(), NOW)
        assert lifetime(asked(target=target), told(*lines), Cache(check_types=False), NOW).fresh == 9


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [((), 2), (("Age: 30",), 32), (("Age: 3, 30",), 32), (("Age: x",), 2), (("Age: -5",), 2), ((DATE,), 2),
     (("Date: Tue, 14 Nov 2023 22:12:20 GMT",), 60)],
)  # fmt: skip
def test_age_of_what_arrives(lines: tuple[str, ...], seconds: int) -> None:
    assert initial_age(told(*lines), NOW - 2, NOW) == seconds


@pytest.mark.parametrize(
    ("facts", "wanted", "later", "result"),
    [
        ({}, b"", 59, Use.FRESH), ({}, b"", 60, Use.VALIDATE), ({"age": 59}, b"", 1, Use.VALIDATE),
        ({"while_revalidating": 5}, b"", 64, Use.STALE_WHILE), ({"while_revalidating": 5}, b"", 65, Use.VALIDATE),
        ({"always_validate": True}, b"", 0, Use.VALIDATE), ({}, b"no-cache", 0, Use.VALIDATE),
        ({}, b"max-age=10", 11, Use.VALIDATE), ({}, b"max-age=10", 10, Use.FRESH), ({}, b"max-age=0", 0, Use.VALIDATE),
        ({}, b"min-fresh=30", 31, Use.VALIDATE), ({}, b"min-fresh=30", 30, Use.FRESH), ({}, b"max-stale", 999, Use.STALE),
        ({}, b"max-stale=5", 64, Use.STALE), ({}, b"max-stale=5", 66, Use.VALIDATE),
        ({"strict": True}, b"max-stale", 61, Use.VALIDATE), ({}, b"max-stale=x", 61, Use.VALIDATE),
    ],
)  # fmt: skip
def test_reuse(facts: dict[str, object], wanted: bytes, later: int, result: Use) -> None:
    stored = meta(**facts)
    assert use(stored, cache_control([wanted]), age(stored, NOW + later)) is result


def test_errors_and_clocks() -> None:
    assert instead_of_error(meta(if_error=10), NOW + 69)
    assert not instead_of_error(meta(if_error=10), NOW + 70)
    assert not instead_of_error(meta(if_error=10, always_validate=True), NOW)
    assert age(meta(age=3), NOW - 1000) == 3  # a clock that was set back makes nothing younger


@pytest.mark.parametrize(
    ("line", "span"),
    [
        ("Range: bytes=0-0", (0, 1)), ("Range: bytes=3-", (3, 10)), ("Range: bytes=-4", (6, 10)),
        ("Range: bytes=-99", (0, 10)), ("Range: bytes=-0", conditions.UNSATISFIABLE),
        ("Range: bytes=10-", conditions.UNSATISFIABLE), ("Range: bytes=5-4", None), ("Range: bytes=-", None),
        ("Range: bytes=0-1,3-4", None), ("Range: x=0-1", None), ("Range: BYTES=1-2", (1, 3)),
    ],
)  # fmt: skip
def test_ranges(line: str, span: tuple[int, int] | None) -> None:
    assert conditions.part(asked(line), meta(), meta().size) == span


@given(st.integers(0, 50), st.one_of(st.none(), st.integers(0, 50)), st.integers(1, 40))
def test_a_range_lies_within_the_content(first: int, last: int | None, size: int) -> None:
    found = conditions.part(asked(f"Range: bytes={first}-{'' if last is None else last}"), meta(), size)
    if found is not None and found is not conditions.UNSATISFIABLE:
        assert 0 <= found[0] < found[1] <= size


def test_records_survive_the_way_to_disk() -> None:
    record = meta(fields=((b"a", b"\xff"),), tags=(b"x",))
    assert decode(encode(record)) == record
    for broken in (b"", encode(record)[:-1], b"\xc0", encode(record).replace(b"response", b"resp0nse")):
        with pytest.raises(ValueError):
            decode(broken)


@given(texts, texts, texts)
def test_variants_differ_where_values_do(one: bytes, other: bytes, name: bytes) -> None:
    heads = []
    for value in (one, other):
        head = asked()
        head.varying = [(b"x-a", value.strip(b" \t"), 0, b""), (b"x-b", name, 0, b"")]
        heads.append(keys.variant(head, (b"x-a", b"x-b")))
    plain = [b",".join(part.strip(b" \t") for part in value.strip(b" \t").split(b",")) for value in (one, other)]
    assert (heads[0] == heads[1]) == (plain[0] == plain[1])


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("http://A.test", b"http://a.test/"), ("https://a.test:443/x?y=1", b"https://a.test/x?y=1"),
        ("http://a.test:8080/x", b"http://a.test:8080/x"), ("http://[::1]/", b"http://[::1]/"),
    ],
)  # fmt: skip
def test_urls_of_purges(text: str, uri: bytes) -> None:
    assert normal_url(text) == uri


@pytest.mark.parametrize("text", ["", "/page", "a.test/page", "ftp://a.test/", "http://a.test:x/", "http:///x"])
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(PurgeError, match="https://example"):
        normal_url(text)


def test_a_lifetime_without_use_is_none() -> None:
    assert Lifetime(0) == Lifetime(0)


def test_lists_of_tags_cost_no_more_the_longer_they_are() -> None:
    stored = meta(fields=((b"etag", b'"v"'),))
    begun = time.process_time()
    for junk in (b"," * 15_000, b", \t" * 5_000, b'W/"' * 5_000, b'"' * 15_000):
        request = asked(f'If-None-Match: {junk.decode()}"')
        assert not conditions.not_modified(request, stored)
    assert conditions.not_modified(asked(f'If-None-Match: {"," * 15_000} W/"v"'), stored)
    assert time.process_time() - begun < 2  # by backtracking it was a quarter of a minute for one


def test_long_values_are_not_remembered() -> None:
    """A table of 2,048 places would hold a quarter of a GiB of what any client may send."""
    before = _sizes()
    for number in range(10):
        long = b"text/html;q=0.%d," % number * 3000
        assert keys.normal(b"accept", long) == long
        assert parse_date(b"%d" % number * 100) is None
        cache_control((b"max-age=%d, x=" % number + b"x" * 5000,))
    assert _sizes() == before
    assert keys.normal(b"accept", b"b;q=0.5, a") == b"a;q=1000,b;q=500"


def _sizes() -> list[int]:
    return [table.cache_info().currsize for table in (keys._normal, dates._parse, directives._remembered)]
