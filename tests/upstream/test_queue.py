"""Connection limits over all workers, and the queue of those who wait: order, fairness, cancellation."""

from __future__ import annotations

import time
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.upstream.pool import Outcome, ServerState, Ticket, Unavailable
from bascule.upstream.slots import TURN
from bascule.upstream.waiting import Pace
from tests.upstream.support import FACTS, Harness


def limited(limit: int, servers: int = 1, workers: int = 1, **config: object) -> Harness:
    members = [{"address": f"10.0.0.{n}:80", "max_connections": limit} for n in range(1, servers + 1)]
    return Harness(members, workers=workers, **config)


class Waiters:
    """Requests that wait; `served` tells who got a server, in order."""

    def __init__(self, harness: Harness, worker: int = 0) -> None:
        self.pool = harness.workers[worker]
        self.served: list[str] = []
        self.results: list[ServerState | Unavailable] = []

    def join(self, name: str) -> Ticket | None:
        def wake() -> None:
            self.served.append(name)
            self.results.append(self.pool.pick(FACTS))

        return self.pool.enqueue(wake)


def end(harness: Harness, server: ServerState, worker: int = 0) -> None:
    harness.workers[worker].release(server, Outcome.OK, 0.01)


@pytest.mark.parametrize("balance", ["round-robin", "least-connections", "least-time", "random-two", "hash"])
@pytest.mark.parametrize("workers", [1, 3])
def test_the_limit_holds_over_all_workers(balance: str, workers: int) -> None:
    harness = limited(4, servers=3, workers=workers, balance=balance)
    got = [harness.workers[number % workers].pick(FACTS) for number in range(20)]
    assert sum(isinstance(server, ServerState) for server in got) == 12
    for number in (1, 2, 3):
        assert sum(harness.server(number, worker).active for worker in range(workers)) == 4


@pytest.mark.parametrize("balance", ["round-robin", "hash"])
def test_a_large_pool_at_its_limit_says_so_quickly(balance: str) -> None:
    """No work that grows with the square of the servers: an overload would feed on it."""
    harness = limited(1, servers=250, balance=balance)
    for server in harness.pool.servers:
        server.active = 1
    start = time.process_time()
    for _ in range(20):
        assert harness.unavailable() is Unavailable.FULL
    assert time.process_time() - start < 0.2


def test_who_waits_is_served_in_order() -> None:
    harness = limited(1)
    waiters = Waiters(harness)
    server = harness.pick()
    for name in "abc":
        assert waiters.join(name)
    for expected in ("a", "ab", "abc"):
        end(harness, server)
        assert "".join(waiters.served) == expected
    assert waiters.results == [server] * 3


def test_newcomers_do_not_overtake() -> None:
    harness = limited(2)
    waiters = Waiters(harness, 0)
    server = harness.pick()
    harness.pick()
    waiters.join("a")
    server.active -= 1  # a slot is free, but its waiter was not woken yet
    harness.flags.set_active(0, 0, server.active)
    assert harness.unavailable() is Unavailable.FULL
    harness.advance(0.1)
    assert waiters.served == ["a"]


def test_cancelled_tickets_are_passed_over() -> None:
    harness = limited(1)
    waiters = Waiters(harness)
    server = harness.pick()
    tickets = [waiters.join(name) for name in "abcd"]
    for index in (0, 2):
        ticket = tickets[index]
        assert ticket is not None
        ticket.cancel()
        ticket.cancel()
    end(harness, server)
    end(harness, server)
    assert waiters.served == ["b", "d"]
    assert len(harness.pool._line) == 0


def test_the_queue_is_bounded_and_cancelling_makes_room() -> None:
    harness = limited(1, max_queue=2)
    waiters = Waiters(harness)
    harness.pick()
    first = waiters.join("a")
    assert first
    assert waiters.join("b")
    assert waiters.join("c") is None
    first.cancel()
    assert waiters.join("c")


def test_a_storm_of_cancellations_keeps_the_queue_small() -> None:
    harness = limited(1, max_queue=4)
    waiters = Waiters(harness)
    harness.pick()
    for _ in range(1000):
        ticket = waiters.join("x")
        assert ticket is not None
        ticket.cancel()
    assert len(harness.pool._line._lines[0]) < 40


