"""The pages that people see."""

from __future__ import annotations

import secrets
import sqlite3
from html import escape
from pathlib import Path

from kit import Request, RequestError, Response, redirect, route
from pictures import Files, picture

STYLE = Path(__file__).with_name("style.css").read_bytes()
CATEGORIES = ("Kitchen", "Living", "Outdoors", "Desk")
PICTURE_TYPES = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpg", b"GIF8": "gif"}
_TICKER = """<script>
const line = document.getElementById("ticker");
new EventSource("/events").onmessage = (e) => {
  const s = JSON.parse(e.data); line.textContent = `${s.name}: ${s.stock} in stock`; };
</script>"""


def files(request: Request) -> Files:
    """Return the files beside the database."""
    return Files(Path(request.store.path + ".files"))


def page(request: Request, title: str, content: str, status: int = 200) -> Response:
    """Put content into the shop's frame."""
    user = request.user
    count = sum(line["quantity"] for line in request.store.cart(request.session))
    account = f'<a href="/account">{escape(user["name"])}</a>' if user else '<a href="/login">Log in</a>'
    admin = '<a href="/admin">Admin</a>' if user and user["admin"] else ""
    html = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} – Harbour Shop</title>
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/style.css"></head><body>
<header><div class="bar"><a class="logo" href="/">Harbour Shop</a>
<form action="/" role="search"><input name="q" placeholder="Search" aria-label="Search"></form>
<nav>{admin}{account}<a href="/cart">Cart ({count})</a></nav></div></header>
<main>{content}</main>
<footer>A sample with deliberate weaknesses, for trying out Bascule. Never put it on a network.</footer>
</body></html>"""
    cookie = ("Set-Cookie", f"shop_session={request.session}; Path=/; HttpOnly; SameSite=Lax")
    return Response(html.encode(), status, headers=[cookie])


def money(cents: int) -> str:
    """Return a price as it is shown."""
    return f"€ {cents / 100:,.2f}" if isinstance(cents, int) else escape(str(cents))


def stars(count: int) -> str:
    """Return stars."""
    return f'<span class="stars" aria-label="{count} of 5">{"★" * count}{"☆" * (5 - count)}</span>'


# Catalogue -----------------------------------------------------------------------------------------


@route("GET", "/")
def catalogue(request: Request) -> Response:
    """All products, or those that are searched for."""
    words, category = request.query.get("q", ""), request.query.get("category", "")
    found = request.store.search(words, category)
    links = "".join(
        f'<a class="{"on" if name == category else ""}" href="/?category={name}">{name}</a>' for name in CATEGORIES
    )
    # DELIBERATELY WEAK: reflected cross-site scripting, the words come back as they were sent
    title = f"Results for “{words}”" if words else category if category in CATEGORIES else "Good things, made well"
    cards = "".join(card(product) for product in found) or '<p class="soft">Nothing found.</p>'
    content = f"""<div class="categories"><a href="/">All</a>{links}</div><h1>{title}</h1>
<p id="ticker"></p><div class="grid">{cards}</div>{_TICKER}"""
    return page(request, "Shop", content)


def card(product: sqlite3.Row) -> str:
    """Return a product in the grid."""
    name = escape(str(product["name"]))
    return f"""<a class="card" href="/product/{product["id"]}"><img src="/pictures/{product["id"]}.svg" alt="{name}">
<div>{name}<br><span class="price">{money(product["price"])}</span></div></a>"""


@route("GET", r"/product/(\d{1,9})")
def product_page(request: Request, number: str, note: str = "") -> Response:
    """One product with its reviews."""
    product = request.store.product(int(number))
    if product is None:
        raise RequestError(404, "no such product")
    reviews = "".join(review(row) for row in request.store.reviews(product["id"])) or '<p class="soft">None yet.</p>'
    content = f"""{note}<div class="product"><img src="/pictures/{product["id"]}.svg" alt=""><div>
