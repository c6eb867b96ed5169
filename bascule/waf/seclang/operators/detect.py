"""@detectSQLi and @detectXSS."""

from __future__ import annotations

from bascule.waf.libinjection import is_sqli, is_xss

from .base import LoadContext, Match, OperatorFactory


class DetectSqli:
    """libinjection calls the value SQL injection; captures the fingerprint."""

    __slots__ = ()

    def __init__(self, argument: bytes, context: LoadContext) -> None:
        pass

    def evaluate(self, value: bytes) -> Match | None:
        """Return the fingerprint."""
        fingerprint = is_sqli(value)
        return None if fingerprint is None else Match(fingerprint, (fingerprint,))


class DetectXss:
    """libinjection calls the value cross-site scripting; captures the value."""

    __slots__ = ()

    def __init__(self, argument: bytes, context: LoadContext) -> None:
        pass

    def evaluate(self, value: bytes) -> Match | None:
        """Return the whole value."""
        return Match(value, (value,)) if is_xss(value) else None


DETECT_OPERATORS: dict[str, OperatorFactory] = {"detectsqli": DetectSqli, "detectxss": DetectXss}
