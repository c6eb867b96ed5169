"""Which paths are one place: segments that name things (numbers, UUIDs, slugs) are generalised to templates.

Numbers, UUIDs, dates and long hexadecimal names are told by their shape at once. Other names become ``{name}`` (by
extension: ``{name}.png``) once so many stand beside each other in one place that they must be data.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from typing import Protocol

MAX_DEPTH = 16
"""Segments that are told apart; what is deeper is one place."""
MAX_SIBLINGS = 40
"""Names beside each other that are taken for fixed parts of the application."""
MAX_SLUGS = 8
"""As many of those with a digit or a dash in them, as slugs of articles have."""
MAX_SEGMENT = 80
"""Characters of a segment that is kept as it stands; a longer one is data."""
REST = "{rest}"
EMPTY = "{}"
"""The child that a slash at the end of a path leads to."""

_SHAPES = (
    ("{uuid}", re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")),
    ("{date}", re.compile(r"[0-9]{4}-[0-9]{2}(?:-[0-9]{2})?")),
    ("{hex}", re.compile(r"[0-9A-Fa-f]{12,80}")),
)
_DIGIT = re.compile(r"[0-9]")
_EXTENSION = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,5}$")
_SLUGGISH = re.compile(r"[\d-]")


class Tree(Protocol):
    """What is asked of a node of a tree of places."""

    @property
    def children(self) -> Mapping[str, Tree]: ...


def segments_of(path: str) -> list[str]:
    """Return the segments of a path in normal form, without parameters; the last is empty for a folder."""
    parts = path.split("/")[1:]
    if ";" in path:
        parts = [part.partition(";")[0] for part in parts]
    return parts if len(parts) <= MAX_DEPTH else [*parts[:MAX_DEPTH], REST]


def shape_of(segment: str) -> str:
    """Return the template of a segment that is data by its shape, else nothing."""
    if len(segment) > MAX_SEGMENT:
        return slug_of(segment)
    if _DIGIT.search(segment) is None:
        return ""
    if segment.isdecimal():
        return "{int}" if segment.isascii() and len(segment) <= 20 else ""
    return next((template for template, pattern in _SHAPES if pattern.fullmatch(segment)), "")


def slug_of(segment: str) -> str:
    """Return the template that a name falls under where names are data."""
    extension = _EXTENSION.search(segment)
    return "{name}" + (extension[0].lower() if extension else "")


def key_of(children: Container[str], segment: str) -> str:
    """Return the child a segment leads to, whether there is one yet or not."""
    if not segment:
        return EMPTY
    if segment in children and _DIGIT.search(segment) is None:
        return segment
    if shape := shape_of(segment):
        return shape
    if segment in children:
        return segment
    slug = slug_of(segment)
    return slug if slug in children else segment


def crowded(names: Iterable[str]) -> list[str]:
    """Return those of the names beside each other, all of one extension, that are so many that they must be data."""
    every = list(names)
    if len(every) > MAX_SIBLINGS:
        return every
    sluggish = [name for name in every if _SLUGGISH.search(name)]
    return sluggish if len(sluggish) > MAX_SLUGS else []


def template_of(root: Tree, path: str) -> str:
    """Return the template of a path, as far as a tree knows it; templates stay as they are."""
    node: Tree | None = root
    template = ""
    for segment in segments_of(path):
        key = key_of(node.children if node is not None else (), segment)
        node = node.children.get(key) if node is not None else None
        template += f"/{'' if key == EMPTY else key}"
    return template