def test_no_queue_at_all() -> None:
    harness = limited(1, max_queue=0)
    harness.pick()
    assert harness.pool.enqueue(lambda: None) is None


def test_a_slot_freed_by_another_worker_wakes_at_the_next_tick() -> None:
    harness = limited(1, workers=2)
    waiters = Waiters(harness, 0)
    server = harness.pick(worker=1)
    assert harness.unavailable() is Unavailable.FULL
    waiters.join("a")
    harness.advance(0.1)
    assert waiters.served == []
    end(harness, server, worker=1)
    harness.advance(0.1)
    assert waiters.served == ["a"]
    assert waiters.results == [harness.server(1)]


def test_who_waits_at_one_worker_is_not_starved_by_those_at_another() -> None:
    """Who ends a request is the first to know that a slot is free; it takes its even share, and leaves the rest."""
    harness = limited(4, workers=2)
    theirs = Waiters(harness, 1)
    server = harness.server(1)
    mine = Waiters(harness, 0)
    for _ in range(4):
        harness.pick()
    for number in range(20):
        mine.join(f"mine {number}")
        assert theirs.join(f"theirs {number}")
    for _ in range(15):
        for worker in (0, 1):
            if harness.server(1, worker).active:
                end(harness, harness.server(1, worker), worker)
        harness.advance(0.1)
        assert harness.server(1).active + harness.server(1, 1).active <= 4
    assert server.active == harness.server(1, 1).active == 2
    assert abs(len(mine.served) - len(theirs.served)) <= 4


@pytest.mark.parametrize(("limit", "workers"), [(1, 2), (2, 3), (1, 4)])
def test_a_limit_below_the_number_of_workers_goes_round(limit: int, workers: int) -> None:
    """Each has more to do than it can; whoever ends a request would always be the first to begin another."""
    harness = limited(limit, workers=workers)
    held = [(harness.pick(worker=worker), worker) for worker in range(limit)]
    waiters = [Waiters(harness, worker) for worker in range(workers)]
    for index in range(40 * workers):
        for waiting in waiters:
            waiting.join(str(index))
    seen: list[set[int]] = []
    for _ in range(20 * workers):
        for server, worker in held:
            end(harness, server, worker)
        harness.advance(0.1)
        held = []
        for worker, waiting in enumerate(waiters):
            held += [(found, worker) for found in waiting.results if isinstance(found, ServerState)]
            waiting.results.clear()
        assert len(held) <= limit
        seen.append({worker for _, worker in held})
    shares = [sum(worker in turn for turn in seen) for worker in range(workers)]
    assert min(shares) > sum(shares) / workers / 2, shares


def test_a_line_that_everybody_left_takes_no_share() -> None:
    harness = limited(4, workers=2)
    for _ in range(4):
        harness.pick()
    ticket = Waiters(harness, 1).join("gone")
    assert ticket
    ticket.cancel()
    harness.advance(0.1)
    end(harness, harness.server(1))
    assert harness.pick() is harness.server(1)


def test_some_go_before_others_and_have_a_bound_of_their_own() -> None:
    harness = limited(1, max_queue=2)
    pool, server, served = harness.pool, harness.pick(), []

    def join(name: str, first: bool) -> Ticket | None:
        return pool.enqueue(lambda: (served.append(name), pool.pick(FACTS)), first)  # type: ignore[func-returns-value]

    assert [bool(join(name, False)) for name in "abc"] == [True, True, False]
    tickets = [join(name, True) for name in "xyz"]
    assert [bool(ticket) for ticket in tickets] == [True, True, False]
    assert tickets[0]
    tickets[0].cancel()
    for _ in range(3):
        end(harness, server)
    assert served == ["y", "a", "b"]


def test_who_was_woken_in_vain_goes_back_to_the_head() -> None:
    harness = limited(1, workers=2)
    pool = harness.pool
    other = harness.pick(worker=1)
    served: list[str] = []

    def unlucky() -> None:
        harness.clock.now += TURN
        harness.pick(worker=1)  # the other worker is quicker
        assert pool.pick(FACTS) is Unavailable.FULL
        pool.enqueue(lambda: served.append("a"))

    pool.enqueue(unlucky)
    pool.enqueue(lambda: served.append("b"))
    end(harness, other, 1)
    harness.advance(0.1)
    assert served == []
    end(harness, other, 1)
    harness.advance(TURN)
    assert served[0] == "a"


