"""What a profile adds: how much it finds of what no rule knows, what that costs honest clients, and who can spoil it."""

from __future__ import annotations

from tests.waf.profile.traffic import learned, rates


def test_a_profile_finds_what_no_rule_knows_and_spares_honest_clients() -> None:
    found = rates(learned())
    assert found.rules <= 30.0, "else it would not be unknown"
    assert found.profile >= 90.0
    assert found.honest <= 0.5
    assert found.shadow == 0.0


def test_fewer_clients_than_needed_teach_nothing_however_much_they_send() -> None:
    assert rates(learned(poison=4)) == rates(learned())
