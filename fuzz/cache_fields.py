"""What the cache reads of fields and files: never an error, and nothing that hides what forbids to store or to share.

The first byte chooses what the rest is read as.
"""

from __future__ import annotations

import time
from typing import Any, cast

from fuzz.drive import instrumented, run

with instrumented():
    from bascule.cache import conditions, entry
    from bascule.cache.dates import parse_date
    from bascule.cache.directives import MOST_BYTES, MOST_SECONDS, Directives, cache_control, targeted
    from bascule.cache.keys import normal, without_parameters

TIMES = (b"max-age", b"s-maxage", b"stale-while-revalidate", b"stale-if-error", b"min-fresh", b"max-stale")
ACCEPTS = (b"accept", b"accept-encoding", b"accept-language")
META = entry.Meta(
    b"http://site.test/", 200, b"OK", ((b"etag", b'"a"'), (b"last-modified", b"Sun, 06 Nov 1994 08:49:37 GMT")),
    1000, 0.0, 0, 60, 0, 0, False, False, False, (), b"",
)  # fmt: skip


class Head:
    """A request with one field, which may be repeated."""

    def __init__(self, name: bytes, *values: bytes) -> None:
        self._name, self._values = name, list(values)

    def values(self, name: bytes) -> list[bytes]:
        return self._values if name == self._name else []

    def value(self, name: bytes) -> bytes:
        return self._values[0] if name == self._name and self._values else b""


def _times(found: Directives) -> None:
    for name in TIMES:
        seconds = found.seconds(name)
        assert seconds is None or 0 <= seconds <= MOST_SECONDS


def _cache_control(data: bytes) -> None:
    _times(cache_control([data]))
    assert b"no-store" in cache_control([data, b"no-store"]), "hidden by what stands before it"


def _targeted(data: bytes) -> None:
    found = targeted([data])
    if found is None:
        return
    _times(found)
    more = targeted([data, b"no-store"])
    assert (more is None) == (len(data.strip(b" \t")) + len(b",no-store") > MOST_BYTES)
    assert more is None or b"no-store" in more


def _date(data: bytes) -> None:
    seconds = parse_date(data)
    if seconds is not None:
        written = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(seconds)).encode()
        year = written.split(b" ")[3]
        assert parse_date(written.replace(b" %b " % year, b" %b " % year.rjust(4, b"0"))) == seconds


def _conditions(data: bytes) -> None:
    for name in (b"if-none-match", b"if-modified-since", b"range", b"if-range"):
        head = cast(Any, Head(name, *data.split(b"\n")))
        assert isinstance(conditions.not_modified(head, META), bool)
        found = conditions.part(head, META, META.size)
        assert found is None or found == conditions.UNSATISFIABLE or 0 <= found[0] < found[1] <= META.size
    both = cast(Any, Head(b"if-none-match", data, b'"a"'))
    if b'"' not in data:
        assert conditions.not_modified(both, META), "a list that ends with the tag has it"


def _variant(data: bytes) -> None:
    turned = b" , ".join(reversed(data.split(b",")))
    for name in ACCEPTS:
        assert normal(name, data) == normal(name, turned), "order and blanks make no difference"
    query = b"?" + data
    kept = without_parameters(query, ("utm_*", "x"))
    assert len(kept) <= len(query)
    assert without_parameters(kept, ("utm_*", "x")) == kept


def _record(data: bytes) -> None:
    try:
        found = entry.decode(data)
    except ValueError:
        return
    assert entry.decode(entry.encode(found)) == found


_READERS = (_cache_control, _targeted, _date, _conditions, _variant, _record)


def one_input(data: bytes) -> None:
    """See the module."""
    if data:
        _READERS[data[0] % len(_READERS)](data[1:])


def seeds() -> list[bytes]:
    """Some of each."""
    texts: list[tuple[bytes, ...]] = [
        (
            b'max-age=60, private="set-cookie, x", s-maxage=a',
            b'a="b\\", no-store',
            b'=,;=,,no-cache="',
            b"max-age=1,max-age=2",
        ),
        (b"max-age=60;x=1, no-store=?0", b'a="b", b=:aGk=:, c=1.5', b"*=1"),
        (b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994"),
        (b'W/"a", "b"', b"bytes=0-499", b"bytes=-5\nbytes=1-", b"bytes=999999999999999999-", b"*"),
        (b"gzip;q=0.5, br;q=0, *", b"en, de;q=0.8 ,fr;level=1;q=1.000", b"utm_source=a&x=1&y&x"),
        (entry.encode(META), entry.encode(entry.Marker(b"u", (b"accept",), b"n"))),
    ]
    return [bytes((number,)) + text for number, group in enumerate(texts) for text in group]


if __name__ == "__main__":
    run("cache_fields", one_input, seeds())
