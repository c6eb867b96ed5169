"""Weak passwords, and the list of breached ones as it is published."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from bascule.defence.logins.passwords import PREFIX, Breached, BreachedError, weakness

KNOWN = {f"password{number}": number + 1 for number in range(500)}


def digest(password: str) -> str:
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_one_file(tmp_path: Path, end: str) -> None:
    file = tmp_path / "pwned.txt"
    file.write_bytes(
        "".join(
            f"{digest(word)}:{count}{end}" for word, count in sorted(KNOWN.items(), key=lambda item: digest(item[0]))
        ).encode()
    )
    breached = Breached(str(file))
    assert {word: breached.count(word.encode()) for word in KNOWN} == KNOWN
    assert [breached.count(b"unknown%d" % number) for number in range(500)] == [0] * 500


def test_a_file_that_is_cut_short_in_its_place(tmp_path: Path) -> None:
    file = tmp_path / "pwned.txt"
    lines = sorted(f"{digest(word)}:{count}\n" for word, count in KNOWN.items())
    file.write_text("".join(lines))
    breached = Breached(str(file))
    os.truncate(file, 100)
    found = {word for word in KNOWN if breached.count(word.encode())}
    assert found <= {word for word in KNOWN if digest(word) <= lines[1][:40]}
    os.truncate(file, 0)
    assert not any(breached.count(word.encode()) for word in KNOWN)


def test_a_folder_of_ranges(tmp_path: Path) -> None:
    (tmp_path / "00000.txt").write_text("")
    ranges: dict[str, list[str]] = {}
    for word, count in KNOWN.items():
        ranges.setdefault(digest(word)[:PREFIX], []).append(f"{digest(word)[PREFIX:]}:{count}")
    for prefix, lines in ranges.items():
        (tmp_path / f"{prefix}.txt").write_text("\r\n".join(sorted(lines)))
    breached = Breached(str(tmp_path))
    assert {word: breached.count(word.encode()) for word in KNOWN} == KNOWN
    assert [breached.count(b"unknown%d" % number) for number in range(50)] == [0] * 50, "no such range"


@pytest.mark.parametrize("content", [b"", b"password\n123456\n", b"5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8:3\n"])
def test_what_is_no_list(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "list.txt"
    file.write_bytes(content)
    with pytest.raises(BreachedError, match=r"list\.txt"):
        Breached(str(file))
    with pytest.raises(BreachedError, match=r"00000\.txt"):
        Breached(str(tmp_path))


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "shorter than 8 characters"),
        ("ada@shop.example", "the account's own name"),
        ("12345678", "characters in a row"),
        ("hgfedcba", "characters in a row"),
        ("abababab", "hardly two different characters"),
        ("correct horse", ""),
        ("äöüäöüßß", ""),
    ],
)
def test_weakness(password: str, why: str) -> None:
    assert weakness(password.encode(), (b"ada@shop.example",), 8) == why
