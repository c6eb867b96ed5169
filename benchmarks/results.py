"""Samples, medians, ratios, and whether a target is reached. Arithmetic only: no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that a workload measures."""

    key: str
    title: str
    unit: str
    digits: int = 0
    fewer_is_better: bool = True


CPU = Metric("cpu_us", "CPU per request", "µs", 1)
RATE = Metric("rate", "rate", "/s", 0, fewer_is_better=False)
P50 = Metric("p50_ms", "p50", "ms", 2)
P99 = Metric("p99_ms", "p99", "ms", 2)
BUSY = Metric("busy", "core used", "%")
MEMORY = Metric("memory_mib", "memory", "MiB", 1)
THROUGHPUT = Metric("mib_per_s", "throughput", "MiB/s", 0, fewer_is_better=False)
CPU_PER_GIB = Metric("cpu_ms_per_gib", "CPU per GiB", "ms", 0)
GROWTH = Metric("growth_mib", "peak growth", "MiB", 1)
IDLE = Metric("kib_each", "memory each", "KiB", 1)
HELD = Metric("held", "connections", "")
COLD_START = Metric("cold_start_s", "start, rules to be compiled", "s", 1)
START = Metric("start_s", "start, rules compiled before", "s", 2)
CAPACITY = Metric("capacity", "core rate", "/s", 0, fewer_is_better=False)


@dataclass(frozen=True, slots=True)
class Sample:
    """What one contender did in one round."""

    contender: str
    round: int
    values: Mapping[str, float]
    errors: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    """What a contender must reach: `bound` must be held, `aim` is hoped for."""

    contender: str
    metric: Metric
    bound: float
    aim: float | None = None
    against: str | None = None
    """The contender it is a ratio to, taken round by round; None for the plain number."""

    def __str__(self) -> str:
        sign = "<=" if self.metric.fewer_is_better else ">="
        number = share(self.bound, "g") if self.against else f"{self.bound:g}"
        of = f" x {self.against}" if self.against else f" {self.metric.unit}".rstrip()
        return f"{self.contender} {self.metric.title} {sign} {number}{of}"


def share(number: float, digits: str) -> str:
    """Return a ratio as people say it: 1/80, 1.6."""
    return f"1/{1 / number:.0f}" if 0 < number < 0.1 else f"{number:{digits}}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a target ended: `value` None means that it could not be measured."""

    target: Target
    value: float | None
    errors: int = 0

    @property
    def word(self) -> str:
        """PASS, MISS, INVALID (there were errors) or ABSENT (nothing to compare)."""
        if self.value is None:
            return "ABSENT"
        if self.errors:
            return "INVALID"
        return "PASS" if self._holds(self.target.bound) else "MISS"

    @property
    def aim_reached(self) -> bool:
        return self.value is not None and self.target.aim is not None and self._holds(self.target.aim)

    def _holds(self, limit: float) -> bool:
        if self.value is None:
            return False
        return self.value <= limit if self.target.metric.fewer_is_better else self.value >= limit


def middle(samples: Sequence[Sample], contender: str, metric: Metric) -> float | None:
    """Return the median of a contender's numbers, None when it has none."""
    values = [s.values[metric.key] for s in samples if s.contender == contender and metric.key in s.values]
    return median(values) if values else None


def ratio(samples: Sequence[Sample], contender: str, base: str, metric: Metric) -> float | None:
    """Return the median over the rounds of contender / base, None when no round has both."""
    of_round = {
        name: {s.round: s.values[metric.key] for s in samples if s.contender == name and metric.key in s.values}
        for name in (contender, base)
    }
    rounds = of_round[contender].keys() & of_round[base].keys()
    ratios = [of_round[contender][number] / of_round[base][number] for number in rounds if of_round[base][number]]
    return median(ratios) if ratios else None


def judge(samples: Sequence[Sample], target: Target) -> Verdict:
    """Return the verdict on one target."""
    if target.against is None:
        value = middle(samples, target.contender, target.metric)
    else:
        value = ratio(samples, target.contender, target.against, target.metric)
    involved = {target.contender, target.against}
    return Verdict(target, value, sum(s.errors for s in samples if s.contender in involved))


def capacity(requests: int, cpu_ns: Mapping[int, int], workers: int) -> float:
    """Return the requests per second that `workers` cores of their own would give these processes.

    The busiest process sets the pace; where threads or helpers share the work, the sum over the cores does.
    """
    busiest = max(cpu_ns.values(), default=0)
    seconds = max(busiest, sum(cpu_ns.values()) / workers) / 1e9
    return requests / seconds if seconds else 0.0
