"""What a child says to the supervisor. Each message is taken for one of these or not at all: a worker is what an
attacker reaches first, and nothing that it says may end the process that would start it again."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

LONGEST_ERROR = 4000
"""Characters that are told of why a process failed."""


class MessageError(ValueError):
    """No child says this."""


class Ready(msgspec.Struct, tag_field="event", tag="ready", frozen=True):
    """It accepts."""


class Draining(msgspec.Struct, tag_field="event", tag="draining", frozen=True):
    """It accepts no more."""


class Failed(msgspec.Struct, tag_field="event", tag="failed", frozen=True):
    """It could not start."""

    error: str


class Swollen(msgspec.Struct, tag_field="event", tag="swollen", frozen=True):
    """A worker keeps so many bytes of a crowd that has gone."""

    kept: Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]


class Keep(msgspec.Struct, tag_field="event", tag="keep", frozen=True):
    """The keeper found out a durable value."""

    topic: str
    payload: Any


class Call(msgspec.Struct, tag_field="event", tag="call", frozen=True):
    """The keeper asks for something."""

    call: str
    id: int


Report = Ready | Draining | Failed | Swollen | Keep | Call


def read(message: Any, *, keeper: bool) -> Report:
    """Return what a decoded message of the keeper or of a worker says. Raises MessageError."""
    try:
        report: Report = msgspec.convert(message, Report)
    except msgspec.ValidationError as error:
        raise MessageError(str(error)) from None
    if not keeper and isinstance(report, Keep | Call):
        raise MessageError("only the keeper may ask")
    return report
