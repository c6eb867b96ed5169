"""Learning: boosted trees find which facts go together; what they found is distilled into conjunctions with points.

For each family the trees are trained on attacks of its classes against everything harmless. The facts that must hold on
the way to a leaf are candidates for rules. A logistic regression whose weights cannot be negative and are charged for
(L1) keeps the few that matter: a rule always speaks against a value, so adding up is safe to read and to edit.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from bascule.waf.logic.facts import DECISIVE, TELLING
from bascule.waf.logic.learn.corpora import GRAMMAR, VOUCHED
from bascule.waf.logic.learn.families import EVASION, Kind
from bascule.waf.logic.learn.matrix import Facts, Row

Floats = NDArray[np.float64]

STANDARD = 10
"""The points the standard preset refuses at, where measurement asks for nothing else."""
MAX_POINTS = 15
BENIGN_WEIGHT = 3.0
"""What all that is harmless weighs against all attacks: a false positive is worse than a miss."""
LASSO = 3e-5
DEPTH, TREES = 4, 80
MAX_RULES = 80
HOST_REQUESTS = 20
"""Requests of one host that count: a site that sends what no other does is one site. The same of texts of one list:
those were gathered from attacked servers, and what such a list says over and over is an attack."""
ALONE = 0.2
"""What a harmless text by itself counts beside a host."""
LENGTH_PRICE = 0.00002
ROUNDS = 12
VETO = VOUCHED
"""Harmless hosts that show a decisive fact from which on it decides nothing alone."""
MAX_SINGLE = 7
"""Points of a single fact that was not reviewed as decisive: it takes another to refuse at `standard`."""
MAX_ALONE = 15
"""Points of a decisive fact that no harmless host shows: refused at every preset."""
TOLERATED = 3
"""Harmless hosts and texts that one family may refuse before learning goes another round, in which they weigh double."""


@dataclass(frozen=True, slots=True)
class Level:
    """What is missed at some presets, and what finding it may cost."""

    points: int
    """What reaches these is found."""
    strict: bool
    shortest: int
    """Facts that it takes."""
    host_price: float
    """The share of a family's attacks that finding has to be worth one harmless host more."""
    request_price: float
    """The same for one harmless request more."""
    text_price: float
    """The same for one harmless text by itself."""
    least: float
    """The share of a family's attacks that a rule has to find, less what it costs."""
    most: int
    """Rules that are added."""


LEVELS = (
    Level(STANDARD, False, 2, 0.002, 0.0, 0.002 * ALONE, 0.0001, 90),
    Level(5, True, 1, 0.0, 0.0004, 0.000008, 0.0002, 60),
)
"""`standard` and those more lenient; then the strict ones, whose thresholds come down to about these points."""


@dataclass(frozen=True, slots=True)
class Learned:
    """A rule that was distilled."""

    facts: tuple[str, ...]
    points: int
    strict: bool = False
    """It is for strict presets only."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Distinct sets of facts of one family's languages, each with its weight among attacks and harmless texts."""

    sets: list[Facts]
    attacks: Floats
    harmless: Floats
    hosts: Floats
    """On how many harmless hosts each was seen."""
    requests: Floats
    """In how many harmless requests, of which each host has at most `HOST_REQUESTS`."""
    texts: Floats
    """In how many harmless texts by themselves."""

    @property
    def seen(self) -> Floats:
        """On how many hosts each was seen; texts by themselves count less."""
        return self.hosts + ALONE * self.texts


def usable(kind: Kind, names: Iterable[str]) -> list[str]:
    """Return the facts that rules of a family may use."""
    return [name for name in names if name.partition(".")[0] in (*kind.languages, EVASION)]


def examples(kind: Kind, rows: Sequence[Row], facts: Iterable[str]) -> Examples:
    """Weigh what rows show: every source of attacks alike (by its root), every harmless host alike."""
    allowed = frozenset(usable(kind, facts))
    own = frozenset(name for name in allowed if not name.startswith(EVASION))
    attacks: dict[str, Counter[Facts]] = defaultdict(Counter)
    harmless: dict[Facts, Counter[tuple[str, int]]] = defaultdict(Counter)
    alone: Counter[tuple[str, Facts]] = Counter()
    for row in rows:
        sets = {shown & allowed for shown in row.shown if shown & own}
        if not row.attack:
            if not row.whole and any(not DECISIVE.isdisjoint(shown) for shown in sets):
                continue  # a list of harmless values that holds an attack: such lists come from attacked servers
            for shown in sets:
                if row.whole:
                    harmless[shown].update(_voices(row))
                else:
                    alone[row.source, shown] += 1
        elif row.label in kind.classes and sets:
            attacks[row.source][max(sets, key=lambda shown: (len(shown), sorted(shown)))] += 1
    weights: dict[Facts, float] = defaultdict(float)
    for counts in attacks.values():
        total = sum(counts.values())
        for shown, count in counts.items():
            weights[shown] += math.sqrt(total) * count / total
    by_itself: Counter[Facts] = Counter()
    for (source, shown), count in alone.items():
        by_itself[shown] += count if source.startswith(GRAMMAR) else min(count, HOST_REQUESTS)
    sets_ = sorted({*weights, *harmless, *by_itself}, key=sorted)
    hosts = np.array([float(len(harmless[shown])) for shown in sets_])
    requests = np.array(
        [float(sum(min(count, HOST_REQUESTS) for count in harmless[shown].values())) for shown in sets_]
    )
    texts = np.array([float(by_itself[shown]) for shown in sets_])
    attacks_ = _share(np.array([weights.get(shown, 0.0) for shown in sets_]))
    return Examples(sets_, attacks_, _share(hosts + ALONE * texts), hosts, requests, texts)


