"""Logins on the wire: what is refused, slowed down, asked and told, over two workers."""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.support.clients import Message, Wire, connect, request
from tests.support.origins import Origin, answer
from tests.support.program import Bascule, wait_for

FORM = "application/x-www-form-urlencoded"
BREACHED = "correct horse"
FOLDER = tempfile.TemporaryDirectory()


def config(origin: Origin) -> dict[str, Any]:
    digest = hashlib.sha1(BREACHED.encode(), usedforsecurity=False).hexdigest().upper()
    breached = Path(FOLDER.name, "pwned.txt")
    breached.write_text(f"{digest}:77\n")
    routes = {"routes": {"/": [f"127.0.0.1:{origin.port}"]}}
    return {
        "workers": 2,
        "events": {"path": "events.jsonl"},
        "defence": {"allow": ["127.0.9.0/24"]},
        "logins": {"mode": "block", "endpoints": ["/login"], "pair": "3/10m refuse", "spraying": {"least": 100000}},
        "sites": {
            "site.test": {"logins": {"sessions": {"cookie": "sid", "most": 2}}, **routes},
            "delay.test": {"logins": {"account": "3/10m delay", "delay": "1s"}, **routes},
            "ask.test": {"challenge": "auto", "logins": {"account": "3/10m challenge"}, **routes},
            "detect.test": {"logins": {"mode": "detect"}, **routes},
            "refuse.test": {"logins": {"passwords": {"breached": str(breached), "answer": "refuse"}}, **routes},
            "flag.test": {"logins": {"passwords": {"breached": str(breached), "answer": "flag"}}, **routes},
        },
    }


def server(wire: Any, message: Message) -> bool:
    """A site whose every account has the password `right`."""
    wire.read_body(message)
    if message.start[0] == "GET":
        told = {"cookie": message["cookie"]}
        wire.send(answer(json.dumps(told).encode(), "200 OK", "Content-Type: application/json"))
        return True
    path = message.start[1]
    sent = json.loads(message.body) if path == "/api/in" else parse_qs(message.body.decode())
    word = sent.get("password")
    if (word if isinstance(word, str) else (word or [""])[0]) == "right":
        session = hashlib.md5(str(time.monotonic_ns()).encode(), usedforsecurity=False).hexdigest()
        wire.send(answer(b"", "303 See Other", "Location: /account", f"Set-Cookie: sid={session}; Path=/"))
    else:
        wire.send(answer(b"no", "403 Forbidden", "Content-Type: text/plain"))
    return True


@pytest.fixture(autouse=True)
def _site(origin: Origin) -> None:
    origin.handler = server


def log_in(
    bascule: Bascule, source: str, password: str = "wrong", host: str = "site.test", account: str = "ada", **more: str
) -> Message:
    body = f"email={account}&password={password}".encode()
    return post(bascule, source, body, host, "/login", **more)


def post(bascule: Bascule, source: str, body: bytes, host: str, path: str, **more: str) -> Message:
    with connect(bascule.port, source) as wire:
        wire.send(request(path, "POST", host, body, **{"Content_Type": FORM, **more}))
        return wire.response()


def cookies(message: Message) -> str:
    return "; ".join(value.partition(";")[0] for value in message.values("set-cookie"))


def test_brute_force(bascule: Bascule, origin: Origin) -> None:
    answers = [log_in(bascule, "127.0.1.1") for _ in range(8)]
    assert [message.status for message in answers] == [403] * 3 + [429] * 5
    assert len(origin.seen) == 3
    refused = answers[-1]
    assert 150 <= int(refused["retry-after"] or 0) <= 200
    assert b"Too many logins failed" in refused.body
    ref = refused["x-bascule-ref"]
    assert ref
    wait_for(lambda: ref in (bascule.folder / "events.jsonl").read_text(), "the event")
    told = [json.loads(line) for line in (bascule.folder / "events.jsonl").read_text().splitlines()]
    event = next(event for event in told if event["reference"] == ref)
    assert event["notes"] == ["more than 3/600s failed", "account ada***", "refuse"]
    assert log_in(bascule, "127.0.1.2", "right").status == 303


def test_a_known_device(bascule: Bascule) -> None:
    known = cookies(log_in(bascule, "127.0.2.1", "right", account="eva"))
    assert "bascule-device-" in known
    assert [log_in(bascule, "127.0.2.1", account="eva").status for _ in range(4)] == [403] * 3 + [429]
    assert log_in(bascule, "127.0.2.1", "right", account="eva", Cookie=known).status == 303
    assert log_in(bascule, "127.0.2.1", "right", account="bob", Cookie=known).status == 303, "another account"


def test_a_success_begins_anew(bascule: Bascule) -> None:
    for _ in range(3):
        statuses = [log_in(bascule, "127.0.3.1", word, account="cat").status for word in ("wrong", "wrong", "right")]
        assert statuses == [403, 403, 303]


def test_who_goes_away_has_not_succeeded(bascule: Bascule, origin: Origin) -> None:
    assert [log_in(bascule, "127.0.13.1", account="kim").status for _ in range(2)] == [403] * 2
    left = threading.Event()

    def form(wire: Wire, message: Message) -> bool:
        wire.read_body(message)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nSet-Cookie: csrf=new\r\nContent-Length: 999\r\n\r\n"
        wire.send(head + b"<h1>Log in</h1>")
        wire.at_end()
        left.set()
        return False

    origin.handler = form
    body = b"email=kim&password=wrong"
    with connect(bascule.port, "127.0.13.1") as wire:
        wire.send(request("/login", "POST", "site.test", body, Content_Type=FORM))
        assert wire.head().start[1] == "200"
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert left.wait(30), "the server is left before the form has come"
    origin.handler = server
    assert log_in(bascule, "127.0.13.1", account="kim").status == 429


