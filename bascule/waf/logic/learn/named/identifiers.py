"""Numbers that identify people and accounts, made up: right form, right check digits, of nobody."""

from __future__ import annotations

import random
from collections.abc import Callable

_SENTENCES = ("My card is {}, thanks.", "please charge {} today", "{}", "No. {} (valid)", "Konto: {}; danke", "id={}")


def _digits(source: random.Random, count: int) -> str:
    return "".join(str(source.randint(0, 9)) for _ in range(count))


def _card(source: random.Random) -> str:
    body = source.choice(("4", "51", "55", "2221")) + _digits(source, 15)
    body = body[:15]
    total = sum(sum(divmod(int(digit) * (2 if place % 2 == 0 else 1), 10)) for place, digit in enumerate(body))
    number = body + str(-total % 10)
    gap = source.choice(("", " ", "-"))
    return gap.join(number[start : start + 4] for start in range(0, 16, 4))


def _iban(source: random.Random) -> str:
    account = _digits(source, 18)
    return f"DE{98 - int(account + '131400') % 97:02}{account}"  # D is 13, E is 14 (ISO 13616)


def _ssn(source: random.Random) -> str:
    return f"{source.choice((*range(1, 666), *range(667, 900))):03}-{source.randint(1, 99):02}-{source.randint(1, 9999):04}"


def _rrn(source: random.Random) -> str:
    number = f"{source.randint(50, 99):02}{source.randint(1, 12):02}{source.randint(1, 28):02}{source.randint(1, 2)}"
    number += _digits(source, 5)
    total = sum(int(digit) * weight for digit, weight in zip(number, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5), strict=True))
    return f"{number[:6]}-{number[6:]}{(11 - total % 11) % 10}"


KINDS: dict[str, Callable[[random.Random], str]] = {"card": _card, "iban": _iban, "us-ssn": _ssn, "kr-rrn": _rrn}
"""By the name that `waf.response.mask` has for it."""


def sentence_with(source: random.Random, kinds: str) -> str:
    """Return a sentence with a number of one of these kinds, written as in YAML: ``[card, iban]``."""
    kind = source.choice(kinds.strip("[]").split(", "))
    return source.choice(_SENTENCES).format(KINDS[kind](source))
