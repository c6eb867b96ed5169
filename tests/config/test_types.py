"""Scalars: what a person would write, and what the program gets."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from bascule.config.types import (
    Address,
    Written,
    parse_address,
    parse_affinity,
    parse_duration,
    parse_file,
    parse_log_target,
    parse_network,
    parse_origin,
    parse_share,
    parse_size,
)

GOOD: list[tuple[Callable[[Any], Any], Any, Any]] = [
    (parse_duration, 3, 3.0),
    (parse_duration, "250ms", 0.25),
    (parse_duration, "1h30m", 5400.0),
    (parse_duration, " 2D ", 172800.0),
    (parse_size, 7, 7),
    (parse_size, "64KiB", 65536),
    (parse_size, "1.5 m", 1572864),
    (parse_share, "20%", 0.2),
    (parse_share, 1, 1.0),
    (parse_affinity, "auto", "auto"),
    (parse_affinity, False, "off"),
    (parse_affinity, 0, (0,)),
    (parse_affinity, [2, 3], (2, 3)),
    (parse_address, ":80", Address("0.0.0.0", 80)),
    (parse_address, "[::1]:8080", Address("::1", 8080)),
    (parse_address, "unix:///run/x", Address("", 0, "/run/x")),
    (parse_address, "unix:@x", Address("", 0, "@x")),
]


@pytest.mark.parametrize(("parse", "text", "value"), GOOD)
def test_good(parse: Callable[[Any], Any], text: Any, value: Any) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("10.0.0.1:8000", "http://10.0.0.1:8000"),
        ("http://a", "http://a:80"),
        ("https://A.example/", "https://a.example:443"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]:443"),
        ("unix:/run/app", "unix:/run/app"),
    ],
)
def test_origins(text: str, shown: str) -> None:
    assert str(parse_origin(text)) == shown


BAD: list[tuple[Callable[[Any], Any], Any]] = [
    *((parse_duration, text) for text in ("", "10", "10x", "1h 30", "-1s", True, None, -1, float("nan"), 10**400, "9" * 400 + "s")),
    *((parse_size, text) for text in ("", "x", "1tb", -1, True, None, 10**400, "9" * 31, 1 << 51)),
    *((parse_share, text) for text in ("", "101%", -0.1, "nan", "x", None)),
    *((parse_affinity, text) for text in ("", "on", "0", True, None, -1, 8192, [], [0, "1"], [True], 1.0)),
    *((parse_address, text) for text in ("", "80", "a", "a:b", "a:99999", "a:\u00b2", "::1:80", "unix:x", "a b:1", "a:1:2")),
    *((parse_origin, text) for text in ("ftp://a", "http://", "http://a/b", "http://a:x", "http://[::1", "http://u@a", "http://a b")),
    *((parse_network, text) for text in ("", "10.0.0.0/33", "a", None)),
    *((parse_file, text) for text in ("a\nb", "a\0b", 3)),
    *((parse_log_target, text) for text in (3, "syslog:x", "a\0")),
]  # fmt: skip


@pytest.mark.parametrize(("parse", "text"), BAD)
def test_bad(parse: Callable[[Any], Any], text: Any) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse(text)
    assert len(str(caught.value)) > 20


def test_files_count_from_the_folder_they_are_written_in() -> None:
    assert parse_file(Written.at("a/../b.pem", "/etc/bascule")) == "/etc/bascule/b.pem"
    assert parse_file(Written.at("/x", "/etc/bascule")) == "/x"
    assert parse_file("b.pem") == os.path.join(os.getcwd(), "b.pem")
    assert parse_file("") == ""
    assert parse_log_target(Written.at("log/a.log", "/srv")) == "/srv/log/a.log"
    assert [parse_log_target(text) for text in ("-", "off", False, "syslog:", "syslog:10.0.0.1:514")] == [
        "-", "off", "off", "syslog:", "syslog:10.0.0.1:514"
    ]  # fmt: skip
