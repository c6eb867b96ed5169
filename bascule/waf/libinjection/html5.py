"""HTML 5 tokens as browsers split them, bugs of old ones included: libinjection's tokeniser over bytes.

Section numbers are those of the W3C HTML 5 recommendation (2014).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from bascule.waf.pace import rest

Html5Token = tuple[str, bytes]

_NAME_END = re.compile(rb"[ \t\n\v\f\r/>]")
_ATTRIBUTE_END = re.compile(rb"[ \t\n\v\f\r\0/=>]")
_VALUE_END = re.compile(rb"[ \t\n\v\f\r\0>]")
_NOT_WHITE = re.compile(rb"[^\0 \t\n\v\f\r]")
_COMMENT_END = re.compile(rb"-\0*+[-!]>")
_LETTERS: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_WHITE: Final = frozenset(b" \t\n\v\f\r\0")


class Html5:
    """Splits one text. States return a token, or None for the end; `self.state` is the next one."""

    __slots__ = ("closing", "position", "state", "text")

    def __init__(self, text: bytes, context: str = "data") -> None:
        """`context`: data, no-quote, or the quote that the text begins in."""
        self.text = text
        self.position = 0
        self.closing = False
        self.state: Callable[[], Html5Token | None]
        if context == "data":
            self.state = self._data
        elif context == "no-quote":
            self.state = self._before_attribute_name
        else:
            self.state = lambda: self._quoted(context.encode("ascii"))

    def __iter__(self) -> Iterator[Html5Token]:
        while (token := self.state()) is not None:
            rest()
            yield token

    def _end(self) -> Html5Token | None:
        return None

    def _rest(self, kind: str) -> Html5Token:
        self.state = self._end
        return kind, self.text[self.position :]

    def _until(self, kind: str, end: int, skip: int, state: Callable[[], Html5Token | None]) -> Html5Token:
        token = kind, self.text[self.position : end]
        self.position = end + skip
        self.state = state
        return token

    def _data(self) -> Html5Token | None:
        at = self.text.find(b"<", self.position)
        if at < 0:
            token = self._rest("DATA_TEXT")
            return token if token[1] else None
        token = self._until("DATA_TEXT", at, 1, self._tag_open)
        return token if token[1] else self._tag_open()

    def _tag_open(self) -> Html5Token | None:  # 8.2.4.8
        if self.position >= len(self.text):
            return None
        char = self.text[self.position]
        if char in _LETTERS or char == 0:
            return self._tag_name()
        if char == 0x21:  # !
            self.position += 1
            return self._markup_declaration()
        if char == 0x2F:  # /
            self.position += 1
            self.closing = True
            return self._end_tag_open()
        if char == 0x3F:  # ?
            self.position += 1
            return self._bogus_comment()
        if char == 0x25:  # <% of Internet Explorer before 10
            self.position += 1
            return self._percent_comment()
        self.state = self._data
        return "DATA_TEXT", b"<"

    def _end_tag_open(self) -> Html5Token | None:  # 8.2.4.9
        if self.position >= len(self.text):
            return None
        char = self.text[self.position]
        if char == 0x3E:
            return self._data()
        if char in _LETTERS:
            return self._tag_name()
        self.closing = False
        return self._bogus_comment()

    def _tag_name(self) -> Html5Token:  # 8.2.4.10
        found = _NAME_END.search(self.text, self.position)
        if found is None:
            return self._rest("TAG_NAME_OPEN")
        end = found.start()
        if found[0] == b"/":
            return self._until("TAG_NAME_OPEN", end, 1, self._self_closing)
        if found[0] != b">":
            return self._until("TAG_NAME_OPEN", end, 1, self._before_attribute_name)
        if self.closing:
            self.closing = False
            return self._until("TAG_CLOSE", end, 1, self._data)
        return self._until("TAG_NAME_OPEN", end, 0, self._tag_name_close)

    def _tag_name_close(self) -> Html5Token:
        self.closing = False
        self.position += 1
        self.state = self._data if self.position < len(self.text) else self._end
        return "TAG_NAME_CLOSE", b">"

    def _skip_white(self) -> int:
        """Return the next byte that is not white, -1 at the end."""
        found = _NOT_WHITE.search(self.text, self.position)
        self.position = found.start() if found else len(self.text)
        return self.text[self.position] if found else -1

    def _before_attribute_name(self) -> Html5Token | None:  # 8.2.4.34
        # A slash leads to _self_closing and back: a loop, for input may be nothing but slashes.
        while (char := self._skip_white()) == 0x2F:
            self.position += 1
            if self.position >= len(self.text):
                return None
            if self.text[self.position] == 0x3E:
                return self._self_close()
        if char < 0:
            return None
        if char == 0x3E:
            self.position += 1
            self.state = self._data
            return "TAG_NAME_CLOSE", b">"
        return self._attribute_name()

    def _attribute_name(self) -> Html5Token:  # 8.2.4.35
        found = _ATTRIBUTE_END.search(self.text, self.position + 1)
        if found is None:
            token = self._rest("ATTR_NAME")
            self.position = len(self.text)
            return token
        end = found.start()
        if found[0] == b"/":
            return self._until("ATTR_NAME", end, 1, self._self_closing)
        if found[0] == b"=":
            return self._until("ATTR_NAME", end, 1, self._before_attribute_value)
        if found[0] == b">":
            return self._until("ATTR_NAME", end, 0, self._tag_name_close)
        return self._until("ATTR_NAME", end, 1, self._after_attribute_name)

    def _after_attribute_name(self) -> Html5Token | None:  # 8.2.4.36
        char = self._skip_white()
        if char < 0:
            return None
        if char == 0x2F:
            self.position += 1
            return self._self_closing()
        if char == 0x3D:
            self.position += 1
            return self._before_attribute_value()
        return self._tag_name_close() if char == 0x3E else self._attribute_name()

    def _before_attribute_value(self) -> Html5Token | None:  # 8.2.4.37
        char = self._skip_white()
        if char < 0:
            self.state = self._end
            return None
        if char in b"\"'`":  # the backquote is Internet Explorer's
            return self._quoted(bytes([char]))
        return self._unquoted()

    def _quoted(self, quote: bytes) -> Html5Token:  # 8.2.4.38, 8.2.4.39
        if self.position > 0:  # at 0 the text began inside the quote
            self.position += 1
        end = self.text.find(quote, self.position)
        if end < 0:
            return self._rest("ATTR_VALUE")
        return self._until("ATTR_VALUE", end, 1, self._after_quoted)

    def _unquoted(self) -> Html5Token:  # 8.2.4.40
        found = _VALUE_END.search(self.text, self.position)
        if found is None:
            return self._rest("ATTR_VALUE")
        if found[0] == b">":
            return self._until("ATTR_VALUE", found.start(), 0, self._tag_name_close)
        return self._until("ATTR_VALUE", found.start(), 1, self._before_attribute_name)

    def _after_quoted(self) -> Html5Token | None:  # 8.2.4.42
        if self.position >= len(self.text):
            return None
        char = self.text[self.position]
        if char == 0x3E:
            self.position += 1
            self.state = self._data
            return "TAG_NAME_CLOSE", b">"
        if char == 0x2F:
            self.position += 1
            return self._self_closing()
        if char in _WHITE:
            self.position += 1
        return self._before_attribute_name()

    def _self_closing(self) -> Html5Token | None:  # 8.2.4.43
        if self.position >= len(self.text):
            return None
        if self.text[self.position] == 0x3E:
            return self._self_close()
        return self._before_attribute_name()

    def _self_close(self) -> Html5Token:
        self.position += 1
        self.state = self._data
        return "TAG_NAME_SELFCLOSE", b"/>"

    def _bogus_comment(self) -> Html5Token:  # 8.2.4.44
        end = self.text.find(b">", self.position)
        if end < 0:
            return self._rest_of_comment()
        return self._until("TAG_COMMENT", end, 1, self._data)

    def _rest_of_comment(self) -> Html5Token:
        token = self._rest("TAG_COMMENT")
        self.position = len(self.text)
        return token

    def _percent_comment(self) -> Html5Token:
        end = self.text.find(b"%>", self.position)
        return self._rest_of_comment() if end < 0 else self._until("TAG_COMMENT", end, 2, self._data)

    def _markup_declaration(self) -> Html5Token:  # 8.2.4.45
        at = self.position
        if self.text[at : at + 7].lower() == b"doctype":
            end = self.text.find(b">", at)
            return self._rest("DOCTYPE") if end < 0 else self._until("DOCTYPE", end, 1, self._data)
        if self.text.startswith(b"[CDATA[", at):
            self.position += 7
            end = self.text.find(b"]]>", self.position)
            return self._rest("DATA_TEXT") if end < 0 else self._until("DATA_TEXT", end, 3, self._data)
        if self.text.startswith(b"--", at):
            self.position += 2
            return self._comment()
        return self._bogus_comment()

    def _comment(self) -> Html5Token:  # 8.2.4.46; NULs after the first dash are skipped, --!> ends it too
        found = _COMMENT_END.search(self.text, self.position)
        if found is None:
            return self._rest("TAG_COMMENT")
        return self._until("TAG_COMMENT", found.start(), found.end() - found.start(), self._data)
