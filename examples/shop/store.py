"""The shop's database: one SQLite file that all replicas share.

Most queries are written properly, with parameters. The two that are not say so.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS products (
    id INTEGER PRIMARY KEY, name TEXT, category TEXT, price INTEGER, stock INTEGER, about TEXT);
CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY, email TEXT UNIQUE, name TEXT, password TEXT, admin INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS sessions (token TEXT PRIMARY KEY, user INTEGER, made TEXT DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE IF NOT EXISTS carts (session TEXT, product INTEGER, quantity INTEGER, PRIMARY KEY (session, product));
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY, user INTEGER, total INTEGER, address TEXT, made TEXT DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE IF NOT EXISTS order_lines (order_id INTEGER, product INTEGER, quantity INTEGER, price INTEGER);
CREATE TABLE IF NOT EXISTS reviews (
    id INTEGER PRIMARY KEY, product INTEGER, author TEXT, stars INTEGER, text TEXT, picture TEXT DEFAULT '',
    made TEXT DEFAULT CURRENT_TIMESTAMP);
"""

PRODUCTS = (
    ("Harbour mug", "Kitchen", 1450, "Stoneware, glazed by hand in the blue of the old harbour."),
    ("Oak chopping board", "Kitchen", 3900, "One piece of oak, oiled. It outlives the knife."),
    ("Copper kettle", "Kitchen", 8900, "Whistles in G. For gas, induction and open fire."),
    ("Linen tea towel", "Kitchen", 1200, "Dries a whole dinner service and looks the better for it."),
    ("Reading lamp", "Living", 7400, "Brass arm, warm light, no blue standby eye."),
    ("Wool throw", "Living", 9800, "From sheep you could meet. Heavy enough for a storm."),
    ("Bridge print", "Living", 2600, "A bascule bridge at dawn, two colours, numbered."),
    ("Ash stool", "Living", 11200, "Three legs, so it never wobbles."),
    ("Trail lantern", "Outdoors", 4700, "A week of evenings on one charge."),
    ("Enamel pot", "Outdoors", 3300, "For soup, coffee, and in need, rain."),
    ("Canvas rucksack", "Outdoors", 12900, "Waxed cotton, brass buckles, one big pocket."),
    ("Pocket compass", "Outdoors", 2900, "Finds north. Works offline."),
    ("Fountain pen", "Desk", 5600, "Steel nib, medium. Forgiving of haste."),
    ("Dot notebook", "Desk", 1600, "192 pages that lie flat."),
    ("Slate coaster set", "Desk", 1900, "Four, each of them slightly different."),
    ("Desk clock", "Desk", 6400, "Two hands, no notifications."),
)
REVIEWS = (
    (1, "Ada", 5, "Keeps the tea warm through a whole compile."),
    (1, "Linus", 4, "Solid. Would merge."),
    (5, "Grace", 5, "No bugs found in this one."),
    (11, "Edsger", 3, "Considered harmful to light travelling, but lovely."),
)
USERS = (("ada@shop.example", "Ada", "difference", 0), ("admin@shop.example", "Admin", "drawbridge", 1))
PAGE = 60


def password_hash(email: str, password: str) -> str:
    """Return what is stored of a password."""
    return hashlib.pbkdf2_hmac("sha256", password.encode(), email.lower().encode(), 20_000).hex()


