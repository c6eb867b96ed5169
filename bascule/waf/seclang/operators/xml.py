"""@validateDTD and @validateSchema: they match XML that is not valid."""

from __future__ import annotations

from io import BytesIO

from lxml import etree

from bascule.waf.bodies.xml import parse_document

from .base import LoadContext, Match, OperatorError, OperatorFactory


class _Validate:
    """The engine gives the parsed request body to `evaluate_document`; `evaluate` parses the value itself."""

    def __init__(self, validator: etree.DTD | etree.XMLSchema) -> None:
        self._validator = validator

    def evaluate_document(self, document: etree._Element | None) -> Match | None:
        """Match a document that is missing, not well-formed (None) or not valid."""
        if document is not None and self._validator.validate(document):
            return None
        return Match(b"")

    def evaluate(self, value: bytes) -> Match | None:
        """Match a text that is no valid document."""
        return self.evaluate_document(parse_document(value))


def _dtd(argument: bytes, context: LoadContext) -> _Validate:
    name = argument.strip().decode("utf-8", "replace")
    try:
        return _Validate(etree.DTD(BytesIO(context.file(name, "validateDTD"))))
    except etree.LxmlError as error:
        raise OperatorError(f"@validateDTD: {name!r} is no DTD: {error}; correct the file") from error


def _schema(argument: bytes, context: LoadContext) -> _Validate:
    name = argument.strip().decode("utf-8", "replace")
    document = parse_document(context.file(name, "validateSchema"))
    if document is None:
        raise OperatorError(f"@validateSchema: {name!r} is no well-formed XML; name an XML Schema")
    try:
        return _Validate(etree.XMLSchema(document))
    except etree.LxmlError as error:
        raise OperatorError(f"@validateSchema: {name!r} is no XML Schema: {error}; correct the file") from error


XML_OPERATORS: dict[str, OperatorFactory] = {"validatedtd": _dtd, "validateschema": _schema}
