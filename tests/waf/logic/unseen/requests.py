"""Requests that carry the texts of this folder, each in the place that stands beside it."""

from __future__ import annotations

from collections.abc import Iterator

from tests.waf.logic.unseen.attacks import ATTACKS
from tests.waf.logic.unseen.honest import HONEST
from tests.waf.logic.unseen.testers import ATTACKS as TESTERS
from tests.waf.logic.wild.requests import Row, attacks_of, harmless_of


def attacks() -> Iterator[Row]:
    """Yield every attack, labelled by its class."""
    yield from attacks_of(ATTACKS + TESTERS)


def harmless() -> Iterator[Row]:
    """Yield every honest request."""
    yield from harmless_of(HONEST)
