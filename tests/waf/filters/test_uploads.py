"""What is uploaded: names, extensions, contents, sizes, numbers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.waf.filters.world import fired, firewall, judge

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


def form(*files: tuple[str, bytes]) -> dict[str, Any]:
    """A request that uploads files, given by name and content."""
    parts = b"".join(
        b'--x\r\ncontent-disposition: form-data; name="f%d"; filename="%b"\r\n\r\n%b\r\n' % (n, name.encode(), content)
        for n, (name, content) in enumerate(files)
    )
    return {"method": "POST", "body": parts + b"--x--\r\n", "content_type": "multipart/form-data; boundary=x"}


@pytest.mark.parametrize(
    ("uploads", "files", "rules"),
    [
        ({"allow": ["png"]}, [("a.PNG", PNG)], []),
        ({"allow": ["png"]}, [("a.png", PNG), ("b.gif", b"GIF89a")], [706003]),
        ({"allow": ["png"]}, [("none", PNG)], [706003]),
        ({"deny": ["exe"]}, [("a.exe. ", b"MZ")], [706003]),
        ({"deny": ["exe"]}, [("exe.txt", b"x")], []),
        ({"max_size": 10}, [("a.txt", b"x" * 11)], [706004]),
        ({"max_size": 10}, [("a.txt", b"x" * 10)], []),
        ({"max_files": 1}, [("a.txt", b"x"), ("b.txt", b"x")], [706005]),
        ({"match_content": True}, [("a.png", PNG), ("b.pdf", b"%PDF-1.7"), ("c.docx", b"PK\x03\x04"), ("d", b"")], []),
        ({"match_content": True}, [("a.png", b"GIF89a")], [706006]),
        ({"match_content": True}, [("a.pdf", b"MZ\x90")], [706006]),
        ({"match_content": True}, [("a.txt", b"anything")], []),
    ],
)
def test_configured_rules(uploads: dict[str, Any], files: list[tuple[str, bytes]], rules: list[int]) -> None:
    assert fired(judge(firewall(filters={"uploads": uploads}), **form(*files))) == rules


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("shell.php", b"x", 706001),
        ("shell.pHp5", b"x", 706001),
        ("shell.php.jpg", b"\xff\xd8\xff", 706001),
        ("shell.aspx", b"x", 706001),
        ("shell.asp;.jpg", b"\xff\xd8\xff", 706001),
        ("x.jsp.", b"x", 706001),
        (".htaccess", b"x", 706001),
        ("my.asp.net.guide.txt", b"x", 0),
        ("phpinfo.txt", b"x", 0),
        ("a\x01b.txt", b"x", 706007),
        ("a.png", PNG + b"<?PHP x", 706008),
        ("setup.exe", b"MZ\x90\0", 0),
        ("shell.php\0.jpg", b"\xff\xd8\xff", 706007),  # of which no more than the head is read
    ],
)
def test_rules_of_the_preset_standard(name: str, content: bytes, rule: int) -> None:
    named = [number for number in fired(judge(STANDARD, **form((name, content)))) if number < 800_000]
    assert named == ([rule] if rule else [])


STANDARD = firewall("standard")


def test_programs_are_refused_from_advanced_on() -> None:
    assert fired(judge(firewall("advanced"), **form(("setup.bin", b"MZ\x90\0"))))[0] == 706002


def test_programs_are_refused_where_no_other_rule_about_uploads_is_on() -> None:
    transaction = judge(firewall(filters={"enable": ["upload-program"]}), **form(("setup.exe", b"MZ\x90\0")))
    assert fired(transaction) == [706002]


def test_announced_size_is_enough() -> None:
    waf = firewall(filters={"uploads": {"max_size": "1MiB"}})
    assert fired(judge(waf, **{**form(("a", b"x")), "content_length": str(2 << 20)})) == [706004]


def test_start_of_a_large_upload_is_judged() -> None:
    waf = firewall(filters={"uploads": {"allow": ["png"]}}, body_limit=1024)
    transaction = judge(waf, **form(("a.exe", b"x" * 5000)))
    assert transaction.inbound_data_error
    assert fired(transaction) == [706003]


def test_identifiers_in_uploaded_texts() -> None:
    waf = firewall(filters={"identifiers": ["card"]})
    assert fired(judge(waf, **form(("a.csv", b"name,4111 1111 1111 1111\n")))) == [713001]
    assert fired(judge(waf, **form(("a.png", PNG + b" 4111111111111111")))) == []