def test_a_new_password_hides_no_login(bascule: Bascule) -> None:
    body = b"email=lea&password=wrong&new_password=a+good+long+one"
    statuses = [post(bascule, "127.0.14.1", body, "flag.test", "/login").status for _ in range(4)]
    assert statuses == [403] * 3 + [429]


def test_bodies_that_come_in_pieces(bascule: Bascule, origin: Origin) -> None:
    body = b"email=dan&password=wrong"
    statuses = []
    for _ in range(2):
        with connect(bascule.port, "127.0.4.1") as wire:
            wire.send(request("/login", "POST", body=body, Content_Type=FORM, Expect="100-continue")[: -len(body)])
            assert wire.head().start[1] == "100"
            wire.send(body[:9])
            wire.send(body[9:])
            statuses.append(wire.response().status)
    with connect(bascule.port, "127.0.4.1") as wire:
        for _ in range(2):  # chunked, on one connection
            wire.send(request("/login", "POST", Content_Type=FORM, Transfer_Encoding="chunked"))
            wire.send(b"9\r\nemail=dan\r\n")
            wire.send(b"f\r\n&password=wrong\r\n0\r\n\r\n")
            statuses.append(wire.response().status)
    assert statuses == [403, 403, 403, 429]
    assert [message.body for message in origin.seen] == [body] * 3


def test_padding_hides_nothing(bascule: Bascule, origin: Origin) -> None:
    body = b"pad=" + b"x" * 70_000 + b"&email=fay&password=wrong"
    assert post(bascule, "127.0.5.1", body, "site.test", "/login").status == 413
    assert post(bascule, "127.0.5.1", body, "site.test", "/upload").status == 403, "no login is there"
    assert origin.seen[-1].body == body


def test_a_login_that_is_recognised(bascule: Bascule) -> None:
    body = json.dumps({"user": {"name": "gus"}, "password": "wrong"}).encode()
    kind = {"Content_Type": "application/json"}
    statuses = [post(bascule, "127.0.6.1", body, "site.test", "/api/in", **kind).status for _ in range(4)]
    assert statuses == [403] * 3 + [429]
    assert [post(bascule, "127.0.6.1", b"q=password", "site.test", "/find").status for _ in range(5)] == [403] * 5


def test_a_delay(bascule: Bascule) -> None:
    for number in range(1, 4):
        assert log_in(bascule, f"127.0.7.{number}", host="delay.test").status == 403
    began = time.monotonic()
    assert log_in(bascule, "127.0.7.9", "right", "delay.test").status == 303, "late, but not locked out"
    assert time.monotonic() - began > 0.9


def test_a_challenge(bascule: Bascule) -> None:
    page = {"Accept": "text/html", "User_Agent": "Mozilla/5.0"}
    for number in range(1, 4):
        assert log_in(bascule, f"127.0.8.{number}", host="ask.test", **page).status == 403
    asked = log_in(bascule, "127.0.8.9", host="ask.test", **page)
    assert (asked.status, b"data-ticket" in asked.body) == (403, True)


def test_whom_nothing_concerns(bascule: Bascule) -> None:
    assert [log_in(bascule, "127.0.9.1", account="ivy").status for _ in range(6)] == [403] * 6


def test_detect_changes_nothing(bascule: Bascule) -> None:
    assert [log_in(bascule, "127.0.10.1", host="detect.test").status for _ in range(6)] == [403] * 6
    assert "bascule" not in cookies(log_in(bascule, "127.0.10.2", "right", "detect.test"))
    wait_for(lambda: '"detect"' in (bascule.folder / "events.jsonl").read_text(), "the event")


def register(bascule: Bascule, host: str, password: str, **more: str) -> Message:
    body = f"email=new@site.test&password={password}&confirm={password}".encode()
    return post(bascule, "127.0.11.1", body, host, "/register", **more)


def test_new_passwords(bascule: Bascule, origin: Origin) -> None:
    answers = [register(bascule, "refuse.test", word) for word in (BREACHED, "aaaa", "a good long one")]
    assert [message.status for message in answers] == [422, 422, 403]
    assert [text in message.body for text, message in zip((b"breaches", b"8 char"), answers, strict=False)] == [
        True
    ] * 2
    origin.seen.clear()
    for word in (BREACHED, "aaaa", "a good long one"):
        register(bascule, "flag.test", word, X_Bascule_Password="fine")
    assert [message["x-bascule-password"] for message in origin.seen] == ["breached", "weak", "fine"]
    post(bascule, "127.0.11.1", b"a=1", "flag.test", "/other", X_Bascule_Password="fine")
    assert origin.seen[-1]["x-bascule-password"] is None, "a client's own word"


def test_sessions(bascule: Bascule) -> None:
    def whoami(cookie: str) -> Any:
        with connect(bascule.port, "127.0.12.1") as wire:
            wire.send(request("/", Cookie=f"{cookie}; theme=dark"))
            return wire.response().json()["cookie"]

    found = [log_in(bascule, "127.0.12.1", "right", account="jan") for _ in range(3)]
    sessions = [next(part for part in cookies(message).split("; ") if part.startswith("sid=")) for message in found]
    assert [whoami(session) for session in sessions] == [
        "theme=dark",
        f"{sessions[1]}; theme=dark",
        f"{sessions[2]}; theme=dark",
    ]
    assert whoami(f"sid=other; {sessions[0]}") == "sid=other; theme=dark", "servers differ in which they take"
