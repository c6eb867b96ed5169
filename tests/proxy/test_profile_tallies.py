"""What a worker tells the keeper of requests that it judged: by method, and of distinct clients."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from bascule.config.profile import WafProfile
from bascule.proxy.profiles import MAX_TOLD, Profiles
from bascule.waf.profile.inspector import Held
from bascule.waf.profile.usual import usual_of
from tests.waf.profile.world import World, request


def test_one_client_crowds_out_no_other_and_methods_are_told_apart() -> None:
    world = World()
    world.learn([request("/item?id=1"), request("/item", "POST", b"id=1")])
    usual = {"shop.example": usual_of(world.learner.profile, 1, 1).prepared()}
    told: list[Any] = []
    defence = SimpleNamespace(ipv4_prefix=32, ipv6_prefix=64)
    plan: Any = SimpleNamespace(config=SimpleNamespace(defence=defence))
    profiles = Profiles(plan, usual, lambda topic, payload: told.append(payload))
    found = profiles.of_route(
        "shop.example",
        cast(Any, SimpleNamespace(waf=SimpleNamespace(mode="block", profile=WafProfile(stage="shadow")))),
    )
    assert found is not None

    odd = {
        method: cast(Held, world.judge(request("/item?id=%3Cb%3E%3B%26%7C", method), stage="shadow").profile)
        for method in ("GET", "POST")
    }
    for _ in range(3 * MAX_TOLD):
        profiles.tally(found, odd["GET"], b"192.0.2.66")
    for number in range(3):
        profiles.tally(found, odd["GET"], b"192.0.2.%d" % number)
    profiles.tally(found, odd["POST"], b"192.0.2.9")
    profiles.every_second()

    tallies = {place: (judged, deviating, clients) for _, place, judged, deviating, clients, _ in told[0]["tallies"]}
    several = ["192.0.2.66", "192.0.2.0", "192.0.2.1", "192.0.2.2"]
    assert tallies == {"GET /item": (3 * MAX_TOLD + 3, 3 * MAX_TOLD + 3, several), "POST /item": (1, 1, ["192.0.2.9"])}
