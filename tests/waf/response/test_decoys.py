"""Decoys: where they are put into a page, however it is cut, and where not."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bascule.config.response import Decoys as Config
from bascule.waf.response.decoys import Decoys

DECOYS = Decoys(Config(field="website_url", links=("/members/export", "/old&new")))
PAGE = (
    b"<html><body><!-- <form method=post></form></body> --><script>'</body><form method=post></form>'</script>"
    b"<form METHOD='Post' action=/buy><input name=count><textarea></form></textarea><button>Buy</button></FORM>"
    b"<form><input name=q></form><form method=post action='https://pay.test/'></form>"
    + b"lorem ipsum " * 30
    + b"</BODY></html>"
)


def through(pieces: list[bytes], decoys: Decoys = DECOYS) -> bytes:
    stream = decoys.stream()
    out = [stream.feed(piece) for piece in pieces]
    return b"".join((*out, stream.feed(b"", last=True)))


def test_where_they_are() -> None:
    page = through([PAGE])
    assert page.count(DECOYS.markup) == page.count(DECOYS.trail) == 1
    assert page.index(DECOYS.markup) == page.index(b"</FORM>") - len(DECOYS.markup)
    assert page.index(DECOYS.trail) == page.index(b"</BODY>") - len(DECOYS.trail)
    assert page.replace(DECOYS.markup, b"").replace(DECOYS.trail, b"") == PAGE


def test_people_neither_see_nor_reach_nor_hear_them() -> None:
    for markup in (DECOYS.markup, DECOYS.trail):
        assert markup.count(b'aria-hidden="true" hidden style=') == markup.count(b'tabindex="-1"') > 0
    assert DECOYS.trail.count(b'rel="nofollow"') == 2
    assert b'href="/old&amp;new"' in DECOYS.trail


@given(st.lists(st.integers(0, len(PAGE)), max_size=10))
def test_cuts_anywhere(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(PAGE)]
    assert through([PAGE[a:b] for a, b in itertools.pairwise(places)]) == through([PAGE])


def test_either_alone() -> None:
    assert b"website_url" not in through([PAGE], Decoys(Config(field="", links=("/x",))))
    assert b"nofollow" not in through([PAGE], Decoys(Config()))


@pytest.mark.parametrize(
    ("sent", "filled"),
    [([], b""), ([(b"website_url", b"")], b""), ([(b"q", b"x"), (b"website_url", b"http://x")], b"http://x")],
)
def test_who_filled_it_in(sent: list[tuple[bytes, bytes]], filled: bytes) -> None:
    assert DECOYS.filled(sent) == filled


@pytest.mark.parametrize(
    "written", [{"field": "a b"}, {"field": "1x"}, {"links": ["x"]}, {"links": ["/"]}, {"links": ["/a?b"]}]
)
def test_what_makes_no_sense_is_refused(written: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate(written)


@pytest.mark.parametrize("unit", [b"<form ", b"<input x='", b"<form a=\"<input b='", b'<form ""\'>'])
def test_tags_without_an_end_cost_no_more_than_their_length(unit: bytes) -> None:
    page = unit * (1 << 16)
    began = time.process_time()
    assert through([page[at : at + (1 << 16)] for at in range(0, len(page), 1 << 16)]) == page
    assert time.process_time() - began < 5.0, "looked through from each tag on it would be a minute"


def test_a_tag_without_an_end_hides_no_other() -> None:
    page = b"<input title=don't " * 3 + PAGE
    assert DECOYS.markup in through([page])