<h1>{escape(product["name"])}</h1><p>{escape(product["about"])}</p>
<p class="price">{money(product["price"])}</p><p class="soft">{product["stock"]} in stock</p>
<form method="post" action="/cart"><input type="hidden" name="product" value="{product["id"]}">
<button>Add to cart</button></form></div></div>
<h2>Reviews</h2>{reviews}
<form class="stack" method="post" action="/product/{product["id"]}/reviews" enctype="multipart/form-data">
<label>Name <input name="author" required></label>
<label>Stars <select name="stars"><option>5<option>4<option>3<option>2<option>1</select></label>
<label>Review <textarea name="text" rows="3" required></textarea></label>
<label>Picture <input type="file" name="picture" accept="image/*"></label><button>Send</button></form>"""
    return page(request, product["name"], content)


def review(row: sqlite3.Row) -> str:
    """Return a review. DELIBERATELY WEAK: stored cross-site scripting, its text is not escaped."""
    shown = f'<img src="/images/{escape(row["picture"])}" alt="">' if row["picture"] else ""
    return f"""<div class="review">{stars(row["stars"])} <b>{escape(row["author"])}</b>
<p>{row["text"]}</p>{shown}</div>"""


@route("POST", r"/product/(\d{1,9})/reviews")
def add_review(request: Request, number: str) -> Response:
    """Take a review, perhaps with a picture."""
    form = request.form
    picture_name = ""
    if (upload := request.files.get("picture")) and upload.content:
        kind = next((kind for magic, kind in PICTURE_TYPES.items() if upload.content.startswith(magic)), None)
        if kind is None:
            raise RequestError(415, "pictures are PNG, JPEG or GIF")
        picture_name = f"{secrets.token_hex(8)}.{kind}"
        files(request).keep(picture_name, upload.content)
    given = form.get("stars", "5")
    rating = int(given) if given.isdigit() else 5
    request.store.add_review(int(number), form.get("author", ""), rating, form.get("text", ""), picture_name)
    return redirect(request, f"/product/{number}")


@route("GET", r"/pictures/(\d{1,9})\.svg")
def product_picture(request: Request, number: str) -> Response:
    """The drawn picture of a product."""
    product = request.store.product(int(number))
    if product is None:
        raise RequestError(404, "no such picture")
    caching = [("Cache-Control", "public, max-age=3600")]
    return Response(picture(product["id"], product["category"]), kind="image/svg+xml", headers=caching)


@route("GET", r"/images/(\w+)\.(png|jpg|gif)")
def uploaded(request: Request, name: str, kind: str) -> Response:
    """A picture of a review."""
    content = files(request).read(f"{name}.{kind}")
    if content is None:
        raise RequestError(404, "no such picture")
    return Response(content, kind=f"image/{kind.replace('jpg', 'jpeg')}")


@route("GET", "/download")
def download(request: Request) -> Response:
    """A file for download; see Files.read for its weakness."""
    content = files(request).read(request.query.get("file", "size-guide.txt"))
    if content is None:
        raise RequestError(404, "no such file")
    return Response(content, kind="text/plain; charset=utf-8")


@route("GET", "/style.css")
def style(request: Request) -> Response:
    """The style sheet."""
    return Response(STYLE, kind="text/css", headers=[("Cache-Control", "public, max-age=3600")])


# Cart and account ----------------------------------------------------------------------------------


@route("GET", "/cart")
def cart(request: Request, note: str = "") -> Response:
    """What is in the cart, and the way to pay."""
    lines = request.store.cart(request.session)
    total = money(sum(line["price"] * line["quantity"] for line in lines))
    rows = "".join(
        f"""<tr><td>{escape(line["name"])}</td><td>{line["quantity"]}</td>
<td>{money(line["price"] * line["quantity"])}</td>
<td><form method="post" action="/cart"><input type="hidden" name="product" value="{line["id"]}">
<input type="hidden" name="quantity" value="-1"><button>Less</button></form></td></tr>"""
        for line in lines
    )
    pay = """<form class="stack" method="post" action="/checkout"><label>Address <textarea name="address" required>
