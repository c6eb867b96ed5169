"""The sample shop by itself: its pages, its interfaces, its deliberate weaknesses and where they end."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

APP = Path(__file__).resolve().parents[2] / "examples" / "shop" / "app.py"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


@dataclass
class Answer:
    status: int
    body: bytes
    headers: http.client.HTTPMessage

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Visitor:
    """A browser, so to speak: one kept connection, and cookies."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(self, method: str, target: str, body: bytes | None = None, kind: str = "") -> Answer:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if kind:
            headers["Content-Type"] = kind
        self.connection.request(method, target, body, headers)
        response = self.connection.getresponse()
        for line in response.headers.get_all("Set-Cookie", []):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
        return Answer(response.status, response.read(), response.headers)

    def get(self, target: str) -> Answer:
        return self.ask("GET", target)

    def post(self, target: str, **form: str | int) -> Answer:
        return self.ask("POST", target, urlencode(form).encode(), "application/x-www-form-urlencoded")

    def post_json(self, target: str, value: object) -> Answer:
        return self.ask("POST", target, json.dumps(value).encode(), "application/json")


def start(folder: Path, name: str) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, str(APP), "--port", "0", "--db", str(folder / "shop.db"), "--name", name]
    replica = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert replica.stdout is not None
    return replica, int(replica.stdout.readline().rpartition(":")[2])


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[int]]:
    """Two replicas over one database."""
    folder = tmp_path_factory.mktemp("shop")
    replicas = [start(folder, name) for name in ("replica-a", "replica-b")]
    yield [port for _, port in replicas]
    for replica, _ in replicas:
        replica.terminate()
        with replica:
            assert replica.wait(30) == 0


@pytest.fixture
def visitor(ports: list[int]) -> Iterator[Visitor]:
    someone = Visitor(ports[0])
    yield someone
    someone.connection.close()


def test_pages(visitor: Visitor) -> None:
    front = visitor.get("/")
    assert front.status == 200
    assert "Harbour mug" in front.text
    assert front.headers["X-Powered-By"] == "shop/replica-a"
    assert "Harbour mug" not in visitor.get("/?category=Desk").text
    assert "Copper kettle" in visitor.get("/?q=kettle").text
    assert "whole compile" in visitor.get("/product/1").text
    assert visitor.get("/style.css").headers["Content-Type"] == "text/css"
    assert visitor.get("/pictures/3.svg").body.startswith(b"<svg")
    assert visitor.get("/healthz").body == b"ok\n"
    assert visitor.get("/product/999").status == 404
    assert visitor.ask("DELETE", "/cart").status == 405
    head = visitor.ask("HEAD", "/")
    assert (head.status, head.body) == (200, b"")


def test_a_visit_from_account_to_order(visitor: Visitor, ports: list[int]) -> None:
    assert visitor.get("/account").status == 303
    assert visitor.post("/login", email="ada@shop.example", password="wrong").status == 403
    assert visitor.post("/register", name="Eve", email="eve@shop.example", password="long enough").status == 303
    assert visitor.post("/register", name="Eve", email="eve@shop.example", password="long enough").status == 409
    assert visitor.post("/cart", product=2, quantity=2).headers["Location"] == f"http://127.0.0.1:{ports[0]}/cart"
    assert "€ 78.00" in visitor.get("/cart").text
    visitor.post("/cart", product=2, quantity=-1)
    # the other replica knows the visitor, the cart, and then the order
    elsewhere = Visitor(ports[1], visitor.cookies)
    assert json.loads(elsewhere.get("/api/cart").body)["total"] == 3900
    before = json.loads(elsewhere.get("/api/products/2").body)["stock"]
    assert elsewhere.post("/checkout", address="Harbour 1").status == 303
    elsewhere.connection.close()
    assert json.loads(visitor.get("/api/products/2").body)["stock"] == before - 1
    assert "€ 39.00" in visitor.get("/account").text
    assert "empty" in visitor.get("/cart").text
    assert visitor.get("/admin").status == 403
    assert visitor.post("/logout").status == 303
    assert visitor.get("/account").status == 303
    assert visitor.post("/login", email="admin@shop.example", password="drawbridge").status == 303
    assert "Shopkeeper" in visitor.get("/admin").text


def test_json_interface(visitor: Visitor) -> None:
    assert [p["name"] for p in json.loads(visitor.get("/api/products?q=pen").body)["products"]] == ["Fountain pen"]
    assert json.loads(visitor.post_json("/api/cart", {"product": 3, "quantity": 2}).body)["total"] == 17800
    assert visitor.post_json("/api/cart", {"product": "3"}).status == 400
    assert visitor.ask("POST", "/api/cart", b"{", "application/json").status == 400
    assert visitor.post_json("/api/reviews", {"product": 3, "author": "Bo", "stars": 4, "text": "Sings."}).status == 201
    assert "Sings." in visitor.get("/product/3").text


