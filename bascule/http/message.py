"""Heads of requests and responses, parsed and framed. Bodies never live here."""

from __future__ import annotations

from bascule.http.fields import Field

NO_LENGTH = -1
NO_OPTIONS: list[bytes] = []
NO_FIELDS: list[Field] = []


class RequestHead:
    """The head of a request.

    `fields` are all fields in order; `specials` those whose kind is not PLAIN.
    `length` is the Content-Length or NO_LENGTH; `chunked` says that the body is.
    """

    __slots__ = (
        "authority",
        "chunked",
        "connection",
        "expect",
        "fields",
        "host",
        "keep_alive",
        "length",
        "method",
        "minor",
        "port",
        "referer",
        "specials",
        "target",
        "upgrade",
        "user_agent",
    )

    def __init__(self, method: bytes, target: bytes, minor: int) -> None:
        self.method = method
        self.target = target
        """Origin-form (or ``*``): path and query as the client sent them."""
        self.minor = minor
        """0 or 1: HTTP/1.0 or HTTP/1.1."""
        self.fields: list[Field] = NO_FIELDS
        self.specials: list[Field] = NO_FIELDS
        self.authority = b""
        """The authority of the target URI as sent: Host, or that of an absolute-form target."""
        self.host = b""
        """Its host name: lower case, no port, no trailing dot."""
        self.port = 0
        self.length = NO_LENGTH
        self.chunked = False
        self.keep_alive = minor == 1
        self.connection: list[bytes] = NO_OPTIONS
        """Connection options other than keep-alive and close."""
        self.upgrade = b""
        self.expect = False
        self.user_agent = b""
        self.referer = b""

    @property
    def has_body(self) -> bool:
        """Whether body bytes follow the head."""
        return self.chunked or self.length > 0

    def value(self, name: bytes) -> bytes:
        """Return the first value of a field, or empty."""
        for field in self.fields:
            if field[0] == name:
                return field[1]
        return b""

    def values(self, name: bytes) -> list[bytes]:
        """Return all values of a field."""
        return [field[1] for field in self.fields if field[0] == name]


class ResponseHead:
    """The head of a response; see RequestHead for `fields` and `specials`."""

    __slots__ = (
        "chunked",
        "fields",
        "keep_alive",
        "length",
        "minor",
        "reason",
        "specials",
        "status",
        "upgrade",
    )

    def __init__(self, status: int, reason: bytes, minor: int) -> None:
        self.status = status
        self.reason = reason
        self.minor = minor
        self.fields: list[Field] = NO_FIELDS
        self.specials: list[Field] = NO_FIELDS
        self.length = NO_LENGTH
        self.chunked = False
        self.keep_alive = minor == 1
        self.upgrade = b""

    def value(self, name: bytes) -> bytes:
        """Return the first value of a field, or empty."""
        for field in self.fields:
            if field[0] == name:
                return field[1]
        return b""