class Store:
    """Opens the database for each use; SQLite does the locking between threads and replicas."""

    def __init__(self, path: str) -> None:
        self.path = path
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with self.open() as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("BEGIN IMMEDIATE")
            for statement in SCHEMA.split(";\n"):
                db.execute(statement)
            if not db.execute("SELECT 1 FROM products").fetchone():
                self._seed(db)
            db.execute("COMMIT")

    @staticmethod
    def _seed(db: sqlite3.Connection) -> None:
        for number, (name, category, price, about) in enumerate(PRODUCTS):
            row = (name, category, price, 5 + number * 7 % 40, about)
            db.execute("INSERT INTO products (name, category, price, stock, about) VALUES (?, ?, ?, ?, ?)", row)
        db.executemany("INSERT INTO reviews (product, author, stars, text) VALUES (?, ?, ?, ?)", REVIEWS)
        for email, name, password, admin in USERS:
            user = (email, name, password_hash(email, password), admin)
            db.execute("INSERT INTO users (email, name, password, admin) VALUES (?, ?, ?, ?)", user)

    @contextmanager
    def open(self) -> Iterator[sqlite3.Connection]:
        """Give a connection, closed afterwards."""
        db = sqlite3.connect(self.path, timeout=10, isolation_level=None)
        db.row_factory = sqlite3.Row
        try:
            yield db
        finally:
            db.close()

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Return all rows."""
        with self.open() as db:
            return db.execute(query, values).fetchall()

    def row(self, query: str, *values: Any) -> sqlite3.Row | None:
        """Return the first row."""
        found = self.rows(query, *values)
        return found[0] if found else None

    def run(self, query: str, *values: Any) -> int:
        """Change something; return the id of a row that was added."""
        with self.open() as db:
            return db.execute(query, values).lastrowid or 0

    # Catalogue -------------------------------------------------------------------------------------

    def search(self, words: str, category: str = "") -> list[sqlite3.Row]:
        """Find products.

        DELIBERATELY WEAK: SQL injection, the words are pasted into the statement.
        Try ``' UNION SELECT id, email || ' ' || password, 1, 1, 1, 1 FROM users --``.
        """
        statement = f"SELECT id, name, category, price, stock, about FROM products WHERE name LIKE '%{words}%'"
        if category:
            return self.rows(statement + " AND category = ?", category)
        return self.rows(f"{statement} LIMIT {PAGE}")

    def product(self, number: int) -> sqlite3.Row | None:
        """Return a product."""
        return self.row("SELECT * FROM products WHERE id = ?", number)

    def reviews(self, product: int) -> list[sqlite3.Row]:
        """Return the newest reviews."""
        return self.rows("SELECT * FROM reviews WHERE product = ? ORDER BY id DESC LIMIT ?", product, PAGE)

    def add_review(self, product: int, author: str, stars: int, text: str, picture: str = "") -> int:
        """Add a review, as it was written: pages that show it must escape it (ours does not)."""
        query = "INSERT INTO reviews (product, author, stars, text, picture) VALUES (?, ?, ?, ?, ?)"
        return self.run(query, product, author[:60], min(5, max(1, stars)), text[:4000], picture)

    # Visitors --------------------------------------------------------------------------------------

    def session(self, token: str) -> str:
        """Return the token of a session that exists: this one, or a new one."""
        if token and self.row("SELECT 1 FROM sessions WHERE token = ?", token):
            return token
        token = secrets.token_urlsafe(18)
        self.run("DELETE FROM sessions WHERE made < datetime('now', '-1 day')")
        self.run("INSERT INTO sessions (token) VALUES (?)", token)
        return token

    def user_of(self, session: str) -> sqlite3.Row | None:
        """Return who is logged in."""
        return self.row("SELECT u.* FROM users u JOIN sessions s ON s.user = u.id WHERE s.token = ?", session)

    def log_in(self, session: str, email: str, password: str) -> sqlite3.Row | None:
        """Log in.

        DELIBERATELY WEAK: SQL injection. Try the address ``admin@shop.example' --`` with any password.
        """
        hashed = password_hash(email, password)
        user = self.row(f"SELECT * FROM users WHERE email = '{email}' AND password = '{hashed}'")
        if user:
            self.run("UPDATE sessions SET user = ? WHERE token = ?", user["id"], session)
        return user

    def log_out(self, session: str) -> None:
        """Forget who is logged in."""
        self.run("UPDATE sessions SET user = NULL WHERE token = ?", session)

    def register(self, email: str, name: str, password: str) -> bool:
        """Add a user; False if the address is taken."""
        try:
            query = "INSERT INTO users (email, name, password) VALUES (?, ?, ?)"
            self.run(query, email, name, password_hash(email, password))
        except sqlite3.IntegrityError:
            return False
        return True

    # Cart and orders -------------------------------------------------------------------------------

    def cart(self, session: str) -> list[sqlite3.Row]:
        """Return the lines of a cart."""
        query = "SELECT p.*, c.quantity FROM carts c JOIN products p ON p.id = c.product WHERE c.session = ?"
        return self.rows(query, session)

    def put_in_cart(self, session: str, product: int, quantity: int) -> None:
        """Add (or, with a negative quantity, take out)."""
        with self.open() as db:
            query = """INSERT INTO carts VALUES (?1, ?2, ?3)
                       ON CONFLICT DO UPDATE SET quantity = min(99, quantity + ?3)"""
            db.execute(query, (session, product, min(99, quantity)))
            db.execute("DELETE FROM carts WHERE quantity <= 0")

    def check_out(self, session: str, user: int, address: str) -> int | None:
        """Turn a cart into an order; None if it is empty or something is out of stock."""
        with self.open() as db:
            db.execute("BEGIN IMMEDIATE")
            query = "SELECT p.*, c.quantity FROM carts c JOIN products p ON p.id = c.product WHERE c.session = ?"
            lines = db.execute(query, (session,)).fetchall()
            if not lines or any(line["quantity"] > line["stock"] for line in lines):
                db.execute("ROLLBACK")
                return None
            total = sum(line["price"] * line["quantity"] for line in lines)
            query = "INSERT INTO orders (user, total, address) VALUES (?, ?, ?)"
            order = db.execute(query, (user, total, address[:400])).lastrowid
            for line in lines:
                values = (order, line["id"], line["quantity"], line["price"])
                db.execute("INSERT INTO order_lines VALUES (?, ?, ?, ?)", values)
                db.execute("UPDATE products SET stock = stock - ? WHERE id = ?", (line["quantity"], line["id"]))
            db.execute("DELETE FROM carts WHERE session = ?", (session,))
            db.execute("COMMIT")
            return order

    def orders(self, user: int) -> list[sqlite3.Row]:
        """Return a user's orders."""
        return self.rows("SELECT * FROM orders WHERE user = ? ORDER BY id DESC", user)
