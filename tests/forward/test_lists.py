"""Lists of domains in every style, and the table they become."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.forward import lists
from bascule.forward.domains import DomainTable
from bascule.forward.lists import list_files, parse_list, read_lists

TEXT = b"""\xef\xbb\xbf# a comment
! another
[Adblock Plus 2.0]
Plain.example
*.wild.example
.dotted.example.
0.0.0.0 ads.example tracker.example  # both
127.0.0.1 localhost
::1 ip6-localhost
||blocked.example^
||third.example^$third-party
@@||good.blocked.example^
||path.example/banner
example##.ad
not a domain
10.0.0.1 inside.example
192.0.2.7
trailing.example   # why\r
"""


def test_every_style() -> None:
    found = parse_list(TEXT)
    assert found.domains == [
        b"plain.example",
        b"wild.example",
        b"dotted.example",
        b"blocked.example",
        b"third.example",
        b"trailing.example",
    ]
    assert found.names == [b"ads.example", b"tracker.example"]
    assert found.exceptions == [b"good.blocked.example"]
    assert found.skipped == 5


def test_table() -> None:
    table = DomainTable({"ads": [parse_list(TEXT)], "news": [parse_list(b"news.example\nplain.example\n")]})
    assert table.categories(b"plain.example") == ("ads", "news")
    assert table.categories(b"www.plain.example") == ("ads", "news")
    assert table.categories(b"notplain.example") == ()
    assert table.categories(b"ads.example") == ("ads",)
    assert table.categories(b"www.ads.example") == ()  # a hosts file names hosts
    assert table.categories(b"x.blocked.example") == ("ads",)
    assert table.categories(b"good.blocked.example") == ()
    assert table.categories(b"x.good.blocked.example") == ()
    assert table.categories(b"example") == ()
    assert table.categories(b"127.0.0.1") == ()
    assert table.entries == 10


LABEL = st.text("abc-", min_size=1, max_size=3)
DOMAIN = st.lists(LABEL, min_size=1, max_size=3).map(lambda labels: ".".join([*labels, "test"]).encode())


@given(st.lists(st.lists(DOMAIN, max_size=20), min_size=1, max_size=4), st.lists(DOMAIN, max_size=20))
def test_table_agrees_with_sets(lists: list[list[bytes]], asked: list[bytes]) -> None:
    table = DomainTable({str(number): [parse_list(b"\n".join(part))] for number, part in enumerate(lists)})
    for host in [*asked, *(domain for part in lists for domain in part)]:
        above = {host[at:] for at in range(len(host)) if at == 0 or host[at - 1 : at] == b"."}
        expected = tuple(str(number) for number, part in enumerate(lists) if above & set(part))
        assert table.categories(host) == expected


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    found = parse_list(data)
    for name in (*found.domains, *found.names, *found.exceptions):
        assert name == name.lower()
        assert not name.startswith(b".")
        assert not name.endswith(b".")
        assert b" " not in name


def test_folders_of_ut1(tmp_path: Path) -> None:
    (tmp_path / "games").mkdir()
    (tmp_path / "games" / "domains").write_text("play.example\n")
    ((file, found),) = read_lists([str(tmp_path / "games")])
    assert (file, found.domains) == (str(tmp_path / "games" / "domains"), [b"play.example"])
    with pytest.raises(ValueError, match="holds neither"):
        list_files(str(tmp_path))
    with pytest.raises(OSError):
        list_files(str(tmp_path / "none"))


def test_long_lines_and_long_lists_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "_PIECE", 8)
    found = parse_list(b"a.example\r\n" + b"a." * 40_000 + b"!\nb.example\n\nc.example")
    assert (found.domains, found.skipped) == ([b"a.example", b"b.example", b"c.example"], 1)
    monkeypatch.setattr(lists, "MAX_DOMAINS", 2)
    with pytest.raises(ValueError, match="more than 2 domains"):
        parse_list(b"a.example\nb.example\nc.example\n")
