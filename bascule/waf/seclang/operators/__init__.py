"""SecLang operators: a factory per name, from the macro-free argument to something that evaluates values.

Start reading at `OPERATORS`; each module groups one concept, `base.py` has the contracts.
"""

from __future__ import annotations

from .base import (
    NO_DNS,
    LimitExceededError,
    LoadContext,
    Match,
    NotSetUpError,
    Operator,
    OperatorError,
    OperatorFactory,
    Resolver,
    Scope,
)
from .detect import DETECT_OPERATORS
from .identity import IDENTITY_OPERATORS
from .ip import IP_OPERATORS
from .lookup import LOOKUP_OPERATORS
from .numeric import NUMERIC_OPERATORS
from .pm import PM_OPERATORS
from .rx import RX_OPERATORS
from .text import TEXT_OPERATORS
from .validate import VALIDATE_OPERATORS
from .xml import XML_OPERATORS

OPERATORS: dict[str, OperatorFactory] = {
    **TEXT_OPERATORS,
    **NUMERIC_OPERATORS,
    **IP_OPERATORS,
    **PM_OPERATORS,
    **RX_OPERATORS,
    **VALIDATE_OPERATORS,
    **IDENTITY_OPERATORS,
    **DETECT_OPERATORS,
    **LOOKUP_OPERATORS,
    **XML_OPERATORS,
}
"""Every operator by its lower-case name, without the `@`. Factories raise OperatorError."""

__all__ = [
    "NO_DNS", "OPERATORS", "LimitExceededError", "LoadContext", "Match", "NotSetUpError", "Operator", "OperatorError",
    "OperatorFactory", "Resolver", "Scope",
]  # fmt: skip
