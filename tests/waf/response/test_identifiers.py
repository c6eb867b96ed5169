"""Numbers that identify people and accounts: the real ones are found, those beside them are not."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.waf.response.identifiers import KINDS, Finder, _of_kind, luhn, starred

GOOD = {
    "card": ["4111111111111111", "4111 1111 1111 1111", "5500-0000-0000-0004", "3782 822463 10005", "6011000990139424",
             "4222222222222", "30569309025904", "3530111333300000", "2223003122003222"],
    "iban": ["DE89370400440532013000", "GB82 WEST 1234 5698 7654 32", "FR1420041010050500013M02606",
             "NO9386011117947", "gb82west12345698765432"],
    "email": ["jane.doe+tag@example.co.uk"],
    "phone": ["+49 30 123456", "+1 (212) 555-0100", "+8201012345678"],
    "us-ssn": ["078-05-1120"],
    "kr-rrn": ["900101-1234568"],
    "br-cpf": ["529.982.247-25", "52998224725"],
    "es-dni": ["12345678Z", "X1234567L", "12345678-z"],
    "fr-nir": ["2 55 08 14 168 025 38", "255081416802538"],
    "pl-pesel": ["44051401359"],
    "cn-id": ["11010519491231002X"],
    "in-aadhaar": ["2341 2341 2346"],
    "it-cf": ["RSSMRA85T10A562S"],
}  # fmt: skip
BAD = {
    "card": ["4111111111111112", "1234567812345670", "0000000000000000", "41111111111111110", "a4111111111111111",
             "4111111111111111x", "4111.1111.1111.1111"],
    "iban": ["DE89370400440532013001", "XX89370400440532013000", "DE8937040044053201300"],
    "email": ["jane@example", "@example.com"],
    "phone": ["+49", "2024-01-01", "+12 3"],
    "us-ssn": ["000-05-1120", "666-05-1120", "900-05-1120", "078-00-1120", "078-05-0000", "078051120"],
    "kr-rrn": ["900101-1234567", "901301-1234568"],
    "br-cpf": ["529.982.247-26", "11111111111"],
    "es-dni": ["12345678A", "1234567L"],
    "fr-nir": ["1 55 08 13 168 025 39"],
    "pl-pesel": ["44051401358", "44131401359"],
    "cn-id": ["110105194912310021"],
    "in-aadhaar": ["2341 2341 2345", "1341 2341 2346"],
    "it-cf": ["RSSMRA85T10A562T"],
}  # fmt: skip


def found(kind: str, text: str) -> list[str]:
    return [text[match.start : match.end] for match in Finder([kind]).find(text.encode())]


def test_every_kind_is_tried() -> None:
    assert GOOD.keys() == BAD.keys() == KINDS.keys()


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in GOOD.items() for text in texts])
def test_is_found_wherever_it_stands(kind: str, text: str) -> None:
    assert found(kind, text) == [text]
    assert found(kind, f'<td class="a">{text}</td>') == [text]
    assert found(kind, f"in 2024 {text}, and {text}.") == [text, text]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in BAD.items() for text in texts])
def test_is_none(kind: str, text: str) -> None:
    assert found(kind, f"see {text} there") == []


def test_kinds_together_do_not_overlap() -> None:
    text = b"4111 1111 1111 1111 jane@example.com 12345678Z"
    matches = Finder(KINDS).find(text)
    assert [match.kind.name for match in matches] == ["card", "email", "es-dni"]


def test_stars_keep_the_form() -> None:
    assert starred(b"4111-1111-1111-1234", KINDS["card"]) == b"****-****-****-1234"
    assert starred(b"jane@example.com", KINDS["email"]) == b"****@*******.***"


@given(st.text("0123456789", min_size=12, max_size=18))
def test_luhn_has_one_check_digit(number: str) -> None:
    assert sum(luhn(f"{number}{digit}".encode()) for digit in range(10)) == 1


@given(st.binary(max_size=300))
def test_masking_keeps_the_length(text: bytes) -> None:
    finder = Finder(KINDS)
    masked = finder.mask(text)
    assert len(masked) == len(text)
    assert not finder.find(masked) or masked != text


@pytest.mark.parametrize("behind", [b"", b" is mine", b" from Bob", b" bei", b" 12", b", too", b" paid from here on"])
def test_an_iban_in_groups_ends_where_its_country_says(behind: bytes) -> None:
    masked = Finder(["iban"]).mask(b"To AT61 1904 3002 3457 3201" + behind)
    assert masked == b"To **** **** **** **** 3201" + behind
    assert Finder(["iban"]).find(b"To AT61 1904 3002 3457 3202 is") == []


class _Counted:
    """A pattern that counts how often it is searched for."""

    def __init__(self, pattern: str) -> None:
        self._pattern, self.searches = re.compile(pattern.encode()), 0

    def search(self, text: bytes, position: int) -> re.Match[bytes] | None:
        self.searches += 1
        return self._pattern.search(text, position)


@pytest.mark.parametrize(("name", "text"), [("card", b"4" * 65536), ("iban", b"AT61" * 16384)])
def test_a_word_without_end_is_searched_once(name: str, text: bytes) -> None:
    pattern = _Counted(KINDS[name].pattern)
    assert not list(_of_kind(text + b" ", KINDS[name], pattern))
    assert pattern.searches <= 2
