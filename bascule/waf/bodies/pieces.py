"""A body larger than what is judged at once, read piece by piece.

Forms, JSON and XML are read anew in every piece, with the end of the one before it, so that nothing hides on a border
(`fragment.py`). Of a multipart body it is known at any place whether that is a field or a file.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .fragment import EVERY, fragment_pairs
from .limits import Pairs
from .multipart import MultipartBody, MultipartParser

OVERLAP = 2048
"""Bytes that two pieces have in common: the longest attack that is surely seen whole."""


@dataclass(slots=True)
class Piece:
    """What came with a piece: `data` as it is judged, `pairs` that are arguments, and `parts` of a multipart body.

    `is_file`: the body is a file, and so is this piece of it.
    """

    data: bytes
    pairs: Pairs = field(default_factory=list)
    parts: MultipartBody | None = None
    is_file: bool = False


class PieceReader:
    """Reads what follows the start of a body. `kinds` are the processors that read the start."""

    __slots__ = ("_is_file", "_kinds", "_parser", "_separator", "_tail", "overlap")

    def __init__(
        self, start: bytes, kinds: tuple[str, ...], content_type: bytes, separator: bytes, is_file: bool = False
    ) -> None:
        self._kinds, self._separator, self._is_file = kinds, separator, is_file
        self.overlap = min(OVERLAP, len(start) // 4)
        self._tail = start[-self.overlap :]
        self._parser: MultipartParser | None = None
        if "MULTIPART" in kinds:
            self._parser = MultipartParser(content_type, EVERY)
            self._parser.feed(start)
            self._parser.take(self.overlap)

    def read(self, data: bytes, last: bool) -> Piece:
        """Return the next piece; the parts of the `last` one show what is wrong with a multipart body as a whole."""
        if self._parser is not None:
            self._parser.feed(data)
            return Piece(data, parts=self._parser.end() if last else self._parser.take(self.overlap))
        data = self._tail + data
        self._tail = data[-self.overlap :]
        pairs = [pair for kind in self._kinds for pair in fragment_pairs(kind, data, self._separator)]
        return Piece(data, pairs, is_file=self._is_file)
