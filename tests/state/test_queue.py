"""The queue for places: order, rate, silence and bounds by table; against a model; and over two processes."""

from __future__ import annotations

import multiprocessing
import time
from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.state.locks import Lock
from bascule.state.queue import Answer, Limits, Queue, QueueMemory

EPOCH = 7


def limits(
    places: int = 2, waiting: int = 100, stay: float = 60.0, patience: float = 30.0, rate: float = 100.0
) -> Limits:
    return Limits(places, waiting, stay, patience, rate)


class Visitors:
    """Visitors by name: who is in, in the order of coming in."""

    def __init__(self, *queues: Queue) -> None:
        self.queues = queues
        self.now = 1000.0
        self.known: dict[str, Answer] = {}
        self.inside: list[str] = []

    def ask(self, name: str, queue: int = 0) -> Answer:
        answer = self.queues[queue].ask(self.known.get(name, Answer()).number, self.now)
        self.known[name] = answer
        if answer.place >= 0:
            self.inside.append(name)
        return answer

    def ask_all(self, names: str) -> list[bool]:
        return [self.ask(name).place >= 0 for name in names]

    def renew(self, name: str) -> bool:
        return self.queues[0].renew(self.known[name].number, self.known[name].place, self.now)


def visitors(**options: float) -> Visitors:
    bounds = limits(**options)  # type: ignore[arg-type]
    memory = QueueMemory(bounds, Lock(), EPOCH)
    return Visitors(Queue(bounds, memory), Queue(bounds, memory))


def test_the_first_come_in_at_once_and_the_others_wait() -> None:
    queue = visitors()
    assert queue.ask_all("abcd") == [True, True, False, False]
    assert (queue.known["c"].ahead, queue.known["d"].ahead) == (0, 1)
    assert queue.queues[0].counts(queue.now) == (2, 2)


def test_whoever_asks_first_the_order_of_coming_holds() -> None:
    queue = visitors()
    queue.ask_all("abcde")
    queue.now += 20
    queue.ask_all("edc")
    queue.now += 41  # a and b went, c, d and e asked 41 seconds ago: they must show that they are there
    queue.now -= 15
    queue.ask_all("edc")
    queue.now += 15
    assert queue.ask_all("e") == [False], "c and d are before it"
    assert queue.ask_all("d") == [True], "two places, and only c is before it"
    assert queue.ask_all("e") == [False]
    assert queue.ask_all("c") == [True]
    assert queue.inside == ["a", "b", "d", "c"]


def test_who_is_in_stays_while_it_shows_itself() -> None:
    queue = visitors()
    queue.ask_all("ab")
    for _ in range(5):
        queue.now += 50
        assert queue.renew("a")
    assert queue.ask_all("c") == [True], "the place of b"
    assert queue.ask_all("d") == [False]
    assert not queue.renew("b")
    queue.now += 61
    assert queue.renew("a"), "nobody has taken its place yet"


def test_who_gives_up_makes_way() -> None:
    queue = visitors(places=1)
    queue.ask_all("abcd")
    queue.now += 29
    queue.ask("d")
    queue.now += 2
    assert queue.ask("d").ahead == 0, "b and c have been silent for too long"
    queue.now += 30
    assert queue.ask_all("d") == [True]
    assert queue.ask_all("b") == [False]
    assert queue.known["b"].number > queue.known["d"].number, "it begins anew"


def test_the_rate_of_newcomers() -> None:
    """Ten a second: six seconds' worth at once, then ten a second."""
    queue = visitors(places=1000, waiting=1000, rate=10.0)
    assert sum(queue.ask(f"v{number}").place >= 0 for number in range(100)) == 60
    queue.now += 2.0
    assert [queue.ask(f"v{number}").place >= 0 for number in range(60, 100)] == [True] * 20 + [False] * 20


def test_a_long_line_is_not_gone_through() -> None:
    queue = visitors(places=2, waiting=10_000, rate=1e6)
    queue.ask_all("abcd")
    for number in range(3000):  # who never asks again
        queue.ask(f"v{number}")
    last = queue.ask("z")
    assert last.ahead == 3002
    assert queue.queues[0]._alive_before(last.number, 5000, queue.now) == 5000, "as many as were asked for"
    queue.now += 31
    assert queue.ask_all("z") == [False]
    queue.now += 30
    assert queue.ask_all("z") == [True], "and when the line has moved it comes in"


