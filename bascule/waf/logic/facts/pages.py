"""Whole pages that only lay words and pictures out: mail in HTML, newsletters, what an editor exports.

Elements that load a program, a frame or another page, send a form, or say where addresses lead are none of them; nor are
attributes that hold script, or addresses of other schemes than those of pages, pictures and mail.
"""

from __future__ import annotations

import re

MAX_PAGE = 1 << 16
"""Bytes of the longest page that is read."""
_BEGINS = re.compile(
    rb"\s*+(?:<!doctype\s+html[^<>]{0,200}>\s*+)?(?:<!--(?!-?>)[^<>]{0,400}-->\s*+)?<html[\s>]", re.IGNORECASE
)
_COMMENT = re.compile(rb"<!--(?!-?>)(?:[^-]|-(?!-))*+-->")
"""A comment that no reader ends before its mark: two hyphens stand in it nowhere else."""
_STYLE = re.compile(
    rb"<style(?:\s+(?:type|media|data-[a-z-]{1,30})=[\"'][\w/ (),:.-]{0,80}[\"']){0,3}\s*>([^<]*+)</style\s*>",
    re.IGNORECASE,
)
_ACTS_IN_STYLE = re.compile(rb"expression|behavio|-moz-binding|script|\\|&#|\[[^\]]{0,80}=", re.IGNORECASE)
"""What runs in a style sheet, or reads what a page holds: a selector by what an attribute says."""
_TAG = re.compile(
    rb"</?(?:html|head|body|title|center|table|caption|col|colgroup|thead|tbody|tfoot|tr|td|th|p|div|span|font|b|i|u|s|em|strong|small|big|sub|sup|br|hr"
    rb"|h[1-6]|ul|ol|li|dl|dt|dd|blockquote|pre|code|address|article|section|header|footer|main|nav|aside|figure|figcaption|a|img|abbr|cite|q|del|ins|wbr)"
    rb"(?:\s++(?!on)(?:xmlns(?::[a-z]{1,3})?=[\"'][\w:/.-]{1,80}[\"']"
    rb"|(?:href|src|background)=(?:\"(?:https?://|mailto:|tel:|cid:|[#/{*%])[^\"<>\\]*+\"|'(?:https?://|mailto:|tel:|cid:|[#/{*%])[^'<>\\]*+')"
    rb"|(?!href|src|background|xmlns|action|formaction|data\b|style)[a-z][a-z-]{0,30}(?:=(?:\"[^\"<>]*+\"|'[^'<>]*+'|[\w#%.-]{1,60}))?"
    rb"|style=(?:\"[^\"<>\\&]*+\"|'[^'<>\\&]*+'))){0,30}\s*+/?>"
    rb"|<meta\s+(?:charset=[\"']?[\w-]{1,20}[\"']?|http-equiv=[\"'](?:content-type|x-ua-compatible)[\"']\s+content=[\"'][\w/;=., -]{1,80}[\"']"
    rb"|name=[\"'][\w:-]{1,40}[\"']\s+content=(?:\"[^\"<>]{0,300}+\"|'[^'<>]{0,300}+'))\s*/?>"
    rb"|<!doctype\s+html[^<>]{0,200}>",
    re.IGNORECASE,
)
_ACTS = re.compile(rb"script|expression|behavio|-moz-binding", re.IGNORECASE)
_OF_TAGS = re.compile(rb"<[^<>]*+>")


def is_layout(text: bytes) -> bool:
    """Tell whether a text is a whole page of such elements, and nothing of it runs, loads a page or sends a form."""
    if len(text) > MAX_PAGE or _BEGINS.match(text) is None:
        return False
    bare = _COMMENT.sub(b"", text)
    for style in _STYLE.finditer(bare):
        if _ACTS_IN_STYLE.search(style[1]):
            return False
    bare = _STYLE.sub(b"", bare)
    if any(_ACTS.search(tag[0]) for tag in _OF_TAGS.finditer(bare)):
        return False
    return b"<" not in _TAG.sub(b"", bare)