def test_a_review_with_a_picture(visitor: Visitor) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="author"\r\n\r\nMax\r\n'
        b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\nLook!\r\n'
        b'--x\r\nContent-Disposition: form-data; name="picture"; filename="../a.png"\r\n\r\n' + PNG + b"\r\n--x--\r\n"
    )
    kind = "multipart/form-data; boundary=x"
    assert visitor.ask("POST", "/product/7/reviews", body, kind).status == 303
    shown = visitor.get("/product/7").text
    name = shown.partition('<img src="/images/')[2].partition('"')[0]
    assert visitor.get(f"/images/{name}").body == PNG
    assert visitor.ask("POST", "/product/7/reviews", body.replace(b"\x89PNG", b"MZ"), kind).status == 415


def test_a_chunked_body_and_one_that_is_too_large(visitor: Visitor) -> None:
    visitor.connection.request(
        "POST", "/api/reviews", iter([b'{"product": 1, ', b'"text": "in pieces"}']), encode_chunked=True,
        headers={"Transfer-Encoding": "chunked"},
    )  # fmt: skip
    response = visitor.connection.getresponse()
    assert (response.status, bool(response.read())) == (201, True)
    visitor.connection.putrequest("POST", "/api/reviews")
    visitor.connection.putheader("Content-Length", "99999999")
    visitor.connection.endheaders()
    assert visitor.connection.getresponse().status == 413


def test_events_arrive_one_by_one(visitor: Visitor) -> None:
    visitor.connection.request("GET", "/events")
    response = visitor.connection.getresponse()
    assert response.headers["Content-Type"] == "text/event-stream"
    for _ in range(2):
        assert "stock" in json.loads(response.readline().removeprefix(b"data: "))
        assert response.readline() == b"\n"


def test_the_websocket_says_back_what_it_is_told(ports: list[int]) -> None:
    key = base64.b64encode(b"0123456789abcdef").decode()
    with (
        socket.create_connection(("127.0.0.1", ports[0]), timeout=30) as connection,
        connection.makefile("rb") as stream,
    ):
        connection.sendall(
            f"GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        assert b" 101 " in stream.readline()
        while stream.readline().strip():
            pass
        for size, head in ((5, b"\x81\x05"), (300, b"\x81\x7e\x01\x2c")):
            mask = os.urandom(4)
            masked = bytes(0x61 ^ mask[place % 4] for place in range(size))
            connection.sendall(head[:1] + bytes((head[1] | 0x80,)) + head[2:] + mask + masked)
            assert stream.read(len(head) + size) == head + b"a" * size
        connection.sendall(b"\x88\x82" + bytes(4) + b"\x03\xe8")
        assert stream.read() == b"\x88\x02\x03\xe8"


def test_the_weaknesses_are_there(visitor: Visitor) -> None:
    union = "' UNION SELECT id, email || ' ' || password, 1, 1, 1, 1 FROM users --"
    assert "admin@shop.example" in visitor.get("/?q=" + quote(union)).text
    assert "<script>alert(1)</script>" in visitor.get("/?q=" + quote("<script>alert(1)</script>")).text
    assert "OperationalError" in visitor.get("/?q='").text
    visitor.post_json("/api/reviews", {"product": 4, "text": "<img src=x onerror=alert(1)>"})
    assert "<img src=x onerror=alert(1)>" in visitor.get("/product/4").text
    assert visitor.get("/download?file=../../../etc/passwd").text.startswith("root:x:0:0")
    assert visitor.post("/login", email="admin@shop.example' --", password="x").status == 303
    assert "Shopkeeper" in visitor.get("/admin").text


def test_the_weaknesses_end_at_the_shops_own_files(visitor: Visitor, tmp_path: Path) -> None:
    (tmp_path / "private").write_text("mine")
    for climb in ("../" * 30, "/", ""):
        assert visitor.get("/download?file=" + quote(f"{climb}{tmp_path}/private")).status == 404
    passwd = Path("/etc/passwd")
    if passwd.exists():
        assert visitor.get("/download?file=" + "../" * 30 + "etc/passwd").body != passwd.read_bytes()
    assert visitor.get("/download?file=%00").status == 404


def test_it_listens_on_loopback_only(tmp_path: Path) -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); from kit import ShopServer; from store import Store\n"
    code += "print(ShopServer(0, Store(sys.argv[2] + '/x.db'), 'x').server_address[0])"
    command = [sys.executable, "-c", code, str(APP.parent)]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.stdout == "127.0.0.1\n"
    helped = subprocess.run([sys.executable, str(APP), "--help"], capture_output=True, text=True, timeout=60)
    assert "--host" not in helped.stdout