def test_waiters_hear_when_all_is_down() -> None:
    harness = limited(1, outliers={"panic": 0})
    waiters = Waiters(harness)
    harness.pick()
    waiters.join("a")
    waiters.join("b")
    harness.down(1)
    harness.advance(0.1)
    assert waiters.results == [Unavailable.DOWN] * 2


def test_a_killed_worker_leaves_no_slots_taken() -> None:
    harness = limited(2, workers=2)
    for _ in range(2):
        harness.pick(worker=1)
    assert harness.unavailable() is Unavailable.FULL
    successor = type(harness.pool)(harness.plan, harness.board, 1, harness.clock, harness.pool._balancer._rng)  # type: ignore[attr-defined]
    assert harness.pick() is harness.server(1)
    assert isinstance(successor.pick(FACTS), ServerState)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["arrive", "end", "cancel"]), max_size=80))
def test_first_come_first_served_whatever_happens(events: list[str]) -> None:
    """A model: two slots and a list. The pool wakes exactly who the model says, in the same order."""
    harness = limited(2, max_queue=5)
    pool = harness.pool
    woken: list[int] = []
    model: deque[int] = deque()
    expected: list[int] = []
    tickets: dict[int, Ticket] = {}
    busy = 0
    for number, event in enumerate(events):
        if event == "arrive":
            found = pool.pick(FACTS)
            if busy < 2:
                assert isinstance(found, ServerState)
                busy += 1
                continue
            assert found is Unavailable.FULL
            ticket = pool.enqueue(lambda number=number: (woken.append(number), pool.pick(FACTS)))  # type: ignore[misc]
            assert (ticket is not None) == (len(model) < 5)
            if ticket:
                tickets[number] = ticket
                model.append(number)
        elif event == "end" and busy:
            pool.release(pool.servers[0], Outcome.OK, 0.01)
            if model:
                expected.append(model.popleft())
            else:
                busy -= 1
        elif event == "cancel" and model:
            number = model[len(model) // 2]
            model.remove(number)
            tickets[number].cancel()
        assert woken == expected
        assert pool.servers[0].active == busy


def test_the_wait_of_a_line_is_known_before_anybody_has_waited() -> None:
    harness = limited(2)
    for _ in range(30):
        harness.serve(latency=0.02)
    held = [harness.pick(), harness.pick()]
    waiters = Waiters(harness)
    assert harness.pool.wait == 0.0
    tickets = [waiters.join(str(number)) for number in range(100)]
    assert harness.pool.wait == pytest.approx(100 * 0.02 / 2, rel=0.15)
    for ticket in tickets[10:]:
        assert ticket is not None
        ticket.cancel()
    end(harness, held[0])  # one of ten is served
    assert harness.pool.wait == pytest.approx(9 * 0.02 / 2, rel=0.2)
    harness.advance(1.5)
    assert harness.pool.wait == pytest.approx(1.5), "the next in line has waited longer than that"
    for _ in range(10):
        end(harness, held[1])
    assert (len(waiters.served), harness.pool.wait) == (10, 0.0)


def test_a_line_is_shared_by_as_many_as_are_served_at_a_time() -> None:
    harness = limited(2, servers=2, workers=2)
    for worker in (0, 1):
        for _ in range(20):
            server = harness.pick(worker=worker)
            harness.workers[worker].release(server, Outcome.OK, 0.02)
    for worker in (0, 1, 0, 1):
        harness.pick(worker=worker)
    lines = [Waiters(harness, worker) for worker in (0, 1)]
    for worker in (1, 0):
        assert lines[worker].join("first")
    for number in range(49):
        assert lines[0].join(str(number))
    harness.advance(0.1)
    assert harness.workers[0].wait == pytest.approx(50 * 0.02 / 2, rel=0.15), "two of four slots are the other worker's"


def test_a_slow_page_among_quick_ones_makes_no_line_look_long() -> None:
    pace = Pace()
    pace.take(30.0)
    assert pace.wait(100, 1) == 0.0, "one answer says nothing"
    for number in range(60):
        pace.take(10.0 if number % 10 == 5 else 0.02)
        assert pace.wait(10, 1) <= 10 * 0.025
    for _ in range(40):
        pace.take(0.2)
    assert pace.wait(10, 1) == pytest.approx(2.0, rel=0.15), "they have all become slow"
