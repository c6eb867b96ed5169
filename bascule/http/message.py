"""Heads of requests and responses, parsed and framed. Bodies never live here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from bascule.http.fields import Field, Kind
from bascule.http.h1.block import NO_LENGTH, Block

__all__ = ["NO_LENGTH", "RequestHead", "ResponseHead"]


class _Head(ABC):
    """What both kinds of head share: the block of their fields, and the fields that were cut out of it."""

    __slots__ = ("block", "chunked", "keep_alive", "length", "minor", "passed", "varying")

    block: Block
    varying: list[Field]
    passed: bytes
    """The lines of the varying fields, as they are forwarded; Content-Length, which is written anew, is not of them."""

    @abstractmethod
    def copied(self) -> Self:
        """Return a copy."""

    @property
    def fields(self) -> list[Field]:
        """All fields; those that vary come last."""
        return self.block.fields + self.varying

    def value(self, name: bytes) -> bytes:
        """Return the first value of a field, or empty."""
        for field in self.fields:
            if field[0] == name:
                return field[1]
        return b""

    def values(self, name: bytes) -> list[bytes]:
        """Return all values of a field."""
        return [field[1] for field in self.fields if field[0] == name]

    def amended(self, values: dict[tuple[bytes, bytes], bytes]) -> Self:
        """Return a copy in which fields have other values, given by (name, value as it is)."""
        head = self.copied()
        head.block = self.block.with_fields([_amended(field, values) for field in self.block.fields])
        head.varying = [_amended(field, values) for field in self.varying]
        head.passed = b"".join([field[3] for field in head.varying if field[2] != Kind.CONTENT_LENGTH])
        return head

    def with_field(self, name: bytes, value: bytes) -> Self:
        """Return a copy with a further field, which is passed on."""
        head = self.copied()
        head.varying = [*self.varying, (name, value, Kind.PLAIN, b"%b: %b\r\n" % (name, value))]
        head.passed = b"".join([field[3] for field in head.varying if field[2] != Kind.CONTENT_LENGTH])
        return head

    def without(self, names: frozenset[bytes]) -> Self:
        """Return a copy without some fields."""
        head = self.copied()
        head.block = self.block.with_fields([field for field in self.block.fields if field[0] not in names])
        head.varying = [field for field in self.varying if field[0] not in names]
        head.passed = b"".join([field[3] for field in head.varying if field[2] != Kind.CONTENT_LENGTH])
        return head


def _amended(field: Field, values: dict[tuple[bytes, bytes], bytes]) -> Field:
    value = values.get((field[0], field[1]))
    return field if value is None else (field[0], value, field[2], b"%b: %b\r\n" % (field[0], value))


def _with_referer(fields: list[Field], value: bytes) -> list[Field]:
    line = b"referer: %b\r\n" % value
    return [
        (field[0], value, field[2], line) if field[0] == b"referer" else field
        for field in fields
        if value or field[0] != b"referer"
    ]


class RequestHead(_Head):
    """The head of a request. `length` is the Content-Length or NO_LENGTH; `chunked` says that the body is."""

    __slots__ = ("authority", "host", "line_target", "method", "port", "referer", "target")

    def __init__(self, method: bytes, target: bytes, block: Block, varying: list[Field], passed: bytes = b"") -> None:
        self.method = method
        self.target = target
        """Origin-form (or ``*``): path and query as the client sent them."""
        self.line_target = target
        """The target of the request line: the whole of it where it is in absolute-form."""
        self.block = block
        self.varying = varying
        self.passed = passed
        self.minor = block.minor
        """0 or 1: HTTP/1.0 or HTTP/1.1."""
        self.authority = block.authority
        """The authority of the target URI as sent: Host, or that of an absolute-form target."""
        self.host = block.host
        """Its host name: lower case, no port, no trailing dot."""
        self.port = block.port
        self.length = block.length
        self.chunked = block.chunked
        self.keep_alive = block.keep_alive
        self.referer = block.referer

    def with_referer(self, value: bytes) -> RequestHead:
        """Return a copy in which Referer, however often it is there, has another value; an empty one takes it out."""
        head = self.copied()
        if self.block.referer:
            head.block = self.block.with_fields(_with_referer(self.block.fields, value))
        head.varying = _with_referer(self.varying, value)
        head.passed = b"".join([field[3] for field in head.varying if field[2] != Kind.CONTENT_LENGTH])
        return head

    def copied(self) -> RequestHead:
        """See _Head."""
        head = RequestHead(self.method, self.target, self.block, self.varying, self.passed)
        head.line_target = self.line_target
        head.authority, head.host, head.port = self.authority, self.host, self.port
        head.length, head.chunked, head.keep_alive = self.length, self.chunked, self.keep_alive
        head.referer = self.referer
        return head

    @property
    def has_body(self) -> bool:
        """Whether body bytes follow the head."""
        return self.chunked or self.length > 0

    @property
    def expect(self) -> bool:
        """Whether the client awaits 100 before it sends the body (HTTP/1.0 clients cannot: RFC 9110 10.1.1)."""
        return self.block.expect and self.minor == 1


class ResponseHead(_Head):
    """The head of a response. `length` is 0 where no body can follow, NO_LENGTH where its end is not announced."""

    __slots__ = ("announced", "reason", "status")

    def __init__(self, block: Block, varying: list[Field], passed: bytes = b"") -> None:
        self.status = block.status
        self.reason = block.reason
        self.minor = block.minor
        self.block = block
        self.varying = varying
        self.passed = passed
        self.length = block.length
        self.announced = block.length
        """The Content-Length as sent, also where no body follows (HEAD, 304)."""
        self.chunked = block.chunked
        self.keep_alive = block.keep_alive

    def copied(self) -> ResponseHead:
        """See _Head."""
        head = ResponseHead(self.block, self.varying, self.passed)
        head.status, head.reason = self.status, self.reason
        head.length, head.announced = self.length, self.announced
        head.chunked, head.keep_alive = self.chunked, self.keep_alive
        return head
