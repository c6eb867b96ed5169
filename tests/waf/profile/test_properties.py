"""Whatever is learned from is not refused afterwards, however places were generalised meanwhile."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bascule.waf.profile.traits import MEMBERS, traits_of
from tests.waf.profile.world import FORM, Request, World

SEGMENT = st.one_of(
    st.sampled_from(["item", "cart", "", "v1", "index.html", "{int}", "{name}"]),
    st.from_regex(r"[a-z]{1,3}-[0-9]{1,2}(\.png)?", fullmatch=True),
    st.integers(0, 10**6).map(str),
    st.uuids().map(str),
    st.text("abcdef0123456789", min_size=1, max_size=90),
)
PATH = st.lists(SEGMENT, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
PART = st.text(st.characters(codec="ascii", exclude_characters="&=?#+% \r\n\0;"), max_size=12)
PAIRS = st.lists(st.tuples(PART, PART), max_size=4).map(lambda pairs: "&".join(f"{n}={v}" for n, v in pairs))
BODY = st.one_of(st.just(b""), PAIRS.map(str.encode), st.binary(max_size=40))


@st.composite
def some_request(draw: st.DrawFn) -> Request:
    query = draw(PAIRS)
    body = draw(BODY)
    kind = draw(st.sampled_from([FORM, b"application/json", b"text/x"])) if body else b""
    method = draw(st.sampled_from(["GET", "POST", "PUT"]))
    return method, draw(PATH) + (f"?{query}" if query else ""), kind, body, draw(st.sampled_from(["", "/", "/item/1"]))


WORLD = World()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(some_request(), min_size=1, max_size=40), st.integers(1, 3))
def test_nothing_learned_is_unusual(requests: list[Request], clients: int) -> None:
    world = World.__new__(World)
    world.__dict__.update(WORLD.__dict__, clients=clients)
    from bascule.waf.profile.model import Learner, Profile

    world.learner = Learner(Profile("shop.example"), clients)
    world.learn(requests, [f"client {n}" for n in range(clients)])
    for each in requests:
        assert world.points(each) == 0, each


@given(st.binary(max_size=200))
def test_alphabet_covers_the_value(value: bytes) -> None:
    traits = traits_of(value)
    allowed = b"".join(MEMBERS[n] for n in range(len(MEMBERS)) if traits.alphabet >> n & 1)
    assert not value.translate(None, allowed)
    assert len(value) <= (1 << traits.bits) - 1
