from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.config.policies import ErrorPages
from bascule.http.answers import HTML, JSON, TEXT, ErrorAnswers, Refs, preferred, reason

CHROME = b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
REF = "abcdefghijklmnop"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (CHROME, HTML),
        (b"text/html", HTML),
        (b"application/xhtml+xml", HTML),
        (b"application/json", JSON),
        (b"application/problem+json", JSON),
        (b"application/json, text/plain, */*", JSON),
        (b"Application/JSON;q=0.9, text/html;q=0.1", JSON),
        (b"text/html, application/json", HTML),
        (b"text/html;q=0, application/json;q=0.1", JSON),
        (b"text/plain", TEXT),
        (b"text/*;q=0.5, application/json;q=0.4", TEXT),
        (b"*/*", None),
        (b"image/png, */*;q=0.1", None),
        (b"text/html;q=0", None),
        (b"text/html;q=nan, application/json;q=1.5", None),
        (b"text/html;level=1;q=0.3, application/json ; q=0.5", JSON),
        (b"", None),
        (b";;,,=;q", None),
        (b"text/html," * 200, None),
        (b"\xff\x00", None),
    ],
)
def test_accept_decides(accept: bytes, content_type: bytes | None) -> None:
    assert preferred(accept) == content_type
    assert ErrorAnswers(ErrorPages()).render(503, REF, accept)[0] == (content_type or TEXT)


@given(st.binary(max_size=80) | st.text("texhml/*;q=0.1, json", max_size=60).map(str.encode))
def test_any_accept_gets_an_answer(accept: bytes) -> None:
    content_type, body = ErrorAnswers(ErrorPages()).render(404, REF, accept)
    assert content_type in (HTML, JSON, TEXT)
    assert REF.encode() in body


