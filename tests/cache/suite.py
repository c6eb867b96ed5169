"""Cases of the public HTTP cache test-suite (github.com/http-tests/cache-tests), written anew from what they are to show.

Names are the suite's, so that results can be compared. `REQUIRED` are those of its kind *required*, `OPTIMAL` those that
show that caching happens. Left out are the cases for browsers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

Value = str | int
"""Of a date, as many seconds from now."""
Fields = tuple[tuple[str, Value], ...]


@dataclass(frozen=True)
class Step:
    """One request: what the server would answer, and what is expected of the answer."""

    response: Fields = ()
    expect: str = ""
    """``cached``, ``not_cached``, ``validated`` (the server is asked conditionally, and says 304), or nothing."""
    status: int = 200
    """What the server answers, and what is expected unless `expect_status` says otherwise."""
    expect_status: int = 0
    shows: Fields = ()
    """Fields that the answer has to have."""
    hides: tuple[str, ...] = ()
    request: Fields = ()
    method: str = "GET"
    suffix: str = ""
    """What is added to the path of the case."""
    body: str = ""
    age: tuple[str, int] | None = None
    """A field that has to be greater than a number."""
    pause: bool = False
    """Let three seconds pass after it."""
    dies: bool = False
    """The server closes the connection instead of answering."""
    wants: Fields = ()
    """What the server has to be asked with."""


CACHED, ANEW = Step(expect="cached"), Step(expect="not_cached")
FRESH: Fields = (("Expires", 100000), ("Cache-Control", "max-age=100000"), ("Last-Modified", 0), ("Date", 0))
STALE: Fields = (("Expires", -5000), ("Last-Modified", -100000), ("Date", 0))
WEEKS = 30 * 86400
Cases = dict[str, tuple[Step, ...]]


def anew(*fields: tuple[str, Value], pause: bool = True, **more: object) -> tuple[Step, ...]:
    """The response must not be reused."""
    return Step(fields, pause=pause, **more), ANEW  # type: ignore[arg-type]


def again(*fields: tuple[str, Value], pause: bool = True, **more: object) -> tuple[Step, ...]:
    """The response is reused."""
    return Step(fields, pause=pause, **more), CACHED  # type: ignore[arg-type]


def control(value: str) -> tuple[str, Value]:
    return "Cache-Control", value


def cdn(value: str) -> tuple[str, Value]:
    return "CDN-Cache-Control", value


REQUIRED: Cases = {
    # Cache-Control: freshness
    "freshness-max-age-stale": anew(control("max-age=2")),
    "freshness-max-age-0": anew(control("max-age=0")),
    "freshness-max-age-age": anew(("Date", 0), control("max-age=3600"), ("Age", "7200")),
    "freshness-max-age-0-expires": anew(("Expires", 10000), control("max-age=0"), ("Date", 0)),
    "freshness-max-age-s-maxage-shared-longer": anew(control("max-age=3600, s-maxage=1")),
    "freshness-max-age-s-maxage-shared-longer-reversed": anew(control("s-maxage=1, max-age=3600")),
    "freshness-max-age-s-maxage-shared-longer-multiple": anew(control("max-age=3600"), control("s-maxage=1")),
    # Cache-Control: parsing
    "freshness-max-age-ignore-quoted": anew(control('extension="max-age=3600", max-age=1')),
    "freshness-max-age-ignore-quoted-rev": anew(control('max-age=1, extension="max-age=3600"')),
    "freshness-max-age-single-quoted": anew(control("max-age='3600'")),
    "freshness-max-age-leading-zero": again(control("max-age=003600")),
    # Cache-Control: other directives
    "cc-resp-private-shared": anew(control("private, max-age=3600"), pause=False),
    "cc-resp-no-store": anew(control("no-store"), pause=False),
    "cc-resp-no-store-case-insensitive": anew(control("No-StOrE"), pause=False),
    "cc-resp-no-store-fresh": anew(control("max-age=10000, no-store"), ("Expires", 10000), ("Date", 0), pause=False),
    "cc-resp-no-cache": anew(control("max-age=10000, no-cache"), ("Expires", 10000), ("Date", 0), pause=False),
    "cc-resp-no-cache-case-insensitive": anew(control("max-age=10000, No-CaChE"), ("Expires", 10000), pause=False),
    "cc-resp-must-revalidate-stale": (
        Step((control("max-age=2, must-revalidate"), ("ETag", '"abcd"'))),
        Step(expect="cached", pause=True),
        Step((("ETag", '"abcd"'),), expect="validated"),
    ),
    # Expires
    "freshness-expires-past": anew(("Expires", -WEEKS), ("Date", 0)),
    "freshness-expires-present": anew(("Expires", 0), ("Date", 0), pause=False),
    "freshness-expires-old-date": anew(("Expires", 300), ("Date", 400)),
    "freshness-expires-invalid": anew(("Expires", "0"), ("Date", 0)),
    "freshness-expires-age-slow-date": anew(("Date", -10), ("Expires", 10), ("Age", "25"), pause=False),
    "freshness-expires-age-fast-date": anew(("Date", 10), ("Expires", 20), ("Age", "15"), pause=False),
    # What is not stored unless it says for how long
    **{
        f"heuristic-{status}-not_cached": (
            Step((("Last-Modified", -86400), ("Date", 0)), status=status),
            Step(expect="not_cached", status=status),
        )
        for status in (201, 202, 403, 502, 503, 504, 599)
    },
    **{
        f"status-{status}-stale": (Step(STALE, status=status), ANEW)
        for status in (200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500, 502, 503, 504, 599)
    },
    # What must not be used when stale
    **{
        f"stale-close-{directive}": (
            Step((control(f"max-age=2, {directive}"),), pause=True),
            Step(expect="not_cached", dies=True, expect_status=502),
        )
        for directive in ("must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=2")
    },
    # Other
    "other-age-gen": (
        Step((("Expires", WEEKS), ("Date", 0)), pause=True),
        Step(expect="cached", age=("age", 2)),
    ),
    "other-age-update-expires": (
        Step((("Expires", WEEKS), ("Date", 0), ("Age", "30")), pause=True),
        Step(expect="cached", age=("age", 32)),
    ),
    "other-age-update-max-age": (
        Step((control("max-age=600"), ("Date", 0), ("Age", "30")), pause=True),
        Step(expect="cached", age=("age", 32)),
    ),
    "other-date-update": (
        Step((("Expires", WEEKS), ("Date", -1)), pause=True),
        Step(expect="cached", shows=(("Date", -1),)),
    ),
    "query-args-different": (Step(FRESH, suffix="?a=1"), Step(expect="not_cached", suffix="?a=2")),
    "other-authorization": (
        Step((("Expires", WEEKS), ("Date", 0)), request=(("Authorization", "FOO"),), wants=(("Authorization", "FOO"),)),
        ANEW,
    ),
    # Conditions
    "conditional-304-etag": (
        Step((*FRESH, ("ETag", '"abcdef"'))),
        Step(
            expect="cached", expect_status=304, request=(("If-None-Match", '"abcdef"'),), shows=(("ETag", '"abcdef"'),)
        ),
    ),
    "conditional-etag-precedence": (
        Step((*FRESH[:2], ("Last-Modified", -5000), ("Date", 0), ("ETag", '"abcdef"'))),
        Step(
            expect="cached",
            expect_status=304,
            request=(("If-None-Match", '"abcdef"'), ("If-Modified-Since", -6000)),
        ),
    ),
    "conditional-etag-vary-headers": (
        Step(
            (("Expires", 1), ("ETag", '"abcdef"'), ("Date", 0), ("Vary", "Abc")), request=(("Abc", "123"),), pause=True
        ),
        Step((("ETag", '"abcdef"'),), expect="validated", request=(("Abc", "123"),), wants=(("Abc", "123"),)),
    ),
    # Fields that are stored, and those that are not
    "headers-omit-headers-listed-in-Connection": (
        Step((("Connection", "a, b"), ("a", "1"), ("b", "2"), ("c", "3"), control("max-age=3600"), ("Date", 0))),
        Step(expect="cached", shows=(("c", "3"),), hides=("connection", "a", "b")),
    ),
    **{
        f"headers-store-{name}": (
            Step((control("max-age=3600"), ("Date", 0), (name, value))),
            Step(expect="cached", shows=((name, value),)),
        )
        for name, value in (
            ("Test-Header", "x"),
            ("X-Test-Header", "x"),
            ("Content-Foo", "x"),
            ("X-Content-Foo", "x"),
            ("Content-Encoding", "x"),
            ("Content-Location", "/foo"),
            ("Content-MD5", "rL0Y20zC+Fzt72VPzMSk2A=="),
            ("Content-Security-Policy", "default-src 'self'"),
            ("Content-Type", "text/plain;charset=utf-8"),
            ("Clear-Site-Data", "cache"),
            ("ETag", '"abcdef"'),
            ("Expires", "Fri, 01 Jan 2038 01:01:01 GMT"),
            ("Public-Key-Pins", "x"),
            ("X-Frame-Options", "deny"),
            ("X-XSS-Protection", "1"),
        )
    },
    **{
        f"headers-store-{name}": (
            Step((control("max-age=3600"), ("Date", 0), (name, "x"))),
            Step(expect="cached", hides=(name.lower(),)),
        )
        for name in ("Keep-Alive", "Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Connection", "Upgrade")
    },
    # What a 304 changes
    "304-lm-use-stored-Test-Header": (
        Step((control("max-age=1"), ("Last-Modified", -86400), ("Date", 0), ("Test-Header", "A")), pause=True),
        Step(
            (control("max-age=3600"), ("Last-Modified", -86400), ("Date", 0)),
            expect="validated",
            shows=(("Test-Header", "A"),),
        ),
    ),
    **{
        f"304-{kind}-update-{name}": (
            Step((control("max-age=1"), ("Date", 0), (validator, tag), (name, before)), pause=True),
            Step(
                (control("max-age=3600"), ("Date", 0), (validator, tag), (name, after)),
                expect="validated",
                shows=((name, after),),
            ),
            Step(expect="cached", shows=((name, after),)),
        )
        for kind, validator, tag in (("etag", "ETag", '"1"'), ("lm", "Last-Modified", -86400))
        for name, before, after in (
            ("Test-Header", "A", "B"),
            ("X-Test-Header", "A", "B"),
            ("Content-Foo", "A", "B"),
            ("X-Content-Foo", "A", "B"),
        )
    },
    "304-etag-update-Cache-Control": (
        Step((control("max-age=1"), ("ETag", '"1"')), pause=True),
        Step((control("max-age=3600"), ("ETag", '"1"')), expect="validated", shows=(control("max-age=3600"),)),
        Step(expect="cached", shows=(control("max-age=3600"),)),
    ),
    # Invalidation
    **{
        f"invalidate-{method}": (Step(FRESH), Step(method=method, body="abc"), ANEW)
        for method in ("POST", "PUT", "DELETE", "M-SEARCH")
    },
    **{
        f"invalidate-{method}-{name.lower()}": (
            Step(FRESH, suffix="/place"),
            Step(((name, "{path}/place"),), method=method, body="abc"),
            Step(expect="not_cached", suffix="/place"),
        )
        for method in ("POST", "PUT", "DELETE", "M-SEARCH")
        for name in ("Location", "Content-Location")
    },
    # Vary
    **{
        name: (
            Step((*FRESH, ("Vary", vary)), request=tuple(first.items())),
            Step(expect="not_cached", request=tuple(second.items())),
        )
        for name, vary, first, second in (
            ("vary-no-match", "Foo", {"Foo": "1"}, {"Foo": "2"}),
            ("vary-omit", "Foo", {"Foo": "1"}, {}),
            ("vary-2-no-match", "Foo, Bar", {"Foo": "1", "Bar": "abc"}, {"Foo": "2", "Bar": "abc"}),
            ("vary-2-match-omit", "Foo, Bar", {"Foo": "1"}, {}),
            (
                "vary-3-no-match",
                "Foo, Bar, Baz",
                {"Foo": "1", "Bar": "a", "Baz": "7"},
                {"Foo": "2", "Bar": "a", "Baz": "7"},
            ),
            (
                "vary-3-order",
                "Foo, Bar, Baz",
                {"Foo": "1", "Bar": "a4", "Baz": "7"},
                {"Foo": "1", "Bar": "a", "Baz": "7"},
            ),
            ("vary-star", "*", {"Foo": "1", "Baz": "7"}, {"*": "1", "Baz": "7"}),
            ("vary-syntax-star", "*", {"Foo": "1"}, {"Foo": "1"}),
            ("vary-syntax-star-star", "*, *", {"Foo": "1"}, {"Foo": "1"}),
            ("vary-syntax-empty-star", ", *", {"Foo": "1"}, {"Foo": "1"}),
            ("vary-syntax-star-foo", "*, Foo", {"Foo": "1"}, {"Foo": "1"}),
            ("vary-syntax-foo-star", "Foo, *", {"Foo": "1"}, {"Foo": "1"}),
        )
    },
    "vary-syntax-star-star-lines": anew(*FRESH, ("Vary", "*"), ("Vary", "*"), pause=False),
    "vary-syntax-empty-star-lines": anew(*FRESH, ("Vary", ""), ("Vary", "*"), pause=False),
    # Targeted fields
    "cdn-max-age-age": anew(("Date", 0), cdn("max-age=3600"), ("Age", "7200")),
    "cdn-max-age-0": anew(cdn("max-age=0")),
    "cdn-max-age-0-expires": anew(cdn("max-age=0"), ("Expires", 10000), ("Date", 0)),
    "cdn-max-age-long-cc-max-age": anew(control("max-age=3600"), cdn("max-age=1")),
    "cdn-private": anew(cdn("private"), control("max-age=10000"), ("Expires", 10000), pause=False),
    "cdn-no-cache": anew(cdn("no-cache"), control("max-age=10000"), ("Expires", 10000), pause=False),
    "cdn-no-store-cc-fresh": anew(control("max-age=10000"), cdn("no-store"), ("Expires", 10000)),
    "cdn-fresh-cc-nostore": again(control("no-store"), cdn("max-age=10000")),
    "cdn-cc-invalid-sh-type-unknown": anew(cdn("max-age=10000, &&&&&"), control("no-store")),
    "cdn-cc-invalid-sh-type-wrong": anew(cdn('max-age="10000"'), control("no-store")),
}

OPTIMAL: Cases = {
    "freshness-max-age": again(control("max-age=3600")),
    "freshness-max-age-max": again(control("max-age=2147483648")),
    "freshness-max-age-max-plus": again(control("max-age=99999999999")),
    "freshness-max-age-quoted": again(control('max-age="3600"')),
    "freshness-max-age-expires": again(control("max-age=3600"), ("Expires", -10000), ("Date", 0)),
    "freshness-max-age-expires-invalid": again(control("max-age=3600"), ("Expires", "0"), ("Date", 0)),
    "freshness-max-age-extension": again(control("foobar, max-age=3600")),
    "freshness-max-age-case-insenstive": again(control("MaX-aGe=3600")),
    "freshness-s-maxage-shared": again(control("s-maxage=3600")),
    "freshness-max-age-s-maxage-shared-shorter": again(control("max-age=1, s-maxage=3600")),
    "freshness-expires-future": again(("Expires", WEEKS), ("Date", 0)),
    "freshness-expires-wrong-case-month": again(("Expires", "Thu, 18 AUG 2050 02:01:18 GMT"), ("Date", 0)),
    "freshness-expires-invalid-date": again(("Date", "foo"), ("Expires", 10), pause=False),
    "cc-resp-no-cache-revalidate": (
        Step((control("no-cache"), ("ETag", '"abcd"'))),
        Step((("ETag", '"abcd"'),), expect="validated"),
    ),
    "cc-resp-must-revalidate-fresh": again(control("max-age=10000, must-revalidate"), ("ETag", '"a"'), pause=False),
    **{
        f"heuristic-{status}-cached": (
            Step((("Last-Modified", -86400), ("Date", 0), *more), status=status),
            Step(expect="cached", status=status),
        )
        for status, more in (
            (200, ()),
            (203, ()),
            (204, ()),
            (404, ()),
            (405, ()),
            (410, ()),
            (414, ()),
            (501, ()),
            (599, (control("public"),)),
        )
    },
    **{
        f"status-{status}-fresh": (Step(FRESH, status=status), Step(expect="cached", status=status))
        for status in (200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500, 502, 503, 504, 599)
    },
    "other-authorization-public": again(
        control("max-age=3600, public"), ("Date", 0), request=(("Authorization", "FOO"),), pause=False
    ),
    "other-authorization-must-revalidate": again(
        control("max-age=3600, must-revalidate"), request=(("Authorization", "FOO"),), pause=False
    ),
    "other-authorization-smaxage": again(control("s-maxage=3600"), request=(("Authorization", "FOO"),), pause=False),
    "other-set-cookie": again(control("max-age=3600"), ("Set-Cookie", "a=b"), pause=False),
    "other-cookie": (Step((control("max-age=3600"),)), replace(CACHED, request=(("Cookie", "a=b"),))),
    "query-args-same": (Step(FRESH, suffix="?a=1"), replace(CACHED, suffix="?a=1")),
    **{
        f"conditional-etag-{name}": (
            Step((*FRESH, ("ETag", tag))),
            Step(expect="cached", expect_status=304, request=(("If-None-Match", asked),)),
        )
        for name, tag, asked in (
            ("strong-respond", '"abcdef"', '"abcdef"'),
            ("weak-respond", 'W/"abcdef"', 'W/"abcdef"'),
            ("strong-respond-multiple-first", '"abcdef"', '"abcdef", "1234", "5678"'),
            ("strong-respond-multiple-second", '"abcdef"', '"1234", "abcdef", "5678"'),
            ("strong-respond-multiple-last", '"abcdef"', '"1234", "5678", "abcdef"'),
        )
    },
    **{
        f"conditional-etag-{name}": (
            Step((control("max-age=2"), ("ETag", tag)), pause=True),
            Step((("ETag", tag),), expect="validated", wants=(("If-None-Match", tag),)),
        )
        for name, tag in (("strong-generate", '"abcdef"'), ("weak-generate-weak", 'W/"abcdef"'))
    },
    "conditional-lm-fresh": (
        Step((control("max-age=100000"), ("Last-Modified", -3000), ("Date", 0))),
        Step(expect="cached", expect_status=304, request=(("If-Modified-Since", -3000),)),
    ),
    "conditional-lm-fresh-earlier": (
        Step((control("max-age=100000"), ("Last-Modified", -3000), ("Date", 0))),
        Step(expect="cached", expect_status=304, request=(("If-Modified-Since", -2000),)),
    ),
    "conditional-lm-stale": (
        Step((control("max-age=2"), ("Last-Modified", -3000), ("Date", 0)), pause=True),
        Step(
            (("Last-Modified", -3000),),
            expect="validated",
            expect_status=304,
            request=(("If-Modified-Since", -3000),),
        ),
    ),
    "partial-store-complete-reuse-partial": (
        Step((control("max-age=3600"),), body="01234567890"),
        Step(expect="cached", expect_status=206, request=(("Range", "bytes=0-1"),), body="01"),
    ),
    "partial-store-complete-reuse-partial-no-last": (
        Step((control("max-age=3600"),), body="01234567890"),
        Step(expect="cached", expect_status=206, request=(("Range", "bytes=1-"),), body="1234567890"),
    ),
    "partial-store-complete-reuse-partial-suffix": (
        Step((control("max-age=3600"),), body="0123456789A"),
        Step(expect="cached", expect_status=206, request=(("Range", "bytes=-1"),), body="A"),
    ),
    "partial-store-partial-reuse-partial": (
        Step(
            (control("max-age=3600"), ("Content-Range", "bytes 4-9/10")),
            status=206,
            body="01234",
            request=(("Range", "bytes=-5"),),
        ),
        Step(expect="cached", expect_status=206, request=(("Range", "bytes=-5"),), body="01234"),
    ),
    "method-POST": (
        Step((("Expires", WEEKS), ("Content-Location", "{path}"), ("Date", 0)), method="POST", body="12345"),
        CACHED,
    ),
    "vary-match": (
        Step((*FRESH, ("Vary", "Foo")), request=(("Foo", "1"),)),
        Step(expect="cached", request=(("Foo", "1"),)),
    ),
    "vary-invalidate": (
        Step((*FRESH, ("Vary", "Foo")), request=(("Foo", "1"),)),
        Step((*FRESH, ("Vary", "Foo")), request=(("Foo", "2"),), expect="not_cached"),
        Step(expect="cached", request=(("Foo", "1"),)),
    ),
    "vary-normalise-space": (
        Step((*FRESH, ("Vary", "Foo")), request=(("Foo", "1,2"),)),
        Step(expect="cached", request=(("Foo", " 1, 2 "),)),
    ),
    "vary-normalise-combine": (
        Step((*FRESH, ("Vary", "Foo")), request=(("Foo", "1, 2"),)),
        Step(expect="cached", request=(("Foo", "1"), ("Foo", "2"))),
    ),
    "vary-normalise-lang-order": (
        Step((*FRESH, ("Vary", "Accept-Language")), request=(("Accept-Language", "en, de"),)),
        Step(expect="cached", request=(("Accept-Language", "de, en"),)),
    ),
    **{
        f"invalidate-{method}-failed": (Step(FRESH), Step(method=method, body="abc", status=500), CACHED)
        for method in ("POST", "PUT", "DELETE", "M-SEARCH")
    },
    "cdn-max-age": again(cdn("max-age=3600")),
    "cdn-max-age-extension": again(cdn("foobar, max-age=3600")),
    "cdn-max-age-expires": again(cdn("max-age=3600"), ("Expires", -10000), ("Date", 0)),
    "cdn-max-age-short-cc-max-age": again(control("max-age=1"), cdn("max-age=3600")),
}

DECLINED = {
    "heuristic-405-cached": "an answer to the form of the request",
    "heuristic-414-cached": "an answer to the form of the request",
    "heuristic-501-cached": "an answer to the form of the request",
    "heuristic-404-cached": "an error is kept for `error_ttl`, which is 0",
    "heuristic-410-cached": "an error is kept for `error_ttl`, which is 0",
    "heuristic-599-cached": "an error is kept for `error_ttl`, which is 0",
    "status-400-fresh": "an answer to the form of the request",
    "other-set-cookie": "what sets a cookie is for one client; `strip_cookies` stores the rest of it",
    "partial-store-partial-reuse-partial": "parts are not stored",
    "method-POST": "responses to POST are not stored",
}
"""Cases of `OPTIMAL` in which Bascule does not cache, and why."""
