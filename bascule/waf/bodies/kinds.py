"""What a body is that no parser here reads: text, a message to a program, or a file that is kept."""

from __future__ import annotations

import re

LOOKED_AT = 512
"""Bytes at the start of a body by which files are told from texts."""
_TEXT_BYTES = bytes((9, 10, 13, *range(32, 127), *range(128, 256)))
_MESSAGE = re.compile(
    rb"rpc|protobuf|msgpack|messagepack|cbor|bson|avro|thrift|amf\b|hessian|seriali[sz]|pickle|marshal|yaml|sparql|msbin"
)
"""Types of bodies that no parser here reads, yet that programs act on: they are no files to be kept."""
_SERIALISED = (b"\xac\xed\x00\x05", b"\x00\x01\x00\x00\x00\xff\xff\xff\xff")
"""What objects of Java and .NET begin with: who reads them does not ask for the type."""


def media_type(content_type: bytes) -> bytes:
    """Return a Content-Type in lower case without its parameters."""
    return content_type.partition(b";")[0].strip().lower()


def is_binary(content: bytes) -> bool:
    """Tell whether there is what no text has, by the first bytes."""
    return bool(content[:LOOKED_AT].translate(None, _TEXT_BYTES))


def is_message(kind: bytes, body: bytes) -> bool:
    """Tell whether a program acts on such a body. `kind` is a media type in lower case."""
    return _MESSAGE.search(kind) is not None or body.startswith(_SERIALISED)
