"""A profile learned by the running program from clients of the sample shop, then enforced."""

from __future__ import annotations

import asyncio
import json
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from bascule.cli.admin_socket import call
from bascule.proxy.profile_keeper import read
from bascule.server import rundir
from tests.examples.test_shop import start
from tests.server.harness import wait_for
from tests.support.pace import unless_stalled
from tests.waf.wire.world import Answer, Guarded, guarded, send

CLIENTS = [f"127.0.1.{n}" for n in range(1, 7)]
SETTINGS = {"clients": 4, "requests": 12, "hold": "0.2s", "rate": 1000, "drift": 0.5}
SESAME = quote("(%b}/**/~|" * 30, safe="")
"""Three hundred characters that no rule knows."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The sample shop; yields its address."""
    process, port = start(tmp_path_factory.mktemp("shop"), "replica-a")
    yield f"127.0.0.1:{port}"
    process.terminate()
    with process:
        process.wait(40)


def waf(folder: Path, stage: str, **settings: Any) -> dict[str, Any]:
    return {"mode": "block", "profile": {"stage": stage, "folder": str(folder), **SETTINGS, **settings}}


def ask(bascule: Guarded, target: str, client: str = "127.0.1.1", body: bytes = b"", method: str = "GET") -> Answer:
    head = f"{method} {target} HTTP/1.1\r\nhost: shop.example\r\nuser-agent: test\r\n"
    if body:
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return asyncio.run(send(bascule.address, head.encode() + b"\r\n" + body, client))


def browse(bascule: Guarded, clients: list[str], rounds: int = 9) -> int:
    """Let honest clients look at products, search, and fill carts. Return how many requests that were."""
    words = ["lamp", "green tea", "Chair", "tea"]
    answers = []
    for n in range(rounds):
        for m, client in enumerate(clients):
            answers.append(ask(bascule, f"/product/{(n + m) % 3 + 1}", client))
            answers.append(ask(bascule, f"/?q={quote(words[(n + m) % 4])}", client))
            order = {"product": (n + m) % 3 + 1, "quantity": n % 2 + 1}
            answers.append(ask(bascule, "/api/cart", client, json.dumps(order).encode(), "POST"))
    assert {answer.status for answer in answers} <= {200, 201}, [answer.status for answer in answers]
    return len(answers)


def admin(bascule: Guarded, method: str = "GET", path: str = "/profiles", body: Any = None) -> dict[str, Any]:
    return call(bascule.instance().path / rundir.ADMIN_SOCKET, method, path, body)


def told(bascule: Guarded) -> dict[str, Any]:
    (found,) = admin(bascule)["profiles"]
    return found


