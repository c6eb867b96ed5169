"""What responses may tell: `waf.response`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from bascule.config.base import Model

Identifier = Literal[
    "card", "iban", "email", "phone", "us-ssn", "kr-rrn", "br-cpf", "es-dni", "fr-nir", "pl-pesel", "cn-id",
    "in-aadhaar", "it-cf",
]  # fmt: skip
"""Kinds of numbers that identify people and accounts (`waf/response/identifiers.py`)."""


def _word(text: str) -> str:
    if any(char in text for char in "\r\n\0"):
        raise ValueError("a word holds no line break")
    return text


Word = Annotated[str, Field(min_length=2, max_length=128), AfterValidator(_word)]


class WafResponse(Model):
    """What of a response clients may see."""

    cloak: Literal["off", "errors", "all"] = "errors"
    """Replace pages that tell of the inside by an error page: stack traces and database errors in answers with status
    500 and above (``errors``), or in every page, with directory listings, source code and private keys (``all``)."""
    mask: tuple[Identifier, ...] = ()
    """Numbers that are made asterisks in texts, told by their form and check digits; of cards and accounts the last
    four characters stay."""
    words: tuple[Word, ...] = ()
    """Words that are made asterisks in texts, whatever their case."""
