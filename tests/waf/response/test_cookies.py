"""Protected cookies come back as they were set, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.config.response import CookieGuard
from bascule.waf.response.cookies import POISONED, UNPROTECTED, Cookies

SECRET, OLD = "a-secret-of-32-characters-or-more", "the-secret-before-that-one-00000"


def cookies(**guard: object) -> Cookies:
    return Cookies(CookieGuard.model_validate({"secret": SECRET, **guard}))


SIGN, ENCRYPT = cookies(), cookies(protect="encrypt")
BOTH = pytest.mark.parametrize("guard", [SIGN, ENCRYPT], ids=["sign", "encrypt"])


def sealed(guard: Cookies, text: bytes) -> bytes:
    """Return the pair that a client sends back."""
    return guard.seal(text).partition(b";")[0]


@BOTH
@given(st.binary(min_size=1).filter(lambda value: not set(value) & set(b"; \t")))
def test_value_comes_back(guard: Cookies, value: bytes) -> None:
    assert guard.open(sealed(guard, b"a=" + value)) == (b"a=" + value, [])


def test_attributes_stay_and_encryption_hides() -> None:
    assert SIGN.seal(b"a=1; Path=/; HttpOnly").startswith(b"a=1.bsc1.")
    assert SIGN.seal(b"a=1; Path=/; HttpOnly").endswith(b"; Path=/; HttpOnly")
    assert b"visible" not in ENCRYPT.seal(b"a=visible")
    assert SIGN.seal(b"a=; Max-Age=0") == b"a=; Max-Age=0"


@BOTH
def test_a_changed_cookie_is_left_out(guard: Cookies) -> None:
    good = sealed(guard, b"role=user")
    for index in range(len(b"role="), len(good)):
        changed = bytearray(good)
        changed[index] ^= 1
        opened = guard.open(bytes(changed))
        assert opened.value == b""
        assert [name for _, name in opened.faults] == [b"role"]
    assert guard.open(b"x=1; " + good.replace(b"role", b"rule")).faults == [(UNPROTECTED, b"x"), (POISONED, b"rule")]


def test_of_one_cookie_is_of_no_other() -> None:
    token = sealed(ENCRYPT, b"cheap=1").partition(b"=")[2]
    assert ENCRYPT.open(b"dear=" + token).faults == [(POISONED, b"dear")]


def test_a_cookie_without_protection() -> None:
    assert SIGN.open(b"a=1; b=") == (b"b=", [(UNPROTECTED, b"a")])
    assert SIGN.open(b"a=1", strict=False) == (b"a=1", [(UNPROTECTED, b"a")])


def test_names() -> None:
    guard = cookies(names=["sess*", "cart"], leave=["sess_js"])
    assert [guard.protects(name) for name in (b"session", b"cart", b"sess_js", b"carts", b"other")] == [
        True, True, False, False, False,
    ]  # fmt: skip
    assert guard.seal(b"other=1; Path=/") == b"other=1; Path=/"
    assert guard.open(b"other=1;sess_js=2") == (b"other=1; sess_js=2", [])


def test_secrets_rotate() -> None:
    for protect in ("sign", "encrypt"):
        before, after = cookies(secret=OLD, protect=protect), cookies(previous=[OLD], protect=protect)
        assert after.open(sealed(before, b"a=1")) == (b"a=1", [])
        assert cookies(protect=protect).open(sealed(before, b"a=1")).faults == [(POISONED, b"a")]
    assert ENCRYPT.open(sealed(SIGN, b"a=1")) == (b"a=1", [])  # `protect` may be changed


@given(st.binary(max_size=80))
def test_any_field_can_be_read(field: bytes) -> None:
    SIGN.open(field)
    ENCRYPT.open(b"a=bsc2." + field)
    SIGN.seal(field)