class Page(HTMLParser):
    """Collects the text and the tags with their attributes; complains about tags that do not match."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.attributes: list[tuple[str, str, str | None]] = []
        self.feed(body.decode())
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


@pytest.mark.parametrize("status", [400, 403, 404, 431, 451, 499, 500, 502, 503, 504, 599])
def test_own_page_is_complete_and_loads_nothing(status: int) -> None:
    content_type, body = ErrorAnswers(ErrorPages()).render(status, REF, CHROME)
    assert content_type == HTML
    page = Page(body)
    assert {"lang", "charset", "content"} <= {name for _, name, _ in page.attributes}
    assert not {"src", "href", "srcset", "action"} & {name for _, name, _ in page.attributes}
    assert b"url(" not in body
    assert b"@import" not in body
    assert b"{" not in re.sub(rb"<style>.*</style>", b"", body, flags=re.S)
    assert str(status) in page.text
    assert reason(status) in page.text
    assert f"Reference: {REF}" in " ".join(page.text.split())


@pytest.mark.parametrize("accept", [CHROME, b"application/json", b"*/*"])
def test_nothing_tells_what_runs_here(accept: bytes) -> None:
    told = rb"bascule|python|uvloop|upstream|origin|backend|version"
    for status in (*range(400, 418), 421, 429, 431, *range(500, 505)):
        body = ErrorAnswers(ErrorPages()).render(status, REF, accept)[1].lower()
        assert not re.search(told, body), status


def test_problem_details() -> None:
    content_type, body = ErrorAnswers(ErrorPages(contact='ops "x" {ref}')).render(503, REF, b"application/json")
    assert content_type == JSON
    problem = json.loads(body)
    assert problem["type"] == "about:blank"
    assert problem["title"] == "Service Unavailable"
    assert problem["status"] == 503
    assert problem["ref"] == REF
    assert problem["contact"] == 'ops "x" {ref}'


def test_plain_text() -> None:
    _, body = ErrorAnswers(ErrorPages(contact="ops\r\n@example.com")).render(404, REF)
    assert body.decode().splitlines() == [
        "404 Not Found",
        "There is nothing at this address. Check it for typing errors.",
        f"Reference: {REF}",
        "Contact: ops @example.com",
    ]


@pytest.mark.parametrize(
    ("contact", "expected"),
    [
        ("ops@example.com", ("a", "href", "mailto:ops@example.com")),
        ("https://status.example.com/?a=b&c", ("a", "href", "https://status.example.com/?a=b&c")),
        ("javascript:alert(1)", None),
        ('"><script>alert(1)</script>', None),
        ("{ref} {status}", None),
    ],
)
def test_contact_is_text_or_a_safe_link(contact: str, expected: tuple[str, str, str] | None) -> None:
    page = Page(ErrorAnswers(ErrorPages(contact=contact)).render(500, REF, CHROME)[1])
    assert f"Contact: {contact}" in page.text
    links = [attribute for attribute in page.attributes if attribute[1] == "href"]
    assert links == ([expected] if expected else [])


@pytest.mark.parametrize("accept", [CHROME, b"application/json", b"*/*"])
@pytest.mark.parametrize("ref", ["<script>", 'a"b', "a\r\nb", "é"])
def test_a_reference_cannot_break_out(ref: str, accept: bytes) -> None:
    body = ErrorAnswers(ErrorPages()).render(500, ref, accept)[1]
    assert ref.encode() not in body
    assert b"<script" not in body


def own_pages(**pages: bytes) -> ErrorAnswers:
    files = {f"/{name}": content for name, content in pages.items()}
    errors = ErrorPages.model_construct(pages={name.strip("_"): f"/{name}" for name in pages}, contact="<ops>")
    return ErrorAnswers(errors, read=files.__getitem__)


def test_own_pages_by_status_and_class() -> None:
    answers = own_pages(_503=b"{status} {reason} {ref} {ref} {contact} \xff", _5XX=b"class {status}", _4xx=b"four")
    assert answers.render(503, REF, CHROME) == (
        HTML,
        b"503 Service Unavailable %b %b &lt;ops&gt; \xff" % (REF.encode(), REF.encode()),
    )
    assert answers.render(502, REF, CHROME)[1] == b"class 502"
    assert answers.render(404, REF, CHROME)[1] == b"four"
    assert answers.render(503, REF, b"*/*")[0] == HTML
    assert answers.render(503, REF, None)[0] == HTML
    assert answers.render(503, REF, b"application/json")[0] == JSON
    assert answers.render(503, REF, b"text/plain")[0] == TEXT
    assert answers.render(301, REF, None)[0] == TEXT


def test_an_empty_own_page_is_an_own_page() -> None:
    assert own_pages(_500=b"").render(500, REF, None) == (HTML, b"")


def test_a_page_that_cannot_be_read_leaves_the_built_in_one() -> None:
    def read(_path: str) -> bytes:
        raise FileNotFoundError

    errors = ErrorPages.model_construct(pages={"500": "/gone"}, contact="")
    assert b"Internal Server Error" in ErrorAnswers(errors, read).render(500, REF, CHROME)[1]


def test_reasons_are_those_of_rfc_9110() -> None:
    assert reason(413) == "Content Too Large"
    assert reason(404) == "Not Found"
    assert reason(499) == "Request Refused"
    assert reason(599) == "Server Error"


def test_refs_are_unique_short_and_url_safe() -> None:
    makers = [Refs(worker) for worker in range(4)]
    refs = [maker.new() for _ in range(5000) for maker in makers]
    assert len(set(refs)) == len(refs)
    assert all(re.fullmatch("[a-z2-7]{16}", ref) for ref in refs)


def test_refs_differ_even_when_the_randomness_repeats() -> None:
    """Worker and counter alone keep the ids of one process apart."""
    one, two = (Refs(worker, random=lambda count: b"\x07" * count) for worker in (1, 2))
    refs = [maker.new() for _ in range(70_000) for maker in (one, two)]
    assert len(set(refs)) == len(refs)


def test_refs_carry_forty_fresh_random_bits() -> None:
    drawn: list[int] = []

    def random(count: int) -> bytes:
        drawn.append(count)
        return bytes(range(count))

    refs = Refs(5, random)
    raw = base64.b32decode(refs.new().upper())
    assert drawn == [6, 5]
    assert raw[0] == 5
    assert raw[5:] == bytes(range(5))
