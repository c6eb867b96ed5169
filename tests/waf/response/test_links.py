"""Links that nobody else can make, without a proxy around them."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.config.response import LinkGuard
from bascule.waf.bodies import parse_urlencoded
from bascule.waf.response.forms import without_fields
from bascule.waf.response.links import PARAMETER, Links

SECRET = "a-secret-of-32-characters-or-more"
LINKS = Links(LinkGuard(names=("id", "user"), paths=("/orders/",), secret=SECRET))
HREF = re.compile(rb"href=[\"']([^\"']*)[\"']")


def signed(page: bytes, target: bytes = b"/orders/list?page=2", links: Links = LINKS) -> bytes:
    return links.stream(target, b"shop.example").feed(page, last=True)


def followed(page: bytes, target: bytes = b"/orders/list") -> bytes:
    """Return the target that a browser asks for when it follows the first link of a page without a host in it."""
    found = HREF.search(signed(page, target))
    assert found is not None
    return html.unescape(found[1].decode()).encode().partition(b"#")[0]


def broken(target: bytes, body: bytes = b"", links: Links = LINKS) -> tuple[bytes, bytes] | None:
    pairs = parse_urlencoded(target.partition(b"?")[2]).pairs + parse_urlencoded(body).pairs
    return links.broken(target, pairs)


@pytest.mark.parametrize(
    "link",
    [
        b"/orders/view?id=5",
        b"/orders/view?id=5&amp;x=1#top",
        b"/orders/view?x=%26&amp;id=a%20b+c&amp;user=%C3%BC",
        b"/orders/./view?id=5",
        b"/orders/view?id[]=1&amp;id[]=2",
    ],
)
def test_link_is_accepted_as_the_page_gave_it(link: bytes) -> None:
    page = b"<p><a class=x href='%b' title='a > b'>see</a></p>" % link
    target = followed(page)
    assert b"_bascule_link=" in target
    assert broken(target) is None
    assert (
        without_fields(b"", target.partition(b"?")[2], [PARAMETER])
        == html.unescape(link.decode()).encode().partition(b"?")[2].partition(b"#")[0]
    )


def test_what_was_changed_is_not_accepted() -> None:
    target = followed(b'<a href="/orders/view?id=5&amp;page=1">')
    mac = target.rpartition(b"=")[2]
    assert broken(target.replace(b"page=1", b"page=2")) is None, "what is not protected is the client's"
    for other in (
        target.replace(b"id=5", b"id=6"),
        target.replace(b"view", b"delete"),
        target + b"&id=6",
        target + b"&ID=6",
        target + b"&id[]=6",
        target + b"&user=1",
        b"/orders/view?id=5",
        b"/orders/view?id=5&_bascule_link=",
        b"/ORDERS//x/../view?id=6&_bascule_link=" + mac,
    ):
        assert broken(other) is not None, other
    assert broken(target, b"id=6") is not None, "some programs take the body's"
    assert broken(b"/other?id=6") is None
    assert broken(b"/orders/view?page=6") is None


@pytest.mark.parametrize(
    ("page", "leads"),
    [
        (b'<a href="?id=5">', b"/orders/list?id=5"),
        (b'<a href="view?id=5">', b"/orders/view?id=5"),
        (b'<a href="../orders/view?id=5">', b"/orders/view?id=5"),
        (b'<a href="https://shop.example/orders/view?id=5">', b"/orders/view?id=5"),
        (b'<a href="//SHOP.example/orders/view?id=5">', b"/orders/view?id=5"),
        (b'<base href="/orders/deep/"><a href="view?id=5">', b"/orders/deep/view?id=5"),
        (b'<base href="?x"><a href="view?id=5">', b"/orders/view?id=5"),
        (b'<a href="//shop.example//[orders/../orders/view?id=5">', b"/[orders/../orders/view?id=5"),
        (b'<a href="/or\n\tders/view?id=5">', b"/orders/view?id=5"),
    ],
)
def test_links_are_read_as_browsers_read_them(page: bytes, leads: bytes) -> None:
    mac = re.search(rb"_bascule_link=([\w-]+)", signed(page, b"/orders/list"))
    assert mac is not None
    assert broken(leads + b"&_bascule_link=" + mac[1]) is None


@pytest.mark.parametrize("target", [b"//[/orders/", b"//elsewhere.example/../orders/", b"http://shop.example/orders/"])
def test_targets_of_any_form_have_links(target: bytes) -> None:
    mac = re.search(rb"_bascule_link=([\w-]+)", signed(b'<a href="view?id=5">', target.replace(b"//[", b"//[/..")))
    assert mac is not None
    assert broken(b"/orders/view?id=5&_bascule_link=" + mac[1]) is None


@pytest.mark.parametrize(
    "page",
    [
        b'<a href="/other?id=5">',
        b'<a href="https://elsewhere.example/orders/view?id=5">',
        b'<a href="mailto:a@b.example?id=5">',
        b'<a href="/orders/view?page=5">',
        b'<a href="/orders/view">',
        b'<!-- <a href="/orders/view?id=5"> -->',
        b"<script>x = '<a href=\"/orders/view?id=5\">'</script>",
        b'<abbr href="/orders/view?id=5">',
        b'<a href="/orders/view?id=5',
    ],
)
def test_other_links_stay(page: bytes) -> None:
    assert signed(page) == page


def test_a_former_secret_is_accepted_another_is_not() -> None:
    target = followed(b'<a href="/orders/view?id=5">')
    newer = Links(LinkGuard(names=("id",), paths=("/orders/",), secret="x" * 32, previous=(SECRET,)))
    other = Links(LinkGuard(names=("id",), paths=("/orders/",), secret="x" * 32))
    assert broken(target, links=newer) is None
    assert broken(target, links=other) is not None


@given(st.data())
def test_pieces_make_no_difference(data: st.DataObject) -> None:
    part = st.sampled_from(
        [
            b'<a href="/orders/view?id=5">',
            b"<a x>",
            b"< ",
            b"a href=x>",
            b"<!--",
            b"-->",
            b"<form action='?id=1'>",
            b"text ",
            b'<a title="<script" href="/orders/view?id=6">',
            b"<a href='/orders/view?id=7' title='<a href=?id=8>'>",
        ]
    )
    page = b"".join(data.draw(st.lists(part, max_size=12)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(page)), max_size=6)))
    stream = LINKS.stream(b"/orders/", b"shop.example")
    pieces = [page[a:b] for a, b in zip([0, *cuts], [*cuts, len(page)], strict=True)]
    out = b"".join(stream.feed(piece) for piece in pieces) + stream.feed(b"", last=True)
    assert out == signed(page, b"/orders/")
