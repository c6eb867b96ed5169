"""What of pages honest authors send day by day and nothing comes of: frames of players and maps, scripts beside quoted
posts, and tags that are shown: ``<code>&lt;script&gt;</code>``."""

from __future__ import annotations

import re

_PLAYER = (
    rb"https://(?:(?:www\.)?youtube(?:-nocookie)?\.com/embed/|player\.vimeo\.com/video/|(?:www\.)?google\.[a-z.]{2,6}/maps/embed"
    rb"|(?:www\.)?openstreetmap\.org/export/embed|open\.spotify\.com/embed|w\.soundcloud\.com/player|(?:www\.)?dailymotion\.com/embed)"
)
_OTHER = rb"\s++(?:width|height|title|name|id|class|style|allow|loading|scrolling|frameborder|referrerpolicy|(?:webkit|moz)?allowfullscreen)(?:=(?:\"[\w .:;%,-]*\"|'[\w .:;%,-]*'|\d+))?"
"""An attribute that can hold no other: no equals sign and no quote in its value."""
_FRAME = re.compile(
    rb"<iframe(?:" + _OTHER + rb"){0,12}\s++src=(?:\"" + _PLAYER + rb"[^\"'`<>\s]*\"|'" + _PLAYER + rb"[^\"'`<>\s]*')"
    rb"(?:" + _OTHER + rb"){0,12}\s*+/?>(?:</iframe>)?",
    re.IGNORECASE,
)
_POSTS = (
    rb"(?:platform\.(?:twitter|x)\.com/widgets\.js|www\.instagram\.com/embed\.js|www\.tiktok\.com/embed\.js"
    rb"|embed\.reddit\.com/widgets\.js|embed\.redditmedia\.com/widgets/platform\.js|embed\.bsky\.app/static/embed\.js"
    rb"|assets\.pinterest\.com/js/pinit\.js|(?:s\.)?imgur\.com/min/embed\.js|embedr\.flickr\.com/assets/client-code\.js"
    rb"|connect\.facebook\.net/[a-z]{2}_[A-Z]{2}/sdk\.js|platform\.linkedin\.com/in\.js|(?:www\.)?threads\.(?:net|com)/embed\.js"
    rb"|player\.vimeo\.com/api/player\.js|www\.youtube\.com/(?:iframe_api|player_api)|gist\.github\.com/[\w-]{1,40}/[0-9a-f]{1,40}\.js"
    rb"|(?:static|cpwebassets)\.codepen\.io/assets/embed/ei\.js|assets\.calendly\.com/assets/external/widget\.js"
    rb"|widget\.trustpilot\.com/bootstrap/v5/tp\.widget\.bootstrap\.min\.js|embed\.typeform\.com/next/embed\.js)"
)
"""Scripts that draw the posts, films and forms of a network, and take nothing from their address but what to show."""
_SCRIPT = re.compile(
    rb"<script(?:\s++(?:async|defer|async=\"(?:async|true)?\"|defer=\"(?:defer)?\"|charset=\"utf-8\"|type=\"text/javascript\")){0,4}"
    rb"\s++src=\"(?:https:)?//"
    + _POSTS
    + rb"(?:#[\w=&;.%-]{0,120})?\"(?:\s++(?:async|defer|async=\"\"|charset=\"utf-8\")){0,3}\s*+></script\s*+>",
    re.IGNORECASE,
)

_LISTS = (
    rb"https://(?:[\w-]{1,40}\.(?:us\d{1,3}\.)?list-manage\d?\.com/subscribe/post|formspree\.io/f/|buttondown\.(?:email|com)/api/emails/embed-subscribe"
    rb"|app\.(?:convertkit|kit)\.com/forms/|(?:www\.)?paypal\.com/(?:cgi-bin/webscr|donate)|[\w-]{1,40}\.sibforms\.com/serve/|[\w.-]{1,60}\.cleverreach\.com/f/"
    rb"|assets\.mailerlite\.com/jsonp/|docs\.google\.com/forms/)"
)
"""Where forms for newsletters and donations lead, which are no site's own."""
_FORM = re.compile(
    rb"<form(?:" + _OTHER.replace(rb"|style|", rb"|style|method|target|novalidate|accept-charset|") + rb"){0,12}\s++action=\"" + _LISTS
    + rb"[^\"'`<>\s]*\"(?:" + _OTHER.replace(rb"|style|", rb"|style|method|target|novalidate|accept-charset|") + rb"){0,12}\s*+>",
    re.IGNORECASE,
)  # fmt: skip


def without_players(text: bytes) -> bytes:
    """Return a text without such frames, forms and scripts, and blanks where they stood."""
    lower = text.lower()
    if b"<iframe" in lower:
        text = _FRAME.sub(b" ", text)
    if b"<form" in lower:
        text = _FORM.sub(b" ", text)
    return _SCRIPT.sub(b" ", text) if b"<script" in lower else text


_BEGINS_AS_PAGE = re.compile(
    rb"\s*<(?:!--\s|(?:p|div|h[1-6]|ul|ol|section|article|blockquote|table|pre)[\s>])", re.IGNORECASE
)
_SHOWN = re.compile(rb">[^<>&]*+(?:&(?!lt;)[^<>&]*+)*+&lt;[^<>]*+(?=<)")
_DECODED_AGAIN = (b"srcdoc", b"script", b"textarea")
"""Where a browser, or the script of a page, reads the text of an element or attribute as a page again."""


def without_shown_tags(text: bytes) -> bytes:
    """Return a text that is HTML, without the tags that it shows: `&lt;` between tags is a character there."""
    if b"&lt;" not in text or _BEGINS_AS_PAGE.match(text) is None:
        return text
    bare = _SHOWN.sub(b"> ", text)
    lower = bare.lower()
    return text if any(word in lower for word in _DECODED_AGAIN) else bare
