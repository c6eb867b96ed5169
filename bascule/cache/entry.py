"""What is kept of a response beside its content, and the marker that tells what responses of a URI vary by."""

from __future__ import annotations

import msgspec

from bascule.cache.storing import Lifetime, tags_of
from bascule.http.message import ResponseHead

Fields = tuple[tuple[bytes, bytes], ...]

HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authentication-info proxy-authorization te "
    b"trailer transfer-encoding upgrade alt-svc".split()
)
_REMADE = frozenset((b"content-length", b"age"))
_COOKIES = frozenset((b"set-cookie", b"set-cookie2"))


class Meta(msgspec.Struct, array_like=True, frozen=True, tag="response"):
    """A stored response without its content. Times are seconds, `stored` of the epoch; see `storing.Lifetime`."""

    uri: bytes
    status: int
    reason: bytes
    fields: Fields
    size: int
    """Bytes of the content."""
    stored: float
    age: int
    """Its age when it was stored."""
    fresh: int
    while_revalidating: int
    if_error: int
    always_validate: bool
    strict: bool
    """Whether it must not be used when stale unless it said so itself."""
    for_known: bool
    tags: tuple[bytes, ...]
    variant: bytes
    """What the request said in the fields that responses vary by; see `keys.variant`."""

    def value(self, name: bytes) -> bytes:
        """Return the first value of a field, or empty."""
        for known, value in self.fields:
            if known == name:
                return value
        return b""


class Marker(msgspec.Struct, array_like=True, frozen=True, tag="marker"):
    """Stands for a URI whose responses vary: by which fields, and in which generation the responses are known."""

    uri: bytes
    names: tuple[bytes, ...]
    nonce: bytes
    """Part of the key of each variant: with a new one, the variants so far are out of reach."""


Record = Meta | Marker

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Record).decode


def encode(record: Record) -> bytes:
    """Return a record as bytes."""
    return _encode(record)


def decode(data: bytes) -> Record:
    """Return the record in `data`. Raises ValueError where there is none."""
    try:
        record: Record = _decode(data)
    except msgspec.MsgspecError as error:
        raise ValueError(f"no record of a cache: {error}") from None
    return record


def kept_fields(head: ResponseHead, life: Lifetime, date: bytes) -> Fields:
    """Return the fields that are stored (RFC 9111 3.1); `date` is the time of day where the server gave none."""
    left_out = HOP_BY_HOP | _REMADE | _COOKIES | life.omitted | frozenset(head.block.options)
    kept = tuple((field[0], field[1]) for field in head.fields if field[0] not in left_out)
    return kept if head.block.has_date else (*kept, (b"date", date))


def meta_of(
    head: ResponseHead,
    life: Lifetime,
    *,
    uri: bytes,
    variant: bytes,
    date: bytes,
    stored: float,
    age: int,
    size: int = 0,
) -> Meta:
    """Return what is kept of a response; times as in `Meta`."""
    return Meta(
        uri=uri,
        status=head.status,
        reason=head.reason,
        fields=kept_fields(head, life, date),
        size=size,
        stored=stored,
        age=age,
        fresh=life.fresh,
        while_revalidating=life.while_revalidating,
        if_error=life.if_error,
        always_validate=life.always_validate,
        strict=life.strict,
        for_known=life.for_known,
        tags=tags_of(head),
        variant=variant,
    )


def lines_of(status: int, reason: bytes, fields: Fields) -> bytes:
    """Return a head as a server would have sent it."""
    lines = b"".join([b"%b: %b\r\n" % field for field in fields])
    return b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, reason, lines)