def test_who_gave_up_in_the_middle_takes_nobodys_place() -> None:
    """One who stays at the head, and thousands behind it who never ask again."""
    queue = visitors(places=1, waiting=4000, rate=1e6)
    queue.ask_all("ab")
    while queue.ask("lost").number:
        queue.known.pop("lost")
    assert queue.queues[0].counts(queue.now)[1] == 4000
    for _ in range(3):
        queue.now += 15
        queue.renew("a")
        for _ in range(5):  # as many looks as the line has stretches
            assert queue.ask("b").ahead == 0
    assert queue.queues[0].counts(queue.now) == (1, 1)
    answer = queue.ask("late")
    assert answer.number
    assert answer.ahead < 10, "nobody waits between"


def test_places_without_a_line() -> None:
    queue = visitors(places=2, waiting=3, rate=1e6)
    visit = queue.queues[0].visit
    first, second = visit(queue.now), visit(queue.now)
    assert (first.place, second.place) == (0, 1)
    assert [visit(queue.now) for _ in range(9)] == [Answer()] * 9
    assert queue.queues[0].counts(queue.now) == (2, 0)
    queue.now += 59
    assert queue.queues[1].renew(first.number, first.place, queue.now)
    queue.now += 2
    assert visit(queue.now).place == 1
    assert visit(queue.now) == Answer()
    waiting = queue.ask("a")
    assert waiting.number > second.number
    assert waiting.place == -1


def test_the_line_is_bounded() -> None:
    queue = visitors(places=1, waiting=3)
    assert queue.ask_all("abcd") == [True, False, False, False]
    assert queue.ask("e") == Answer()
    queue.now += 31
    assert queue.ask("e").number, "the others gave up"


def test_a_number_of_nobody_or_of_the_future_gets_the_last_place() -> None:
    queue = visitors(places=1)
    queue.ask_all("abc")
    for number in (99, 1, 2**32 - 1):
        assert queue.queues[0].ask(number, queue.now).number > queue.known["c"].number
    assert not queue.queues[0].renew(5, 7, queue.now)
    assert not queue.queues[0].renew(5, -1, queue.now)


def test_several_workers_are_one_queue() -> None:
    queue = visitors()
    for index, name in enumerate("abcdef"):
        queue.ask(name, index % 2)
    queue.now += 25
    for index, name in enumerate("fedc"):
        assert queue.ask(name, index % 2).place < 0
    queue.now += 36
    assert queue.ask("c", 1).place < 0 or queue.inside[-1] == "c"
    assert queue.inside[:2] == ["a", "b"]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from([0.0, 0.0, 1.0, 4.0])), max_size=80))
def test_a_model(steps: list[tuple[str, float]]) -> None:
    """Two places, nobody silent for too long: who comes in is always the one that has waited longest, or next to it."""
    queue = visitors(places=2, stay=10.0, patience=1e6)
    line: deque[str] = deque()
    inside: dict[str, float] = {}
    for name, pause in steps:
        queue.now += pause
        now = queue.now
        if name in inside and inside[name] > now:
            assert queue.renew(name)
            inside[name] = max(inside[name], now + 10.0 if inside[name] - now < 9.0 else inside[name])
            continue
        inside.pop(name, None)
        fresh = name not in line
        if fresh:
            queue.known.pop(name, None)
            line.append(name)
        answer = queue.ask(name)
        taken = sum(until > now for until in inside.values())
        if answer.place >= 0:
            assert taken < 2
            assert line.index(name) < 2 - taken
            line.remove(name)
            inside[name] = now + 10.0
        else:
            assert answer.ahead == line.index(name)


def _crowd(queue: Queue, seen: multiprocessing.SimpleQueue) -> None:  # type: ignore[type-arg]
    for _ in range(300):
        answer = queue.ask(0, time.monotonic())
        seen.put((answer.number, answer.place))


def test_no_two_processes_get_the_same_place_or_number() -> None:
    bounds = limits(places=200, waiting=5000, rate=1e6)
    queue = Queue(bounds, QueueMemory(bounds, Lock(), EPOCH))
    context = multiprocessing.get_context("fork")
    seen = context.SimpleQueue()
    processes = [context.Process(target=_crowd, args=(queue, seen)) for _ in range(2)]
    for process in processes:
        process.start()
    found = [seen.get() for _ in range(600)]
    for process in processes:
        process.join(20)
    assert len({number for number, _ in found}) == 600
    places = [place for _, place in found if place >= 0]
    assert len(places) == len(set(places)) == 200
