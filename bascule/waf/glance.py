"""What is told at a glance: that nothing is found in a request, as in most. It then needs no transaction.

A glance never finds anything; it says that named and logical rules find nothing, or that it cannot say. Where there
are rules of other kinds, which keep an account of each request, there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bascule.waf.filters.head import MARKS, USUAL
from bascule.waf.logic.body_values import body_lines
from bascule.waf.logic.inspector import type_without
from bascule.waf.logic.values import lines_of
from bascule.waf.request import RequestView
from bascule.waf.steady import Steady

if TYPE_CHECKING:
    from bascule.http.h1.block import Block
    from bascule.http.message import RequestHead
    from bascule.waf.filters.inspector import FilterInspector
    from bascule.waf.logic.inspector import Inspector

_NOT_MARKS: Final = bytes(set(range(256)) - set(MARKS))
_SUSPECT: Final = Steady([], 0)
"""Noted on a block in whose fields something is found, or that is too long for a glance."""


class Glance:
    """The glance of one firewall; `of` returns it where there can be one."""

    def __init__(self, filters: FilterInspector | None, logic: Inspector) -> None:
        checks = filters.head if filters is not None else []
        self._fields = [check.find for check in checks if check.about == "fields"]
        self._marks = [check.find for check in checks if check.about == "marks"]
        by_method = [check.find for check in checks if check.about == "method"]
        self._methods = frozenset(
            method for method in USUAL if not any(find(_view(method, b"/")) for find in by_method)
        )
        self._logic, self._screen = logic, logic.screen

    @classmethod
    def of(cls, filters: FilterInspector | None, logic: Inspector | None) -> Glance | None:
        """Return the glance of some rules, if all of them can do with it."""
        if logic is None or logic.blocks_all:
            return None
        if filters is not None and (filters.looks_into_bodies or not all(check.about for check in filters.head)):
            return None
        return cls(filters, logic)

    def passes(self, head: RequestHead) -> Steady | None:
        """Return what is known of a head's fields if nothing is found in the head. None: something may be."""
        block = head.block
        steady: Steady = block.notes.get(self) or self._note(block)
        if steady is _SUSPECT or head.method not in self._methods:
            return None
        target = head.line_target
        if target.translate(None, _NOT_MARKS):
            view = _view(head.method, target)
            for find in self._marks:
                if find(view) is not None:
                    return None
        lines = lines_of(target, head.varying)
        return steady if lines is not None and self._screen.clears(lines) else None

    def _note(self, block: Block) -> Steady:
        """Judge the fields of a block, and note on it what is known of them."""
        steady = Steady([(field[0], field[1]) for field in block.fields], 0)
        view = _view(b"GET", b"/", steady)
        if not self._logic.clear(block) or any(find(view) for find in self._fields):
            steady = _SUSPECT
        block.note(self, steady)
        return steady

    def passes_body(self, method: bytes, steady: Steady, body: bytes) -> bool:
        """Whether nothing is found in the body of a request with such a head."""
        kind = steady.first.get(b"content-type") or type_without(method)
        if kind[:10].lower() == b"multipart/":
            return False
        lines = body_lines(kind, body)
        return lines is not None and self._screen.clears_values(lines)


def _view(method: bytes, target: bytes, steady: Steady | None = None) -> RequestView:
    view = RequestView()
    view.set_head(method, target, b"1.1", [], steady)
    return view