def _voices(row: Row) -> Iterable[tuple[str, int]]:
    """Return the hosts that a harmless row counts for."""
    return ((row.host, number) for number in range(row.voices))


def _share(weights: Floats) -> Floats:
    total = float(weights.sum())
    return weights / total if total else weights


def learn(kind: Kind, rows: Sequence[Row], facts: Sequence[str], seed: int) -> list[Learned]:
    """Return the rules of a family, most points first; none if there is nothing to learn from.

    Facts reviewed as decisive are rules by themselves unless harmless traffic shows them; what they settle is not
    learned from, so that the rest is about what needs weighing. Telling facts are for strict presets, and have no part
    in what is learned for all.
    """
    alone = decide_alone(kind, rows, facts)
    facts = [name for name in facts if name not in TELLING]
    known = examples(kind, rows, facts)
    decided = [rule.facts[0] for rule in alone if not rule.strict]
    settled = np.array([not shown.isdisjoint(decided) for shown in known.sets], dtype=bool)
    return sorted(
        alone + _learn(kind, _without(known, settled), facts, seed), key=lambda r: (r.strict, -r.points, r.facts)
    )


def decide_alone(kind: Kind, rows: Sequence[Row], facts: Iterable[str]) -> list[Learned]:
    """Return a rule for each decisive or telling fact of the family's languages that fewer than VETO harmless hosts show.

    Those of telling facts are for strict presets. Only recorded requests and operators have a say: lists of harmless
    values were gathered from attacked servers, and hold attacks.
    """
    mine = [name for name in facts if name in DECISIVE | TELLING and name.partition(".")[0] in kind.own]
    hosts: dict[str, set[tuple[str, int]]] = {name: set() for name in mine}
    for row in rows:
        if row.whole and not row.attack:
            for name in hosts.keys() & frozenset().union(*row.shown):
                hosts[name].update(_voices(row))
    return [
        Learned((name,), STANDARD if seen or name in TELLING else MAX_ALONE, name in TELLING)
        for name, seen in hosts.items()
        if len(seen) < VETO
    ]


def _without(known: Examples, settled: NDArray[np.bool_]) -> Examples:
    kept = np.flatnonzero(~settled)
    sets = [known.sets[i] for i in kept]
    return Examples(
        sets, known.attacks[kept], known.harmless[kept], known.hosts[kept], known.requests[kept], known.texts[kept]
    )


def _learn(kind: Kind, known: Examples, facts: Sequence[str], seed: int) -> list[Learned]:
    if not known.sets or not known.attacks.any():
        return []
    candidates = _candidates(kind, known, usable(kind, facts), seed)
    matrix = _incidence(known, candidates)
    learned: list[Learned] = []
    for _ in range(ROUNDS):
        learned = _distil(known, matrix, candidates)
        wrong = np.array([_points(learned, shown) >= STANDARD for shown in known.sets]) & (known.seen > 0)
        if known.seen[wrong].sum() <= TOLERATED:
            break
        known = replace(known, harmless=np.where(wrong, known.harmless * 2, known.harmless))
    return _complete(known, matrix, candidates, learned)


def _most(facts: Facts | tuple[str, ...]) -> int:
    return MAX_SINGLE if len(facts) == 1 else MAX_POINTS


def _complete(known: Examples, matrix: csr_matrix, candidates: list[Facts], learned: list[Learned]) -> list[Learned]:
    """Add whole verdicts for attacks still missed, at `standard` and then at `advanced`.

    Shrinkage leaves facts that never speak for anything harmless just below the line; covering sets that right.
    """
    covers = (matrix > 0).toarray()
    for level in LEVELS:
        learned = _cover(known, covers, candidates, learned, level)
    return learned


def _cover(
    known: Examples, covers: NDArray[np.bool_], candidates: list[Facts], learned: list[Learned], level: Level
) -> list[Learned]:
    """Add rules that are verdicts by themselves: each time what finds most for what it costs."""
    price = level.host_price * known.hosts + level.request_price * known.requests + level.text_price * known.texts
    reached = np.array([_points(learned, shown) >= level.points for shown in known.sets])
    more: set[Facts] = set()
    length = np.array([len(facts) for facts in candidates])
    for _ in range(level.most):
        left = covers[~reached]
        worth = left.T @ known.attacks[~reached] - left.T @ price[~reached] - LENGTH_PRICE * length
        worth[length < level.shortest] = 0
        best = int(np.argmax(worth))
        if worth[best] < level.least:
            break
        more.add(candidates[best])
        reached |= covers[:, best]
    kept = learned if level.strict else [rule for rule in learned if frozenset(rule.facts) not in more]
    return kept + [Learned(tuple(sorted(facts)), STANDARD, level.strict) for facts in more]


