"""From corpora to a table: what facts each sample shows, value by value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from bascule.waf.logic.body_values import request_values
from bascule.waf.logic.facts import facts_of, meant, warm
from bascule.waf.logic.learn.corpora import BENIGN, Request, Sample

Facts = frozenset[str]

_CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Row:
    """A sample as the learner sees it: `shown` are the distinct non-empty sets of facts of its values."""

    label: str
    source: str
    host: str
    shown: tuple[Facts, ...]
    whole: bool
    """It was a whole request, not one value, or somebody vouches for it."""
    voices: int = 1

    @property
    def attack(self) -> bool:
        """Whether it is labelled an attack, of any class."""
        return self.label != BENIGN


def shown_by(request: Request) -> tuple[Facts, ...]:
    """Return the distinct sets of facts that the values of a request show."""
    values = request_values(request.target, request.headers, request.body)
    found = {meant(facts_of(value, place), place, name, value) for place, name, value in values}
    return tuple(facts for facts in found if facts)


def row_of(sample: Sample) -> Row:
    """Return the row of a sample."""
    if sample.request is not None:
        return Row(sample.label, sample.source, sample.host, shown_by(sample.request), True)
    facts = meant(facts_of(sample.text, sample.place), sample.place, b"", sample.text)
    shown = (facts,) if facts else ()
    return Row(sample.label, sample.source, sample.host, shown, sample.voices > 1, sample.voices)


def _rows_of(samples: list[Sample]) -> list[Row]:
    return [row_of(sample) for sample in samples]


def table(samples: Iterable[Sample], cache_dir: Path | None = None, processes: int = 2) -> list[Row]:
    """Return the rows of samples, in their order."""
    warm(cache_dir)
    with ProcessPoolExecutor(processes, mp_context=get_context("fork")) as pool:
        return [row for rows in pool.map(_rows_of, _chunks(samples)) for row in rows]


def _chunks(samples: Iterable[Sample]) -> Iterator[list[Sample]]:
    source = iter(samples)
    while chunk := list(islice(source, _CHUNK)):
        yield chunk
