"""A full profile: what goes, what stays, and what that costs."""

from __future__ import annotations

import random
from typing import Any

import pytest

from bascule.waf.profile import model
from bascule.waf.profile.model import MAX_LEARNED, MAX_METHODS, MAX_PARAMETERS, MAX_PLACES, Learner, Profile
from bascule.waf.profile.observation import Observation, Trait


def seen(path: str, client: str, method: str = "GET", names: tuple[str, ...] = ()) -> Observation:
    traits = tuple(Trait(f"query:{name}", ("text",), 3, 2) for name in names)
    return Observation("shop.example", client, method, path, "", traits)


def word(number: int) -> str:
    """A name of letters, each the only one in its folder: it never becomes a template."""
    return "".join(chr(97 + int(digit)) for digit in str(number))


def invented(number: int, depth: int = 3) -> str:
    return f"/{word(number // 30)}x/{word(number)}" + "/z" * (depth - 2)


def places(learner: Learner) -> set[str]:
    return {path for path, _ in learner.profile.places()}


def size(learner: Learner) -> int:
    waiting, count = [learner.profile.root], 0
    while waiting:
        count += 1
        waiting += waiting.pop().children.values()
    return count


def filled(clients: int, by: str = "evil") -> Learner:
    learner = Learner(Profile("shop.example"), clients)
    number = 0
    while size(learner) < MAX_PLACES - 3:
        learner.learn(seen(invented(number), by), 1.0)
        number += 1
    return learner


def test_what_is_learned_in_a_full_tree_is_in_it() -> None:
    learner = filled(clients=3)
    for number in range(400):
        path = f"/new{word(number)}/a/b/c/d"
        learned = learner.learn(seen(path, "a", names=("q",)), 2.0)
        assert learned == (path in places(learner))
        assert learned
        assert size(learner) == learner._nodes <= MAX_PLACES


def test_a_place_that_has_to_stay_keeps_what_it_has_learned() -> None:
    learner = Learner(Profile("shop.example"), 3)
    for client in "abc":
        assert learner.learn(seen("/shop/cart", client), 1.0)
    assert learner.learn(seen("/shop", "d"), 1.0)
    for number in range(MAX_PLACES):
        for client in "ab":  # of what is not confirmed, all else was shown by more
            learner.learn(seen(invented(number), client), 2.0)
    assert learner.profile.root.children["shop"].operations["GET"].clients == [learner.hash_of("d")]


def test_who_invents_places_loses_his_own() -> None:
    learner = Learner(Profile("shop.example"), 3)
    for number in range(30):
        for client in ("a", "b")[: 1 + number % 2]:
            assert learner.learn(seen(f"/shop/page{word(number)}/view", f"{client}{number}"), 1.0)
    honest = places(learner)
    for number in range(2 * MAX_PLACES):
        learner.learn(seen(invented(number), "evil"), 2.0)
    assert honest <= places(learner)
    assert size(learner) <= MAX_PLACES


def test_many_clients_and_paths_keep_the_bound_and_the_count() -> None:
    chance = random.Random(7)
    learner = Learner(Profile("shop.example"), 3)
    for step in range(12_000):
        path = "/" + "/".join(word(chance.randrange(25)) for _ in range(chance.randrange(1, 6)))
        names = tuple(f"p{chance.randrange(60)}" for _ in range(3))
        learner.learn(seen(path, f"c{chance.randrange(40)}", chance.choice(("GET", "POST")), names), float(step))
        if step % 500 == 0:
            assert size(learner) == learner._nodes <= MAX_PLACES
            counted = sum(len(o.parameters) for _, node in learner.profile.places() for o in node.operations.values())
            assert counted == learner._parameters <= MAX_LEARNED
    again = Profile.from_json(learner.profile.to_json())
    assert again == learner.profile


def test_who_invents_parameters_loses_his_own() -> None:
    learner = Learner(Profile("shop.example"), 3)
    for client in ("a", "b"):
        learner.learn(seen("/search", client, names=("q", "page")), 1.0)
    for number in range(0, 4 * MAX_PARAMETERS, 64):
        learner.learn(seen("/search", "evil", names=tuple(f"x{n}" for n in range(number, number + 64))), 1.0)
    operation = learner.profile.root.children["search"].operations["GET"]
    assert {"query:q", "query:page"} <= set(operation.parameters)
    assert not operation.open
    assert len(operation.parameters) <= MAX_PARAMETERS
    for number in range(MAX_LEARNED // 50):
        learner.learn(seen(f"/{word(number)}/y", "evil", names=tuple(f"y{n}" for n in range(100))), 1.0)
    learner.learn(seen("/search", "c", names=("q", "page")), 1.0)
    assert len(operation.parameters["query:q"].clients) == 3
    assert learner._parameters <= MAX_LEARNED


def test_who_invents_methods_leaves_room_for_those_of_others() -> None:
    learner = Learner(Profile("shop.example"), 2)
    for number in range(3 * MAX_METHODS):
        learner.learn(seen("/cart", "evil", f"M{word(number)}"), 1.0)
    for client in ("a", "b"):
        assert learner.learn(seen("/cart", client, "POST", ("item",)), 2.0)
        learner.learn(seen("/cart", "evil", f"N{client}"), 2.0)
    operations = learner.profile.root.children["cart"].operations
    assert len(operations) <= MAX_METHODS
    assert len(operations["POST"].clients) == 2


def test_a_tree_of_confirmed_places_is_not_walked_for_each_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = filled(clients=1)
    before = places(learner)
    walks: list[int] = []
    drop: Any = model.drop_places

    def counted(*arguments: Any) -> int:
        found: int = drop(*arguments)
        walks.append(found)
        return found

    monkeypatch.setattr(model, "drop_places", counted)
    for number in range(500):
        assert not learner.learn(seen(f"/late{word(number)}/a/b/c/d", "a"), 2.0)
    assert before == places(learner)
    assert len(walks) < 10
    assert size(learner) == learner._nodes