def _points(learned: list[Learned], shown: Facts) -> int:
    return sum(rule.points for rule in learned if shown.issuperset(rule.facts))


def _candidates(kind: Kind, known: Examples, names: list[str], seed: int) -> list[Facts]:
    """Return the single facts, and the conjunctions on the ways to the leaves of boosted trees."""
    index = {name: number for number, name in enumerate(names)}
    table = np.zeros((len(known.sets), len(names)))
    for row, shown in enumerate(known.sets):
        for name in shown:
            table[row, index[name]] = 1
    found: set[Facts] = {frozenset((name,)) for name in names if not name.startswith(EVASION)}
    for shown in known.sets:
        found.update(frozenset(pair) for pair in combinations(sorted(shown), 2) if len(shown) <= 8)
    both = np.vstack([table, table])
    label = np.repeat([1, 0], len(known.sets))
    weight = np.concatenate([known.attacks, known.harmless * BENIGN_WEIGHT])
    keep = weight > 0
    trees = lightgbm.train(
        {"objective": "binary", "num_leaves": 12, "max_depth": DEPTH, "learning_rate": 0.15, "min_data_in_leaf": 1,
         "min_sum_hessian_in_leaf": 1e-4, "verbose": -1, "seed": seed, "deterministic": True, "num_threads": 1},
        lightgbm.Dataset(both[keep], label[keep], weight=weight[keep] * 1000), TREES,
    )  # fmt: skip
    for tree in trees.dump_model()["tree_info"]:
        _walk(tree["tree_structure"], names, frozenset(), found)
    own = tuple(f"{language}." for language in kind.languages)
    return sorted(
        (facts for facts in found if 1 <= len(facts) <= DEPTH and any(f.startswith(own) for f in facts)), key=sorted
    )


def _walk(node: dict[str, Any], names: list[str], held: Facts, found: set[Facts]) -> None:
    """Collect the facts that hold on each way down; what must be absent is left out."""
    if held:
        found.add(held)
    if "split_feature" in node:
        _walk(node["left_child"], names, held, found)
        _walk(node["right_child"], names, held | {names[node["split_feature"]]}, found)


def _distil(known: Examples, matrix: csr_matrix, candidates: list[Facts]) -> list[Learned]:
    """Choose among candidates by a non-negative, charged-for logistic regression; turn weights into points."""
    support = np.asarray((matrix > 0).T @ (known.attacks > 0)).ravel()
    kept = [i for i in range(len(candidates)) if support[i] >= 1]
    weights, base = _regress(matrix[:, kept], known)
    order = np.argsort(-weights)[:MAX_RULES]
    chosen = [kept[i] for i in order if weights[i] > 0.05]
    weights, base = _regress(matrix[:, chosen], known)
    if base >= 0:
        return []
    points = np.minimum(np.round(weights * STANDARD / -base), MAX_POINTS).astype(int)
    learned = [
        Learned(tuple(sorted(candidates[i])), min(int(p), _most(candidates[i])))
        for i, p in zip(chosen, points, strict=True)
        if p >= 1
    ]
    return sorted(learned, key=lambda rule: (-rule.points, rule.facts))


def _incidence(known: Examples, candidates: list[Facts]) -> csr_matrix:
    cells = [
        (row, column)
        for row, shown in enumerate(known.sets)
        for column, facts in enumerate(candidates)
        if facts <= shown
    ]
    rows, columns = zip(*cells, strict=True)
    return csr_matrix((np.ones(len(cells)), (rows, columns)), shape=(len(known.sets), len(candidates)))


def _regress(matrix: csr_matrix, known: Examples) -> tuple[Floats, float]:
    """Return the weights of the columns, none negative, and the base that all start from."""
    attacks, harmless = known.attacks, known.harmless * BENIGN_WEIGHT
    harmless_total = BENIGN_WEIGHT / 3

    def loss(x: Floats) -> tuple[float, Floats]:
        weights, base = x[:-1], x[-1]
        score = matrix @ weights + base
        clean = np.logaddexp(0.0, base)  # what shows nothing at all and is harmless
        value = attacks @ np.logaddexp(0.0, -score) + harmless @ np.logaddexp(0.0, score) + harmless_total * clean
        slope = -attacks / (1 + np.exp(np.clip(score, -60, 60))) + harmless / (1 + np.exp(-np.clip(score, -60, 60)))
        gradient = np.append(matrix.T @ slope + LASSO, slope.sum() + harmless_total / (1 + np.exp(-base)))
        return float(value + LASSO * weights.sum()), gradient

    count = matrix.shape[1]
    start = np.append(np.full(count, 0.1), -2.0)
    found = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, 12.0)] * count + [(-12.0, -0.5)],
        options={"maxiter": 400},
    )
    return found.x[:-1], float(found.x[-1])
