"""Forms get a token over their protected hidden fields, and only what a page gave comes back."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.config.response import FormGuard
from bascule.waf.response.forms import FIELD, Forms, sent_fields, without_fields
from bascule.waf.response.tags import MAX_TAG

NOW = 1_800_000_000.0
FORMS = Forms(FormGuard(names=("price", "item"), secret="a-secret-of-32-characters-or-more"))
TOKEN = re.compile(rb'<input type="hidden" name="_bascule" value="([\w-]+)">')
PAGE = (
    b"<html><!-- <form><input type=hidden name=price value=1></form> --><script>var f='<form>';</script>"
    b"<form action=/buy><input type='hidden' name=\"price\" value='1&#48;0'><INPUT TYPE=HIDDEN NAME=item VALUE=7>"
    b'<input name="count" value="a>b"><textarea></form></textarea><button>Buy</button></form>'
    b"<form><input type=hidden name=other value=1></form><p>" + b"lorem ipsum " * 50
)


def through(pieces: list[bytes]) -> bytes:
    stream = FORMS.stream(NOW)
    out = [stream.feed(piece) for piece in pieces]
    return b"".join((*out, stream.feed(b"", last=True)))


def test_form_with_protected_fields_gets_a_token() -> None:
    page = through([PAGE])
    tokens = TOKEN.findall(page)
    assert len(tokens) == 1
    assert TOKEN.sub(b"", page) == PAGE
    assert page.index(FIELD) > page.index(b"<button>")
    assert FORMS.is_whole([(b"price", b"100"), (b"item", b"7"), (b"count", b"3"), (FIELD, tokens[0])], NOW)


@given(st.lists(st.integers(0, len(PAGE)), max_size=10))
def test_cuts_anywhere(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(PAGE)]
    assert through([PAGE[a:b] for a, b in itertools.pairwise(places)]) == through([PAGE])


@given(
    st.lists(
        st.one_of(st.binary(max_size=30), st.sampled_from([b"<form", b">", b"<input ", b'"', b"</form>", b"<!--"]))
    )
)
def test_what_is_not_a_form_stays_as_it_is(pieces: list[bytes]) -> None:
    stream = FORMS.stream(NOW)
    taken = given = 0
    for piece in pieces:
        taken += len(piece)
        given += len(stream.feed(piece))
        assert taken - given <= MAX_TAG
    assert through(pieces) == b"".join(pieces)


FIELDS = [(b"price", b"100"), (b"item", b"7")]


@pytest.mark.parametrize(
    "sent",
    [
        [(b"price", b"1"), (b"item", b"7")],
        [(b"price", b"100"), (b"item", b"8")],
        [(b"price", b"100")],
        [*FIELDS, (b"price", b"1")],
        [(b"item", b"100"), (b"price", b"7")],
        [*FIELDS, (b"Price", b"1")],
        [*FIELDS, (b" price[0]", b"1")],
        [*FIELDS, (b"price\0x", b"1")],
        [(b"price", b"1007"), (b"item", b"")],
    ],
)
def test_changed_fields_are_not_whole(sent: list[tuple[bytes, bytes]]) -> None:
    token = FORMS.token(FIELDS, NOW)
    assert FORMS.is_whole([*FIELDS, (FIELD, token)], NOW)
    assert not FORMS.is_whole([*sent, (FIELD, token)], NOW)
    assert not FORMS.is_whole(sent, NOW)


def test_tokens_age_and_secrets_rotate() -> None:
    sent = [*FIELDS, (FIELD, FORMS.token(FIELDS, NOW))]
    assert FORMS.is_whole(sent, NOW + 86_000)
    assert not FORMS.is_whole(sent, NOW + 87_000)
    assert not FORMS.is_whole(sent, NOW - 100)
    new = FormGuard(names=("price", "item"), secret="another-secret-of-32-characters-0")
    assert not Forms(new).is_whole(sent, NOW)
    assert Forms(new.model_copy(update={"previous": ("a-secret-of-32-characters-or-more",)})).is_whole(sent, NOW)
    assert not FORMS.is_whole([*FIELDS, (FIELD, b"%")], NOW)


@pytest.mark.parametrize(
    ("kind", "body", "left"),
    [
        (b"", b"a=1&_bascule=x&b=2", b"a=1&b=2"),
        (b"application/x-www-form-urlencoded", b"_bascule=x", b""),
        (b"application/x-www-form-urlencoded", b"a=_bascule", b"a=_bascule"),
        (b"multipart/form-data; boundary=q",
         b'--q\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--q\r\ncontent-disposition: form-data; '
         b'name="_bascule"\r\n\r\nx\r\n--q\r\ncontent-disposition: form-data; name="b"\r\n\r\n2\r\n--q--\r\n',
         b'--q\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--q\r\ncontent-disposition: form-data; '
         b'name="b"\r\n\r\n2\r\n--q--\r\n'),
        (b"application/json", b'{"a": "1&_bascule=x&2"}', b'{"a": "1&_bascule=x&2"}'),
    ],
)  # fmt: skip
def test_token_is_taken_out(kind: bytes, body: bytes, left: bytes) -> None:
    assert without_fields(kind, body, (FIELD,)) == left


@pytest.mark.parametrize(
    "name", [b"unit.price", b"unit price", b"unit[price", b"Unit_Price[0]", b".unit_price", b"unit_price\0"]
)
def test_names_are_protected_as_lenient_programs_read_them(name: bytes) -> None:
    forms = Forms(FormGuard(names=("unit_price",), secret="a-secret-of-32-characters-or-more"))
    assert forms.protects(name)
    assert not forms.protects(b"unit")


_PRICE = b'--q\r\ncontent-disposition: form-data; name="price"\r\n\r\n1\r\n'


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"application/x-www-form-urlencoded,x", b"price=1"),  # PHP ends a type there
        (b"application/x-www-form-urlencoded x", b"price=1"),
        (b"text/plain", b"price=1"),
        (b"text/plain", b'{"order": {"price": 1}}'),
        (b"multipart/form-data, boundary=q", _PRICE + b"--q--\r\n"),
    ],
)
def test_no_content_type_hides_a_field(kind: bytes, body: bytes) -> None:
    assert FORMS.concerns(sent_fields(kind, body))


def test_what_is_taken_out_makes_no_part_of_the_text_of_another() -> None:
    """A delimiter within a line is none, but it was split at: the server got a part that nobody had judged."""
    kind = b"multipart/form-data; boundary=q"
    body = (
        b'--q\r\ncontent-disposition: form-data; name="a"\r\n\r\ntext\r\n--qx name="_bascule"\r\n\r\ny'
        + _PRICE
        + b"--q--\r\n"
    )
    assert without_fields(kind, body, (FIELD,)) == body
    assert FORMS.concerns(sent_fields(kind, body))
    named = _PRICE.replace(b'"price"', b'"price"; x="name="_bascule""') + b"--q--\r\n"
    assert without_fields(kind, named, (FIELD,)) == named


def test_honest_fields_come_back_whole() -> None:
    """Line ends leave as CR LF, and fields that are disabled do not leave."""
    fields = b'<input type=hidden name=item value="a\nb"><input type=hidden name=price value=2 disabled>'
    (token,) = TOKEN.findall(through([b"<form>" + fields + b"</form>"]))
    assert FORMS.is_whole([(b"item", b"a\r\nb"), (FIELD, token)], NOW)
    assert not FORMS.is_whole([(b"item", b"a\r\nb"), (b"price", b"2"), (FIELD, token)], NOW)


@pytest.mark.parametrize("cut", range(6))
def test_a_comment_ends_as_browsers_end_it(cut: int) -> None:
    for comment in (b"<!-->", b"<!--->", b"<!-- a --!>"):
        page = through([comment[:cut], comment[cut:] + b"<form><input type=hidden name=item value=1></form>-->"])
        assert len(TOKEN.findall(page)) == 1
