"""The sketch of who is refused most: bounded, and never wrong about the largest."""

from __future__ import annotations

import random
from collections import Counter

from bascule.defence.hitters import PLACES, SHOWN, HitterBoard, Hitters


def test_the_largest_of_a_crowd() -> None:
    hitters, rng = Hitters(), random.Random(7)
    heavy = [b"203.0.113.%d" % number for number in range(8)]
    crowd = [b"10.%d.%d.%d" % (number >> 16, number >> 8 & 255, number & 255) for number in range(50_000)]
    for number, client in enumerate(crowd):
        hitters.add(client)
        if number % 4 == 0:
            hitters.add(rng.choice(heavy))
    assert len(hitters._counts) == PLACES
    top = hitters.every_second()
    assert top
    assert {client.encode() for client, _ in top[:8]} == set(heavy)
    assert len(top) == SHOWN


def test_no_count_is_less_than_the_true_one_and_their_sum_is_what_came() -> None:
    """Metwally et al. 2005, lemmas 3.1 and 3.2: whoever is not counted came no more often than the smallest count."""
    hitters, rng, came = Hitters(), random.Random(3), Counter[bytes]()
    for _ in range(5_000):
        client = b"10.0.0.%d" % min(int(rng.expovariate(1 / 80)), 400)
        came[client] += 1
        hitters.add(client)
    counts = hitters._counts
    assert sum(counts.values()) == 5_000
    assert all(count >= came[client] for client, count in counts.items())
    assert max(number for client, number in came.items() if client not in counts) <= min(counts.values())


def test_counts_fade() -> None:
    hitters = Hitters()
    assert hitters.every_second() is None
    for _ in range(100):
        hitters.add(b"203.0.113.1")
    assert hitters.every_second() == [("203.0.113.1", 20.0)]
    seconds = 0
    while hitters.every_second():
        seconds += 1
    assert 15 < seconds < 25
    assert hitters.every_second() is None, "the end of it was told once"


def test_workers_together() -> None:
    now = 100.0
    board = HitterBoard(lambda: now)
    board.hear("", [0, [["a", 5.0], ["b", 1.0]]])
    board.hear("", [1, [["b", 6.0]]])
    assert board.top() == [("b", 7.0), ("a", 5.0)]
    now += 10.0
    assert board.top() == []
