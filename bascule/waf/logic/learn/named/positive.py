"""Measuring what requests are held to that is learned or written down: profiles of recorded hosts, and a contract."""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from bascule.waf.engine import ConnectionFacts, Transaction, Waf, WafSettings
from bascule.waf.filters.table import NamedRates
from bascule.waf.logic.learn import corpora
from bascule.waf.logic.learn.corpora import Request
from bascule.waf.logic.learn.named.figures import least, share
from bascule.waf.logic.learn.named.requests import letters, request, word
from bascule.waf.openapi import inspector as openapi
from bascule.waf.openapi.contract import Contract
from bascule.waf.profile.deviation import CONTENT_TYPE, METHOD, MISSING, ORDER, PARAMETER, PATH, VALUE
from bascule.waf.profile.inspector import Holding
from bascule.waf.profile.model import Learner, Profile
from bascule.waf.profile.observation import observe, text_of
from bascule.waf.profile.usual import Habit, usual_of

CASES = 300
HOSTS, LEAST_REQUESTS = 60, 200
"""Hosts whose recorded requests are learned from and judged, and how many a host must have."""
REQUESTS, POINTS = 20, 5
"""Requests with one method to a place before it is judged, and the points of a refusal (the default)."""
TIMED = 2000
ADDING = frozenset((PARAMETER, MISSING, ORDER))
"""Rules whose points alone are fewer than those of a refusal."""
_CLIENT = ConnectionFacts(b"192.0.2.1", 40_000, b"192.0.2.2", 80)
_STRANGE = ("7:~load(@x)", "9]!!eval[", "{~|x|~}", "@@include x@@", "5<=>6", "§run§", "~" * 900, "!{ref:5}", "x=>y=>z")
_JSON = [(b"content-type", b"application/json")]


def measure(folder: Path, seed: int) -> dict[int, NamedRates]:
    """Return what is measured of these rules, by id."""
    return _profile(folder, seed) | contract(seed)


# -- profiles: the first half of what a host was sent is learned, the other judged -------------------------------------


def _profile(folder: Path, seed: int) -> dict[int, NamedRates]:
    hosts: dict[str, list[Request]] = defaultdict(list)
    for sample in corpora.benign_requests(folder):
        if sample.request is not None:
            hosts[sample.host].append(sample.request)
    chosen = sorted((host for host in hosts if len(hosts[host]) >= LEAST_REQUESTS), key=lambda h: (-len(hosts[h]), h))[
        :HOSTS
    ]
    waf = Waf.load(WafSettings(logic=""))
    source = random.Random(f"{seed} profile")
    harmless: Counter[int] = Counter()
    found: Counter[int] = Counter()
    tried: Counter[int] = Counter()
    judged: list[tuple[Holding, Request]] = []
    for host in chosen:
        half = len(hosts[host]) // 2
        learner = Learner(Profile(host), 1)
        for each in hosts[host][:half]:
            learner.learn(observe(_begin(waf, each), host, "a", _path(each)), 1.0)
        holding = Holding("shadow", POINTS, True, usual_of(learner.profile, 1, REQUESTS).prepared())
        for each in hosts[host][half:]:
            judged.append((holding, each))
            told = set(_told(waf, holding, each))
            harmless.update(told)
            habit = _habit(holding, each)
            if told or habit is None:
                continue
            for rule, other in _odd(source, each, habit):
                tried[rule] += 1
                found[rule] += rule in _told(waf, replace(holding, limit=1) if rule in ADDING else holding, other)
    some = judged[:TIMED]
    begun = [(holding, _begin(waf, each), each) for holding, each in some]

    def run() -> None:
        for holding, t, each in begun:
            _judge(holding, t, each)

    cost = least(run, len(begun))
    given = f"profile: {{stage: shadow, clients: 1, requests: {REQUESTS}, unknown_paths: refuse}}"
    of = f"second halves of what {len(chosen)} recorded hosts were sent"
    why = (
        "learned of one client and half a session, where the default asks for five clients: an upper bound; made-up "
        "requests differ from harmless ones in this alone; the cost is that of the whole profile"
    )
    adds = f"{why}; alone it refuses nothing, but adds its points to others': found is what is given any"
    return {
        rule: NamedRates(
            cost,
            share(found[rule], tried[rule]),
            None,
            share(harmless[rule], len(judged)),
            of,
            {},
            given,
            adds if rule in ADDING else why,
        )
        for rule in (VALUE, PARAMETER, METHOD, CONTENT_TYPE, MISSING, ORDER, PATH)
    }


def _path(each: Request) -> bytes:
    return each.target.partition(b"?")[0]


def _begin(waf: Waf, each: Request) -> Transaction:
    t = waf.begin(_CLIENT)
    t.set_head(each.method, each.target, b"1.1", each.headers)
    if each.body:
        t.request_body(each.body)
        t.choose_processor()
        t.process_body()
    return t


def _judge(holding: Holding, t: Transaction, each: Request) -> None:
    held = holding.hold(_path(each))
    if held is not None:
        held.judge_head(t)
        if each.body:
            held.judge_body(t, each.body)


def _told(waf: Waf, holding: Holding, each: Request) -> Sequence[int]:
    t = _begin(waf, each)
    _judge(holding, t, each)
    return t.matched_rules