def metrics(bascule: Guarded) -> bytes:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(bascule.instance().path / rundir.ADMIN_SOCKET))
        sock.sendall(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        return b"".join(iter(lambda: sock.recv(65536), b""))


def ripe(bascule: Guarded) -> set[str]:
    return {f"{place['method']} {place['place']}" for place in told(bascule)["places"] if place["ripe"]}


def stage(bascule: Guarded, settings: dict[str, Any]) -> None:
    """Reload with another configuration of the firewall."""
    routes = bascule.config["sites"]["*"]["routes"]
    routes["/"]["waf"] = settings
    bascule.write()
    assert bascule.call("reload")["ok"]


def test_learned_from_clients_then_enforced(shop: str, tmp_path: Path) -> None:
    zero_day = f"/product/1?id={SESAME}"
    with guarded(shop, waf(tmp_path, "learning"), workers=2) as bascule:
        assert ask(bascule, f"/?q={SESAME}").status == 200, "no rule knows it"
        learned = browse(bascule, CLIENTS)
        assert learned > 150
        for _ in range(40):  # one client tries to widen what is usual
            ask(bascule, f"/?q={SESAME}&debug=%7B1%7D", "127.0.9.9")
            ask(bascule, "/product/1", "127.0.9.9", method="PUT")
        wait_for(lambda: read(tmp_path / "_.json", "*").learned >= learned, "all to be learned and kept")
        assert ripe(bascule) == {"GET /", "GET /product/{int}", "POST /api/cart"}
        assert b'bascule_profile_places{site="*",state="ripe"} 3.0' in metrics(bascule)

        stage(bascule, waf(tmp_path, "shadow"))
        assert ask(bascule, f"/?q={SESAME}").status == 200
        event = bascule.event(status=200, verdict=None)
        assert "nothing is refused for it" in event["notes"][0]
        rule = event["rules"][0]
        assert rule["id"] == 722001
        assert "bytes long, usually up to 15" in rule["data"]

        stage(bascule, waf(tmp_path, "enforced"))
        browse(bascule, ["127.0.3.1"], 3)
        assert ask(bascule, "/product/2?utm_source=mail").status == 200, "one more parameter is not enough"
        for target in (f"/?q={SESAME}", zero_day, f"/?q=tea&debug={SESAME}"):
            refused = ask(bascule, target)
            assert refused.status == 403, target
        assert refused.headers[b"x-bascule-ref"]
        order = json.dumps({"product": SESAME, "quantity": 1}).encode()
        assert ask(bascule, "/api/cart", body=order, method="POST").status == 403
        assert ask(bascule, "/product/1", method="PUT").status == 403
        assert ask(bascule, "/cart").status == 200, "what too little is known of is not judged"

        stage(bascule, {**waf(tmp_path, "enforced"), "mode": "detect"})
        assert ask(bascule, zero_day).status == 200


def test_a_reload_loses_nothing_of_what_workers_saw_last_and_of_what_waits(shop: str, tmp_path: Path) -> None:
    settings = waf(tmp_path, "learning", hold="60s")
    with guarded(shop, settings, workers=2) as bascule:
        learned = []
        for _ in range(3):
            learned.append(browse(bascule, CLIENTS[:2], 1))
            stage(bascule, settings)
            wait_for(lambda: read(tmp_path / "_.json", "*").learned >= sum(learned), "all to be learned and kept")
        assert read(tmp_path / "_.json", "*").learned == sum(learned)


def test_drift_is_alarmed_and_a_place_learned_anew(shop: str, tmp_path: Path) -> None:
    with guarded(shop, waf(tmp_path, "learning")) as bascule:
        learned = browse(bascule, CLIENTS)
        wait_for(lambda: read(tmp_path / "_.json", "*").learned >= learned, "all to be learned and kept")
    assert json.loads((tmp_path / "_.json").read_text())["format"] == 1
    with guarded(shop, waf(tmp_path, "enforced")) as bascule:  # from its file, from the first request on
        assert ask(bascule, f"/?q={SESAME}").status == 403
        for n in range(8):
            for client in CLIENTS:
                ask(bascule, f"/?q=tea&sort=a&filter={n}{{x}}", client)
        alarm = wait_for(lambda: next((e for e in bascule.events() if e["status"] == 0), None), "the alarm")
        assert "of 4 clients or more, differ from what was learned: " in alarm["notes"][0]
        assert "filter: never seen here, with {, }" in alarm["notes"][0]
        assert told(bascule)["alarms"] == 1
        assert admin(bascule, "POST", "/profiles/%2A/forget", {"place": "/"}) == {"ok": True, "count": 1}
        assert ask(bascule, f"/?q={SESAME}").status == 200
        assert "GET /" not in ripe(bascule)


@unless_stalled
def test_attackers_teach_nothing(shop: str, tmp_path: Path) -> None:
    with guarded(shop, waf(Path(tempfile.mkdtemp(dir=tmp_path)), "learning", hold="2s")) as bascule:
        for client in CLIENTS:
            assert ask(bascule, f"/?q={SESAME}", client).status == 200
            assert ask(bascule, "/?q=1%27%20union%20select%20password%20from%20users--", client).status == 403
        wait_for(lambda: told(bascule)["ignored"] >= len(CLIENTS), "them to be ignored")
        assert told(bascule)["learned"] == 0
