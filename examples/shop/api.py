"""The JSON interface, the stream of events and the WebSocket."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import websocket
from kit import Handler, Request, RequestError, Response, as_json, route

EVENTS_LIFE = 600
"""Seconds after which an event stream ends; browsers come back by themselves."""


def product_of(row: Any) -> dict[str, Any]:
    """Return a product as JSON tells it."""
    return {name: row[name] for name in ("id", "name", "category", "price", "stock")}


@route("GET", "/healthz")
def health(request: Request) -> Response:
    """Whether this replica can do its work."""
    request.store.row("SELECT 1")
    return Response(b"ok\n", kind="text/plain; charset=utf-8")


@route("GET", "/api/products")
def products(request: Request) -> Response:
    """All products, or those that are searched for."""
    found = request.store.search(request.query.get("q", ""), request.query.get("category", ""))
    return as_json({"products": [product_of(row) for row in found]})


@route("GET", r"/api/products/(\d{1,9})")
def one_product(request: Request, number: str) -> Response:
    """One product."""
    row = request.store.product(int(number))
    if row is None:
        raise RequestError(404, "no such product")
    return as_json(product_of(row))


@route("GET", "/api/cart")
def show_cart(request: Request) -> Response:
    """What is in the visitor's cart."""
    lines = [{**product_of(row), "quantity": row["quantity"]} for row in request.store.cart(request.session)]
    response = as_json({"lines": lines, "total": sum(line["price"] * line["quantity"] for line in lines)})
    response.headers.append(("Set-Cookie", f"shop_session={request.session}; Path=/; HttpOnly; SameSite=Lax"))
    return response


@route("POST", "/api/cart")
def put_in_cart(request: Request) -> Response:
    """Put something in: ``{"product": 1, "quantity": 2}``."""
    product, quantity = request.json.get("product"), request.json.get("quantity", 1)
    if not isinstance(product, int) or not isinstance(quantity, int) or request.store.product(product) is None:
        raise RequestError(400, "product is the number of a product, quantity a number")
    request.store.put_in_cart(request.session, product, quantity)
    return show_cart(request)


@route("POST", "/api/reviews")
def add_review(request: Request) -> Response:
    """Add a review: ``{"product": 1, "author": "Ada", "stars": 5, "text": "..."}``."""
    given = request.json
    product, text = given.get("product"), given.get("text")
    if not isinstance(product, int) or not isinstance(text, str) or request.store.product(product) is None:
        raise RequestError(400, "product is the number of a product, text a text")
    stars = given.get("stars", 5)
    number = request.store.add_review(
        product, str(given.get("author", "")), stars if isinstance(stars, int) else 5, text
    )
    return as_json({"id": number}, 201)


@route("GET", "/events")
def events(request: Request) -> Response:
    """The stock of a product each second, as Server-Sent Events."""
    return Response(
        headers=[
            ("Content-Type", "text/event-stream"),
            ("Cache-Control", "no-store"),
            ("Transfer-Encoding", "chunked"),
        ],
        stream=send_events,
    )


def send_events(handler: Handler) -> None:
    """Send events until the visitor goes away."""
    store = handler.server.store
    end = time.monotonic() + EVENTS_LIFE
    while time.monotonic() < end:
        rows = store.rows("SELECT id, name, stock FROM products")
        row = random.choice(rows)
        event = f"data: {json.dumps({'id': row['id'], 'name': row['name'], 'stock': row['stock']})}\n\n".encode()
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
        handler.wfile.flush()
        time.sleep(1)
    handler.wfile.write(b"0\r\n\r\n")
    handler.wfile.flush()


@route("GET", "/echo")
def echo(request: Request) -> Response:
    """A WebSocket that says back what it is told."""
    key = request.headers.get("Sec-WebSocket-Key", "")
    if request.headers.get("Upgrade", "").lower() != "websocket" or not key:
        raise RequestError(426, "this is a WebSocket")
    headers = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", websocket.accept(key))]
    return Response(status=101, headers=headers, stream=websocket.echo)
