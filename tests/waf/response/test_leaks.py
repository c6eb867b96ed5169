"""Leaks are told by the form that programs give them; prose about them is none."""

from __future__ import annotations

import pytest

from bascule.waf.response.leaks import DATABASE_ERROR, LISTING, PRIVATE_KEY, SOURCE, STACK_TRACE, Leaks

LEAKS = [
    (STACK_TRACE, "Traceback (most recent call last):\n  File \"/srv/app.py\", line 3, in f\n"),
    (STACK_TRACE, "java.lang.NullPointerException\n\tat com.shop.Cart.add(Cart.java:42)\n"),
    (STACK_TRACE, "<br />\n<b>Warning</b>:  include(x): failed in <b>/var/www/index.php</b> on line <b>3</b>"),
    (STACK_TRACE, "PHP Fatal error: Uncaught Error: Call to undefined function f() in /var/www/a.php:3"),
    (STACK_TRACE, "   at Shop.Cart.Add(Int32 id) in C:\\src\\Cart.cs:line 42\n"),
    (STACK_TRACE, "Server Error in '/' Application."),
    (STACK_TRACE, "TypeError: x\n    at Object.<anonymous> (/srv/app/index.js:3:7)\n"),
    (STACK_TRACE, "goroutine 1 [running]:\nmain.main()"),
    (STACK_TRACE, "app/models/cart.rb:42:in `add'"),
    (STACK_TRACE, "thread 'main' panicked at src/cart.rs:7:5:"),
    (STACK_TRACE, "Can't locate object method at /srv/lib/Cart.pm line 42."),
    (STACK_TRACE, "** (KeyError) key :a not found\n    (shop 0.1.0) lib/shop/cart.ex:42: Shop.add/1\n"),
    (DATABASE_ERROR, "You have an error in your SQL syntax; check the manual"),
    (DATABASE_ERROR, "ORA-00933: SQL command not properly ended"),
    (DATABASE_ERROR, "SQLSTATE[42000]: Syntax error"),
    (DATABASE_ERROR, 'ERROR: syntax error at or near "\'"'),
    (DATABASE_ERROR, 'near "FROM": syntax error'),
    (DATABASE_ERROR, "Unknown column 'shop_id' in 'where clause'"),
    (DATABASE_ERROR, 'ERROR: column "id" of relation "carts" does not exist'),
    (DATABASE_ERROR, "com.microsoft.sqlserver.jdbc.SQLServerException: Incorrect syntax near 'x'."),
    (LISTING, "<html><head><title>Index of /backup</title></head>"),
    (LISTING, '<A HREF="/">[To Parent Directory]</A><br>'),
    (LISTING, "<title>Directory Listing For [/backup/]</title>"),
    (LISTING, "<title>Directory: /backup/</title>"),
    (LISTING, "<title>listing directory /backup</title>"),
    (SOURCE, "<?php\n$db = 'secret';"),
    (PRIVATE_KEY, "-----BEGIN RSA PRIVATE KEY-----"),
    (PRIVATE_KEY, "-----BEGIN PGP PRIVATE KEY BLOCK-----"),
    (PRIVATE_KEY, "PuTTY-User-Key-File-3: ssh-ed25519"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "text"), LEAKS)
def test_leak_is_found(rule: int, text: str) -> None:
    assert [number for number, _ in Leaks("all").find(f"<html>\n{text}".encode())] == [rule]


@pytest.mark.parametrize(
    "text",
    [
        "How to read a stack trace: the line with 'at' names the class.",
        "Warning: this product contains nuts. Made in Germany.",
        "<p>Our index of titles</p><title>Index of companies</title>",
        "Meet us at the Cart (opposite the station).",
        "Use <code>&lt;?php echo 1; ?&gt;</code> in your page.",
        "Oracle, MySQL and PostgreSQL errors explained",
        "The public key begins with -----BEGIN PUBLIC KEY-----",
        "In the column 'name' of the table \"carts\" there does not exist a value",
        "<title>Directory: who is who</title> a thread 'about panicking' at noon, line 3.",
    ],
)
def test_prose_is_none(text: str) -> None:
    assert Leaks("all").find(text.encode()) == []


@pytest.mark.parametrize(
    ("cloak", "status", "kind", "looked_at"),
    [
        ("errors", 500, b"text/html; charset=utf-8", True),
        ("errors", 200, b"text/html", False),
        ("errors", 404, b"text/html", False),
        ("errors", 500, b"image/png", False),
        ("all", 200, b"application/json", True),
        ("all", 200, b"text/event-stream", False),
    ],
)
def test_which_responses_are_looked_at(cloak: str, status: int, kind: bytes, looked_at: bool) -> None:
    assert Leaks(cloak).looks_at(status, [(b"content-type", kind)]) is looked_at


def test_only_errors_are_looked_for_in_errors() -> None:
    assert Leaks("errors").find(b"<title>Index of /</title>") == []