def _habit(holding: Holding, each: Request) -> Habit | None:
    """Return what is usual at the place of a request with parameters, if enough is known of it."""
    if holding.usual is None or b"?" not in each.target or b"=" not in each.target:
        return None
    spot = holding.usual.spot(text_of(_path(each)))
    return spot.habits.get(each.method.decode("latin-1")) if spot is not None else None


def _odd(source: random.Random, each: Request, habit: Habit) -> Iterable[tuple[int, Request]]:
    """Yield a harmless request made unusual in one way each, with the rule that is to tell."""
    path, _, query = each.target.partition(b"?")
    name = query.partition(b"=")[0].rpartition(b"&")[2]
    strange = source.choice(_STRANGE).encode()
    yield VALUE, replace(each, target=path + b"?" + name + b"=" + strange + b"&" + query.partition(b"&")[2])
    yield PARAMETER, replace(each, target=each.target + b"&" + letters(source, 9).encode() + b"=" + strange)
    yield METHOD, replace(each, method=b"DELETE" if each.method != b"DELETE" else b"PUT")
    kinds = [(n, v) for n, v in each.headers if n not in (b"content-type", b"content-length")]
    yield (
        CONTENT_TYPE,
        replace(each, headers=[*kinds, (b"content-type", b"text/x-odd"), (b"content-length", b"3")], body=b"abc"),
    )
    yield PATH, replace(each, target=b"/" + letters(source, 12).encode() + b"/" + letters(source, 6).encode())
    if habit.required_head:
        yield MISSING, replace(each, target=path)
    if habit.entry or not habit.before:
        return
    fields = [(n, v) for n, v in each.headers if n != b"referer"]
    yield (
        ORDER,
        replace(
            each, headers=[*fields, (b"referer", b"https://%b/%b" % (each.host.encode(), letters(source, 9).encode()))]
        ),
    )


# -- a contract: requests that keep it, and requests that break it in one way each -------------------------------------

_DOCUMENT = """
openapi: 3.1.0
info: {title: shop, version: '1'}
paths:
  /items/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: integer, minimum: 1}}
    get:
      parameters:
        - {name: sort, in: query, required: true, schema: {type: string, enum: [asc, desc]}}
        - {name: page, in: query, schema: {type: integer, maximum: 100}}
    put:
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              required: [name, count]
              additionalProperties: false
              properties:
                name: {type: string, maxLength: 64}
                count: {type: integer, minimum: 0}
                tags: {type: array, maxItems: 5, items: {type: string}}
"""


def contract(seed: int) -> dict[int, NamedRates]:
    """Return what is measured of the rules of contracts, by id."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "api.yaml"
        file.write_text(_DOCUMENT)
        waf = Waf.load(WafSettings(logic="", openapi=file))
    held = waf.contract
    assert held is not None
    source = random.Random(f"{seed} contract")
    good = [source.choice((_get, _put))(source) for _ in range(CASES * 5)]
    harmless: Counter[int] = Counter()
    for each in good:
        harmless.update(set(_against(waf, held, each)))
    cost = least(lambda: [_against(waf, held, each) for each in good], len(good))
    rates = {}
    for rule, make in _BREAKS.items():
        broken = sum(rule in _against(waf, held, make(source)) for _ in range(CASES))
        rates[rule] = NamedRates(
            cost, share(broken, CASES), None, share(harmless[rule], len(good)), "made-up requests that keep the contract",
            {}, "openapi: FILE",
            "harmless is what the document says; the cost is that of the whole check, the reading of the request with it",
        )  # fmt: skip
    return rates


def _against(waf: Waf, contract: Contract, each: Request) -> Sequence[int]:
    t = _begin(waf, each)
    openapi.judge_head(t, contract)
    if t.operation is not None and each.body:
        openapi.judge_body(t, each.body)
    return t.matched_rules


def _get(source: random.Random, path: str = "/items/", query: str = "") -> Request:
    page = source.choice(("", f"&page={source.randint(1, 100)}"))
    return request(f"{path}{source.randint(1, 9999)}?sort={source.choice(('asc', 'desc'))}{page}{query}")


def _put(source: random.Random, more: list[tuple[bytes, bytes]] | None = None, **members: object) -> Request:
    item = {"name": word(source), "count": source.randint(0, 99), **members}
    if source.random() < 0.5:
        item.setdefault("tags", [word(source)])
    return request(f"/items/{source.randint(1, 9999)}", b"PUT", json.dumps(item).encode(), more or _JSON)


_BREAKS: dict[int, Callable[[random.Random], Request]] = {
    openapi.PATH: lambda s: _get(s, s.choice(("/item/", "/items/x/", "/admin/", "/v2/items/"))),
    openapi.METHOD: lambda s: replace(_get(s), method=s.choice((b"DELETE", b"POST", b"PATCH"))),
    openapi.PARAMETER: lambda s: request(
        s.choice(
            ("/items/0?sort=asc", "/items/x?sort=asc", "/items/5?sort=up", "/items/5", "/items/5?sort=asc&page=101")
        )
    ),
    openapi.UNKNOWN: lambda s: _get(s, query=f"&{letters(s, 6)}={word(s)}"),
    openapi.CONTENT_TYPE: lambda s: _put(
        s, [(b"content-type", s.choice((b"text/plain", b"application/xml", b"text/json")))]
    ),
    openapi.BODY: lambda s: _put(
        s, **s.choice(({"count": -1}, {"count": "3"}, {"name": "x" * 65}, {"role": "admin"}, {"tags": [1]}))
    ),
}
