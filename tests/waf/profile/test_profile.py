"""What is learned of a site and what is then unusual, without any process."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote_to_bytes

import msgspec
import pytest

from bascule.waf import body, processors
from bascule.waf.logic import body_values
from bascule.waf.logic.facts import facts_of
from bascule.waf.logic.values import Value
from bascule.waf.policy import Exclusion
from bascule.waf.profile import fields
from bascule.waf.profile.drift import SILENCE, Drift
from bascule.waf.profile.model import MAX_KEPT, MAX_LEARNED, MAX_PARAMETERS, MAX_PLACES, Learner, Profile, ProfileError
from bascule.waf.profile.paths import template_of
from bascule.waf.profile.traits import kind_of
from bascule.waf.profile.usual import from_plain, usual_of
from tests.waf.profile.world import World, request, rules

FEW = ("a", "b", "c")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (b"", "empty"), (b"0", "integer"), (b"-17", "integer"), (b"1.5", "decimal"), (b"true", "boolean"),
        (b"Off", "boolean"), (b"123e4567-e89b-12d3-a456-426614174000", "uuid"), (b"2026-01-31", "date"),
        (b"2026-01-31T10:00:00Z", "date"), (b"a.b@example.com", "email"), (b"word", "text"), (b"1e5", "text"),
        (b"9" * 20, "text"), (b"1" * 65, "text"), ("é".encode(), "text"),
    ],
)  # fmt: skip
def test_kinds(value: bytes, kind: str) -> None:
    assert kind_of(value) == kind


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/", "/"), ("/a/b", "/a/b"), ("/a/", "/a/"), ("/items/17", "/items/{int}"), ("/a;v=1/b", "/a/b"),
        ("/o/123e4567-e89b-12d3-a456-426614174000/x", "/o/{uuid}/x"), ("/d/2026-01-31", "/d/{date}"),
        ("/f/0123456789abcdef", "/f/{hex}"), ("/f/decade", "/f/decade"), ("/x/" + "y" * 81, "/x/{name}"),
        ("/x/" + "y" * 81 + ".PNG", "/x/{name}.png"), ("/".join(["", *"abcdefghijklmnopqr"]), "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/{rest}"),
    ],
)  # fmt: skip
def test_templates(path: str, template: str) -> None:
    assert template_of(Profile("x").root, path) == template


def test_names_become_data_when_there_are_many() -> None:
    world = World()
    world.learn(request(f"/articles/how-to-build-{n}-bridges") for n in range(12))
    world.learn(request(f"/img/p{n}-x.jpg") for n in range(12))
    world.learn(request(f"/{word}") for word in ("cart", "login", "about"))
    places = {path for path, _ in world.learner.profile.places()}
    assert places == {"/articles/{name}", "/img/{name}.jpg", "/cart", "/login", "/about"}
    assert world.learner.profile.root.children["articles"].children["{name}"].operations["GET"].count == 12


def test_no_client_can_name_a_template() -> None:
    world = World()
    world.learn([request("/item/{name}"), request("/item/shoes"), request("/item/{int}")])
    places = {path for path, _ in world.learner.profile.places()}
    assert places == {"/item/%7Bname}", "/item/shoes", "/item/%7Bint}"}
    assert world.points(request("/item/{name}")) == 0


LEARNED = [request("/item?id=17"), request("/item?id=4"), request("/item?id=903")]
FORMS = [
    request("/login", "POST", b"user=ann&password=Sesame17"),
    request("/login", "POST", b"user=bob.b&password=x-Y_zzzzzzz"),
]


@pytest.mark.parametrize(
    ("what", "least", "most"),
    [
        (request("/item?id=12"), 0, 0),
        (request("/item?id="), 0, 0),
        (request("/item?id=12345"), 0, 0),  # a bit longer is nothing
        (request("/item?id=abc"), 4, 4),
        (request("/item?id=1'"), 6, 6),
        (request("/item?id=" + "%7B%25" * 150), 12, 99),
        (request("/item?id=1&id=2"), 2, 2),
        (request("/item?id=1&debug=1"), 2, 2),
        (request("/item?id=1&cmd=%3Bx"), 5, 5),
        (request("/item"), 2, 2),
        (request("/item?id=3", "DELETE"), 5, 5),
        (request("/item?id=3", "HEAD"), 0, 0),
        (request("/item?id=1'", "HEAD"), 6, 6),
        (request("/nowhere?x='"), 0, 0),
        (request("/login", "POST", b"user=eve&password=Sesame18"), 0, 0),
        (request("/login", "POST", b"user=eve&password=a%00b"), 5, 5),
        (request("/login", "POST", b'{"user":"eve"}', b"application/json"), 5, 12),
        (request("/login", "POST", b"user=o'brien&password=x"), 3, 3),
    ],
)
def test_points(what: tuple[str, str, bytes, bytes, str], least: int, most: int) -> None:
    world = World(clients=3)
    world.learn(LEARNED + FORMS, FEW)
    assert least <= world.points(what) <= most


def test_one_client_widens_nothing() -> None:
    world = World(clients=3)
    world.learn(LEARNED, FEW)
    before = usual_of(world.learner.profile, 3, 1)
    world.learn([request("/item?id=%27%3B--" + "x" * 500 + str(n)) for n in range(300)], ["evil"])
    world.learn([request("/item?id=1&x=%3C", "PUT") for n in range(300)], ["evil"])
    assert usual_of(world.learner.profile, 3, 1) == before
    assert world.judge(request("/item?id=%27%3B--")).verdict is not None
    world.learn(request("/item?id=a"), ["c", "d", "e"])
    assert world.judge(request("/item?id=b")).verdict is None


def test_one_client_makes_no_data_of_names() -> None:
    world = World(clients=3)
    world.learn([request("/cart?id=1", referer="/item"), request("/cart", "POST", b"n=1", referer="/item")], FEW)
    before = usual_of(world.learner.profile, 3, 1)
    world.learn([request(f"/cart?x{n}=1", referer=f"/p{'q' * n}") for n in range(MAX_PARAMETERS + 2)], ["evil"])
    world.learn([request("/cart", "POST", b"{}", b"text/x%d" % n) for n in range(MAX_KEPT + 2)], ["evil"])
    assert usual_of(world.learner.profile, 3, 1) == before
    world.learn([request(f"/elsewhere-{n}?y{n}=1") for n in range(4)], FEW)
    world.learner._parameters = MAX_LEARNED  # as if that client had been to many places
    world.learn(request("/cart?id=1&z=1"), FEW)
    assert world.points(request("/cart?id=1&z=1", referer="/item")) == 0
    assert world.points(request("/cart?id=1&cmd=1", referer="/item")) == 2
    for n in range(MAX_PARAMETERS + 2):
        world.learn(request(f"/cart?x{n}=1", referer="/item"), [f"client {n}"])
    assert world.points(request("/cart?id=1&cmd=1", referer="/item")) == 0, "names that many clients invent are data"


def test_many_slight_differences_hide_no_grave_one() -> None:
    world = World(clients=3)
    world.learn(request("/list?id=ab&id=cd", "POST", b"user=ann"), FEW)
    slight = "&".join(["id=A"] * 20)
    assert world.points(request("/list?" + slight, "POST", b"user=bob")) == 1
    grave = request("/list?" + slight, "POST", b"user=a%00%27%3B")
    t = world.judge(grave)
    assert t.verdict is not None
    assert t.fired[0].evidence[0].name == b"ARGS_POST:user"
    assert t.profile is not None
    assert t.profile.told().startswith("user: with ")


def test_long_names_are_not_remembered() -> None:
    names = [b"n%d" % n + b"x" * 10_000 for n in range(50)]
    for name in names:
        fields.key_of(Value("body", name, b""))
    assert sum(len(name) for _, name in fields._keys) < 100 * len(fields._keys) + 10_000


def test_one_client_makes_no_data_of_places() -> None:
    world = World(clients=3)
    world.learn([request("/cart?id=1"), request("/item?id=2")], FEW)
    world.learn([request(f"/x-{n}") for n in range(200)], ["evil"])
    assert world.points(request("/cart?id=x%27")) == 7
    world.learn([request(f"/y-{n}", referer="/") for n in range(20)], FEW)
    places = {path for path, _ in world.learner.profile.places()}
    assert {"/cart", "/item", "/{name}"} <= places


def test_refusal_is_told_in_words_and_excluded_where_said() -> None:
    world = World(clients=3)
    world.learn(LEARNED, FEW)
    t = world.judge(request("/item?id=" + "%7B%25z" * 100))
    assert t.verdict is not None
    assert (t.verdict.status, t.verdict.rule_id) == (403, 722001)
    (fired,) = t.fired
    assert b"text, usually integer, 300 bytes long, usually up to 3" in fired.logdata
    assert fired.evidence[0].name == b"ARGS_GET:id"

    excluded = World(clients=3, exclusions=(Exclusion(("722001",), "/item", "ARGS:id"),))
    excluded.learn(LEARNED, FEW)
    # exclusions are rules of their own, which run when the head is judged
    assert excluded.judge(request("/item?id=abcdefghijklmnopqrst")).verdict is None
    assert excluded.judge(request("/item?id=3", "DELETE")).verdict is not None


@pytest.mark.parametrize(("stage", "mode"), [("shadow", "block"), ("enforced", "detect")])
def test_shadow_and_detect_refuse_nothing(stage: str, mode: str) -> None:
    world = World(clients=3, mode=mode)
    world.learn(LEARNED, FEW)
    t = world.judge(request("/item?id=3", "DELETE"), stage)
    assert t.verdict is None
    assert rules(t) == [722003]
    assert (t.would is not None) == (mode == "detect")
    assert world.judge(request("/item?id=%27%22"), "learning").profile is None


def test_odd_values_are_judged_more_strictly_and_inert_ones_less() -> None:
    world = World(clients=3)
    world.learn([request("/find?q=red+shoes"), request("/find?q=blue+Hats+2")], FEW)

    def bias(text: str, stage: str = "enforced") -> int:
        held = world.judge(request(f"/find?q={text}"), stage, limit=50).profile
        assert held is not None
        return held.bias(Value("query", b"q", unquote_to_bytes(text)))

    assert bias("1%20order%20by%203") == -25
    assert bias("x%27%20like%20%27y") == 36
    assert bias("%7B%7D%5B%5D%27") == 60
    assert bias("x%27", "shadow") == 0
    text = weak(world)
    found = world.judge(request(f"/find?q={quote(text)}"), limit=50)
    assert found.verdict is not None, "what reaches no threshold by itself is found where it is odd"
    assert not rules(world.judge(request(f"/elsewhere?q={quote(text)}"), limit=50))
    assert not rules(world.judge(request(f"/find?q={quote(text)}"), "shadow", limit=50))


def weak(world: World) -> bytes:
    """Return a text that has half of the points of some family, and not enough of any."""
    assert world.waf.logic is not None
    logic = world.waf.logic._logic
    texts = [b"{{7}}", b"1' order by 3", b"{{a.b}}", b"${x.y}", b"a' or", b"'+'", b"*)(uid=*", b"../x;", b"' and '", b"`x`",
             b"<b onx=1>", b"| ls", b"' union", b"$(a)", b"%0d%0aset-cookie", b"{$gt:1}", b"a;ls;"]  # fmt: skip
    for text in texts:
        shares = [points / threshold for _, points, threshold, _ in logic.points(facts_of(text, "query"))]
        if shares and 0.5 <= max(shares) < 1:
            return text
    pytest.fail("none of these is weak any more: find others")


def test_pages_before_and_unknown_paths() -> None:
    world = World(clients=3)
    world.learn([request("/cart", referer="/item/3"), request("/item/4")], FEW)
    assert world.points(request("/cart", referer="/item/999")) == 0
    assert world.points(request("/cart")) == 2
    assert world.points(request("/cart", referer="/blog")) == 1
    assert world.points(request("/item/7")) == 0
    t = world.judge(request("/admin"), unknown=True)
    assert rules(t) == [722007]
    assert world.judge(request("/admin")).verdict is None


def test_json_lists_are_one_parameter() -> None:
    world = World()
    kind = b"application/json"
    world.learn(request("/api", "POST", b'{"items":[{"id":1},{"id":2}],"name":"x"}', kind))
    assert world.points(request("/api", "POST", b'{"items":[{"id":3},{"id":4},{"id":5}],"name":"y"}', kind)) == 0
    assert world.points(request("/api", "POST", b'{"items":[{"id":3},{"id":"\'; x"}],"name":"y"}', kind)) >= 5


def test_file_survives_and_refuses_other_formats() -> None:
    world = World(clients=3)
    world.learn(LEARNED + FORMS, FEW)
    profile = world.learner.profile
    again = Profile.from_json(profile.to_json())
    assert again == profile
    usual = usual_of(profile, 3, 1)
    assert from_plain(msgspec.json.decode(msgspec.json.encode(usual))) == usual.prepared()
    with pytest.raises(ProfileError, match="format 99"):
        Profile.from_json(profile.to_json().replace(b'"format":1', b'"format":99'))
    with pytest.raises(ProfileError, match="not a profile"):
        Profile.from_json(b"{")
    assert Learner(again, 3).forget("/item") == 1
    assert Learner(again, 3).forget("/item") == 0


def test_memory_is_bounded_and_the_unconfirmed_make_room() -> None:
    world = World(clients=2)
    world.learn([request("/shop/cart"), request("/shop/item")], ("a", "b"))
    seen = world.observation(request("/x"))
    for n in range(2 * MAX_PLACES):
        segment = "".join(chr(97 + int(digit)) for digit in str(n))
        world.learner.learn(msgspec.structs.replace(seen, path=f"/{segment}/{segment}/y", client="evil"), 1.0)
    places = [path for path, _ in world.learner.profile.places()]
    assert len(places) <= MAX_PLACES
    assert {"/shop/cart", "/shop/item"} <= set(places)


def test_drift_needs_many_clients_and_is_told_once() -> None:
    drift = Drift(0.1, 3, 20)
    assert drift.add("GET /item", 100, 50, ["a"] * 50, ["long"], 0.0) is None
    alarm = drift.add("GET /item", 10, 5, ["b", "c"], ["long"], 1.0)
    assert alarm is not None
    assert "55 of 110 requests" in alarm.text()
    assert drift.add("GET /item", 10, 10, ["d"], [], 2.0) is None
    assert drift.add("GET /item", 100, 100, ["a", "b", "c"], ["x"], SILENCE + 3.0) is not None
    assert drift.add("GET /other", 100, 9, ["a", "b", "c"], [], 3.0) is None


def _counted(calls: list[str], name: str, call: Any) -> Any:
    def counted(*arguments: Any, **named: Any) -> Any:
        calls.append(name)
        return call(*arguments, **named)

    return counted


def test_a_body_is_parsed_once_for_the_profile_and_the_logical_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for module, name in (
        (processors, "parse_json"), (fields, "parse_json"), (fields, "json_leaves"), (body_values, "json_lines"),
        (body_values, "json_leaves"), (body, "MultipartParser"), (body_values, "parse_multipart"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, _counted(calls, name, getattr(module, name)))
    world = World()
    form = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n%b\r\n--b--\r\n'
    for kind, text, parser in (
        (b"application/json", b'{"a": "%b"}', "parse_json"),
        (b"multipart/form-data; boundary=b", form, "MultipartParser"),
    ):
        world.learn(request("/a", "POST", text % b"word", kind))
        calls.clear()
        assert 722_001 in rules(world.judge(request("/a", "POST", text % b"$|;{}", kind)))
        assert calls == [parser]