</textarea></label><button>Order and pay</button></form>"""
    table = f"<table><tr><th>Product<th>Pieces<th>Price<th></tr>{rows}<tr><th>Total<td><th>{total}<td></tr></table>"
    empty = '<p class="soft">Your cart is empty.</p>'
    return page(request, "Cart", f"<h1>Cart</h1>{note}{table + pay if lines else empty}")


@route("POST", "/cart")
def change_cart(request: Request) -> Response:
    """Put something in, or take it out."""
    try:
        product, quantity = int(request.form["product"]), int(request.form.get("quantity", "1"))
    except (KeyError, ValueError):
        raise RequestError(400, "product and quantity are numbers") from None
    if request.store.product(product) is None:
        raise RequestError(404, "no such product")
    request.store.put_in_cart(request.session, product, quantity)
    response = redirect(request, "/cart")
    response.headers.append(("Set-Cookie", f"shop_session={request.session}; Path=/; HttpOnly; SameSite=Lax"))
    return response


@route("POST", "/checkout")
def checkout(request: Request) -> Response:
    """Order what is in the cart."""
    if request.user is None:
        return redirect(request, "/login")
    order = request.store.check_out(request.session, request.user["id"], request.form.get("address", ""))
    if order is None:
        return cart(request, '<p class="note">The cart is empty, or something is out of stock.</p>')
    return redirect(request, "/account")


def login_form(note: str = "") -> str:
    """Return the two forms."""
    return f"""<h1>Log in</h1>{note}<form class="stack" method="post" action="/login">
<label>Email <input name="email" required></label>
<label>Password <input type="password" name="password" required></label>
<button>Log in</button></form><h2>New here?</h2><form class="stack" method="post" action="/register">
<label>Name <input name="name" required></label><label>Email <input name="email" required></label>
<label>Password <input type="password" name="password" required></label><button>Register</button></form>
<p class="soft">Sample account: ada@shop.example, password <code>difference</code>.</p>"""


@route("GET", "/login")
def login(request: Request) -> Response:
    """The forms to log in and to register."""
    return page(request, "Log in", login_form())


@route("POST", "/login")
def log_in(request: Request) -> Response:
    """Log in."""
    user = request.store.log_in(request.session, request.form.get("email", ""), request.form.get("password", ""))
    if user is None:
        return page(request, "Log in", login_form('<p class="note">Wrong email or password.</p>'), 403)
    response = redirect(request, "/account")
    response.headers.append(("Set-Cookie", f"shop_session={request.session}; Path=/; HttpOnly; SameSite=Lax"))
    return response


@route("POST", "/register")
def register(request: Request) -> Response:
    """Make an account and log in with it."""
    form = request.form
    email, password = form.get("email", "").strip(), form.get("password", "")
    if "@" not in email or "'" in email or len(password) < 8:
        note = '<p class="note">An email address and a password of 8 characters, please.</p>'
        return page(request, "Log in", login_form(note), 400)
    if not request.store.register(email, form.get("name", email)[:60], password):
        return page(request, "Log in", login_form('<p class="note">There is such an account.</p>'), 409)
    return log_in(request)


@route("POST", "/logout")
def log_out(request: Request) -> Response:
    """Log out."""
    request.store.log_out(request.session)
    return redirect(request, "/")


@route("GET", "/account")
def account(request: Request) -> Response:
    """Who one is, and what one has ordered."""
    user = request.user
    if user is None:
        return redirect(request, "/login")
    rows = "".join(
        f"<tr><td>{order['id']}</td><td>{order['made']}</td><td>{money(order['total'])}</td></tr>"
        for order in request.store.orders(user["id"])
    )
    orders = (
        f"<table><tr><th>Order<th>Date<th>Total</tr>{rows}</table>" if rows else '<p class="soft">No orders yet.</p>'
    )
    content = f"""<h1>Hello {escape(user["name"])}</h1><p class="soft">{escape(user["email"])}</p>{orders}
<form method="post" action="/logout"><p><button>Log out</button></p></form>"""
    return page(request, "Account", content)


@route("GET", "/admin")
def admin(request: Request) -> Response:
    """What the shopkeeper sees."""
    if request.user is None or not request.user["admin"]:
        raise RequestError(403, "for the shopkeeper only")
    rows = "".join(
        f"<tr><td>{row['id']}</td><td>{escape(row['name'])}</td><td>{row['stock']}</td></tr>"
        for row in request.store.rows("SELECT id, name, stock FROM products")
    )
    count = request.store.row("SELECT count(*) AS orders, coalesce(sum(total), 0) AS total FROM orders")
    assert count is not None
    content = f"""<h1>Shopkeeper</h1><p>{count["orders"]} orders, {money(count["total"])}.</p>
<table><tr><th>No.<th>Product<th>Stock</tr>{rows}</table>"""
    return page(request, "Admin", content)
