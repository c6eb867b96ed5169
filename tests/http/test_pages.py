"""The frame of pages."""

from __future__ import annotations

from pathlib import Path

import bascule
from bascule.http.pages import frame


def test_a_page_is_a_frame_around_its_content() -> None:
    page = frame("A & B", "<h1>Yes</h1>", head="<!--more-->\n", nonce="n1")
    assert page.startswith("<!doctype html>")
    assert "\n<!--more-->\n<title>A & B</title>\n" in page
    assert "<main>\n<h1>Yes</h1>\n</main>" in page
    assert '<style nonce="n1">' in page
    assert "<style>" in frame("", "")


def test_no_page_has_a_style_of_its_own() -> None:
    folder = Path(bascule.__file__).parent
    files = [file for kind in ("py", "html") for file in folder.rglob(f"*.{kind}")]
    assert [file.name for file in files if "<style" in file.read_text("utf-8") and "waf" not in file.parts] == [
        "pages.py"
    ]
